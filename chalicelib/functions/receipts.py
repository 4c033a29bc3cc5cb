"""Who has read how far: stored, never back, and never beyond what there is.

One row per member. Sending is reading: nobody has unread messages before one of his own. So the unread count is exact, a
difference of two numbers, however long the log is.
"""

from __future__ import annotations

from chalicelib import MutationCtx, QueryCtx, Refused, mutation, query
from chalicelib.domain import members
from chalicelib.domain.conversations.log import by_id
from chalicelib.domain.rooms import receipts
from chalicelib.domain.rooms.receipts import ReadView, Unread
from chalicelib.schema import Receipt


@mutation
def read(ctx: MutationCtx, conversation_id: str, message_id: str) -> ReadView:
    """The caller has read up to this message. Reading an earlier one again changes nothing."""
    me, conversation = members.joined(ctx, conversation_id)
    message = by_id(ctx, conversation, message_id)
    if message is None:
        raise Refused("MessageNotFound", "Message not found")
    row = receipts.has_read(ctx, conversation, me, message.sequence)
    if message.sequence > row.told:
        row = ctx.db.patch(row, told=message.sequence, message_id=message.id, read_at=ctx.now)
    return receipts.view(row)


@query
def get(ctx: QueryCtx, conversation_id: str) -> list[ReadView]:
    """How far everybody has read a conversation. Strangers get []."""
    conversation = members.readable(ctx, conversation_id)
    if conversation is None:
        return []
    return [receipts.view(each) for each in receipts.rows(ctx, conversation.id)]


@query
def unread(ctx: QueryCtx, conversation_id: str) -> Unread | None:
    """How many messages of others the caller has not read; null for strangers."""
    me = members.caller(ctx)
    conversation = members.readable(ctx, conversation_id)
    if conversation is None:
        return None
    row = ctx.db.get(Receipt, f"{conversation.id}:{me.key}")
    left = conversation.message_count - (row.sequence if row else 0)
    return Unread(conversation_id=conversation_id, unread=left, total_messages=conversation.message_count)
