"""Pages of a room's log: what one looks through, what it holds, and where the next one begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib import QueryCtx
from chalicelib.domain.rooms.views import RoomMessage, message_view
from chalicelib.schema import ChatMessage, Conversation

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


def entries_of(ctx: QueryCtx, conversation: Conversation, before: int | None) -> list[ChatMessage]:
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


def picked(
    ctx: QueryCtx, conversation: Conversation, limit: int, before: int | None, wanted: Callable[[ChatMessage], bool]
) -> Messages:
    """The newest messages that are wanted, as a page."""
    log = entries_of(ctx, conversation, before)
    found: list[ChatMessage] = []
    for each in log:
        if wanted(each):
            found.append(each)
            if len(found) == limit:
                return told(conversation, found, each.sequence)
    return told(conversation, found, log[-1].sequence if len(log) >= SEARCHED else None)


def told(conversation: Conversation, newest_first: list[ChatMessage], before: int | None) -> Messages:
    """A page of messages, oldest first, and where it goes on."""
    data = [message_view(conversation, each) for each in reversed(newest_first)]
    below = None if before is None or before <= 1 else before
    return Messages(data=data, meta=MessagesMeta(total=conversation.message_count, before=below))
