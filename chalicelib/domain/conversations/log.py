"""Writing to a log: one row per message, numbered by the conversation's counter.

An append reads the conversation and writes the row and the counter, whatever the log's length. Rows are never changed or
taken out one by one. A message whose id the caller chose is written once: the same again is the same message.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain.answer_size import weight
from chalicelib.domain.conversations.access import Voice
from chalicelib.domain.conversations.codes import check_content, check_id, check_metadata, refused
from chalicelib.domain.conversations.opening import id_suffix, later
from chalicelib.domain.conversations.views import Role, message_view
from chalicelib.schema import ChatMessage, Conversation

RECENT = 16
"""How many entries the average of their sizes remembers, about."""


class NewMessage(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A message to add."""

    id: str | None = None
    """The caller's own; else a new one, `msg-…`."""
    role: Role
    content: str
    """Up to 64 KB, and not blank."""
    agent_id: str | None = None
    """Which agent says it."""
    metadata: Any = None
    """Any JSON value up to 16 KB."""


def check_message(message: NewMessage) -> None:
    """The rules of a message that its type does not say. Raises `Refused`."""
    check_content(message.content)
    check_metadata(message.metadata, "message.metadata")
    if message.id is not None:
        check_id(message.id, "message.id")
    if message.agent_id is not None:
        check_id(message.agent_id, "message.agentId")


def append(
    ctx: MutationCtx,
    conversation: Conversation,
    *,
    role: Voice,
    content: str,
    message_id: str | None = None,
    agent_id: str | None = None,
    metadata: Any = None,
) -> tuple[ChatMessage, Conversation]:
    """Add an entry. Returns it, and the conversation as it now is. The same id with other content is refused."""
    if message_id is not None:
        known = by_id(ctx, conversation, message_id)
        if known is not None:
            if (known.role, known.content, known.agent_id, known.metadata) == (role, content, agent_id, metadata):
                return known, conversation
            raise refused("MESSAGE_ALREADY_EXISTS", "another message of this conversation has this id", "message.id")
    if conversation.status != "active":
        raise refused("CONVERSATION_NOT_ACTIVE", f"the conversation is {conversation.status}; nothing can be added to it")
    if conversation.copying is not None:
        raise refused("FORK_IN_PROGRESS", "the past of this conversation is being copied; add again in a moment")
    number = conversation.message_count + 1
    message = ChatMessage(
        id=message_id or f"msg-{id_suffix(ctx, number)}",
        conversation=conversation.id,
        sequence=number,
        session_id=conversation.session_id or "",
        role=role,
        content=content,
        completed=True,
        status="completed",
        timestamp=later(ctx, conversation),
        agent_id=agent_id,
        metadata=metadata,
        named=message_id,
        reader=conversation.participants.get("userId"),
    )
    ctx.db.insert(message)
    size = weight(message_view(message))
    changed = ctx.db.patch(
        conversation,
        message_count=number,
        updated_at=max(ctx.now, message.timestamp),
        last_message_at=message.timestamp,
        entry_bytes=conversation.entry_bytes + (size - conversation.entry_bytes) / min(number, RECENT),
    )
    return message, changed


def by_id(ctx: QueryCtx | MutationCtx, conversation: Conversation, message_id: str) -> ChatMessage | None:
    """The entry with this id, or None. Our ids hold their place in the log; chosen ones are looked up by their claim."""
    ours = re.fullmatch(r"msg-([1-9][0-9]{0,9})-[a-z0-9]+", message_id)
    if ours is not None and int(ours[1]) <= conversation.message_count:
        row: ChatMessage | None = ctx.db.get(ChatMessage, conversation.id, int(ours[1]))
        if row is not None and row.id == message_id:
            return row
    found: ChatMessage | None = ctx.db.query(ChatMessage.by_messageId(conversation.id, message_id)).unique()
    return found
