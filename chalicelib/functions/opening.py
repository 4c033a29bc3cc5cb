"""Opening a conversation: one helper, whichever door asks."""

from __future__ import annotations

import re
from typing import Literal

from chalicelib import MutationCtx
from chalicelib.schema import ChatSession, Conversation, Image, Participant, Responder, Room

NAME_CHARS = 50
DEFAULT_MODEL = "claude-sonnet-5-5"
DEFAULT_PROMPT = "You are a helpful assistant. Answer in Markdown, as briefly as the question allows."


def open_conversation(
    ctx: MutationCtx,
    user_id: str,
    *,
    responder: Responder,
    model: str | None,
    worker_id: str | None,
    domain_id: str | None,
    name: str | None,
    kind: Literal["user", "agent"] = "user",
    room: Room | None = None,
) -> ChatSession:
    """Conversation, image, session and participant, in one commit. Returns the session.

    Args:
        user_id: who opens it; for an agent (`kind`) its key, `agent:…`.
        room: what the chat gateway keeps about it.
    """
    conversation = Conversation(
        id=ctx.new_id("c-"),
        conversation_id=ctx.new_id("conv-"),
        responder=responder,
        participants={"userId": user_id} if kind == "user" else {"agentId": user_id.removeprefix("agent:")},
        title=name if room else None,
        updated_at=ctx.now,
        room=room,
    )
    image = Image(
        id=ctx.new_id("img_"),
        conversation=conversation.id,
        system_prompt=DEFAULT_PROMPT,
        model=model or DEFAULT_MODEL,
        domain_id=domain_id,
    )
    session = ChatSession(
        id=ctx.new_id("sess_"),
        conversation=conversation.id,
        image_id=image.id,
        user_id=user_id,
        org=ctx.org,
        worker_id=worker_id,
        model=model,
        name=clean_name(name) if name else None,
        last_activity=ctx.now,
    )
    conversation.session_id = session.id
    member = Participant(id=f"{conversation.id}:{user_id}", conversation=conversation.id, member=user_id, kind=kind)
    for document in (conversation, image, session, member):
        ctx.db.insert(document)
    return session


def clean_name(text: str) -> str:
    """A session's name from its first message (004-U06): one line, 50 characters, never blank."""
    name = re.sub(r"\s+", " ", text).strip()
    if not name:
        return "New Chat"
    return name if len(name) <= NAME_CHARS else f"{name[:NAME_CHARS]}..."
