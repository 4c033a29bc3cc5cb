"""What members are told of a conversation and of a message."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chalicelib.domain.answer_size import ANSWER_BYTES, shortened, text_of, weight
from chalicelib.domain.members import Ctx
from chalicelib.domain.replies.views import Role
from chalicelib.domain.rooms.counters import MICRO
from chalicelib.schema import ChatMessage, Conversation, Participant, Room, Said

MessageType = Literal["text", "thinking", "tool_call", "tool_result", "error", "system"]


class ParticipantView(msgspec.Struct, rename="camel", kw_only=True):
    """A member."""

    type: Literal["user", "agent"]
    id: str
    joined: float


class RoomView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A conversation. Times are milliseconds since the epoch, costs dollars."""

    id: str = msgspec.field(name="_id")
    conversation_id: str
    title: str
    description: str | None = None
    agent_id: str | None = None
    user_id: str | None = None
    image_id: str | None = None
    session_id: str | None = None
    domain_id: str | None = None
    """Of a conversation that is one with an image."""
    conversation_type: Literal["chat"] = "chat"
    status: Literal["active", "closed", "archived"]
    participants: list[ParticipantView] | None = None
    """In the answer about one conversation, not in lists."""
    total_messages: int
    total_tokens: int
    total_cost: float
    last_message: str | None = None
    last_message_at: float | None = None
    summary: str | None = None
    org_id: str
    created_by: str | None = None
    updated_by: str | None = None
    created_at: float
    updated_at: float
    is_deleted: bool
    """Always false: what is deleted is gone."""


class RoomMessage(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A message. `status` is `sending` while a reply is being written."""

    id: str = msgspec.field(name="_id")
    message_id: str
    conversation_id: str
    sequence: int
    role: Role
    content: str
    type: MessageType
    status: Literal["sending", "sent", "delivered", "failed"]
    created_at: float
    participant_id: str | None = None
    participant_type: Literal["user", "agent"] | None = None
    name: str | None = None
    parent_id: str | None = None
    tool_calls: list[Any] | None = None
    tool_results: list[Any] | None = None
    thinking: dict[str, Any] | None = None
    usage: dict[str, Any] | None = None
    latency: float | None = None
    error: str | None = None
    attachments: list[str] | None = None
    cut: list[str] | None = None
    """What did not fit the answer, and was shortened or left out; `history:message` gives the whole."""
    next_character: int | None = None
    """In an answer about a part of the text: where the next part begins."""
    more: bool | None = None
    """On the last message of an answer that ends here because of its bytes."""


def room_view(ctx: Ctx, conversation: Conversation, members: list[Participant] | None = None) -> RoomView:
    """A conversation's document → what its members see."""
    room = conversation.room or Room()
    parts = conversation.participants
    listed = None if members is None else [participant_view(each) for each in members]
    return RoomView(
        id=conversation.conversation_id,
        conversation_id=conversation.conversation_id,
        title=conversation.title or "New Chat",
        description=room.description,
        agent_id=parts.get("agentId"),
        user_id=parts.get("userId"),
        image_id=conversation.image_id,
        session_id=conversation.session_id,
        domain_id=conversation.domain_id,
        status=conversation.status,
        participants=listed,
        total_messages=conversation.message_count,
        total_tokens=room.total_tokens,
        total_cost=room.total_cost / MICRO,
        last_message=room.last_message,
        last_message_at=conversation.last_message_at,
        summary=room.summary,
        org_id=ctx.org,
        created_by=room.created_by,
        updated_by=room.updated_by,
        created_at=conversation.creation_time,
        updated_at=conversation.updated_at,
        is_deleted=False,
    )


def participant_view(row: Participant) -> ParticipantView:
    """A member's row → what members see."""
    return ParticipantView(type=row.kind, id=row.member, joined=row.creation_time)


def message_view(conversation: Conversation, message: ChatMessage) -> RoomMessage:
    """A message's document → what members see."""
    said = message.said or Said()
    failed = message.status in ("failed", "interrupted")
    return RoomMessage(
        id=message.id,
        message_id=message.id,
        conversation_id=conversation.conversation_id,
        sequence=message.sequence,
        role=message.role,
        content=message.content,
        type=said.type,
        status="failed" if failed else "sent" if message.completed else "sending",
        created_at=message.timestamp,
        participant_id=said.participant_id,
        participant_type=said.participant_type,
        name=said.name,
        parent_id=said.parent_id,
        tool_calls=said.tool_calls,
        tool_results=said.tool_results,
        thinking=said.thinking if said.thinking else {"content": message.reasoning} if message.reasoning else None,
        usage=message.usage,
        latency=said.latency,
        error=said.error or (message.reason if failed else None),
        attachments=said.attachments,
    )


def part_of(view: RoomMessage, start: int) -> RoomMessage:
    """A message with its text from a character on, as far as one answer carries it."""
    bare = shortened(msgspec.structs.replace(view, content="", next_character=len(view.content)), ANSWER_BYTES // 2)
    content = text_of(view.content[start:], ANSWER_BYTES - weight(bare))
    reached = start + len(content)
    return msgspec.structs.replace(bare, content=content, next_character=reached if reached < len(view.content) else None)
