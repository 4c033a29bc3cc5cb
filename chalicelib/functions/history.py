"""Reading a conversation's log: the newest, by role, with attachments, by text, a thread, in numbers (002-U10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib import QueryCtx, query
from chalicelib.domain import members
from chalicelib.domain.conversations.log import by_id
from chalicelib.domain.rooms.counters import MICRO
from chalicelib.domain.rooms.views import RoomMessage, message_view
from chalicelib.schema import ChatMessage, Conversation, Room

Limit = Annotated[int, Meta(ge=1, le=200)]
Sequence = Annotated[int, Meta(ge=1, le=2**53)]
Wanted = Literal["user", "assistant", "system", "tool"]
PAGE = 50
SEARCHED = 1_000
"""So many of the newest messages are looked through; `before` goes on from there."""


class MessagesMeta(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Where a list of messages goes on."""

    total: int
    before: int | None = None


class Messages(msgspec.Struct, rename="camel", kw_only=True):
    """Messages, oldest first. `before` in `meta` is where older ones begin; null when there are none."""

    data: list[RoomMessage]
    meta: MessagesMeta


class Statistics(msgspec.Struct, rename="camel", kw_only=True):
    """A conversation in numbers. `byRole` and `byType` are of the newest thousand messages."""

    total_messages: int
    total_tokens: int
    total_cost: float
    by_role: dict[str, int]
    by_type: dict[str, int]
    with_attachments: int
    counted: int


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
        offset: so many of the newest are passed over (001-U10); `before` holds still while messages come.
    """
    conversation = members.readable(ctx, conversation_id)
    if conversation is None:
        return None
    if offset is not None and before is None:
        before = conversation.message_count - offset + 1
        if before <= 1:
            return _told(conversation, [], None)
    if role is None and attachments is None:
        log = ChatMessage.log(conversation.id)
        found = ctx.db.query(log if before is None else log.before(before)).newest().take(limit)
        return _told(conversation, found, found[-1].sequence if len(found) == limit else None)

    def wanted(each: ChatMessage) -> bool:
        return role in (None, each.role) and attachments in (None, bool(each.said and each.said.attachments))

    return _picked(ctx, conversation, limit, before, wanted)


@query
def search(
    ctx: QueryCtx,
    conversation_id: str,
    text: Annotated[str, Meta(min_length=1, max_length=200)],
    limit: Limit = PAGE,
    before: Sequence | None = None,
) -> Messages | None:
    """The newest messages that contain a text, whatever its case; null for strangers. Looks through a thousand at a time."""
    conversation = members.readable(ctx, conversation_id)
    if conversation is None:
        return None
    wanted = text.casefold()
    return _picked(ctx, conversation, limit, before, lambda each: wanted in each.content.casefold())


@query
def thread(ctx: QueryCtx, conversation_id: str, message_id: Annotated[str, Meta(max_length=200)]) -> list[RoomMessage] | None:
    """A message, and everything that answers it (`parentId`), among the newest thousand; null when it is not there."""
    conversation = members.readable(ctx, conversation_id)
    if conversation is None or by_id(ctx, conversation, message_id) is None:
        return None
    inside, found = {message_id}, []
    for each in reversed(_log(ctx, conversation, None)):
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
    room, log = conversation.room or Room(), _log(ctx, conversation, None)
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


def _log(ctx: QueryCtx, conversation: Conversation, before: int | None) -> list[ChatMessage]:
    """Up to a thousand messages, newest first: unchecked, under the conversation's row, which every append changes."""
    found: list[ChatMessage] = []
    below = before
    while len(found) < SEARCHED:
        log = ChatMessage.log(conversation.id)
        page = ctx.db.peek_log(log if below is None else log.before(below), 200)
        found += page
        if len(page) < 200:
            break
        below = page[-1].sequence
    return found


def _picked(
    ctx: QueryCtx, conversation: Conversation, limit: int, before: int | None, wanted: Callable[[ChatMessage], bool]
) -> Messages:
    log = _log(ctx, conversation, before)
    found: list[ChatMessage] = []
    for each in log:
        if wanted(each):
            found.append(each)
            if len(found) == limit:
                return _told(conversation, found, each.sequence)
    return _told(conversation, found, log[-1].sequence if len(log) >= SEARCHED else None)


def _told(conversation: Conversation, newest_first: list[ChatMessage], before: int | None) -> Messages:
    data = [message_view(conversation, each) for each in reversed(newest_first)]
    below = None if before is None or before <= 1 else before
    return Messages(data=data, meta=MessagesMeta(total=conversation.message_count, before=below))
