"""How many things one user or agent may have, as the operator says (SESSIONS_PER_USER and its like)."""

from __future__ import annotations

from typing import Any, Literal

from chalicelib import MutationCtx, Refused

What = Literal["sessions", "tasks", "schedules", "agents", "sockets", "conversations"]
LIMITS: dict[What, tuple[str, str]] = {
    "sessions": ("sessions_per_user", "TooManySessions"),
    "tasks": ("tasks_per_user", "TooManyTasks"),
    "schedules": ("schedules_per_user", "TooManySchedules"),
    "agents": ("agents_per_user", "TooManyAgents"),
    "sockets": ("sockets_per_user", "TooManySockets"),
    "conversations": ("conversations_per_agent", "TooManyConversations"),
}
END: dict[What, str] = {"sockets": "close"}
"""What makes room again, where it is not deleting."""


def check(ctx: MutationCtx, owned: Any, what: What) -> None:
    """Whether somebody may have one more.

    Args:
        owned: where theirs are listed.

    Raises:
        Refused: TooManySessions and its like, each with its `limit`.
    """
    limit, tag = LIMITS[what]
    most = int(ctx.limits.get(limit, 0))
    if most and ctx.db.count(owned) >= most:
        raise Refused(tag, f"You have {most} {what}, and may have no more; {END.get(what, 'delete')} one first.", limit=most)
