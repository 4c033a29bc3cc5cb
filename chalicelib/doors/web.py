"""What the HTTP doors share: requests, answers, refusals, and the parts of a request that mean the same behind all of them.

Errors are `{"code", "message"}` with a status: 4xx is the caller's, 5xx ours.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from chalicelib.data.errors import BadRequest, Conflict, NotFound, Refused, StoreFailed
from chalicelib.data.json_text import problem
from chalicelib.data.store import Store
from chalicelib.doors import edge
from chalicelib.runtime.admission import Admission
from chalicelib.runtime.errors import report
from chalicelib.runtime.identity import AuthFailed, User
from chalicelib.runtime.logs import Log
from chalicelib.runtime.operators import Operators, Role
from chalicelib.runtime.outcome import Outcome
from chalicelib.runtime.registry import Kind, Registry
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.runtime.call_log import KeptCalls

log = logging.getLogger("concave")

MAX_BODY_BYTES = 1024 * 1024
MAX_ANSWER_BYTES = 5 * 1024 * 1024
"""A Lambda may answer 6 MB, escapes included; one that answers more answers nothing."""
HALF = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F]")
"""One half of a surrogate pair without the other, as JSON escapes it."""
ANONYMOUS_KEY = 32
"""Callers without a token share one space of idempotency keys; a key of so many characters can be random enough for it."""


@dataclass(frozen=True)
class HttpRequest:
    """A request: `path` without the query string, `query` decoded, `headers` with lower-case names."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: str = ""
    """The address of whoever connected."""


@dataclass(frozen=True)
class HttpResponse:
    """An answer; the body is text."""

    status: int
    headers: dict[str, str]
    body: str


class Executor(Protocol):
    """Runs public functions by path; unknown and private ones come back as failed outcomes."""

    def query(self, path: str, args: dict[str, Any], user: User | None) -> Outcome: ...
    def mutation(self, path: str, args: dict[str, Any], user: User | None, key: str | None) -> Outcome: ...
    def action(self, path: str, args: dict[str, Any], user: User | None) -> Outcome: ...
    def transact(self, org: str, label: str, body: Callable[[Any], str]) -> Outcome: ...


class Verifier(Protocol):
    """Turns a token into a user or raises `AuthFailed`."""

    def verify(self, token: str) -> User: ...


class Clock(Protocol):
    """Time since the epoch, and waiting."""

    def now_ns(self) -> int: ...
    def now_ms(self) -> int: ...
    def sleep(self, seconds: float) -> None: ...


class Backend(Protocol):
    """What this door needs of the backend."""

    @property
    def executor(self) -> Executor: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def verifier(self) -> Verifier: ...
    @property
    def operators(self) -> Operators: ...
    @property
    def call_log(self) -> KeptCalls | None: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...
    @property
    def admission(self) -> Admission: ...


class Refusal(Exception):
    """The request is wrong (4xx) or cannot be served now (503): status, a stable code, one sentence."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers

    def response(self) -> HttpResponse:
        """This refusal as an answer."""
        return json_answer({"code": self.code, "message": self.message}, self.status, **self.headers)


Handler = Callable[[Backend, HttpRequest], HttpResponse]


def failure(error: Exception) -> Refusal:
    """Errors of the house by blame: see `data/errors.py`."""
    match error:
        case AuthFailed(tag="IssuerUnavailable"):
            return Refusal(503, error.tag, error.message, **{"retry-after": "5"})
        case AuthFailed():
            return Refusal(401, "Unauthenticated", error.message, **{"www-authenticate": "Bearer"})
        case NotFound():
            return Refusal(404, error.tag, error.message)
        case BadRequest():
            return Refusal(400, error.tag, error.message)
        case Conflict() | StoreFailed():
            log.warning("the store did not serve a request: %r", error)
            return Refusal(503, "Overloaded", "The store is busy; try again in a moment.", **{"retry-after": "1"})
    return Refusal(500, "InternalServerError", report(error, Log("http"), development=False, kind="request").message)


def caller(b: Backend, request: HttpRequest) -> User | None:
    """Who calls; None without an Authorization header."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "convex":
        return b.operators.by_header(token.strip())
    if scheme.lower() != "bearer" or not token.strip():
        raise AuthFailed("The Authorization header must be `Bearer` and a token, or `Convex` and an operator's key.")
    return b.verifier.verify(token.strip())


def operator(b: Backend, request: HttpRequest, role: Role = "read") -> User:
    """The operator who calls, with at least this role.

    Raises:
        AuthFailed: nobody's, or a wrong key.
        Refusal: 403, a key that may only read where `edit` is asked for.
    """
    user = caller(b, request)
    if user is None or not user.operator:
        raise AuthFailed("This is for operators: send `Authorization: Convex` and a key.")
    if role == "edit" and user.operator_role != "edit":
        raise Refusal(403, "ReadOnlyKey", "This key may only read; a key of the role edit is needed.")
    return user


def body_of(request: HttpRequest) -> dict[str, Any]:
    """The body, a JSON object. Raises `Refusal`."""
    if len(request.body) > MAX_BODY_BYTES:
        raise Refusal(413, "BodyTooLarge", f"A request holds at most {MAX_BODY_BYTES} bytes, not {len(request.body)}.")
    parsed = parse(request.body, "The body")
    if not isinstance(parsed, dict):
        raise Refusal(400, "BadJsonBody", "The body must be a JSON object.")
    return parsed


def parse(text: bytes, what: str) -> Any:
    """JSON; `what` names it in the refusal."""
    if wrong := problem(text.decode(errors="replace")):
        raise Refusal(400, "BadJsonBody", f"{what} cannot be read: {wrong}.")
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if HALF.search(text):
            raise Refusal(400, "BadJsonBody", f"{what} holds half of a surrogate pair, which is not Unicode.") from error
        raise Refusal(400, "BadJsonBody", f"{what} is not JSON: {error}.") from error


def key_of(request: HttpRequest, kind: Kind, user: User | None) -> str | None:
    """The idempotency key, made the caller's own. It holds no `|`, so one caller cannot spell another's."""
    key = request.headers.get("idempotency-key")
    if key is None or kind == "query":
        return None
    if not re.fullmatch(r"[!-{}~]{1,200}", key):
        raise Refusal(400, "BadIdempotencyKey", "An Idempotency-Key is 1 to 200 visible ASCII characters, none of them `|`.")
    if kind == "action":
        raise Refusal(400, "BadIdempotencyKey", "An action is not run at most once; Idempotency-Key is for mutations.")
    if user is None and len(key) < ANONYMOUS_KEY:
        message = f"Without a token an Idempotency-Key has at least {ANONYMOUS_KEY} characters, which nobody else can guess."
        raise Refusal(400, "BadIdempotencyKey", message)
    return f"http|{user.token_identifier if user else ''}|{key}"


def run(b: Backend, request: HttpRequest, kind: Kind, path: str, args: dict[str, Any], user: User | None) -> Outcome:
    """Run a public function. A mutation with an Idempotency-Key header runs once per caller and key."""
    key = key_of(request, kind, user)
    try:
        caller = edge.viewer(b.settings.origin_secret, request.headers, request.peer)
        b.admission.check(user, caller, b.registry.open_to_nobody(path))
    except Refused as refused:
        wait = refused.data.get("retryAfter")
        if wait is None:
            raise Refusal(401, refused.tag, refused.message, **{"www-authenticate": "Bearer"}) from refused
        raise Refusal(429, refused.tag, refused.message, **{"retry-after": str(math.ceil(wait / 1000))}) from refused
    match kind:
        case "query":
            return b.executor.query(path, args, user)
        case "mutation":
            return b.executor.mutation(path, args, user, key)
    return b.executor.action(path, args, user)


def json_answer(answer: Any, status: int = 200, **headers: str) -> HttpResponse:
    """An answer of JSON. Raises `Refusal` when it fits no answer."""
    body = msgspec.json.encode(answer)
    if len(body) > MAX_ANSWER_BYTES:
        message = f"The function ran, but its answer of {len(body)} bytes is over the limit of {MAX_ANSWER_BYTES}; return less."
        raise Refusal(500, "AnswerTooLarge", message)
    return HttpResponse(status, {"content-type": "application/json", "cache-control": "no-store", **headers}, body.decode())
