"""What goes in and comes out of memories and memory, under Python's names. Times are milliseconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from concave_client.models import Conversation, Message

SourceType = Literal["conversation", "system", "tool", "a2a"]
ContentType = Literal["raw", "summarized"]
TagsMatch = Literal["any", "all"]
FactType = Literal["preference", "identity", "knowledge", "relationship", "event", "observation", "custom"]
OnFailure = Literal["store-partial", "rollback", "retry", "best-effort"]


class _NeededOfSource(TypedDict):
    type: SourceType


class SourceDict(_NeededOfSource, total=False):
    """Where a memory comes from, as the document writes it."""

    userId: str
    userName: str
    timestamp: float


class _NeededOfConversationRef(TypedDict):
    conversationId: str


class ConversationRefDict(_NeededOfConversationRef, total=False):
    """The messages that a memory was made of, as the document writes it."""

    messageIds: list[str]


class _NeededOfFact(TypedDict):
    fact: str


class NewFactDict(_NeededOfFact, total=False):
    """A statement to remember with a turn."""

    factType: FactType
    subject: str
    predicate: str
    object: str
    confidence: int
    tags: list[str]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a memory comes from."""

    type: SourceType
    user_id: str | None = None
    user_name: str | None = None
    timestamp: float | None = None


@dataclass(frozen=True, kw_only=True)
class ConversationRef:
    """The messages that a memory was made of."""

    conversation_id: str
    message_ids: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class MemoryVersion:
    """One version of a memory."""

    memory_id: str
    version: int
    content: str
    content_type: ContentType
    metadata: dict[str, Any]
    timestamp: float


@dataclass(frozen=True, kw_only=True)
class Memory:
    """A memory in its current version. `metadata` has `importance`, `tags`, and what else was kept with it."""

    memory_id: str
    space: str
    content: str
    content_type: ContentType
    status: Literal["active", "archived", "partial"]
    source: Source
    metadata: dict[str, Any]
    version: int
    created_at: float
    updated_at: float
    access_count: int
    indexed_version: int
    last_accessed: float | None = None
    user_id: str | None = None
    agent_id: str | None = None
    participant_id: str | None = None
    conversation_ref: ConversationRef | None = None
    immutable_ref: dict[str, Any] | None = None
    mutable_ref: dict[str, Any] | None = None
    embedding_model: str | None = None
    embedding: list[float] | None = None
    previous_versions: list[MemoryVersion] = field(default_factory=list)
    score: float | None = None
    highlights: list[str] = field(default_factory=list)
    list_truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class MemoryDeleted:
    """A deleted memory; `cortex.memory.get_erasure(receipt_id)` tells when the index is cleared of it."""

    deleted: bool
    memory_id: str
    receipt_id: str
    state: Literal["running", "completed"]


@dataclass(frozen=True, kw_only=True)
class MemoriesDeleted:
    """Several deleted memories, or with `dry_run` those that would be."""

    dry_run: bool
    deleted: int
    memory_ids: list[str]
    state: Literal["running", "completed"] = "completed"
    would_delete: int | None = None
    receipt_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class MemoriesUpdated:
    """What `update_many` has changed."""

    updated: int
    memory_ids: list[str]


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A statement that is, or was, held to be true."""

    fact_id: str
    space: str
    fact: str
    fact_type: FactType
    status: Literal["active", "superseded"]
    confidence: int
    confirmations: int
    created_at: float
    updated_at: float
    subject: str | None = None
    predicate: str | None = None
    object: str | None = None
    tags: list[str] = field(default_factory=list)
    user_id: str | None = None
    agent_id: str | None = None
    memory_id: str | None = None
    supersedes: str | None = None
    superseded_by: str | None = None
    valid_until: float | None = None
    score: float | None = None


@dataclass(frozen=True, kw_only=True)
class FactStored:
    """What became of a statement."""

    action: Literal["ADD", "NONE", "SUPERSEDE"]
    fact: Fact
    superseded: str | None = None


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """A turn that is remembered; `added` is False where it was already."""

    added: bool
    conversation: Conversation
    memories: list[Memory]
    facts: list[FactStored]


@dataclass(frozen=True, kw_only=True)
class Recalled:
    """What fits a question; `context` is a text of it for a model."""

    mode: Literal["words", "semantic", "hybrid"]
    memories: list[Memory]
    facts: list[Fact]
    messages: list[Message]
    context: str


@dataclass(frozen=True, kw_only=True)
class EnrichedMemory:
    """A memory, with what it was made of and what was taken from it."""

    memory: Memory
    messages: list[Message]
    facts: list[Fact]


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What was forgotten."""

    memory_id: str
    facts_deleted: int
    receipt_id: str
    state: Literal["running", "completed"]
    conversation_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class MemoryErasure:
    """The receipt of an erasure over the layers of memory."""

    receipt_id: str
    state: Literal["running", "completed"]
    requested_by: str
    layers: list[str]
    erased: dict[str, int]
    digest: str
    started_at: float
    user_id: str | None = None
    space: str | None = None
    completed_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long the memories of a space are kept."""

    space: str
    days: float
    updated_at: float
    keep_importance: int | None = None


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """A stream that is remembered: all of it, or with `best-effort` what came before it failed (`error`)."""

    key: str
    text: str
    remembered: Remembered | None
    error: str | None = None
