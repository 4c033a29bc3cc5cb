"""What the local server answers by itself, without a Lambda: `@connections`, token minting, the key set, the page.

None of it exists in the cloud under this host: there AWS serves `@connections`, an OIDC provider mints tokens, and S3 has
the web app.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import unquote

from chalicelib.doors.headers import FRAMES
from infra.local.aws.api_gateway import Connections
from infra.local.aws.shapes import Request
from infra.local.origin_check import is_loopback

CONNECTIONS = re.compile(r"/_aws/ws/@connections/([^/]+)")

_GATEWAY_ERRORS = {
    403: "ForbiddenException",
    410: "GoneException",
    413: "PayloadTooLargeException",
    429: "LimitExceededException",
}


SECURITY = (("Content-Security-Policy", FRAMES), ("X-Frame-Options", "DENY"), ("X-Content-Type-Options", "nosniff"))


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def json(cls, status: int, value: Any, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
        """A JSON response."""
        return cls(status, json.dumps(value).encode(), (("Content-Type", "application/json"), *headers))

    @classmethod
    def error(cls, status: int, code: str, message: str) -> Answer:
        """An error as the HTTP door shapes it: clients read both keys."""
        return cls.json(status, {"code": code, "message": message})

    def last(self) -> Answer:
        """The answer, after which the connection ends: the rest of the request is not read."""
        return replace(self, headers=(*self.headers, ("Connection", "close")))

    def secured(self) -> Answer:
        """The answer, told to browsers as nothing to frame or to guess at; a header that it has itself stays."""
        named = {name.lower() for name, _ in self.headers}
        return replace(self, headers=(*self.headers, *(each for each in SECURITY if each[0].lower() not in named)))


class Issuer(Protocol):
    """Mints tokens for whoever asks."""

    def token(self, subject: str, org: str, **claims: Any) -> str:
        """A signed token."""

    def jwks(self) -> dict[str, Any]:
        """The public keys."""


class Files(Protocol):
    """Has files of a page."""

    def answer(self, request: Request) -> Answer | None:
        """A file, or None."""

    def page_for(self, request: Request) -> Answer | None:
        """The page for an address that nobody knows; None where no browser asks for a page."""


class Below(Protocol):
    """Answers what is below an address of its own."""

    def answer(self, request: Request) -> Answer | None:
        """The answer, or None where the address is not its."""


class Working(Protocol):
    """Answers what takes long."""

    def wants(self, request: Request) -> bool:
        """Whether this request is for it."""

    def answer(self, request: Request) -> Answer:
        """The answer, when it is through."""


class LocalRoutes:
    """Answers a request, or leaves it to the app (None).

    Args:
        issuer: mints tokens; None where another provider does.
        site: the page's files.
        now: the time of day, for GetConnection.
        posted_to: whether other processes of this machine may use `@connections`. Not where a proxy of this machine hands on
            requests from anywhere: they would look like this machine's own.
        below: each answers below an address of its own: the dashboard, the guides.
        working: answers what takes long; None where nothing does.
    """

    def __init__(
        self,
        issuer: Issuer | None,
        site: Files,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        posted_to: bool = True,
        below: Sequence[Below] = (),
        working: Working | None = None,
    ) -> None:
        self._issuer, self._site, self._now, self._posted_to = issuer, site, now, posted_to
        self._below, self._working = below, working

    def answer(self, request: Request, connections: Connections) -> Answer | None:
        """The response, or None where the app has to say it. `OriginCheck` has let the request in already."""
        match = CONNECTIONS.fullmatch(unquote(request.path))
        if match and self._posted_to:
            return self._connections(request, connections, match[1])
        if self._issuer is not None and request.path == "/dev/token":
            return self._token(request, self._issuer)
        if self._issuer is not None and request.path == "/.well-known/jwks.json":
            return Answer.json(200, self._issuer.jwks(), _cors(request))
        found = next((answer for each in self._below if (answer := each.answer(request)) is not None), None)
        return found or self._site.answer(request)

    def working(self, request: Request) -> Callable[[Request], Answer] | None:
        """What answers this request when it is through, to be called in a thread of its own; None to all that is quick."""
        return self._working.answer if self._working is not None and self._working.wants(request) else None

    def unknown(self, request: Request) -> Answer | None:
        """What to say instead of the app's 404, or None to leave it at that."""
        return self._site.page_for(request)

    def _token(self, request: Request, issuer: Issuer) -> Answer:
        if request.method == "OPTIONS":
            return Answer(204, headers=_cors(request))
        if request.method != "POST":
            return Answer.error(405, "MethodNotAllowed", 'POST {"subject": "alice", "org": "acme"}')
        try:
            asked = json.loads(request.body)
            subject, org, roles = asked["subject"], asked["org"], asked.get("roles", [])
        except (ValueError, TypeError, KeyError, AttributeError):
            subject = org = None
        if not (isinstance(subject, str) and subject and isinstance(org, str) and org):
            return Answer.error(400, "BadRequest", 'the body must be JSON such as {"subject": "alice", "org": "acme"}')
        if not (isinstance(roles, list) and all(isinstance(role, str) for role in roles)):
            return Answer.error(400, "BadRequest", '`roles` is a list of words, such as ["service"]')
        claims = {"roles": roles} if roles else {}
        return Answer.json(200, {"token": issuer.token(subject, org, **claims)}, (*_cors(request), *_NO_STORE))

    def _connections(self, request: Request, connections: Connections, connection: str) -> Answer:
        """PostToConnection, DeleteConnection, GetConnection. Only programs on this machine; browsers always send an Origin."""
        if not is_loopback(request.peer) or request.header("origin") is not None:
            return _gateway_error(403)
        if request.method == "POST":
            status = connections.post(connection, request.body.decode(errors="replace"))
            return Answer(200) if status == 200 else _gateway_error(status)
        if request.method == "DELETE":
            status = connections.delete(connection)
            return Answer(204) if status == 204 else _gateway_error(status)
        found = connections.get(connection)
        if request.method != "GET" or found is None:
            return _gateway_error(410 if request.method == "GET" else 403)
        return Answer.json(200, {**connections.times(found, self._now()), "identity": found.identity})


_NO_STORE = (("Cache-Control", "no-store"),)


def _cors(request: Request) -> tuple[tuple[str, str], ...]:
    """For pages of another port of this machine; `OriginCheck` has let the origin in."""
    origin = request.header("origin")
    if origin is None:
        return ()
    return (
        ("Access-Control-Allow-Origin", origin),
        ("Access-Control-Allow-Headers", request.header("access-control-request-headers") or "content-type"),
        ("Access-Control-Allow-Methods", "GET, POST, OPTIONS"),
        ("Vary", "Origin"),
    )


def _gateway_error(status: int) -> Answer:
    name = _GATEWAY_ERRORS[status]
    return Answer.json(status, {"message": name.removesuffix("Exception")}, (("x-amzn-ErrorType", name),))
