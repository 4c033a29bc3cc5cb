"""What an image is to its owner, and who that is. Strangers are told that there is none."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain import access, answer_size, domains
from chalicelib.domain.images import mcp
from chalicelib.schema import ChatSession, Conversation, Image


class Metadata(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """What an engine says of an image's session."""

    claude_sdk_session_id: str | None = None
    """The session's name at who writes its replies, where that is a worker or was told."""
    model: str
    provider: Literal["anthropic", "worker", "agent", "none"]


class ImageRecord(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """An image: the copy of a configuration, and the conversation and session that it is one with."""

    image_id: str
    container_id: str | None = None
    conversation_id: str
    session_id: str
    name: str
    description: str | None = None
    system_prompt: str
    model: str
    mcp_servers: list[mcp.ServerView]
    settings: domains.Settings | None = None
    metadata: Metadata
    parent_image_id: str | None = None
    custom_data: Any = None
    created_at: float
    updated_at: float
    cut: list[str] | None = None
    """Fields that are too long for one answer: of texts this is the beginning, `images:getPart` gives all of it."""


class Owned:
    """An image with what it is one with."""

    def __init__(self, image: Image, conversation: Conversation, session: ChatSession) -> None:
        self.image, self.conversation, self.session = image, conversation, session

    @property
    def record(self) -> ImageRecord:
        """As its owner sees it, as it fits one answer."""
        return answer_size.shortened(self.whole)

    @property
    def whole(self) -> ImageRecord:
        """The same, whatever its size."""
        image, conversation = self.image, self.conversation
        return ImageRecord(
            image_id=image.id,
            container_id=domains.container_of(image.domain_id) if image.domain_id else None,
            conversation_id=conversation.conversation_id,
            session_id=self.session.id,
            name=self.session.name or image.name or "New Chat",
            description=image.description,
            system_prompt=image.system_prompt,
            model=self.session.model or image.model,
            mcp_servers=mcp.views(image.mcp_servers),
            settings=msgspec.convert(image.settings, domains.Settings) if image.settings else None,
            metadata=self._metadata(),
            parent_image_id=image.parent_image_id,
            custom_data=image.custom_data,
            created_at=image.creation_time,
            updated_at=conversation.updated_at,
        )

    def _metadata(self) -> Metadata:
        writer = self.conversation.responder
        return Metadata(
            claude_sdk_session_id=self.session.agent_session_id,
            model=self.session.model or self.image.model,
            provider="anthropic" if writer == "model" else writer,
        )


def found(ctx: QueryCtx | MutationCtx, image_id: str) -> Owned | None:
    """An image for its owner, or for the worker that holds its session; None for everybody else."""
    user = access.reader(ctx)
    image = ctx.db.get(Image, image_id) if user is not None and image_id else None
    conversation = ctx.db.get(Conversation, image.conversation) if image is not None else None
    session = ctx.db.get(ChatSession, conversation.session_id) if conversation and conversation.session_id else None
    if image is None or conversation is None or session is None or not access.sees(user, session):
        return None
    return Owned(image, conversation, session)


def owned(ctx: MutationCtx, image_id: str, to_do: str) -> Owned:
    """An image for who may change it. Raises `Refused`."""
    user = access.signed_in(ctx, to_do)
    one = found(ctx, image_id)
    if one is None or not (user.is_service or one.session.user_id == user.subject):
        raise not_found()
    return one


def of_conversation(ctx: MutationCtx, conversation_id: str, to_do: str) -> Owned:
    """The image of a conversation, for who may change it. Raises `Refused`."""
    access.signed_in(ctx, to_do)
    conversation: Conversation | None = ctx.db.query(Conversation.by_conversationId(conversation_id)).unique()
    if conversation is None or conversation.image_id is None:
        raise Refused("CONVERSATION_NOT_FOUND", "Conversation not found")
    try:
        return owned(ctx, conversation.image_id, to_do)
    except Refused:
        raise Refused("CONVERSATION_NOT_FOUND", "Conversation not found") from None


def not_found() -> Refused:
    """The answer to strangers."""
    return Refused("IMAGE_NOT_FOUND", "Image not found")
