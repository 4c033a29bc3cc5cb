"""Requests of the image engine on the wire that mind which socket asks: who creates, runs or speaks to an image hears of it."""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx, QueryCtx, mutation, query
from chalicelib.domain import access, domains
from chalicelib.domain.feeds.image import agent_of
from chalicelib.domain.images import access as image_access
from chalicelib.domain.images import agentx
from chalicelib.domain.images import images as images_domain
from chalicelib.domain.images.agentx import AgentView
from chalicelib.domain.replies import options as reply_options
from chalicelib.domain.replies import request as replying
from chalicelib.domain.replies.adapter import STOPPED_AMONG, STOPPED_AT_ONCE
from chalicelib.domain.rooms import sending
from chalicelib.functions import adapter, images
from chalicelib.schema import Conversation, Run


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


@mutation
def container(
    ctx: MutationCtx,
    container_id: domains.Title | None = None,
    name: domains.Name | None = None,
    description: domains.Text | None = None,
    system_prompt: domains.Instruction | None = None,
    model: domains.ShortText | None = None,
    mcp_servers: dict[str, Any] | None = None,
    settings: domains.Settings | None = None,
) -> agentx.Container:
    """Make a container, which is a domain. One that is there already stays as it is.

    Args:
        container_id: the caller's own name for it; default: a new `domain_…`. Other callers' names are their own.
        name: default: the `container_id`.
        The rest is as in `domains:create`.

    Raises:
        Refused: DOMAIN_NOT_FOUND for a `domain_…` that is none of the caller's; TooManyDomains, or what `domains:create` raises.
    """
    user = access.signed_in(ctx, "create a container")
    made = domains.find(ctx, container_id) if container_id else None
    if made is None and container_id and container_id.startswith(domains.PREFIX):
        raise domains.not_found()
    if made is None:
        own = domains.named(user.subject, container_id) if container_id else ctx.new_id("d")
        called = name or (container_id or "Container")[:100]
        given = {"description": description, "system_prompt": system_prompt, "model": model}
        made = domains.make(ctx, own, called, mcp_servers=mcp_servers, settings=settings, **given)
    return agentx.Container(container_id=container_id or domains.container_of(made.id), record=domains.view(made))


@mutation
def update(
    ctx: MutationCtx,
    image_id: images_domain.Id,
    updates: agentx.Updates | None = None,
    name: images_domain.Title | None = None,
    custom_data: Any = None,
) -> image_access.ImageRecord:
    """Change an image, by `updates`, or by the fields that `images:update` takes."""
    wanted = updates or agentx.Updates()
    data = custom_data if wanted.custom_data is None else wanted.custom_data
    return images.update.handler(
        ctx, image_id=image_id, name=wanted.name or name, custom_data=data, description=wanted.description
    )


@query
def agents(ctx: QueryCtx, container_id: images_domain.Id | None = None) -> list[AgentView]:
    """The caller's replies that are being written: all of them, or those of a container."""
    found = adapter.get_active_sessions.handler(ctx)
    shown = [each for one in found if (each := agentx.agent(ctx, one)) is not None]
    if container_id is None:
        return shown
    domain = domains.find(ctx, container_id)
    return [] if domain is None else [each for each in shown if each.container_id == domains.container_of(domain.id)]


@mutation
def destroy_all(ctx: MutationCtx, container_id: images_domain.Id | None = None) -> int:
    """Stop the caller's replies: of all conversations, or of a container's, as `adapter:stopAll` does.

    Returns: how many are being stopped; call again until it is 0.

    Raises:
        Refused: DOMAIN_NOT_FOUND; also for a container of somebody else's.
    """
    if container_id is None:
        return adapter.stop_all.handler(ctx)
    domain = domains.owned(ctx, container_id)
    newest = ctx.db.query(Conversation.by_domain(domain.id)).newest().take(STOPPED_AMONG)
    active = [each.active_run for each in newest if each.active_run][:STOPPED_AT_ONCE]
    for run_id in active:
        ctx.scheduler.run_after(0, "adapter:stopRun", run_id=run_id)
    return len(active)


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
