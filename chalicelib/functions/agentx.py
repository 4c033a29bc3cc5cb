"""Requests of the image engine on the wire that mind which socket asks: who creates, runs or speaks to an image hears of it."""

from __future__ import annotations

from chalicelib import MutationCtx, QueryCtx, mutation, query
from chalicelib.domain import access
from chalicelib.domain.feeds.image import agent_of
from chalicelib.domain.images import access as image_access
from chalicelib.domain.images import agentx
from chalicelib.domain.images import images as images_domain
from chalicelib.domain.images.agentx import AgentView
from chalicelib.domain.replies import options as reply_options
from chalicelib.domain.replies import request as replying
from chalicelib.domain.rooms import sending
from chalicelib.functions import adapter, images
from chalicelib.schema import Run


@mutation
def create(
    ctx: MutationCtx,
    socket: images_domain.Id,
    container_id: images_domain.Id | None = None,
    config: images_domain.Config | None = None,
) -> images_domain.Created:
    """Open a conversation with its image; the socket hears of it from now on."""
    made = images.create.handler(ctx, container_id=container_id, config=config)
    agentx.hear(ctx, agentx.listener(ctx, socket, made.record.image_id), made.record.image_id)
    return made


@mutation
def send(
    ctx: MutationCtx,
    socket: images_domain.Id,
    image_id: images_domain.Id,
    content: str,
    model: str | None = None,
    on_busy: replying.OnBusy = "enqueue",
    options: reply_options.SendOptions | None = None,
) -> images_domain.Sent:
    """Say something, with options of this reply alone; the socket hears the reply."""
    row = agentx.listener(ctx, socket, image_id)
    sent = images.send.handler(ctx, image_id=image_id, content=content, model=model, on_busy=on_busy, options=options)
    agentx.hear(ctx, row, image_id)
    return sent


@mutation
def run(ctx: MutationCtx, socket: images_domain.Id, image_id: images_domain.Id) -> image_access.ImageRecord:
    """Hear of an image: what is being written from its beginning, then everything new."""
    agentx.hear(ctx, agentx.listener(ctx, socket, image_id), image_id)
    return image_access.owned(ctx, image_id, "hear of an image").record


@mutation
def stop(ctx: MutationCtx, socket: images_domain.Id, image_id: images_domain.Id) -> str:
    """Hear no more of an image. Its reply goes on; interrupting it is another request (stopping and disconnecting are two)."""
    row = sending.own_socket(ctx, socket)
    ctx.db.patch(row, images={each: first for each, first in row.images.items() if each != image_id})
    return image_id


@query
def agents(ctx: QueryCtx) -> list[AgentView]:
    """The caller's replies that are being written."""
    found = adapter.get_active_sessions.handler(ctx)
    return [each for one in found if (each := agentx.agent(ctx, one)) is not None]


@query
def alive(
    ctx: QueryCtx,
    reply_id: images_domain.Id | None = None,
    image_id: images_domain.Id | None = None,
    session_id: images_domain.Id | None = None,
) -> bool:
    """Whether a reply is being written: this one (`agent_…`), or one of an image, or of a session."""
    found = adapter.get_active_sessions.handler(ctx)
    if reply_id is not None:
        return any(agent_of(each.message_id) == reply_id for each in found)
    one = image_access.found(ctx, image_id) if image_id is not None else None
    session = one.session.id if one is not None else session_id
    return session is not None and adapter.is_session_active.handler(ctx, session_id=session)


@mutation
def interrupt(ctx: MutationCtx, reply_id: images_domain.Id | None = None, image_id: images_domain.Id | None = None) -> bool:
    """Stop a reply: this one (`agent_…`) while it is the one that is written, or whichever an image's is.

    Raises:
        Refused: IMAGE_NOT_FOUND; also for a reply of somebody else's.
    """
    run = ctx.db.get(Run, f"run-{reply_id.removeprefix('agent_')}") if reply_id else None
    session = access.readable(ctx, run.session_id) if run is not None else None
    if reply_id is not None and image_id is None:
        image_id = session.image_id if session is not None else ""
    one = image_access.owned(ctx, image_id or "", "stop a reply")
    if reply_id is not None and (run is None or one.conversation.active_run != run.id):
        return False
    return images.interrupt.handler(ctx, image_id=one.image.id)
