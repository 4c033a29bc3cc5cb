"""The page at `/`: the built web app (`web/dist`), or a page that says how to get it.

Files whose name holds a hash of their content (`/assets/`) never change and are kept by browsers for good; every other
file is asked for again each time, and answered with 304 while it is the same. In the cloud S3 and CloudFront do this.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

from chalicelib.data import mount
from infra.local.aws.shapes import Request
from infra.local.routes import Answer
from infra.page import mounted

HOME_PAGE = Path(__file__).parent / "home.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".map": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
BACKEND = ("_", "api", "chat", "dev", "docs", "http", "version", "_aws", ".well-known")
"""How addresses begin that are never a page's."""


class Site:
    """The files of a built page.

    Args:
        folder: where the build puts them; it may come into being later.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def answer(self, request: Request) -> Answer | None:
        """A file, or None where there is none: the app answers then."""
        if request.method not in ("GET", "HEAD"):
            return None
        name = unquote(request.path).lstrip("/") or "index.html"
        found = self._file(name)
        if found is None:
            return self._without() if name in ("index.html", "favicon.ico") else None
        body = found.read_bytes() if name != "index.html" else mounted(found.read_bytes(), mount.MOUNT)
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        kept = "public, max-age=31536000, immutable" if name.startswith("assets/") else "no-cache"
        headers = (("ETag", tag), ("Cache-Control", kept))
        if tag in [each.strip() for each in (request.header("if-none-match") or "").split(",")]:
            return Answer(304, b"", headers)
        return Answer(200, body, (("Content-Type", TYPES.get(found.suffix, "application/octet-stream")), *headers))

    def page_for(self, request: Request) -> Answer | None:
        """The page for an address that neither a file nor the app knows, when a browser opens it: a page may have addresses of
        its own. None for programs, for files that are missing, and where the backend's own addresses begin."""
        opened = request.method in ("GET", "HEAD") and "text/html" in (request.header("accept") or "")
        parts = request.path.split("/")
        if not opened or parts[1] in BACKEND or "." in parts[-1] or self._file("index.html") is None:
            return None
        return self.answer(replace(request, target="/"))

    def _file(self, name: str) -> Path | None:
        """The file of this name below the folder, and nowhere else."""
        try:
            path = (self._folder / name).resolve()
            inside = path.is_relative_to(self._folder.resolve())
            return path if inside and path.is_file() else None
        except (OSError, ValueError):  # a name that no file can have: too long, a zero byte
            return None

    @staticmethod
    def _without() -> Answer:
        return Answer(200, HOME_PAGE.read_bytes(), (("Content-Type", TYPES[".html"]), ("Cache-Control", "no-store")))
