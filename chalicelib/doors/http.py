"""Convex's HTTP API: one request, one function, one JSON answer.

Blame decides the status. What a *function* says, errors included, is HTTP 200 with `status` (the Python client breaks on
Convex's older 560); what is wrong with the *request* is 4xx, and what is wrong with us 5xx, both as `{"code", "message"}`.
Two formats: `convex_encoded_json` is exact, `json` (the default) is for people with curl and loses types.

A mutation with an `Idempotency-Key` header runs once per caller and key; sent again, it gets the first answer. Callers without
a token share their keys, so theirs have at least 32 characters. Limits: requests of 1 MiB, answers of 5 MiB, batches of 100
queries. Not here: file storage, HTTP actions, versions of before. What only operators ask is in `operating.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal
from urllib.parse import unquote

import msgspec

from chalicelib.data import values
from chalicelib.data.errors import NotFound
from chalicelib.data.json_text import whole, whole_value
from chalicelib.doors import cors, edge, headers, operating, polling, rest
from chalicelib.doors.web import (
    MAX_BODY_BYTES,
    Backend,
    Handler,
    HttpRequest,
    HttpResponse,
    Refusal,
    body_of,
    caller,
    failure,
    json_answer,
    operator,
    parse,
    run,
)
from chalicelib.runtime.identity import User
from chalicelib.runtime.registry import Kind
from chalicelib.settings import VERSION

__all__ = ["MAX_BODY_BYTES", "HttpRequest", "HttpResponse", "handle"]

MAX_BATCH = 100
CLOCK_SKEW_NS = 5 * 10**9
"""The clocks of two processes differ by less."""

Format = Literal["json", "convex_encoded_json"]


def handle(b: Backend, request: HttpRequest) -> HttpResponse:
    """Answer one request. Never raises: without an answer of ours a browser would see neither the error nor CORS headers.

    An answer to HEAD has the body whose length it names; the server in front sends only the length (RFC 9110, section 9.3.2).
    A path with a slash at its end, or with several in a row, is the one without.
    """
    preflight = request.method == "OPTIONS"
    request = replace(request, path=re.sub("/+", "/", request.path).rstrip("/") or "/")
    try:
        if not edge.passed(b.settings.origin_secret, request.headers):
            raise Refusal(
                403, "WrongAddress", "This is not the address of this deployment; use the one that it was given out under."
            )
        answer = HttpResponse(204, {}, "") if preflight else _route(request)(b, request)
    except Refusal as refusal:
        answer = refusal.response()
    except Exception as error:  # noqa: BLE001 (see the docstring)
        answer = failure(error).response()
    told = headers.secure(answer.headers.get("content-type", ""), answer.body, cloud=b.settings.stage is not None)
    told |= {**answer.headers, **cors.headers(request.headers, preflight=preflight)}
    return HttpResponse(answer.status, told, answer.body)


# Where a request goes ---------------------------------------------------------------------------------------------------


def _route(request: HttpRequest) -> Handler:
    methods = ROUTES.get(request.path)
    if methods is None:
        methods = rest.found(request.path)
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
        user = caller(b, request)
        body = body_of(request)
        return json_answer(_run(b, request, kind, _path(body.get("path")), _args(body), _format(body.get("format")), user))

    return handler


def _get_query(b: Backend, request: HttpRequest) -> HttpResponse:
    """GET ?path=&args=&format=, the arguments being JSON."""
    user = caller(b, request)
    fields: dict[str, Any] = {**request.query, "args": parse(request.query.get("args", "{}").encode(), "The `args` parameter")}
    return json_answer(_run(b, request, "query", _path(fields.get("path")), _args(fields), _format(fields.get("format")), user))


def _run_by_name(b: Backend, request: HttpRequest) -> HttpResponse:
    """POST /api/run/{module}/{function} {args?, format?}: whichever kind the function is."""
    user = caller(b, request)
    module, _, name = unquote(request.path.removeprefix("/api/run/")).rpartition("/")
    path = f"{module}:{name}" if module else name
    body = body_of(request) if request.body else {}
    return json_answer(_run(b, request, _kind(b, path), path, _args(body), _format(body.get("format")), user))


def _function(b: Backend, request: HttpRequest) -> HttpResponse:
    """POST {path, args, format?} by an operator: whichever kind the function is, internal ones too."""
    user, body = operator(b, request), body_of(request)
    path = _path(body.get("path"))
    return json_answer(_run(b, request, _kind(b, path), path, _args(body), _format(body.get("format")), user))


def _kind(b: Backend, path: str) -> Kind:
    try:
        return b.registry.get(path).kind
    except NotFound:
        return "query"  # whatever is asked of it, the executor's answer is "could not find"


def _batch(b: Backend, request: HttpRequest) -> HttpResponse:
    """POST {queries: [...]}: each has a status of its own, and an instant of its own."""
    user = caller(b, request)
    queries = body_of(request).get("queries")
    if not isinstance(queries, list) or not all(isinstance(query, dict) for query in queries):
        raise Refusal(400, "BadRequest", "`queries` must be a list of objects with `path` and `args`.")
    if len(queries) > MAX_BATCH:
        raise Refusal(400, "TooManyQueries", f"A batch holds at most {MAX_BATCH} queries, not {len(queries)}.")
    calls = [(_path(query.get("path")), _args(query), _format(query.get("format"))) for query in queries]
    return json_answer({"results": [_run(b, request, "query", *call, user) for call in calls]})


def _query_ts(b: Backend, request: HttpRequest) -> HttpResponse:
    """A timestamp that is now."""
    return json_answer({"ts": values.encode_ts(b.clock.now_ns())})


def _query_at_ts(b: Backend, request: HttpRequest) -> HttpResponse:
    """POST {path, args, format?, ts}: the query's value at an instant that is not before `ts`, which `/api/query_ts` gave.

    Old versions are not kept: what was written since is seen. Two queries of one render may so see two instants, each whole.
    """
    user, body = caller(b, request), body_of(request)
    ts = body.get("ts")
    at = values.decode_ts(ts) if isinstance(ts, str) else None
    if at is None:
        raise Refusal(400, "BadTimestamp", "`ts` must be a timestamp of /api/query_ts.")
    if at > b.clock.now_ns() + CLOCK_SKEW_NS:
        raise Refusal(400, "BadTimestamp", "`ts` is in the future; take one from /api/query_ts.")
    return json_answer(_run(b, request, "query", _path(body.get("path")), _args(body), _format(body.get("format")), user))


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
    "/chat/health": {"GET": lambda b, request: json_answer({"status": "ok", "version": VERSION})},
    "/chat": {"*": _unsupported("This is a WebSocket address: connect to it with a token.")},
    "/openapi.json": {"GET": rest.document},
    "/docs": {"GET": rest.page},
    "/docs/api": {"GET": rest.page},
    "/api/query": {"POST": _call("query"), "GET": _get_query},
    "/api/mutation": {"POST": _call("mutation")},
    "/api/action": {"POST": _call("action")},
    "/api/query_batch": {"POST": _batch},
    "/api/query_ts": {"POST": _query_ts},
    "/api/query_at_ts": {"POST": _query_at_ts},
    "/api/function": {"POST": _function},
    **operating.ROUTES,
    "/api/debug_event": {"POST": lambda b, request: json_answer({})},
}
PREFIXES: dict[str, dict[str, Handler]] = {
    **operating.PREFIXES,
    "/api/run/": {"POST": _run_by_name},
    "/api/storage": {"*": _unsupported("There is no file storage; keep files elsewhere and store their address.")},
    "/socket.io": {"GET": polling.handle, "POST": polling.handle},
    "/http/": {"*": _unsupported("There are no HTTP actions; call an action by /api/action.")},
}


# The parts of a request -------------------------------------------------------------------------------------------------


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


# The answer -------------------------------------------------------------------------------------------------------------


def _run(
    b: Backend, request: HttpRequest, kind: Kind, path: str, args: dict[str, Any], form: Format, user: User | None
) -> dict[str, Any]:
    """Run the function; the answer as JSON values."""
    outcome = run(b, request, kind, path, args, user)
    lines = [whole(line) for line in outcome.log_lines]
    if outcome.error is None:
        exact = form == "convex_encoded_json"
        value = msgspec.Raw(_float64(outcome.text).encode()) if exact else values.clean(outcome.value)
        return {"status": "success", "value": value, "logLines": lines}
    answer = {"status": "error", "errorMessage": whole(outcome.error.message), "logLines": lines}
    if outcome.error.has_data:
        encode = values.clean if form == "json" else values.encode
        answer["errorData"] = encode(whole_value(outcome.error.data))
    return answer


def _float64(text: str) -> str:
    """Encoded JSON with every number as a float64 is written: PyPI's HTTP client takes `2.0` and refuses `2`."""
    return json.dumps(json.loads(text, parse_int=float), ensure_ascii=False)
