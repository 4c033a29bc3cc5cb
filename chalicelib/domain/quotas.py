"""How many things one user may have, as the operator says (SESSIONS_PER_USER and its like)."""

from __future__ import annotations

from typing import Any, Literal

from chalicelib import MutationCtx, Refused

What = Literal["sessions", "tasks", "schedules"]
TAGS: dict[What, str] = {"sessions": "TooManySessions", "tasks": "TooManyTasks", "schedules": "TooManySchedules"}


def check(ctx: MutationCtx, owned: Any, what: What) -> None:
    """Whether a caller may have one more.

    Args:
        owned: where the caller's are listed.

    Raises:
        Refused: TooManySessions, TooManyTasks, TooManySchedules, each with its `limit`.
    """
    most = int(ctx.limits.get(f"{what}_per_user", 0))
    if most and ctx.db.count(owned) >= most:
        raise Refused(TAGS[what], f"You have {most} {what}, and may have no more; delete one first.", limit=most)
