"""What only operators ask over HTTP, as Convex's command line does: the log of calls, and the app's variables.

Every request carries `Authorization: Convex KEY` (`runtime/operators.py`). A command of Convex's own whose road is not here is
refused with the `concave` command that does it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from chalicelib.data import values
from chalicelib.data.building import SYSTEM_ORG
from chalicelib.data.errors import Refused
from chalicelib.doors.web import Backend, Handler, HttpRequest, HttpResponse, Refusal, body_of, json_answer, operator
from chalicelib.runtime import app_environment, operators

if TYPE_CHECKING:
    from chalicelib.runtime.call_log import Call

COOKIE = "concave_operator"
OWN_PAGE = frozenset({"same-origin"})
"""What a browser says of a request by the dashboard, and of no other page's (Fetch Metadata, `Sec-Fetch-Site`)."""
STAY_MS = 12 * 3_600_000
"""So long a browser stays an operator's, and no longer than its key counts."""
WAIT_S = 20.0
"""So long a request for what was called waits for a call."""
_CURSOR = re.compile(r"[0-9]{1,20}")


def _logs(b: Backend, request: HttpRequest) -> HttpResponse:
    """GET ?cursor=: the calls since then, as soon as there are any; a cursor of 0 gets what is kept, at once. ?request=: those
    of one Request ID."""
    operator(b, request)
    if b.call_log is None:
        raise Refusal(400, "NotSupported", "This deployment keeps its log elsewhere; read it with `concave logs`.")
    cursor = request.query.get("cursor", "0")
    if not _CURSOR.fullmatch(cursor):
        raise Refusal(400, "BadCursor", "`cursor` must be the `newCursor` of the answer before, or 0.")
    wanted = request.query.get("request", "")
    try:
        if wanted:
            calls, newest = b.call_log.last(request=wanted)[::-1], max(int(cursor), 1)
        else:
            calls, newest = b.call_log.since(int(cursor), wait_s=WAIT_S if int(cursor) else 0)
    except Refused as error:  # a log group does not answer
        raise Refusal(503, error.tag, error.message) from error
    return json_answer({"entries": [_entry(call) for call in calls], "newCursor": newest})


def _entry(call: Call) -> dict[str, Any]:
    """A call as Convex's command line prints it; times in seconds."""
    entry: dict[str, Any] = {
        "kind": "Completion",
        "identifier": call.path,
        "udfType": call.kind.title(),
        "timestamp": call.at / 1000,
        "executionTime": call.ms / 1000,
        "requestId": call.request,
        "caller": call.caller,
        "org": call.org,
        "logLines": list(call.lines),
        "success": None if call.error else {"status": "success"},
        "error": f"[Request ID: {call.request}] {call.error}" if call.error else None,
    }
    return entry


def _set_variables(b: Backend, request: HttpRequest) -> HttpResponse:
    """POST {changes: [{name, value}]}: set the app's variables; a value of null removes one."""
    user = operator(b, request, "edit")
    changes = body_of(request).get("changes")
    if not isinstance(changes, list) or not all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in changes):
        raise Refusal(400, "BadRequest", "`changes` must be a list of objects with `name` and `value`.")
    wanted = {each["name"]: each.get("value") for each in changes}

    def body(run: Any) -> str:
        app_environment.changed(run.db, wanted)
        operators.audited(run.db, user, "environment", {"names": sorted(wanted)}, run.now)
        return values.dumps(None)

    b.executor.transact(SYSTEM_ORG, "environment", body)
    return json_answer({})


def _session(b: Backend, request: HttpRequest) -> HttpResponse:
    """POST with a key: this browser has it for the dashboard, in a cookie that no script reads and no other site sends. POST with
    that cookie: its key. DELETE: the browser forgets it. A stage holds no private key, so that it makes none itself."""
    _in_a_stage(b)
    if request.method == "DELETE":
        return HttpResponse(204, {"set-cookie": _cookie("", 0)}, "")
    if request.headers.get("authorization") is not None:
        user, key = operator(b, request), request.headers["authorization"].partition(" ")[2].strip().partition(":")[0]
    else:
        if request.headers.get("sec-fetch-site") not in OWN_PAGE:
            raise Refusal(403, "Forbidden", "Only the dashboard itself gets a session.")
        key = next(iter(re.findall(rf"(?:^|;)\s*{COOKIE}=([^;]+)", request.headers.get("cookie", ""))), "")
        user = b.operators.user(key)
    now = b.clock.now_ms()
    ends = min(user.expires_at or now + STAY_MS, now + STAY_MS)
    told = {"key": key, "role": user.operator_role, "expires": ends, "stage": b.settings.stage, "store": b.settings.store}
    headers = {"set-cookie": _cookie(key, (ends - now) // 1000)} if "authorization" in request.headers else {}
    return json_answer(told, 200, **headers, **{"cache-control": "no-store"})


def _cookie(value: str, seconds: int) -> str:
    return f"{COOKIE}={value}; Path=/_/; Max-Age={seconds}; HttpOnly; SameSite=Strict; Secure"


def _in_a_stage(b: Backend) -> None:
    """Whether this is a stage in AWS with operators: a server of one machine answers below `/_/` itself. Raises `Refusal`."""
    if not b.settings.operator_public_keys or b.settings.ws_endpoint is None:
        raise Refusal(404, "NotFound", "There is nothing at this address.")


def _elsewhere(what: str) -> Handler:
    def handler(b: Backend, request: HttpRequest) -> HttpResponse:
        _in_a_stage(b)
        return _instead(what)(b, request)

    return handler


def _instead(what: str) -> Handler:
    def handler(b: Backend, request: HttpRequest) -> HttpResponse:
        operator(b, request)
        raise Refusal(400, "NotSupported", what)

    return handler


_IN_PYTHON = "Functions are in Python: `concave dev` reloads what is saved, `concave deploy` deploys."
ROUTES: dict[str, dict[str, Handler]] = {
    "/api/get_config_hashes": {"POST": _instead(_IN_PYTHON)},
    "/api/stream_function_logs": {"GET": _logs},
    "/api/update_environment_variables": {"POST": _set_variables},
    "/_/session": {"POST": _session, "DELETE": _session},
    "/_/link": {"POST": _elsewhere("A stage makes no links; `concave dashboard --stage STAGE` prints one.")},
    "/_/admin": {"POST": _elsewhere("In a stage this is done with the rights of AWS: STAGE=… concave admin.")},
}
PREFIXES: dict[str, dict[str, Handler]] = {
    "/api/export/": {"*": _instead("There are no snapshots in zip files here; `concave export FILE` writes lines of JSON.")},
    "/api/import/": {"*": _instead("Use `concave import FILE`, which takes what `concave export` writes.")},
    "/api/deploy2/": {"*": _instead(_IN_PYTHON)},
}
