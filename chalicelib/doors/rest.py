"""The REST door: a row of `routes.py` is found, its function is called, the result goes into its envelope.

Results are `{"data": …}`, errors `{"code", "message", …}` with a status: 400 a wrong request, 401 no or a bad token, 403 not
allowed, 404 not there (a stranger's answer, too), 409 a state that forbids it, 429 too much.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import msgspec

from chalicelib.data import values
from chalicelib.data.json_text import whole, whole_value
from chalicelib.doors import openapi
from chalicelib.doors.docs_page import PAGE
from chalicelib.doors.route import Route
from chalicelib.doors.routes import ROUTES
from chalicelib.doors.web import Backend, Handler, HttpRequest, HttpResponse, Refusal, body_of, caller, json_answer, run
from chalicelib.runtime.errors import FunctionError
from chalicelib.runtime.registry import Function

STATUSES = [
    (re.compile(r"MCP_.*"), 400),
    (re.compile(r"Unauthorized|Unauthenticated|BadCredentials|InvalidToken"), 401),
    (re.compile(r".*NotFound|.*NOT_FOUND"), 404),
    (re.compile(r"Forbidden|FORBIDDEN|PERMISSION_DENIED|.*NotAllowed|.*NOT_ALLOWED|.*Suspended"), 403),
    (
        re.compile(
            r".*(Exists|EXISTS|NOT_ACTIVE|Reused|Terminated|Closed|Ended|Lost|Conflict|CONFLICT|Taken|Busy|InProgress|Running)|NotTheNewestReply|NotConfigured"
        ),
        409,
    ),
    (re.compile(r"BudgetExceeded|QueueFull|RateLimited|TooMany.*"), 429),
    (re.compile(r"OptimisticConcurrencyControlFailure"), 503),
]
"""A refusal's tag → its status; any other is 400."""
CODES = {"ConversationNotFound": "CONVERSATION_NOT_FOUND"}
"""What this door says instead of a tag: its documents fix the word."""


def found(path: str) -> dict[str, Handler] | None:
    """The handlers of a path by method, or None."""
    matched = [row for row in ROUTES if row.pattern.fullmatch(path)]
    if not matched:
        return None
    best = len(matched[0].places)
    return {row.method: _handler(row) for row in matched if len(row.places) == best}


def document(b: Backend, request: HttpRequest) -> HttpResponse:
    """GET /openapi.json."""
    return json_answer(openapi.document(b.registry))


def page(b: Backend, request: HttpRequest) -> HttpResponse:
    """GET /docs/api, and /docs where the server in front has no guides."""
    return HttpResponse(200, {"content-type": "text/html; charset=utf-8"}, PAGE)


def _handler(row: Route) -> Handler:
    def handler(b: Backend, request: HttpRequest) -> HttpResponse:
        user = caller(b, request)
        if user is None and not row.anybody:
            raise Refusal(401, "Unauthenticated", "A token is needed: Authorization: Bearer …", **{"www-authenticate": "Bearer"})
        function = b.registry.get(row.function)
        outcome = run(b, request, function.kind, row.function, _arguments(row, function, request), user)
        if outcome.error is not None:
            return _refused(outcome.error)
        if outcome.value is None and row.missing:
            raise Refusal(404, *row.missing)
        value = values.clean(outcome.value)
        return json_answer({"data": value} if row.result == "data" else value, row.status)

    return handler


def _arguments(row: Route, function: Function[..., Any], request: HttpRequest) -> dict[str, Any]:
    """The function's arguments from path, query or body. Raises `Refusal`."""
    given: dict[str, Any] = {}
    if row.has_body:
        decoded = values.decode(body_of(request) if request.body else {})
        if not isinstance(decoded, dict):  # such as {"$integer": "…"}
            raise Refusal(400, "BadArguments", "The body must be a JSON object of arguments.")
        given = {row.names.get(name, name): part for name, part in decoded.items()}
    else:
        given = {row.names.get(name, name): _typed(function, row.names.get(name, name), text) for name, text in _query(request)}
    match = row.pattern.fullmatch(request.path)
    assert match is not None  # `found` matched it
    unknown = given.keys() & {*row.hidden, *row.fixed}
    if unknown:
        raise Refusal(400, "BadArguments", f"{row.method} {row.path} takes no {', '.join(sorted(unknown))}.")
    placed = {name: _typed(function, name, unquote(text)) for name, text in match.groupdict().items()}
    return {**given, **placed, **row.fixed}


def _query(request: HttpRequest) -> list[tuple[str, str]]:
    return list(request.query.items())


@lru_cache(maxsize=512)
def _types(function: Function[..., Any]) -> dict[str, Any]:
    return {each.encode_name: each.type for each in msgspec.structs.fields(function.args)}


def _typed(function: Function[..., Any], name: str, text: str) -> Any:
    """A text of the query string as the type that the argument has. What cannot be is left to the validator's words."""
    wanted = _types(function).get(name, str)
    if _kinds(wanted) <= {msgspec.inspect.StrType, msgspec.inspect.NoneType}:  # "null" is a text like any other
        return text
    try:
        return msgspec.convert(text, wanted, strict=False)
    except (msgspec.ValidationError, UnicodeEncodeError):
        # Of the right type and against another rule: the validator shall name that one.
        kinds = _kinds(wanted)
        if msgspec.inspect.IntType in kinds and re.fullmatch(r"-?\d{1,15}", text):
            return int(text)
        if msgspec.inspect.FloatType in kinds and re.fullmatch(r"-?\d{1,15}(\.\d{1,15})?", text):
            return float(text)
        return text


@lru_cache(maxsize=512)
def _kinds(wanted: Any) -> frozenset[type]:
    """The kinds of values that a type takes."""
    found = msgspec.inspect.type_info(wanted)
    return frozenset(type(each) for each in (found.types if isinstance(found, msgspec.inspect.UnionType) else (found,)))


def _refused(error: FunctionError) -> HttpResponse:
    status = 500 if error.ours else next((status for tags, status in STATUSES if tags.fullmatch(error.tag)), 400)
    message = whole(error.detail if error.detail and not error.ours else error.message)
    told = {"code": CODES.get(error.tag, error.tag), "message": message}
    if error.has_data and isinstance(error.data, dict):
        told = {**values.clean(whole_value(error.data)), **told}
    more = {"www-authenticate": "Bearer"} if status == 401 else {"retry-after": "1"} if status == 503 else {}
    return json_answer(told, status, **more)
