"""What a filter of conversations may name, whether it can be used, and whether a conversation fits it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib.domain.conversations.codes import check_dates, refused
from chalicelib.domain.conversations.views import ConversationType
from chalicelib.schema import Conversation

SortBy = Literal["createdAt", "updatedAt", "lastMessageAt", "messageCount"]
SortOrder = Literal["asc", "desc"]
Id = Annotated[str, Meta(min_length=1)]


class MessageCountRange(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How many messages, both bounds included."""

    min: Annotated[int, Meta(ge=0)] | None = None
    max: Annotated[int, Meta(ge=0)] | None = None


class DateRange(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Created from `start` to `end`, both included, in milliseconds since the epoch."""

    start: float | None = None
    end: float | None = None


class Filters(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What conversations must be. Times are milliseconds since the epoch; after and before exclude them."""

    type: ConversationType | None = None
    user_id: Id | None = None
    """`participants.userId`."""
    agent_id: Id | None = None
    """An agent that takes part."""
    participant_id: Id | None = None
    """A user or agent that takes part, joined ones included."""
    message_count: int | MessageCountRange | None = None
    created_after: float | None = None
    created_before: float | None = None
    updated_after: float | None = None
    updated_before: float | None = None
    last_message_after: float | None = None
    last_message_before: float | None = None
    """When the newest message came; a conversation without one is outside."""
    metadata: dict[str, Any] | None = None
    """Keys of its metadata, each with the value that it must have."""


def check(wanted: Filters) -> None:
    """Refuse ranges that end before they begin."""
    check_dates(wanted.created_after, wanted.created_before, "createdAfter")
    check_dates(wanted.updated_after, wanted.updated_before, "updatedAfter")
    check_dates(wanted.last_message_after, wanted.last_message_before, "lastMessageAfter")
    asked = wanted.message_count
    if isinstance(asked, MessageCountRange) and asked.min is not None and asked.max is not None and asked.min > asked.max:
        raise refused("INVALID_RANGE", "messageCount: min must not be above max", "messageCount")


def fits(one: Conversation, wanted: Filters) -> bool:
    """Whether a conversation has the numbers and times that a filter names, and its type."""
    asked = wanted.message_count
    low, high = (asked.min, asked.max) if isinstance(asked, MessageCountRange) else (asked, asked)
    return (
        wanted.type in (None, one.type)
        and _between(one.creation_time, wanted.created_after, wanted.created_before)
        and moved_within(wanted, one)
        and (low is None or one.message_count >= low)
        and (high is None or one.message_count <= high)
        and _heard(one, wanted)
        and _noted(one.metadata, wanted.metadata)
    )


def moved_within(wanted: Filters, one: Conversation) -> bool:
    """Whether a conversation was last changed when a filter says."""
    return _between(one.updated_at, wanted.updated_after, wanted.updated_before)


def _heard(one: Conversation, wanted: Filters) -> bool:
    after, before = wanted.last_message_after, wanted.last_message_before
    if one.last_message_at is None:
        return (after, before) == (None, None)
    return _between(one.last_message_at, after, before)


def _noted(metadata: Any, wanted: dict[str, Any] | None) -> bool:
    if not wanted:
        return True
    return isinstance(metadata, dict) and all(name in metadata and metadata[name] == part for name, part in wanted.items())


def created_in(wanted: Filters, dates: DateRange | None) -> None:
    """Narrow a filter to the conversations that were created in a range of times."""
    if dates is None:
        return
    check_dates(dates.start, dates.end, "filters.dateRange")
    starts = [each for each in (wanted.created_after, None if dates.start is None else dates.start - 0.5) if each is not None]
    ends = [each for each in (wanted.created_before, None if dates.end is None else dates.end + 0.5) if each is not None]
    wanted.created_after, wanted.created_before = max(starts, default=None), min(ends, default=None)


def _between(value: float, after: float | None, before: float | None) -> bool:
    return (after is None or value > after) and (before is None or value < before)
