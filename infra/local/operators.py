"""The operator's side of a server on one machine: its pair of keys, links to the dashboard, and the dashboard's files at `/_/`.

A link works once. It turns into a cookie that no script can read and no other site can send; for that cookie the page gets keys
of an hour, with which it calls like any other operator (`chalicelib/runtime/operators.py`).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from chalicelib.doors.headers import DASHBOARD
from chalicelib.runtime.identity import User
from chalicelib.runtime.keys import AuthFailed
from chalicelib.runtime.operators import Operators, Role, mint
from infra.local.aws.shapes import Request
from infra.local.origin_check import is_loopback
from infra.local.routes import Answer
from infra.local.site import Site

ROOT = "/_/"
COOKIE = "concave_operator"
STAY_S = 12 * 3600
"""So long a browser stays an operator's."""
KEY_S = 3600
LINK_S = 24 * 3600
"""So long a link that nobody has opened works."""
MOST_LINKS = 100
OWN_NAME = "dashboard"
"""Whom the audit names where the link is the one that the server has printed."""


def operator_key(folder: Path, name: str = "operator.key") -> str:
    """The private key that signs the keys of operators: made once, kept in the data folder, readable by its owner alone.

    Args:
        name: the file's; each stage in AWS has a pair of its own.
    """
    path = folder / name
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=folder, prefix=".operator-")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(32))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # another process was first, and its key is as good
                os.link(draft, path)
        finally:
            os.unlink(draft)
    return path.read_text(encoding="ascii").strip()


class SystemClock:
    """The time of day, as keys are checked by it."""

    @staticmethod
    def now_ms() -> int:
        """Milliseconds since the epoch."""
        return int(time.time() * 1000)


@dataclass(frozen=True)
class Link:
    """A link that was not opened yet. Whoever opens it is the operator who had it made, for as long as that one's key counts."""

    role: Role
    until: float
    name: str
    ends: float
    """When the key that it was made with ends (seconds since the epoch)."""


class Dashboard:
    """Answers below `/_/`.

    Args:
        folder: the built dashboard; it may come into being later.
        operators: checks keys.
        private: signs them.
        everywhere: answer other machines, too; else only this one.
        tls: whether browsers reach it by TLS without a proxy.
        about: what the page is told beside its key.
        now: seconds since the epoch.
    """

    def __init__(
        self,
        folder: Path,
        operators: Operators,
        private: str,
        *,
        everywhere: bool = False,
        tls: bool = False,
        about: Mapping[str, object] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._files, self._operators, self._private = Site(folder), operators, private
        self._everywhere, self._tls, self._about, self._now = everywhere, tls, about or {}, now
        self._links: dict[str, Link] = {}
        self._gate = threading.Lock()

    def link(self, role: Role = "edit", name: str = OWN_NAME, ends: float = math.inf) -> str:
        """A new path that makes one browser an operator's, once.

        Args:
            name: whom the audit names, and with whose keys the browser's end.
            ends: when the key of whoever asks ends, in seconds since the epoch.
        """
        key = secrets.token_urlsafe(24)
        with self._gate:
            now = self._now()
            self._links = {name: kept for name, kept in self._links.items() if kept.until > now}
            while len(self._links) >= MOST_LINKS:
                del self._links[next(iter(self._links))]
            self._links[key] = Link(role, now + LINK_S, name, ends)
        return f"{ROOT}?key={key}"

    def answer(self, request: Request) -> Answer | None:
        """The answer to a request below `/_/`; None to all others, and to other machines."""
        path = request.path
        if not (path.startswith(ROOT) or path == ROOT.rstrip("/")) or not (self._everywhere or is_loopback(request.peer)):
            return None
        if path == ROOT.rstrip("/"):
            return Answer(308, b"", (("Location", ROOT),))
        if path == f"{ROOT}session":
            return self._session(request)
        if path == f"{ROOT}link":
            return self._new_link(request)
        if request.method not in ("GET", "HEAD"):
            return Answer.error(405, "MethodNotAllowed", f"{path} takes GET.")
        key = dict(request.query).get("key")
        return self._enter(request, key) if key and path == ROOT else self._file(request)

    def _enter(self, request: Request, key: str) -> Answer:
        if request.method == "HEAD":  # what only looks, such as a preview of a link, does not use it up
            return Answer.error(405, "MethodNotAllowed", "A link is opened by GET.")
        with self._gate:
            link = self._links.pop(key, None)
        if link is None or link.until < self._now():
            told = "<!doctype html><title>Concave</title><p>This link was used, or is too old. `concave dashboard` makes another."
            return Answer(403, told.encode(), (("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")))
        now = int(self._now())
        until = min(now + STAY_S, link.ends)
        value = mint(self._private, link.role, link.name, int(until))
        cookie = self._cookie(request, value, max(0, int(until) - now))
        return Answer(303, b"", (("Location", ROOT), ("Set-Cookie", cookie), ("Cache-Control", "no-store"), *_PRIVATE))

    def _session(self, request: Request) -> Answer:
        """POST: a key of an hour for the page whose browser has the cookie. DELETE: the browser forgets it."""
        if request.method == "DELETE":
            return Answer(204, b"", (("Set-Cookie", self._cookie(request, "", 0)),))
        if request.method != "POST":
            return Answer.error(405, "MethodNotAllowed", "A session is asked for by POST.")
        host = (request.header("host") or "").lower()
        if (request.header("origin") or "").lower() not in (f"http://{host}", f"https://{host}"):
            return Answer.error(403, "Forbidden", "Only the dashboard itself gets a session.")
        user = self._known(request)
        if user is None:
            return Answer.error(401, "Unauthenticated", "Open the link that the server has printed, or `concave dashboard`.")
        until = min(int(self._now()) + KEY_S, user.expires_at // 1000 if user.expires_at else math.inf)
        role: Role = "edit" if user.operator_role == "edit" else "read"
        key = mint(self._private, role, user.operator_name, int(until))
        told = {"key": key, "role": role, "expires": int(until) * 1000, **self._about}
        return Answer.json(200, told, (("Cache-Control", "no-store"), *_PRIVATE))

    def _known(self, request: Request) -> User | None:
        """The operator whose cookie came. Other programs of this machine, and older servers, may have set cookies beside it."""
        name = _cookie_name(request)
        for part in (request.header("cookie") or "").split(";"):
            here, _, value = part.strip().partition("=")
            if here == name:
                with contextlib.suppress(AuthFailed):
                    return self._operators.user(value)
        return None

    def _cookie(self, request: Request, value: str, seconds: int) -> str:
        secure = self._tls or request.header("x-forwarded-proto") == "https"
        return (
            f"{_cookie_name(request)}={value}; Path={ROOT}; Max-Age={seconds}; HttpOnly; SameSite=Strict"
            f"{'; Secure' if secure else ''}"
        )

    def _new_link(self, request: Request) -> Answer:
        """POST {role?} with an operator's key: a new link."""
        scheme, _, key = (request.header("authorization") or "").partition(" ")
        try:
            user = self._operators.by_header(key) if scheme.lower() == "convex" else None
            asked = json.loads(request.body or b"{}").get("role", "edit")
        except (AuthFailed, ValueError, AttributeError, RecursionError):
            user = asked = None
        if request.method != "POST" or user is None or asked not in ("read", "edit"):
            return Answer.error(401, "Unauthenticated", 'POST {"role": "read" or "edit"} with an operator\'s key.')
        role: Role = "edit" if asked == "edit" and user.operator_role == "edit" else "read"
        ends = user.expires_at / 1000 if user.expires_at else math.inf
        path = self.link(role, user.operator_name, ends)
        return Answer.json(200, {"path": path, "role": role}, (("Cache-Control", "no-store"),))

    def _file(self, request: Request) -> Answer:
        name = request.path.removeprefix(ROOT)
        asked = name if "." in name.rpartition("/")[2] else ""
        found = self._files.answer(replace(request, target=f"/{asked}"))
        if found is None:
            return Answer.error(404, "NotFound", f"There is nothing at {request.path}.")
        return replace(found, headers=(*found.headers, ("Content-Security-Policy", DASHBOARD), *_PRIVATE))


_PRIVATE = (("Referrer-Policy", "no-referrer"), ("Cross-Origin-Opener-Policy", "same-origin"))


def _cookie_name(request: Request) -> str:
    """With the port, which cookies do not know (RFC 6265, section 8.5): the servers of a machine must not take each other's."""
    port = re.search(r":(\d+)$", request.header("host") or "")
    return f"{COOKIE}_{port[1]}" if port else COOKIE
