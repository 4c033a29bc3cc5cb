"""The last calls of the process that is asked."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from chalicelib import ActionCtx, Refused, internal_action
from chalicelib.runtime.call_log import Call

MOST = 500
HOUR_MS = 3_600_000


@internal_action(reads=True)
def recent(
    ctx: ActionCtx, after: float = 0, limit: float = 100, path: str = "", request: str = "", org: str = "", caller: str = ""
) -> list[Call]:
    """The last calls, the newest first.

    Args:
        after: only those with a greater `number`.
        limit: 1 to 500.
        path, request, org, caller: only those that contain these texts.

    Raises:
        Refused: `NotSupported`: a log group keeps the log of this deployment.
    """
    found: list[Call] = _kept(ctx).last(int(max(1, min(limit, MOST))), path=path, request=request, org=org, caller=caller)
    return [call for call in found if call.number > after]


@internal_action(reads=True)
def statistics(ctx: ActionCtx) -> list[dict[str, Any]]:
    """What each function was called for within the last hour, as far as the last 10,000 calls tell, the busiest first: calls,
    errors, the time that half and that 95 % of them have stayed within (ms), items read and written, and request units that
    they would cost on DynamoDB.

    Raises:
        Refused: `NotSupported`: a log group keeps the log of this deployment.
    """
    by_path: defaultdict[str, list[Call]] = defaultdict(list)
    for call in _kept(ctx).after(time.time() * 1000 - HOUR_MS):
        if not call.path.startswith("_system/"):
            by_path[call.path].append(call)
    return sorted((_sums(path, calls) for path, calls in by_path.items()), key=lambda each: -each["calls"])


def within(calls: list[Call], share: float) -> float | None:
    """The time (ms) that this share of the calls has stayed within; None of no calls."""
    if not calls:
        return None
    times = sorted(call.ms for call in calls)
    return times[min(len(times) - 1, int(len(times) * share))]


def _sums(path: str, calls: list[Call]) -> dict[str, Any]:
    return {
        "path": path,
        "calls": len(calls),
        "errors": sum(bool(call.error) for call in calls),
        "p50": within(calls, 0.5),
        "p95": within(calls, 0.95),
        "reads": sum(call.reads for call in calls),
        "writes": sum(call.writes for call in calls),
        "readUnits": sum(call.read_units for call in calls),
        "writeUnits": sum(call.write_units for call in calls),
    }


def _kept(ctx: ActionCtx) -> Any:
    kept = ctx.parts.backend.call_log
    if kept is None:
        raise Refused("NotSupported", "This deployment keeps its log elsewhere; read it with `concave logs`.")
    return kept
