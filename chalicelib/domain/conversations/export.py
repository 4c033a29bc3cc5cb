"""Writing conversations out, as JSON or as CSV.

One answer holds 96 KB, as the text is written into it, so an export of much comes in parts: `isDone` and `continueCursor`, and
the parts of a CSV file put behind each other are the file (only the first has the header). A part of JSON is a list by itself;
a conversation that does not fit one part goes on in the next with its later messages, under the same `conversationId`. A single
message that does not fit a part is cut and says so (`contentTruncated`); `getMessage` gives it whole.

CSV is one line a conversation, its messages as JSON in the last column. Cells that a spreadsheet would take for a formula
get an apostrophe in front.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from typing import Any, Literal

import msgspec

from chalicelib import QueryCtx
from chalicelib.domain.answer_size import weight
from chalicelib.domain.conversations import access as may
from chalicelib.domain.conversations import listing
from chalicelib.domain.conversations.codes import check_ids, refused
from chalicelib.domain.conversations.filters import DateRange, Filters, created_in, fits
from chalicelib.domain.conversations.views import ConversationMessage, ConversationView, conversation_view, cut, read
from chalicelib.schema import Conversation

PART_BYTES = 96 * 1024
PART_CONVERSATIONS = 100
MOST_IDS = 100
COLUMNS = ("conversationId", "type", "participants", "messageCount", "createdAt", "updatedAt", "metadata", "messages")

Format = Literal["json", "csv"]


class ExportFilters(Filters, kw_only=True):
    """Filters of a list; or the conversations by name."""

    conversation_ids: list[str] | None = None
    """Up to 100; unknown ones are left out."""
    date_range: DateRange | None = None
    """When they were created."""


class ExportPart(msgspec.Struct, rename="camel", kw_only=True):
    """A part of an export. `count` is the number of conversations that begin in it."""

    format: Format
    data: str
    count: int
    is_done: bool
    continue_cursor: str


class _Cursor(msgspec.Struct, array_like=True):
    """Where the next part starts: behind conversations created at `before`, and how many messages of the next one."""

    messages: int = 0
    before: float | None = None
    passed: list[str] = []
    """Conversations created at `before` itself that are passed; of an export by ids all that are."""


def export(ctx: QueryCtx, filters: ExportFilters, format: Format, include_metadata: bool, cursor: str | None) -> ExportPart:
    """See `conversations:export`."""
    place = _decode(cursor)
    views: list[ConversationView] = []
    room, count = PART_BYTES, 0
    wanted = _wanted(ctx, filters, place)
    for each in wanted[:PART_CONVERSATIONS]:
        view = conversation_view(each, [])
        view.metadata = view.metadata if include_metadata else None
        left = room - _size(view, format)
        read_on = read(ctx, each, place.messages + 1, each.message_count, left) if left > 0 else []
        if not include_metadata:
            for message in read_on:
                message.metadata = None
        view.messages = _fitting(read_on, left, format, alone=not views)
        reached = place.messages + len(view.messages)
        if views and (left <= 0 or (reached < each.message_count and not view.messages)):
            break
        room = left - sum(_size(message, format) for message in view.messages)
        views.append(view)
        count += place.messages == 0
        if reached < each.message_count:
            place.messages = reached
            break
        _pass(place, each, keep=filters.conversation_ids is not None)
    done = place.messages == 0 and len(views) == len(wanted)
    data = _json(views) if format == "json" else _csv(views, header=cursor is None, include_metadata=include_metadata)
    return ExportPart(format=format, data=data, count=count, is_done=done, continue_cursor=_encode(place))


def _fitting(messages: list[ConversationMessage], room: int, format: Format, *, alone: bool) -> list[ConversationMessage]:
    """The first of these, as many as there is room for; one that stands alone in a part is cut where it has to be."""
    kept: list[ConversationMessage] = []
    for message in messages:
        while alone and not kept and (size := _size(message, format)) > room:
            message = cut(message, weight(message) * room // size - 1)
        room -= _size(message, format)
        if room < 0:
            break
        kept.append(message)
    return kept


def _size(value: Any, format: Format) -> int:
    """What something weighs in an answer whose `data` is text: JSON, or a cell of CSV, and that once more as JSON."""
    text = msgspec.json.encode(value).decode()
    return weight(text.replace('"', '""') if format == "csv" else text)


def _wanted(ctx: QueryCtx, filters: ExportFilters, place: _Cursor) -> list[Conversation]:
    """The conversations from the cursor on, newest first, and one more than a part holds."""
    created_in(filters, filters.date_range)
    if filters.conversation_ids is not None:
        check_ids(filters.conversation_ids, "filters.conversationIds", MOST_IDS)
        named = [may.found(ctx, each) for each in filters.conversation_ids]
        return [each for each in named if each is not None and fits(each, filters) and each.id not in place.passed]
    if place.before is not None:
        filters.created_before = min(place.before + 0.001, filters.created_before or place.before + 0.001)
    found = listing.select(ctx, filters, PART_CONVERSATIONS + 1 + len(place.passed), newest_first=True)
    return [each for each in found if each.id not in place.passed]


def _pass(place: _Cursor, conversation: Conversation, *, keep: bool) -> None:
    """Move the cursor behind a conversation. Several may have been created at the same time."""
    same = keep or place.before == conversation.creation_time
    place.passed = [*(place.passed if same else ()), conversation.id]
    place.before = conversation.creation_time
    place.messages = 0


def _encode(place: _Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _decode(cursor: str | None) -> _Cursor:
    if cursor is None:
        return _Cursor()
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=_Cursor)
    except ValueError as error:
        raise refused("INVALID_FORMAT", "cursor is not one of an export", "cursor") from error


def _json(views: list[ConversationView]) -> str:
    return msgspec.json.encode(views).decode()


def _csv(views: list[ConversationView], *, header: bool, include_metadata: bool) -> str:
    columns = [each for each in COLUMNS if include_metadata or each != "metadata"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    if header:
        writer.writeheader()
    for view in views:
        told = msgspec.to_builtins(view)
        writer.writerow({name: _cell(told.get(name)) for name in columns})
    return text.getvalue()


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
