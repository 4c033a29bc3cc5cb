"""The guides at `/docs/`, as files that were built by `make guides`. Where they were not, the app answers `/docs` by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from infra.local.aws.shapes import Request
from infra.local.routes import Answer
from infra.local.site import Site

ROOT = "/docs/"
API = "/docs/api"
"""The app's own page below it: the REST interface."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


class Guides:
    """Answers below `/docs/`.

    Args:
        folder: the built site; it may come into being later.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._files = folder, Site(folder)

    def answer(self, request: Request) -> Answer | None:
        """A page or a file of the guides; None to what is not below `/docs/`, to the app's page, and where none is built."""
        path = request.path
        if not (path + "/").startswith(ROOT) or path.rstrip("/") == API or not (self._folder / "index.html").is_file():
            return None
        if path == ROOT.rstrip("/"):
            return Answer(308, b"", (("Location", ROOT),))
        name = path.removeprefix(ROOT) or "index.html"
        found = self._files.answer(replace(request, target=f"/{name}"))
        if found is None:
            return Answer.error(404, "NotFound", f"There is nothing at {path}; the guides begin at {ROOT}.")
        return replace(found, headers=(*found.headers, ("Content-Security-Policy", POLICY), ("Referrer-Policy", "no-referrer")))
