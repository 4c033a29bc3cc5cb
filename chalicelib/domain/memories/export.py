"""Writing memories out, as JSON or as CSV, newest first, a part of 96 KB at a time.

The parts of a CSV file put behind each other are the file; a part of JSON is a list by itself. Cells that a spreadsheet would
take for a formula get an apostrophe in front.
"""

from __future__ import annotations

import base64
import csv
import io
import json
from typing import Any, Literal

import msgspec

from chalicelib import QueryCtx
from chalicelib.domain.answer_size import ANSWER_BYTES, shortened, weight
from chalicelib.domain.conversations.codes import refused
from chalicelib.domain.memories import listing
from chalicelib.domain.memories.listing import Filters
from chalicelib.domain.memories.views import MemoryView, memory_view

PART_BYTES = ANSWER_BYTES - 2048
PART_MEMORIES = 100
COLUMNS = (
    "memoryId",
    "space",
    "content",
    "contentType",
    "status",
    "source",
    "metadata",
    "version",
    "createdAt",
    "updatedAt",
    "userId",
    "agentId",
    "participantId",
    "conversationRef",
    "immutableRef",
    "mutableRef",
    "embedding",
)
Format = Literal["json", "csv"]


class MemoriesPart(msgspec.Struct, rename="camel", kw_only=True):
    """A part of an export. `count` is the number of memories in it."""

    format: Format
    data: str
    count: int
    is_done: bool
    continue_cursor: str


class _Cursor(msgspec.Struct, array_like=True):
    """Where the next part starts: behind memories created at `before`, those of `passed` at that very moment included."""

    before: float | None = None
    passed: list[str] = []


def export(ctx: QueryCtx, wanted: Filters, format: Format, embeddings: bool, cursor: str | None) -> MemoriesPart:
    """See `memories:export`."""
    place = _decode(cursor)
    if place.before is not None:
        beyond = place.before + 0.001
        wanted.created_before = min(beyond, wanted.created_before or beyond)
    rows = listing.select(ctx, wanted, PART_MEMORIES + 1 + len(place.passed))
    rest = [each for each in rows if each.id not in place.passed]
    views: list[MemoryView] = []
    room = PART_BYTES
    for row in rest[:PART_MEMORIES]:
        view = memory_view(row, embedding=embeddings)
        room -= _size(view, format)
        if room < 0 and views:
            break
        views.append(view if room >= 0 else shortened(view, PART_BYTES // 2))
        same = place.before == row.creation_time
        place = _Cursor(row.creation_time, [*(place.passed if same else ()), row.id])
    told = [{name: value for name, value in msgspec.to_builtins(each).items() if name in COLUMNS} for each in views]
    data = json.dumps(told, ensure_ascii=False) if format == "json" else _csv(told, header=cursor is None, embeddings=embeddings)
    return MemoriesPart(
        format=format, data=data, count=len(views), is_done=len(views) == len(rest), continue_cursor=_encode(place)
    )


def _size(view: MemoryView, format: Format) -> int:
    """What a memory weighs in an answer whose `data` is text."""
    text = msgspec.json.encode(view).decode()
    return weight(text.replace('"', '""') if format == "csv" else text)


def _encode(place: _Cursor) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()


def _decode(cursor: str | None) -> _Cursor:
    if cursor is None:
        return _Cursor()
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(cursor), type=_Cursor)
    except ValueError as error:
        raise refused("INVALID_FORMAT", "cursor is not one of an export", "cursor") from error


def _csv(told: list[dict[str, Any]], *, header: bool, embeddings: bool) -> str:
    columns = [each for each in COLUMNS if embeddings or each != "embedding"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    for each in told:
        writer.writerow({name: _cell(each.get(name)) for name in columns})
    return text.getvalue()


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
