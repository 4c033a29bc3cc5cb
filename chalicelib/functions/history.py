"""Reading a room's log: the newest messages, those of a role or with attachments, by text, a thread, numbers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chalicelib import QueryCtx, query
from chalicelib.domain import members
from chalicelib.domain.conversations.log import by_id
from chalicelib.domain.rooms import history
from chalicelib.domain.rooms.counters import MICRO
from chalicelib.domain.rooms.history import PAGE, Limit, Messages, Sequence, Statistics, Wanted
from chalicelib.domain.rooms.views import RoomMessage, message_view
from chalicelib.schema import ChatMessage, Room
from chalicelib.words import fold


@query
def messages(
    ctx: QueryCtx,
    conversation_id: str,
    limit: Limit = PAGE,
    before: Sequence | None = None,
    role: Wanted | None = None,
    attachments: bool | None = None,
    offset: Annotated[int, Meta(ge=0, le=2**53)] | None = None,
) -> Messages | None:
    """The newest messages that fit, oldest first; null for strangers. With a filter the newest thousand are looked through.

    Args:
        before: below this sequence number.
        offset: so many of the newest are passed over; `before` holds still while messages come.
    """
    conversation = members.readable(ctx, conversation_id)
    if conversation is None:
        return None
    if offset is not None and before is None:
        before = conversation.message_count - offset + 1
        if before <= 1:
            return history.told(conversation, [], None)
    if role is None and attachments is None:
        log = ChatMessage.log(conversation.id)
        found = ctx.db.query(log if before is None else log.before(before)).newest().take(limit)
        return history.told(conversation, found, found[-1].sequence if len(found) == limit else None)

    def wanted(each: ChatMessage) -> bool:
        return role in (None, each.role) and attachments in (None, bool(each.said and each.said.attachments))

    return history.picked(ctx, conversation, limit, before, wanted)


@query
def search(
    ctx: QueryCtx,
    conversation_id: str,
    text: Annotated[str, Meta(min_length=1, max_length=200)],
    limit: Limit = PAGE,
    before: Sequence | None = None,
) -> Messages | None:
    """The newest messages that contain a text, whatever its case and accents; null for strangers.

    Looks through a thousand at a time.
    """
    conversation = members.readable(ctx, conversation_id)
    if conversation is None:
        return None
    wanted = fold(text)
    return history.picked(ctx, conversation, limit, before, lambda each: wanted in fold(each.content))


@query
def thread(ctx: QueryCtx, conversation_id: str, message_id: Annotated[str, Meta(max_length=200)]) -> list[RoomMessage] | None:
    """A message, and everything that answers it (`parentId`), among the newest thousand; null when it is not there."""
    conversation = members.readable(ctx, conversation_id)
    if conversation is None or by_id(ctx, conversation, message_id) is None:
        return None
    inside, found = {message_id}, []
    for each in reversed(history.entries_of(ctx, conversation, None)):
        if each.id in inside or (each.said is not None and each.said.parent_id in inside):
            inside.add(each.id)
            found.append(message_view(conversation, each))
    return found


@query
def statistics(ctx: QueryCtx, conversation_id: str) -> Statistics | None:
    """A conversation in numbers; null for strangers."""
    conversation = members.readable(ctx, conversation_id)
    if conversation is None:
        return None
    room, log = conversation.room or Room(), history.entries_of(ctx, conversation, None)
    roles: dict[str, int] = {}
    types: dict[str, int] = {}
    for each in log:
        roles[each.role] = roles.get(each.role, 0) + 1
        kind = each.said.type if each.said else "text"
        types[kind] = types.get(kind, 0) + 1
    return Statistics(
        total_messages=conversation.message_count,
        total_tokens=room.total_tokens,
        total_cost=room.total_cost / MICRO,
        by_role=roles,
        by_type=types,
        with_attachments=sum(1 for each in log if each.said and each.said.attachments),
        counted=len(log),
    )
