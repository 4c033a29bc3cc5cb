"""Convex's HTTP API: one request, one function, one JSON answer.

Blame decides the status. What a *function* says, errors included, is HTTP 200 with `status` (the Python client breaks on
Convex's older 560); what is wrong with the *request* is 4xx, and what is wrong with us 5xx, both as `{"code", "message"}`.
Two formats: `convex_encoded_json` is exact, `json` (the default) is for people with curl and loses types.

A mutation with an `Idempotency-Key` header runs once per caller and key; sent again, it gets the first answer. Limits:
requests of 1 MiB, answers of 5 MiB, batches of 100 queries. Not here: file storage, HTTP actions, admin keys, old timestamps.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import unquote

import msgspec

from chalicelib.data import values
from chalicelib.data.errors import BadRequest, Conflict, NotFound, StoreFailed
from chalicelib.doors import cors, edge
from chalicelib.run.executor import Outcome
from chalicelib.run.identity import AuthFailed, User
from chalicelib.run.registry import Kind, Registry
from chalicelib.settings import VERSION, Settings

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024
MAX_ANSWER_BYTES = 5 * 1024 * 1024
"""A Lambda may answer 6 MB, escapes included; one that answers more answers nothing."""
MAX_BATCH = 100

Format = Literal["json", "convex_encoded_json"]


@dataclass(frozen=True)
class HttpRequest:
    """A request: `path` without the query string, `query` decoded, `headers` with lower-case names."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


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


class Verifier(Protocol):
    """Turns a token into a user or raises `AuthFailed`."""

    def verify(self, token: str) -> User: ...


class Clock(Protocol):
    """Nanoseconds since the epoch."""

    def now_ns(self) -> int: ...


class Backend(Protocol):
    """What this door needs of the backend."""

    @property
    def executor(self) -> Executor: ...
    @property
    def registry(self) -> Registry: ...
    @property
    def verifier(self) -> Verifier: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def settings(self) -> Settings: ...


class Refusal(Exception):
    """The request is wrong (4xx) or cannot be served now (503): status, a stable code, one sentence."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers

    def response(self) -> HttpResponse:
        """This refusal as an answer."""
        return _json({"code": self.code, "message": self.message}, self.status, **self.headers)


def handle(b: Backend, request: HttpRequest) -> HttpResponse:
    """Answer one request. Never raises: without an answer of ours a browser would see neither the error nor CORS headers."""
    preflight = request.method == "OPTIONS"
    try:
        if not edge.passed(b.settings.origin_secret, request.headers):
            raise Refusal(
                403, "WrongAddress", "This is not the address of this deployment; use the one that it was given out under."
            )
        answer = HttpResponse(204, {}, "") if preflight else _route(request)(b, request)
    except Refusal as refusal:
        answer = refusal.response()
    except Exception as error:  # noqa: BLE001 (see the docstring)
        answer = _failure(error).response()
    body = "" if request.method == "HEAD" else answer.body
    return HttpResponse(answer.status, {**answer.headers, **cors.headers(request.headers, preflight=preflight)}, body)


def _failure(error: Exception) -> Refusal:
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
    number = secrets.token_hex(8)
    log.error("request %s failed", number, exc_info=error)
    return Refusal(500, "InternalServerError", f"[Request ID: {number}] Server Error")


# Where a request goes ---------------------------------------------------------------------------------------------------

Handler = Callable[[Backend, HttpRequest], HttpResponse]


def _route(request: HttpRequest) -> Handler:
    methods = ROUTES.get(request.path)
    if methods is None:
        methods = next((found for prefix, found in PREFIXES.items() if request.path.startswith(prefix)), None)
    if methods is None:
        raise Refusal(404, "NotFound", f"There is nothing at {request.path}.")
    handler = methods.get("*") or methods.get("GET" if request.method == "HEAD" else request.method)
    if handler is None:
        allowed = ", ".join(methods)
        raise Refusal(405, "MethodNotAllowed", f"{request.path} takes {allowed}, not {request.method}.", allow=allowed)
    return handler


def _call(kind: Kind) -> Handler:
    """POST {path, args, format?}."""

    def handler(b: Backend, request: HttpRequest) -> HttpResponse:
        user = _caller(b, request)
        body = _body(request)
        return _json(_run(b, request, kind, _path(body.get("path")), _args(body), _format(body.get("format")), user))

    return handler


def _get_query(b: Backend, request: HttpRequest) -> HttpResponse:
    """GET ?path=&args=&format=, the arguments being JSON."""
    user = _caller(b, request)
    fields: dict[str, Any] = {**request.query, "args": _parse(request.query.get("args", "{}").encode(), "The `args` parameter")}
    return _json(_run(b, request, "query", _path(fields.get("path")), _args(fields), _format(fields.get("format")), user))


def _run_by_name(b: Backend, request: HttpRequest) -> HttpResponse:
    """POST /api/run/{module}/{function} {args?, format?}: whichever kind the function is."""
    user = _caller(b, request)
    module, _, name = unquote(request.path.removeprefix("/api/run/")).rpartition("/")
    path = f"{module}:{name}" if module else name
    body = _body(request) if request.body else {}
    return _json(_run(b, request, _kind(b, path), path, _args(body), _format(body.get("format")), user))


def _kind(b: Backend, path: str) -> Kind:
    try:
        return b.registry.get(path).kind
    except NotFound:
        return "query"  # whatever is asked of it, the executor's answer is "could not find"


def _batch(b: Backend, request: HttpRequest) -> HttpResponse:
    """POST {queries: [...]}: each has a status of its own, and an instant of its own."""
    user = _caller(b, request)
    queries = _body(request).get("queries")
    if not isinstance(queries, list) or not all(isinstance(query, dict) for query in queries):
        raise Refusal(400, "BadRequest", "`queries` must be a list of objects with `path` and `args`.")
    if len(queries) > MAX_BATCH:
        raise Refusal(400, "TooManyQueries", f"A batch holds at most {MAX_BATCH} queries, not {len(queries)}.")
    calls = [(_path(query.get("path")), _args(query), _format(query.get("format"))) for query in queries]
    return _json({"results": [_run(b, request, "query", *call, user) for call in calls]})


def _query_ts(b: Backend, request: HttpRequest) -> HttpResponse:
    """A timestamp that is now."""
    return _json({"ts": values.encode_ts(b.clock.now_ns())})


def _text(text: Callable[[Backend], str]) -> Handler:
    def handler(b: Backend, request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, {"content-type": "text/plain; charset=utf-8"}, text(b))

    return handler


def _unsupported(message: str) -> Handler:
    def handler(b: Backend, request: HttpRequest) -> HttpResponse:
        raise Refusal(400, "NotSupported", message)

    return handler


ROUTES: dict[str, dict[str, Handler]] = {
    "/": {"GET": _text(lambda b: f"Concave {VERSION} is running. Point a Convex client at this address.\n")},
    "/version": {"GET": _text(lambda b: VERSION)},
    "/instance_name": {"GET": _text(lambda b: f"concave-{b.settings.stage or 'local'}")},
    "/api/query": {"POST": _call("query"), "GET": _get_query},
    "/api/mutation": {"POST": _call("mutation")},
    "/api/action": {"POST": _call("action")},
    "/api/query_batch": {"POST": _batch},
    "/api/query_ts": {"POST": _query_ts},
    "/api/query_at_ts": {"*": _unsupported("Reads at an old timestamp are not kept; call /api/query, which reads now.")},
    "/api/function": {"*": _unsupported("There are no admin keys; call /api/query, /api/mutation or /api/action.")},
    "/api/debug_event": {"POST": lambda b, request: _json({})},
}
PREFIXES: dict[str, dict[str, Handler]] = {
    "/api/run/": {"POST": _run_by_name},
    "/api/storage": {"*": _unsupported("There is no file storage; keep files elsewhere and store their address.")},
    "/http/": {"*": _unsupported("There are no HTTP actions; call an action by /api/action.")},
}


# The parts of a request -------------------------------------------------------------------------------------------------


def _caller(b: Backend, request: HttpRequest) -> User | None:
    """Who calls; None without an Authorization header."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise AuthFailed("The Authorization header must be `Bearer` and a token; there are no admin keys.")
    return b.verifier.verify(token.strip())


def _body(request: HttpRequest) -> dict[str, Any]:
    if len(request.body) > MAX_BODY_BYTES:
        raise Refusal(413, "BodyTooLarge", f"A request holds at most {MAX_BODY_BYTES} bytes, not {len(request.body)}.")
    parsed = _parse(request.body, "The body")
    if not isinstance(parsed, dict):
        raise Refusal(400, "BadJsonBody", "The body must be a JSON object.")
    return parsed


def _parse(text: bytes, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, "BadJsonBody", f"{what} is not JSON: {error}.") from error


def _path(path: Any) -> str:
    if not isinstance(path, str) or not 0 < len(path) <= 512:
        raise Refusal(400, "BadConvexFunctionIdentifier", "`path` must name a function, such as `chat:sendMessage`.")
    return path


def _args(body: Mapping[str, Any]) -> dict[str, Any]:
    """npm sends a list of one object, everyone else the object."""
    args = body.get("args", {})
    if isinstance(args, list) and len(args) == 1:
        args = args[0]
    if not isinstance(args, dict):
        raise Refusal(400, "BadArguments", "`args` must be an object, or a list of one object.")
    decoded = values.decode(args)
    if not isinstance(decoded, dict):  # such as {"$integer": "…"}
        raise Refusal(400, "BadArguments", "`args` must be an object, or a list of one object.")
    return decoded


def _format(name: Any) -> Format:
    match name:
        case None | "json":
            return "json"
        case "convex_encoded_json":
            return "convex_encoded_json"
    raise Refusal(400, "BadFormat", "`format` must be `json` or `convex_encoded_json`.")


def _key(request: HttpRequest, kind: Kind, user: User | None) -> str | None:
    """The idempotency key, made the caller's own. It holds no `|`, so one caller cannot spell another's."""
    key = request.headers.get("idempotency-key")
    if key is None or kind == "query":
        return None
    if not re.fullmatch(r"[!-{}~]{1,200}", key):
        raise Refusal(400, "BadIdempotencyKey", "An Idempotency-Key is 1 to 200 visible ASCII characters, none of them `|`.")
    if kind == "action":
        raise Refusal(400, "BadIdempotencyKey", "An action is not run at most once; Idempotency-Key is for mutations.")
    if user is None:
        raise Refusal(400, "BadIdempotencyKey", "An Idempotency-Key belongs to a caller; send a token with it.")
    return f"http|{user.token_identifier}|{key}"


# The answer -------------------------------------------------------------------------------------------------------------


def _run(
    b: Backend, request: HttpRequest, kind: Kind, path: str, args: dict[str, Any], form: Format, user: User | None
) -> dict[str, Any]:
    """Run the function; the answer as JSON values."""
    key = _key(request, kind, user)
    match kind:
        case "query":
            outcome = b.executor.query(path, args, user)
        case "mutation":
            outcome = b.executor.mutation(path, args, user, key)
        case "action":
            outcome = b.executor.action(path, args, user)
    lines = outcome.log_lines
    if outcome.error is None:
        exact = form == "convex_encoded_json"
        value = msgspec.Raw(_float64(outcome.text).encode()) if exact else values.clean(outcome.value)
        return {"status": "success", "value": value, "logLines": lines}
    answer = {"status": "error", "errorMessage": outcome.error.message, "logLines": lines}
    if outcome.error.has_data:
        encode = values.clean if form == "json" else values.encode
        answer["errorData"] = encode(outcome.error.data)
    return answer


def _json(answer: dict[str, Any], status: int = 200, **headers: str) -> HttpResponse:
    body = msgspec.json.encode(answer)
    if len(body) > MAX_ANSWER_BYTES:
        message = f"The function ran, but its answer of {len(body)} bytes is over the limit of {MAX_ANSWER_BYTES}; return less."
        raise Refusal(500, "AnswerTooLarge", message)
    return HttpResponse(status, {"content-type": "application/json", "cache-control": "no-store", **headers}, body.decode())


def _float64(text: str) -> str:
    """Encoded JSON with every number as a float64 is written: PyPI's HTTP client takes `2.0` and refuses `2`."""
    return json.dumps(json.loads(text, parse_int=float), ensure_ascii=False)
