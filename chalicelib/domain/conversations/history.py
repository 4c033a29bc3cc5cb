"""Pages of a log, from either end, in a range of times, of some roles.

Timestamps rise in a log, so a range of times is a range of places, found by bisection: it costs some reads more at any length,
and its total is exact. Roles have no order, so they are looked for message by message, and only so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chalicelib import QueryCtx
from chalicelib.domain.answer_size import ANSWER_BYTES, weight
from chalicelib.domain.conversations.codes import refused
from chalicelib.domain.conversations.views import ConversationMessage, HistoryView, Role, cut, read
from chalicelib.schema import ChatMessage, Conversation

SEARCHED, SEARCHED_BYTES = 1_000, 4_000_000
"""Messages, and bytes of them, among which roles are looked for."""


class Asked(NamedTuple):
    """What a reader wants of a log. Times are milliseconds since the epoch, both included."""

    limit: int
    offset: int
    newest_first: bool
    since: float | None = None
    until: float | None = None
    roles: Sequence[Role] = ()


def page(ctx: QueryCtx, conversation: Conversation, asked: Asked) -> HistoryView:
    """See `conversations:getHistory`."""
    count = conversation.message_count
    first = 1 if asked.since is None else _place(ctx, conversation, asked.since, after=False)
    last = count if asked.until is None else _place(ctx, conversation, asked.until, after=True) - 1
    if asked.roles:
        return _of_roles(ctx, conversation, asked, first, last)
    total = max(0, last - first + 1)
    low, high = (first, last - asked.offset) if asked.newest_first else (first + asked.offset, last)
    messages = read(ctx, conversation, low, high, ANSWER_BYTES, newest_first=asked.newest_first, most=asked.limit)
    return _view(conversation, messages, total, min(asked.offset, total))


def _place(ctx: QueryCtx, conversation: Conversation, time: float, *, after: bool) -> int:
    """The number of the first message that is not before (or: that is after) a time; one behind the last where there is none."""
    low, high = 1, conversation.message_count + 1
    while low < high:
        middle = (low + high) // 2
        row: ChatMessage | None = ctx.db.get(ChatMessage, conversation.id, middle)
        if row is not None and (row.timestamp > time if after else row.timestamp >= time):
            high = middle
        else:
            low = middle + 1
    return low


def _of_roles(ctx: QueryCtx, conversation: Conversation, asked: Asked, first: int, last: int) -> HistoryView:
    looked: list[ConversationMessage] = []
    if last - first < SEARCHED:
        looked = read(ctx, conversation, first, last, SEARCHED_BYTES, newest_first=asked.newest_first)
    if len(looked) < last - first + 1:
        raise refused(
            "FILTER_TOO_BROAD", f"roles are looked for among {SEARCHED} messages of 4 MB; narrow it by since and until", "roles"
        )
    found = [each for each in looked if each.role in asked.roles]
    told: list[ConversationMessage] = []
    room = ANSWER_BYTES
    for each in found[asked.offset : asked.offset + asked.limit]:
        room -= weight(each)
        if room < 0 and told:
            break
        told.append(cut(each, ANSWER_BYTES))
    return _view(conversation, told, len(found), min(asked.offset, len(found)))


def _view(conversation: Conversation, messages: list[ConversationMessage], total: int, passed: int) -> HistoryView:
    reached = passed + len(messages)
    return HistoryView(
        conversation_id=conversation.conversation_id,
        messages=messages,
        total=total,
        has_more=reached < total,
        next_offset=reached,
    )
