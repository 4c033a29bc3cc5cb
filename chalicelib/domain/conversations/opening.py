"""Opening a conversation, and joining one: one helper, whichever door asks. And what every entry of a log is given."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, Literal

from chalicelib import MutationCtx
from chalicelib.domain import quotas
from chalicelib.domain.replies import activity
from chalicelib.schema import ChatSession, Conversation, Image, Participant, Responder, Room

NAME_CHARS = 50
DEFAULT_MODEL = "claude-sonnet-5-5"
DEFAULT_PROMPT = "You are a helpful assistant. Answer in Markdown, as briefly as the question allows."

Kind = Literal["user", "agent"]


def open_conversation(
    ctx: MutationCtx,
    user_id: str | None,
    *,
    responder: Responder,
    model: str | None = None,
    worker_id: str | None = None,
    configured: dict[str, Any] | None = None,
    name: str | None = None,
    conversation_id: str | None = None,
    image_id: str | None = None,
    agent_id: str | None = None,
    agent_ids: Sequence[str] = (),
    metadata: Any = None,
    anchored: bool = False,
    room: Room | None = None,
) -> ChatSession:
    """Conversation, image, session and participants, in one commit.

    Args:
        user_id: whose conversation it is; None where only agents talk.
        configured: what the image copies, by its fields; else the defaults.
        conversation_id: the caller's own id, unique in the org (a taken one is refused by the store's claim); else a new one.
        image_id: the image's own id, of a conversation that had one before.
        agent_id: the agent of a `user-agent` conversation.
        agent_ids: the agents of an `agent-agent` conversation; with `user_id`, further agents.
        anchored: this is the one conversation that `getOrCreate` gives for these participants.
        room: what the chat gateway keeps about it; then `name` is its title, too.

    Returns:
        The session; `session.conversation` is the conversation's internal id.

    Raises:
        Refused: TooManySessions; TooManyConversations of an agent, where no user takes part.
    """
    if user_id is not None:
        quotas.check(ctx, ChatSession.by_user(user_id), "sessions")
    elif agent_id is not None:
        quotas.check(ctx, Conversation.by_agent(agent_id), "conversations")
    elif agent_ids:
        quotas.check(ctx, Participant.by_guest(f"agent:{agent_ids[0]}", "agent-agent"), "conversations")
    copied = configured or {}
    agents_only = user_id is None and agent_id is None and bool(agent_ids)
    named = {"userId": user_id, "agentId": agent_id, "agentIds": list(agent_ids) or None}
    key = participants_key(user_id, agent_id, agent_ids) if agent_id or agent_ids else None
    conversation = Conversation(
        id=ctx.new_id("c-"),
        conversation_id=conversation_id or ctx.new_id("conv-"),
        type="agent-agent" if agents_only else "user-agent",
        responder=responder,
        participants={name: value for name, value in named.items() if value is not None},
        updated_at=ctx.now,
        session_id=ctx.new_id("sess_"),
        image_id=image_id or ctx.new_id("img_"),
        metadata=metadata,
        participants_key=key,
        anchor=key if anchored else None,
        title=name if room else copied.get("name"),
        room=room,
        domain_id=copied.get("domain_id"),
    )
    chosen: dict[str, Any] = {"system_prompt": DEFAULT_PROMPT, "model": DEFAULT_MODEL}
    chosen |= {each: value for each, value in copied.items() if value is not None} | ({"model": model} if model else {})
    image = Image(id=conversation.image_id or "", conversation=conversation.id, **chosen)
    session = ChatSession(
        id=conversation.session_id or "",
        conversation=conversation.id,
        image_id=image.id,
        user_id=user_id,
        org=ctx.org,
        worker_id=worker_id,
        model=model,
        name=clean_name(name) if name else None,
        last_activity=ctx.now,
    )
    for document in (conversation, image, session):
        ctx.db.insert(document)
    activity.opened(ctx, session)
    members: list[tuple[Kind, str | None]] = [("user", user_id), ("agent", agent_id), *(("agent", each) for each in agent_ids)]
    for kind, member in dict.fromkeys(members):
        if member is not None:
            join(ctx, conversation, kind, member)
    return session


def join(ctx: MutationCtx, conversation: Conversation, kind: Kind, member: str) -> Participant:
    """Add a member to a conversation, and to the index that lists its conversations. One who is there already stays as it is."""
    known = ctx.db.get(Participant, participant_id(conversation.id, kind, member))
    if known is not None:
        return known
    named = conversation.participants.get("userId" if kind == "user" else "agentId")
    row = Participant(
        id=participant_id(conversation.id, kind, member),
        conversation=conversation.id,
        member=member,
        kind=kind,
        guest=None if named == member else f"{kind}:{member}",
        conversation_type=conversation.type,
        since=conversation.creation_time,
    )
    ctx.db.insert(row)
    return row


def leave(ctx: MutationCtx, conversation: Conversation, row: Participant) -> None:
    """Take a member out. If the conversation's own row names it, it does no longer, so the lists by user and agent follow."""
    ctx.db.delete(row)
    first = "userId" if row.kind == "user" else "agentId"
    if conversation.participants.get(first) == row.member:
        named = {name: value for name, value in conversation.participants.items() if name != first}
        rename(ctx, conversation, named)


def rename(ctx: MutationCtx, conversation: Conversation, participants: dict[str, Any]) -> Conversation:
    """Set who takes part. Messages are searched among those of the conversation's user: behind this commit they follow."""
    if conversation.message_count and participants.get("userId") != conversation.participants.get("userId"):
        ctx.scheduler.run_after(0, "history:handOver", conversation=conversation.id)
    return ctx.db.patch(conversation, participants=participants, updated_at=ctx.now)


def participant_id(conversation: str, kind: Kind, member: str) -> str:
    """The id of a member's row: a user and an agent of one name are two. Internal conversation ids hold neither mark."""
    return f"{conversation}{':' if kind == 'user' else '/'}{member}"


def participants_key(user_id: str | None, agent_id: str | None, agent_ids: Sequence[str]) -> str:
    """A digest of who takes part, whatever their order."""
    text = json.dumps([user_id, agent_id, sorted(agent_ids)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def later(ctx: MutationCtx, conversation: Conversation) -> float:
    """The timestamp of a new entry in milliseconds: now, but after the entry before it."""
    return max(ctx.now, (conversation.last_message_at or 0.0) + 1)


def id_suffix(ctx: MutationCtx, sequence: int) -> str:
    """What follows `msg-` in an id of ours: the place in the log, so that an id is found without an index, and a secret."""
    return f"{sequence}-{ctx.new_id()}"


def clean_name(text: str) -> str:
    """A session's name from its first message: one line, 50 characters, never blank."""
    name = re.sub(r"\s+", " ", text).strip()
    if not name:
        return "New Chat"
    return name if len(name) <= NAME_CHARS else f"{name[:NAME_CHARS]}..."
