"""How a deployment is doing: what its process sees now. Nothing here is data, so it is asked again and again, and not live."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import msgspec

from chalicelib import ActionCtx, internal_action
from chalicelib import settings as knobs
from chalicelib.data.tables import TABLES
from chalicelib.data.values import clean
from chalicelib.operating.chats import today
from chalicelib.operating.logs import within
from chalicelib.operating.specs import readable
from chalicelib.runtime.jobs import Job

MINUTE_MS = 60_000
RECENT_S = 300
"""So far back a stage's log groups are asked for the last error; the ring of one machine tells the last of all that it keeps."""
MOST = 500
_ROW = re.compile(r"^\| ([A-Z][A-Z0-9_<>]+) \| (.*?) \| (.*) \|$", re.MULTILINE)
_SECRET = re.compile(r"KEY|SECRET|TOKEN")
_OPEN = frozenset({"PUSH_PUBLIC_KEY", "OPERATOR_PUBLIC_KEY", "TOKEN_BUDGET_PER_ORG", "DEV_TOKENS", "ANTHROPIC_API_KEY_SECRET"})


@internal_action(reads=True)
def state(ctx: ActionCtx) -> dict[str, Any]:
    """Calls of the last minute, the last fault, sockets, jobs, tokens of the org's day, and what runs here."""
    backend = ctx.parts.backend
    calls = backend.call_log.last(5_000, RECENT_S) if backend.call_log is not None else []
    since = time.time() * 1000 - MINUTE_MS
    recent = [call for call in calls if call.at >= since and not call.path.startswith("_system/")]
    waiting = _jobs(ctx, "pending")
    failed = next((call for call in calls if call.error and not call.path.startswith("_system/")), None)
    held = backend.owner.held if backend.owner is not None else None
    return {
        "version": knobs.VERSION,
        "stage": backend.settings.stage,
        "store": backend.settings.store,
        "live": "rows" if backend.owner is None else "owner",
        "apps": list(backend.settings.apps),
        "tables": len(TABLES),
        "functions": sum(not function.path.startswith("_system/") for function in backend.registry),
        "callsPerMinute": len(recent),
        "errorsPerMinute": sum(bool(call.error) for call in recent),
        "p95": within(recent, 0.95),
        "lastError": None if failed is None else clean(_told(failed)),
        "sockets": None if held is None else len(held.sockets),
        "queries": None if held is None else len(held.queries.by_key),
        "jobs": {
            "pending": len(waiting),
            "due": sum(float(job["due"]) <= ctx.now for job in waiting),
            "inProgress": len(_jobs(ctx, "inProgress")),
            "failed": len(_jobs(ctx, "failed")),
        },
        "tokens": today(ctx),
    }


def _told(call: Any) -> dict[str, Any]:
    return {"at": call.at, "path": call.path, "request": call.request, "error": call.error}


def _jobs(ctx: ActionCtx, name: str) -> list[Any]:
    found: list[Any] = ctx.parts.executor.listed(Job.by_state_due, (name,), limit=MOST)
    return found


@internal_action(reads=True)
def jobs(ctx: ActionCtx) -> list[dict[str, Any]]:
    """Jobs of all orgs that are due, run, or have failed within a week, those that are due next first."""
    found = [item for name in ("inProgress", "pending", "failed") for item in _jobs(ctx, name)]
    shown = ("_id", "org", "path", "args", "due", "state", "completedAt", "error")
    return [{name: clean(item[name]) for name in shown if name in item} for item in found]


@internal_action(reads=True)
def crons(ctx: ActionCtx) -> list[dict[str, Any]]:
    """Declared crons, and when each runs next (milliseconds since the epoch)."""
    now = int(ctx.now)
    return [
        {
            "name": cron.name,
            "path": cron.function.path,
            "args": clean(cron.args),
            "next": cron.following(now),
            "place": cron.place,
        }
        for cron in ctx.parts.backend.registry.crons()
    ]


@internal_action(reads=True)
def functions(ctx: ActionCtx) -> list[dict[str, Any]]:
    """Every function but the operators': path, kind, what it says of itself, and where it is written."""
    return [
        {
            "path": function.path,
            "kind": function.kind,
            "public": function.public,
            "doc": function.doc.partition("\n")[0],
            "place": os.path.relpath(function.file) + f":{function.line}",
            "args": [
                {"name": field.encode_name, "type": readable(field.type), "required": field.required}
                for field in msgspec.structs.fields(function.args)
            ],
        }
        for function in ctx.parts.backend.registry
        if not function.path.startswith("_system/")
    ]


@internal_action(reads=True)
def settings(ctx: ActionCtx) -> list[dict[str, Any]]:
    """Every setting: its value, where that comes from, its default, what it is. Secrets are named and not shown."""
    found = []
    for name, default, what in _ROW.findall(knobs.__doc__ or ""):
        given = os.environ.get(name)
        hidden = given is not None and _SECRET.search(name) is not None and name not in _OPEN
        value = "•••••• (set)" if hidden else given
        found.append(
            {
                "name": name,
                "value": value,
                "source": "default" if given is None else "environment",
                "default": default,
                "what": what,
            }
        )
    return found


@internal_action(reads=True)
def orgs(ctx: ActionCtx) -> list[str]:
    """Orgs that have documents, as far as the first of each table tell: 2,000, or 200 on DynamoDB, which counts what is read."""
    from urllib.parse import unquote

    backend, names = ctx.parts.backend, set[str]()
    many = 2_000 if backend.settings.store == "sqlite" else 200
    for table in TABLES:
        for item in backend.store.scan(table, None, many).items:
            names.add(unquote(str(item["pk"]).split("|", 1)[0]))
    return sorted(name for name in names if not name.startswith(("_system", "*")))
