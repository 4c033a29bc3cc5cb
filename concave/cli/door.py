"""The operator's door to a running server: where it is, the key, and calls over HTTP.

Which server, in this order: `--url` and `--key`; CONCAVE_URL and CONCAVE_ADMIN_KEY; the project's own server on this machine,
whose data folder says on which port it listens and signs keys for whoever may read it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from chalicelib.environment import BadSetting, hex_of

TIMEOUT_S = 60
NO_SERVER = "No server of this project is running on this machine: start it with `concave dev`, or say --url and --key."


@dataclass(frozen=True)
class Door:
    """A server that answers, and a key that opens it."""

    url: str
    key: str

    def call(self, path: str, args: dict[str, Any], org: str | None = None, subject: str | None = None) -> Any:
        """What a function answers. Raises `click.ClickException` with what it says."""
        acting = {name: value for name, value in (("org", org), ("subject", subject)) if value is not None}
        body = {"path": path, "args": args, "format": "json"}
        told = self.request("POST", "/api/function", body, acting)
        for line in told.get("logLines", ()):
            click.echo(line, err=True)
        if told["status"] == "error":
            raise click.ClickException(str(told["errorMessage"]))
        return told["value"]

    def request(
        self, method: str, path: str, body: Any = None, acting: dict[str, str] | None = None, timeout_s: int = TIMEOUT_S
    ) -> Any:
        """The JSON that an address answers. Raises `click.ClickException`."""
        key = self.key
        if acting:
            key += ":" + base64.b64encode(json.dumps(acting).encode()).decode()
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Convex {key}", "Content-Type": "application/json"}
        asked = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - an address that was given
        try:
            with urllib.request.urlopen(asked, timeout=timeout_s) as answer:  # noqa: S310
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise click.ClickException(_said(error)) from None
        except (OSError, ValueError) as error:
            raise click.ClickException(f"{self.url} does not answer: {error}") from None

    def logs(self, cursor: int, request: str = "") -> tuple[list[dict[str, Any]], int]:
        """The calls since a cursor, waiting for one; of 0 what is kept. `request`: those of one Request ID."""
        only = f"&request={quote(request)}" if request else ""
        told = self.request("GET", f"/api/stream_function_logs?cursor={cursor}{only}")
        return told["entries"], int(told["newCursor"])

    def pages(self, path: str, args: dict[str, Any], org: str | None, many: int) -> Iterator[Any]:
        """What the pages of a paginated query hold, one after the other."""
        cursor: str | None = None
        while many > 0:
            options = {"numItems": min(many, 200), "cursor": cursor}
            page = self.call(path, {**args, "paginationOpts": options}, org)
            yield from page["page"]
            many -= len(page["page"])
            if page["isDone"]:
                return
            cursor = page["continueCursor"]


def _said(error: urllib.error.HTTPError) -> str:
    try:
        told = json.load(error)
        return f"{told['message']} ({told['code']})"
    except (ValueError, KeyError, TypeError):
        return f"{error.url} answers {error.code}."


def opened(url: str | None, key: str | None, folder: Path) -> Door:
    """The server that is meant. Raises `click.ClickException` where there is none."""
    url = url or os.environ.get("CONCAVE_URL")
    key = key or os.environ.get("CONCAVE_ADMIN_KEY")
    if url is None:
        url = _here(folder)
        key = key or _minted(folder)
    if key is None:
        raise click.ClickException("A server elsewhere needs a key: --key, or CONCAVE_ADMIN_KEY. `concave key` makes one, there.")
    return Door(url.rstrip("/"), key)


def running(folder: Path) -> bool:
    """Whether a server of this data folder says that it listens."""
    return (folder / "port").is_file()


def private(folder: Path) -> str:
    """What signs the keys of the server on this machine. Raises `click.ClickException`."""
    try:
        given = hex_of(os.environ, "OPERATOR_KEY")
        return given[0] if given else (folder / "operator.key").read_text(encoding="ascii").strip()
    except BadSetting as error:
        raise click.ClickException(str(error)) from None
    except OSError:
        raise click.ClickException(f"{folder} has no operator.key yet: `concave dev` makes it.") from None


def _here(folder: Path) -> str:
    try:
        port = int((folder / "port").read_text(encoding="ascii"))
    except (OSError, ValueError):
        raise click.ClickException(NO_SERVER) from None
    return f"http://127.0.0.1:{port}"


def _minted(folder: Path) -> str:
    from chalicelib.runtime.operators import mint

    return mint(private(folder), "edit", signed_in())


def signed_in() -> str:
    """Whom the audit names: who is signed in at this machine."""
    return re.sub(r"[^A-Za-z0-9_.]", "_", os.environ.get("USER", ""))[:40] or "cli"
