"""The page's files in their bucket: what `npm run build` wrote in web/."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chalicelib.data import mount

MOUNT = '<meta name="chat-mount" content="" />'
DASHBOARD = Path(__file__).resolve().parents[1] / "web" / "dist-dashboard"
BELOW = "_/"
_FOR_EVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


def mounted(page: bytes, name: str) -> bytes:
    """The page of a deployment whose chat has names of its own (CHAT_MOUNT): it calls them."""
    return page.replace(MOUNT.encode(), MOUNT.replace('""', f'"{name}"').encode()) if name else page


def publish(client: Any, folder: Path, bucket: str, tell: Callable[[str], object], below: str = "") -> int:
    """Upload the built page. Names of assets carry their content, so old ones stay for tabs that are open.

    Args:
        client: S3's.
        folder: the built page; without it nothing happens, and that is said.
        bucket: where it goes.
        tell: takes a line of progress.
        below: what goes before every name.

    Returns:
        How many files were sent.
    """
    if not (folder / "index.html").is_file():
        tell(f"no page: {folder.parent.name}/{folder.name}/index.html has not been built; the doors work without it")
        return 0
    # The page itself last: it names the others.
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: (path.name == "index.html", path))
    for file in files:
        key = file.relative_to(folder).as_posix()
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        kept = _FOR_EVER if key.startswith("assets/") else _ASK_AGAIN
        body = mounted(file.read_bytes(), mount.MOUNT) if key == "index.html" else file.read_bytes()
        client.put_object(Bucket=bucket, Key=below + key, Body=body, ContentType=kind, CacheControl=kept)
    tell(f"the {'dashboard' if below else 'page'}: {len(files)} files")
    return len(files)


def dashboard(client: Any, bucket: str, shown: bool, tell: Callable[[str], object]) -> None:
    """The dashboard's files at `/_/`: sent where it is shown, taken away where it is not."""
    if shown:
        publish(client, DASHBOARD, bucket, tell, BELOW)
    else:
        clear(client, bucket, BELOW)


def clear(client: Any, bucket: str, below: str = "") -> None:
    """Empty the bucket, so that it can be deleted; or only of what is `below`."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=below):
        names = [{"Key": each["Key"]} for each in page.get("Contents", ())]
        if names:
            client.delete_objects(Bucket=bucket, Delete={"Objects": names, "Quiet": True})
