"""What becomes of a memory when the conversation that it refers to is deleted: it stays, without the reference."""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx
from chalicelib.schema import Memory

COST = 4
"""What taking one reference away writes: the row, and its place in the index."""


def let_go(ctx: MutationCtx, work: Any, conversation: str) -> bool:
    """A step of a conversation's erasure (`domain/conversations/erasure.py`): see `Step` there."""
    if work.actions < COST:
        return False
    fit: int = work.actions // COST
    rows: list[Memory] = ctx.db.query(Memory.by_conversation(conversation)).take(fit)
    work.actions -= 1
    for row in rows:
        ctx.db.patch(row, conversation=None, conversation_ref=None)
        work.actions -= COST
    return len(rows) < fit
