"""Images on the wire: a conversation's own configuration, and what is done with a conversation by its image's id.

One conversation is one image and one session: they are opened together, and there is no function that would give
an image a second session. An agent (`agent_…`) is the handle of a reply that is being written: it is stored nowhere.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused, mutation, query
from chalicelib.domain import access, answer_size
from chalicelib.domain import domains as domains_domain
from chalicelib.domain.conversations import erasure
from chalicelib.domain.conversations.moved import moved
from chalicelib.domain.conversations.opening import open_conversation
from chalicelib.domain.images import access as image_access
from chalicelib.domain.images import forking, images, mcp
from chalicelib.domain.images.access import ImageRecord
from chalicelib.domain.images.images import LARGEST_PAGE, PAGE, Config, Created, Description, Id, Sent, Title
from chalicelib.domain.replies import activity
from chalicelib.domain.replies import options as reply_options
from chalicelib.domain.replies import request as replying
from chalicelib.domain.replies.views import MessageView, message_view
from chalicelib.functions import chat, domains
from chalicelib.schema import ChatMessage, Conversation


@mutation
def create(ctx: MutationCtx, container_id: Id | None = None, config: Config | None = None) -> Created:
    """Open a conversation with its image and session.

    Args:
        container_id: `domain_…` of the caller's own; its configuration is copied.
        config: goes before the domain's.
    """
    user = access.signed_in(ctx, "create an image")
    wanted = config or Config()
    domain = domains_domain.owned(ctx, container_id) if container_id else None
    copied = domains_domain.snapshot(domain, wanted.name, ctx.new_id()) if domain else {}
    given = {
        "name": wanted.name,
        "description": wanted.description,
        "system_prompt": wanted.system_prompt,
        "model": wanted.model,
        "mcp_servers": mcp.checked(ctx, wanted.mcp_servers),
        "custom_data": images.custom(wanted.custom_data),
    }
    configured = copied | {name: value for name, value in given.items() if value is not None}
    session = open_conversation(ctx, user.subject, responder="model", configured=configured, name=wanted.name)
    return Created(record=image_access.owned(ctx, session.image_id, "create an image").record)


@query
def get(ctx: QueryCtx, image_id: Id) -> ImageRecord | None:
    """One image; null for strangers."""
    found = image_access.found(ctx, image_id)
    return None if found is None else found.record


@query
def list_(ctx: QueryCtx, container_id: Id | None = None) -> list[ImageRecord]:
    """The caller's images, those that moved last first: the newest 30, of one container or of all.

    Where they are too long together their texts are cut (`cut`); `images:get` has them whole."""
    user = access.reader(ctx)
    if user is None:
        return []
    if container_id is None:
        listed = moved(ctx, Conversation.by_user_updated(user.subject), 30)
    else:
        domain = domains.get.handler(ctx, container_id)
        if domain is None:
            return []
        listed = list(ctx.db.query(Conversation.by_domain(domain.domain_id)).newest().take(30))
    found = [image_access.found(ctx, each.image_id) for each in listed if each.image_id]
    return answer_size.listed([each.record for each in found if each is not None])


@query
def get_part(
    ctx: QueryCtx,
    image_id: Id,
    field: Literal["systemPrompt", "description", "customData", "mcpServers"] = "systemPrompt",
    offset: Annotated[int, Meta(ge=0)] = 0,
) -> answer_size.TextPart | None:
    """A part of a long field of an image, from the character `offset` on; what is no text as JSON. Null for strangers.

    Ask again with `next` as the offset until there is none."""
    found = image_access.found(ctx, image_id)
    names = {"systemPrompt": "system_prompt", "customData": "custom_data", "mcpServers": "mcp_servers"}
    value = None if found is None else getattr(found.whole, names.get(field, field))
    return None if value is None else answer_size.text_part(value, offset)


@mutation
def update(
    ctx: MutationCtx, image_id: Id, name: Title | None = None, custom_data: Any = None, description: Description | None = None
) -> ImageRecord:
    """Name or describe an image, or keep something with it. What the model is told is a snapshot and does not change."""
    one = image_access.owned(ctx, image_id, "change an image")
    if custom_data is not None:
        ctx.db.patch(one.image, custom_data=images.custom(custom_data))
    if description is not None:
        ctx.db.patch(image_access.owned(ctx, image_id, "change an image").image, description=description or None)
    if name is not None:
        images.rename(ctx, one, name)
    return image_access.owned(ctx, image_id, "change an image").record


@mutation
def rename(ctx: MutationCtx, conversation_id: Id, title: Title) -> ImageRecord:
    """Give a conversation a title of 1 to 200 characters."""
    one = image_access.of_conversation(ctx, conversation_id, "rename a conversation")
    images.rename(ctx, one, title)
    return image_access.owned(ctx, one.image.id, "rename a conversation").record


@mutation
def delete(ctx: MutationCtx, image_id: Id) -> dict[str, Any]:
    """Delete an image with its conversation, completely. Returns the receipt's id."""
    one = image_access.owned(ctx, image_id, "delete an image")
    return {"receiptId": erasure.begin(ctx, [one.conversation.id]).id}


@mutation
def send(
    ctx: MutationCtx,
    image_id: Id,
    content: str,
    model: str | None = None,
    on_busy: replying.OnBusy = "enqueue",
    options: reply_options.SendOptions | None = None,
) -> Sent:
    """Say something in the conversation of an image; it needs no living agent.

    Raises:
        Refused: MESSAGE_CONTENT_REQUIRED, MESSAGE_TOO_LONG, INVALID_OPTIONS, or what a send raises.
    """
    replying.check_content(content)
    one = image_access.owned(ctx, image_id, "send a message")
    untitled = not one.session.name
    how: dict[str, Any] = {"model": model, "on_busy": on_busy, "options": options}
    message = chat.send_message.handler(ctx, session_id=one.session.id, content=content, **how)
    return Sent(image_id=image_id, session_id=one.session.id, message_id=message, title_generated=untitled or None)


@query
def tools(ctx: QueryCtx, image_id: Id) -> list[mcp.ServerView]:
    """The servers of tools that the model has in a conversation, and where each is from; none for strangers."""
    one = image_access.found(ctx, image_id)
    return [] if one is None else mcp.merged(ctx, one.image.mcp_servers)


@query
def messages(
    ctx: QueryCtx,
    image_id: Id,
    limit: Annotated[int, Meta(ge=1, le=LARGEST_PAGE)] = PAGE,
    before: int | None = None,
) -> list[MessageView]:
    """The newest messages of this image's conversation, oldest first: its own, and no other's; as `chat:getMessages` bounds them.

    Raises:
        Refused: IMAGE_NOT_FOUND; an empty list means that nothing was said yet.
    """
    one = image_access.found(ctx, image_id)
    if one is None:
        raise image_access.not_found()
    log = ChatMessage.log(one.conversation.id)
    found = ctx.db.query(log if before is None else log.before(before)).newest().take(limit)
    return answer_size.beginning(map(message_view, found), answer_size.LIST_BYTES)[::-1]


@mutation
def interrupt(ctx: MutationCtx, image_id: Id) -> bool:
    """Stop the reply that is being written. What it said stays. Returns whether there was one."""
    return images.stop(ctx, image_access.owned(ctx, image_id, "stop a reply"))


@mutation
def abort(ctx: MutationCtx, conversation_id: Id) -> bool:
    """The same by the conversation's id."""
    return images.stop(ctx, image_access.of_conversation(ctx, conversation_id, "stop a reply"))


@mutation
def fork(ctx: MutationCtx, image_id: Id, message_id: Id | None = None, name: Title | None = None) -> Created:
    """A new conversation with this one's configuration and its log up to a message, this one included.

    Args:
        message_id: default: the newest that is finished.
    """
    one = image_access.owned(ctx, image_id, "fork a conversation")
    upto = images.copied(ctx, one, images.entry(ctx, one, message_id).sequence) if message_id else images.finished(ctx, one)
    session = forking.fork(ctx, one, upto, name)
    return Created(record=image_access.owned(ctx, session.image_id, "fork a conversation").record)


@mutation
def edit(
    ctx: MutationCtx,
    image_id: Id,
    message_id: Id,
    content: str,
    model: str | None = None,
    options: reply_options.SendOptions | None = None,
) -> Sent:
    """Say something else instead of one's earlier message: in a fork of what was before it. The original stays as it is."""
    replying.check_content(content)
    one = image_access.owned(ctx, image_id, "edit a message")
    entry = images.entry(ctx, one, message_id)
    if entry.role != "user":
        raise Refused("NotYourMessage", "Only a message of yours can be edited; a reply can be regenerated.")
    own = reply_options.checked(options)
    model = model or (options.model if options else None)
    upto = images.copied(ctx, one, entry.sequence - 1)
    session = forking.fork(ctx, one, upto, None, {"content": content, "model": model, "options": own})
    conversation = ctx.db.get(Conversation, session.conversation)
    run = conversation.queued_runs[-1] if conversation and conversation.queued_runs else conversation and conversation.active_run
    message = f"msg-{run.removeprefix('run-')}" if run else None
    return Sent(image_id=session.image_id, session_id=session.id, message_id=message)


@mutation
def regenerate(
    ctx: MutationCtx,
    image_id: Id,
    message_id: Id | None = None,
    model: str | None = None,
    on_busy: Literal["reject", "interrupt"] = "reject",
    options: reply_options.SendOptions | None = None,
) -> Sent:
    """Have the newest reply written again. The old one stays in the log, `superseded`; the model is not told of it.

    Args:
        message_id: the reply; it must be the newest entry.
        on_busy: while it is being written: refuse (default), or end it and begin again.
        options: of the new reply alone. Images of the message are shown again, and cannot be changed here.
    """
    own = reply_options.checked(options)
    if own and "images" in own:
        raise Refused("INVALID_OPTIONS", "options.images: belong to a message; edit the message.", field="options.images")
    one = image_access.owned(ctx, image_id, "regenerate a reply")
    newest = ctx.db.get(ChatMessage, one.conversation.id, one.conversation.message_count)
    if newest is None or newest.role != "assistant" or (message_id is not None and newest.id != message_id):
        raise Refused("NotTheNewestReply", "Only the newest reply can be regenerated; fork the conversation at an earlier one.")
    ctx.db.patch(newest, superseded=True)
    wanted = model or (options.model if options else None) or one.session.model or one.image.model
    run = replying.reply(ctx, one.conversation, one.session, wanted, on_busy=on_busy, replaces=newest.sequence, options=own)
    activity.said(ctx, one.session, status="active")
    return Sent(image_id=image_id, session_id=one.session.id, message_id=run.message_id)
