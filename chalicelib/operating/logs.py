"""The last calls of the process that is asked."""

from __future__ import annotations

from chalicelib import ActionCtx, Refused, internal_action
from chalicelib.runtime.call_log import Call

MOST = 500


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
    kept = ctx.parts.backend.call_log
    if kept is None:
        raise Refused("NotSupported", "This deployment keeps its log elsewhere; read it with `concave logs`.")
    found: list[Call] = kept.last(int(max(1, min(limit, MOST))), path=path, request=request, org=org, caller=caller)
    return [call for call in found if call.number > after]
