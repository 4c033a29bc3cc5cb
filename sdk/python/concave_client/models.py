"""What goes in and comes out: the document's fields under Python's names. Times are milliseconds since the epoch."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, TypeVar, get_args, get_origin, get_type_hints

ConversationType = Literal["user-agent", "agent-agent"]
Role = Literal["user", "agent", "system"]
SortBy = Literal["createdAt", "updatedAt", "lastMessageAt", "messageCount"]
SortOrder = Literal["asc", "desc"]
Format = Literal["json", "csv"]
SearchIn = Literal["content", "metadata", "both"]
State = Literal["running", "completed"]

T = TypeVar("T")


class ParticipantsDict(TypedDict, total=False):
    """Who takes part, as the document writes it."""

    userId: str
    agentId: str
    agentIds: list[str]


class _NeededOfMessage(TypedDict):
    role: Role
    content: str


class NewMessageDict(_NeededOfMessage, total=False):
    """A message to add, as the document writes it."""

    id: str
    agentId: str
    metadata: Any


class CountRange(TypedDict, total=False):
    """How many messages, both bounds included."""

    min: int
    max: int


class DateRange(TypedDict, total=False):
    """Created from `start` to `end`, both included, in milliseconds since the epoch."""

    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Participants:
    """Who takes part: user and agent, or two and more agents."""

    user_id: str | None = None
    agent_id: str | None = None
    agent_ids: list[str] | None = None


@dataclass(frozen=True, kw_only=True)
class NewMessage:
    """A message to add. With an `id` of its own it is added once, however often it is sent."""

    role: Role
    content: str
    id: str | None = None
    agent_id: str | None = None
    metadata: Any = None


@dataclass(frozen=True, kw_only=True)
class Message:
    """One entry of a conversation; it never changes."""

    id: str
    role: Role
    content: str
    timestamp: float
    sequence: int
    agent_id: str | None = None
    metadata: Any = None
    content_truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A conversation with its messages, or with the newest of them (`messages_truncated`)."""

    conversation_id: str
    type: ConversationType
    participants: Participants
    messages: list[Message]
    message_count: int
    created_at: float
    updated_at: float
    status: Literal["active", "closed", "archived"] = "active"
    metadata: Any = None
    last_message_at: float | None = None
    title: str | None = None
    messages_truncated: bool = False
    list_truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class History:
    """A page of a conversation's messages."""

    conversation_id: str
    messages: list[Message]
    total: int
    has_more: bool
    next_offset: int


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """A conversation with the words."""

    conversation: Conversation
    matched_messages: list[Message]
    highlights: list[str]
    score: float


@dataclass(frozen=True, kw_only=True)
class SearchAnswer:
    """What a search found, best first. `continue_before` is the `created_before` to go on with when it is not complete."""

    results: list[SearchResult]
    complete: bool
    searched_conversations: int
    searched_messages: int
    continue_before: float | None = None
    more_results: int = 0

    def __iter__(self) -> Iterator[SearchResult]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)


@dataclass(frozen=True, kw_only=True)
class Exported:
    """Conversations as text."""

    format: Format
    data: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Deleted:
    """A deleted conversation. `state` says whether its messages are erased already; `get_erasure(receipt_id)` tells."""

    deleted: bool
    conversation_id: str
    messages_deleted: int
    deleted_at: float
    restorable: bool
    receipt_id: str
    state: State


@dataclass(frozen=True, kw_only=True)
class DeletedMany:
    """Several deleted conversations, or with `dry_run` those that would be."""

    dry_run: bool
    deleted: int
    total_messages_deleted: int
    conversation_ids: list[str]
    state: State
    would_delete: int | None = None
    would_delete_messages: int | None = None
    not_found: list[str] = field(default_factory=list)
    receipt_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """The receipt of a deletion: what was erased, table by table."""

    receipt_id: str
    state: State
    requested_by: str
    conversations: int
    conversation_ids: list[str]
    messages: int
    erased: dict[str, int]
    digest: str
    started_at: float
    residue_until: float
    completed_at: float | None = None


def camel(name: str) -> str:
    """`user_id` → `userId`."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def to_wire(value: Any) -> Any:
    """A dataclass as the backend takes it: camelCase, absent fields left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((each.name, getattr(value, each.name)) for each in dataclasses.fields(value))
        return {camel(name): part for name, part in pairs if part is not None}
    return value


def from_wire(kind: type[T], value: Any) -> T:
    """What the backend said, as a dataclass. Fields that this version does not know are passed over."""
    known: Any = kind
    found = {name: _read(hint, value[wire]) for name, wire, hint in _fields(known) if wire in value}
    return kind(**found)


@functools.cache
def _fields(kind: type[Any]) -> list[tuple[str, str, Any]]:
    hints = get_type_hints(kind)
    return [(each.name, camel(each.name), hints[each.name]) for each in dataclasses.fields(kind)]


def _read(hint: Any, value: Any) -> Any:
    """A value by its annotation. The wire has one kind of number, so counts may come as 3.0."""
    origin = get_origin(hint)
    if value is None or hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        return _read(next(part for part in get_args(hint) if part is not type(None)), value)
    if origin is list:
        return [_read(get_args(hint)[0], part) for part in value]
    if origin is dict:
        return {name: _read(get_args(hint)[1], part) for name, part in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_wire(typing.cast(type[Any], hint), value)
    return int(value) if hint is int else value
