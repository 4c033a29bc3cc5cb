"""Read marks: one row per member, which only moves forward, and how members see it."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib import MutationCtx
from chalicelib.domain import members
from chalicelib.schema import Conversation, Receipt


class ReadView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """How far a member has read."""

    type: str
    id: str
    message_id: str | None = None
    sequence: int
    read_at: float | None = None


class Unread(msgspec.Struct, rename="camel", kw_only=True):
    """What the caller has not read of a conversation."""

    conversation_id: str
    unread: int
    total_messages: int


def has_read(ctx: MutationCtx, conversation: Conversation, me: members.Me, sequence: int) -> Receipt:
    """Move somebody's mark forward."""
    row = ctx.db.get(Receipt, f"{conversation.id}:{me.key}")
    if row is None:
        row = Receipt(
            id=f"{conversation.id}:{me.key}",
            conversation=conversation.id,
            member=me.key,
            kind=me.kind,
            name=me.name,
            sequence=sequence,
        )
        ctx.db.insert(row)
        return row
    return ctx.db.patch(row, sequence=sequence) if sequence > row.sequence else row


def rows(ctx: members.Ctx, conversation: str) -> list[Any]:
    """Everybody's marks."""
    return ctx.db.query(Receipt.by_conversation(conversation)).take(members.MEMBERS)


def view(row: Receipt) -> ReadView:
    """A read mark's document → what members see."""
    return ReadView(type=row.kind, id=row.name, message_id=row.message_id, sequence=row.sequence, read_at=row.read_at)
