"""What the chat gateway hung on a conversation goes with it: receipts, and the presences of sockets that had joined."""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx
from chalicelib.functions.conversation_delete import CHILDREN, Work
from chalicelib.schema import Presence, Receipt


def _rows_of(table: Any) -> Any:
    """A step that erases a conversation's rows of one table."""

    def erase(ctx: MutationCtx, work: Work, conversation: str) -> bool:
        if work.actions < 4:
            return False
        fit = (work.actions - 1) // 3
        found = ctx.db.query(table.by_conversation(conversation)).take(fit)
        work.actions -= 1
        for each in found:
            work.remove(ctx, table, each.id, cost=2)
        return len(found) < fit

    return erase


CHILDREN += [_rows_of(Receipt), _rows_of(Presence)]
