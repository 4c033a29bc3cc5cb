"""Adopting conversations of the time before images, a few messages at a time (`domain/conversations/legacy.py`)."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from chalicelib import MutationCtx, internal_mutation
from chalicelib.domain.conversations.legacy import AT_ONCE, OldMessage
from chalicelib.domain.conversations.opening import id_suffix, open_conversation
from chalicelib.schema import ChatMessage, Conversation


@internal_mutation
def adopt(
    ctx: MutationCtx,
    conversation_id: str,
    user_id: str,
    session_id: str,
    messages: Annotated[list[OldMessage], Meta(max_length=AT_ONCE)],
    offset: int,
    image_id: str | None = None,
    title: str | None = None,
) -> bool:
    """Write an old conversation, or the next messages of one that is there. The same again changes nothing.

    Args:
        image_id: its image's id; None: a new one, and the old id is kept as a mark.
        offset: how many messages were written before these.

    Returns:
        Whether anything was written.
    """
    found: Conversation | None = ctx.db.query(Conversation.by_conversationId(conversation_id)).unique()
    made = found is None
    if found is None:
        mark = {"legacy": {"sessionId": session_id}} if image_id is None else None
        session = open_conversation(
            ctx, user_id, responder="model", conversation_id=conversation_id, image_id=image_id, name=title, metadata=mark
        )
        found = ctx.db.get(Conversation, session.conversation)
        assert found is not None
    if found.message_count != offset or not messages:
        return made
    number, last = offset, found.last_message_at or 0.0
    for each in messages:
        number, last = number + 1, max(each.timestamp, last + 1)
        about: dict[str, Any] = {"conversation": found.id, "session_id": found.session_id or "", "sequence": number}
        about["reader"] = user_id
        said: dict[str, Any] = {"role": each.role, "content": each.content, "completed": True, "status": "completed"}
        ctx.db.insert(ChatMessage(id=f"msg-{id_suffix(ctx, number)}", **about, **said, timestamp=last))
    ctx.db.patch(found, message_count=number, last_message_at=last)
    return True
