"""What an image is given and answers with, and the rules of its entries: what can be forked, edited, stopped."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, Refused
from chalicelib.domain.conversations.log import by_id
from chalicelib.domain.images.access import ImageRecord, Owned
from chalicelib.domain.replies import lifecycle
from chalicelib.schema import ChatMessage, Run

Id = Annotated[str, Meta(max_length=512)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
Description = Annotated[str, Meta(max_length=2000)]
LISTED = 100
PAGE, LARGEST_PAGE = 50, 200
LARGEST_CUSTOM = 16 * 1024


class Config(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a new image is given beside its domain's configuration; what is named here goes before it."""

    name: Title | None = None
    description: Description | None = None
    system_prompt: Annotated[str, Meta(max_length=100_000)] | None = None
    model: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    mcp_servers: dict[str, Any] | None = None
    custom_data: Any = None
    """Any JSON value up to 16 KB; it comes back as it is."""


class Created(msgspec.Struct, rename="camel", kw_only=True):
    """The answer that holds an image (`data.record.imageId`)."""

    record: ImageRecord


class Sent(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A message that is being answered: the reply's id is the one that all events name."""

    image_id: str
    session_id: str
    message_id: str | None = None
    """The reply's; none while a long fork is still being copied."""
    title_generated: bool | None = None
    """This message gave the conversation its title."""


def custom(value: Any) -> Any:
    """Custom data that is small enough to be kept. Raises `Refused`: CustomDataTooLarge."""
    if value is not None and len(msgspec.json.encode(value, enc_hook=repr)) > LARGEST_CUSTOM:
        raise Refused("CustomDataTooLarge", f"customData holds {LARGEST_CUSTOM} bytes as JSON.", field="customData")
    return value


def rename(ctx: MutationCtx, one: Owned, name: str) -> None:
    """Give a session and its conversation a name that a person chose."""
    ctx.db.patch(one.session, name=name, title_generated=False)
    ctx.db.patch(one.conversation, title=name, updated_at=ctx.now)


def entry(ctx: MutationCtx, one: Owned, message_id: str) -> ChatMessage:
    """A finished entry of this image's log. Raises `Refused`."""
    entry = by_id(ctx, one.conversation, message_id)
    if entry is None:
        raise Refused("MessageNotFound", "Message not found")
    if not entry.completed:
        raise Refused("ReplyRunning", "This reply is being written; wait for its end, or stop it.")
    return entry


def finished(ctx: MutationCtx, one: Owned) -> int:
    """The newest sequence number before which nothing is unfinished: replies are written in order, so the active one is first."""
    run = ctx.db.get(Run, one.conversation.active_run) if one.conversation.active_run else None
    return one.conversation.message_count if run is None else run.sequence - 1


def copied(ctx: MutationCtx, one: Owned, upto: int) -> int:
    """A past that a fork can have: a reply in it that is still written would never end there. Raises `Refused`."""
    if upto > finished(ctx, one):
        raise Refused("ReplyRunning", "A reply before this message is being written; wait for its end, or stop it.")
    return upto


def stop(ctx: MutationCtx, one: Owned) -> bool:
    """Stop the reply that is being written. Returns whether there was one."""
    run = ctx.db.get(Run, one.conversation.active_run) if one.conversation.active_run else None
    if run is None or run.state in lifecycle.TERMINAL:
        return False
    lifecycle.end_from_outside(ctx, run, "aborted", "stopped")
    return True
