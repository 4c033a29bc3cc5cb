"""What only operators ask over HTTP, as Convex's command line does: the log of calls, and the app's variables.

Every request carries `Authorization: Convex KEY` (`runtime/operators.py`). A command of Convex's own whose road is not here is
refused with the `concave` command that does it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chalicelib.data import values
from chalicelib.data.building import SYSTEM_ORG
from chalicelib.doors.web import Backend, Handler, HttpRequest, HttpResponse, Refusal, body_of, json_answer, operator
from chalicelib.runtime import app_environment, operators

if TYPE_CHECKING:
    from chalicelib.runtime.call_log import Call

WAIT_S = 20.0
"""So long a request for what was called waits for a call."""


def _logs(b: Backend, request: HttpRequest) -> HttpResponse:
    """GET ?cursor=: the calls since then, as soon as there are any; a cursor of 0 gets all that are kept, at once."""
    operator(b, request)
    if b.call_log is None:
        raise Refusal(400, "NotSupported", "This deployment keeps its log elsewhere; read it with `concave logs`.")
    cursor = request.query.get("cursor", "0")
    if not cursor.isdigit():
        raise Refusal(400, "BadCursor", "`cursor` must be the `newCursor` of the answer before, or 0.")
    calls = b.call_log.since(int(cursor), wait_s=WAIT_S if int(cursor) else 0)
    newest = calls[-1].number if calls else max(int(cursor), 1)
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


def _instead(what: str) -> Handler:
    def handler(b: Backend, request: HttpRequest) -> HttpResponse:
        operator(b, request)
        raise Refusal(400, "NotSupported", what)

    return handler


ROUTES: dict[str, dict[str, Handler]] = {
    "/api/stream_function_logs": {"GET": _logs},
    "/api/update_environment_variables": {"POST": _set_variables},
}
PREFIXES: dict[str, dict[str, Handler]] = {
    "/api/export/": {"*": _instead("There are no snapshots in zip files here; `concave export FILE` writes lines of JSON.")},
    "/api/import/": {"*": _instead("Use `concave import FILE`, which takes what `concave export` writes.")},
    "/api/deploy2/": {"*": _instead("Functions are in Python: `concave dev` reloads what is saved, `concave deploy` deploys.")},
}
