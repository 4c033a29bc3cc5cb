"""Pages of a room's log: what one looks through, what it holds, and where the next one begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from chalicelib import QueryCtx
from chalicelib.domain.answer_size import ANSWER_BYTES, beginning
from chalicelib.domain.rooms.views import RoomMessage, message_view
from chalicelib.schema import ChatMessage, Conversation

Limit = Annotated[int, Meta(ge=1, le=200)]
Sequence = Annotated[int, Meta(ge=1, le=2**53)]
Wanted = Literal["user", "assistant", "system", "tool"]
PAGE = 50
SEARCHED, LOOKED_BYTES = 1_000, 4_000_000
"""So many of the newest messages, and so much text, are looked through; `before` goes on from there."""
LEAST_ENTRY = 300
"""Bytes of a message without its text, about."""


class MessagesMeta(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Where a list of messages goes on."""

    total: int
    before: int | None = None


class Messages(msgspec.Struct, rename="camel", kw_only=True):
    """Messages, oldest first, as many of the newest as an answer holds. `before` in `meta` is where older ones begin; without
    it there are none."""

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


def newest(ctx: QueryCtx, conversation: Conversation, limit: int, before: int | None) -> Messages:
    """The newest messages below a number, as many as an answer holds: read in the view of subscribers."""
    log = ChatMessage.log(conversation.id)
    query = ctx.db.query(log if before is None else log.before(before)).newest()
    asked = min(limit, _as_many_as_fit(conversation, ANSWER_BYTES))
    found = query.take(asked)
    if (
        len(found) == asked < limit and sum(len(each.content.encode()) for each in found) < ANSWER_BYTES
    ):  # they were shorter than usual
        asked, found = limit, query.take(limit)
    return told(conversation, found, found[-1].sequence if len(found) == asked else None)


def _as_many_as_fit(conversation: Conversation, room: int) -> int:
    """About how many of a log's recent entries weigh so much."""
    return int(room / max(conversation.entry_bytes, LEAST_ENTRY) * 1.2) + 4


class Looked(NamedTuple):
    """What was looked through, newest first; `below`: older ones are there, and were not."""

    entries: list[ChatMessage]
    below: int | None


def look(ctx: QueryCtx, conversation: Conversation, before: int | None) -> Looked:
    """Up to a thousand messages and 4 MB: unchecked, under the conversation's row, which every append changes."""
    found: list[ChatMessage] = []
    below, room = before, LOOKED_BYTES
    while len(found) < SEARCHED and room > 0:
        asked = min(200, _as_many_as_fit(conversation, room))
        log = ChatMessage.log(conversation.id)
        page = ctx.db.peek_log(log if below is None else log.before(below), asked)
        found += page
        room -= sum(len(each.content.encode()) + LEAST_ENTRY for each in page)
        if len(page) < asked:
            return Looked(found, None)
        below = page[-1].sequence
    return Looked(found, below)


def picked(
    ctx: QueryCtx, conversation: Conversation, limit: int, before: int | None, wanted: Callable[[ChatMessage], bool]
) -> Messages:
    """The newest messages that are wanted, as a page."""
    looked = look(ctx, conversation, before)
    found: list[ChatMessage] = []
    for each in looked.entries:
        if wanted(each):
            found.append(each)
            if len(found) == limit:
                return told(conversation, found, each.sequence)
    return told(conversation, found, looked.below)


def told(conversation: Conversation, newest_first: list[ChatMessage], before: int | None) -> Messages:
    """A page of messages, oldest first, and where it goes on: as many of the newest as an answer holds."""
    views = beginning(message_view(conversation, each) for each in newest_first)
    if len(views) < len(newest_first):
        before = views[-1].sequence
    below = None if before is None or before <= 1 else before
    return Messages(data=views[::-1], meta=MessagesMeta(total=conversation.message_count, before=below))
