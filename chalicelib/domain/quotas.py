"""How many things one user or agent may have, as the operator says (SESSIONS_PER_USER and its like)."""

from __future__ import annotations

from typing import Any, Literal

from chalicelib import MutationCtx, Refused

What = Literal["sessions", "tasks", "schedules", "agents", "sockets", "conversations"]
TAGS: dict[What, str] = {
    "sessions": "TooManySessions",
    "tasks": "TooManyTasks",
    "schedules": "TooManySchedules",
    "agents": "TooManyAgents",
    "sockets": "TooManySockets",
    "conversations": "TooManyConversations",
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
    most = int(ctx.limits.get(f"{what}_per_{'agent' if what == 'conversations' else 'user'}", 0))
    if most and ctx.db.count(owned) >= most:
        raise Refused(
            TAGS[what], f"You have {most} {what}, and may have no more; {END.get(what, 'delete')} one first.", limit=most
        )
