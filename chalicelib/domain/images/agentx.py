"""How a socket comes to hear of an image, and how a reply that is being written is shown as an agent of the image engine."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain import domains
from chalicelib.domain.feeds import reply as reply_feed
from chalicelib.domain.feeds.image import agent_of
from chalicelib.domain.images import access as image_access
from chalicelib.domain.images import images
from chalicelib.domain.rooms import sending
from chalicelib.schema import ChatSocket, Conversation

STREAMS = 20
"""Images that one socket may hear of."""


class AgentView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A reply that is being written, as the engine's agents are listed; it is stored nowhere."""

    agent_id: str
    image_id: str
    container_id: str | None = None
    session_id: str
    status: str


class Container(msgspec.Struct, rename="camel", kw_only=True):
    """A domain as the engine's container, under the id by which its caller names it."""

    container_id: str
    record: domains.DomainView


class Updates(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What may be changed of an image."""

    name: images.Title | None = None
    description: images.Description | None = None
    custom_data: Any = None


def agent(ctx: QueryCtx, one: Any) -> AgentView | None:
    """A reply that is being written, as an agent of the image engine; None where its conversation has no image."""
    conversation: Conversation | None = ctx.db.query(Conversation.by_conversationId(one.conversation_id)).unique()
    if conversation is None or conversation.image_id is None:
        return None
    return AgentView(
        agent_id=agent_of(one.message_id),
        image_id=conversation.image_id,
        container_id=domains.container_of(conversation.domain_id) if conversation.domain_id else None,
        session_id=one.session_id,
        status=one.state,
    )


def listener(ctx: MutationCtx, socket: str, image_id: str) -> ChatSocket:
    """The caller's socket, with a place for this image. Raises `Refused`."""
    row = sending.own_socket(ctx, socket)
    image_access.owned(ctx, image_id, "hear of an image")
    if image_id not in row.images and len(row.images) >= STREAMS:
        raise Refused("TooManyImages", f"A socket hears of {STREAMS} images; stop hearing of one first.")
    return row


def hear(ctx: MutationCtx, row: ChatSocket, image_id: str) -> None:
    """Have a socket hear of an image from now on."""
    if image_id not in row.images:
        first = reply_feed.place(ctx, image_access.owned(ctx, image_id, "hear of an image").conversation)
        ctx.db.patch(row, images={**row.images, image_id: first})
