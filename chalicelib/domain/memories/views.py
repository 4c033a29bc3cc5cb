"""What a reader is told of memories. Times are milliseconds since the epoch."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain.answer_size import ANSWER_BYTES, beginning, weight
from chalicelib.schema import GIVEN, ContentType, ConversationRef, ImmutableRef, Memory, MemoryVersion, MutableRef, SourceType

SHOWN_VERSIONS = 10
"""Earlier versions that `memories:get` brings; `getHistory` has all."""


class Source(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a memory comes from."""

    type: SourceType
    user_id: str | None = None
    """Who said it."""
    user_name: str | None = None
    timestamp: float | None = None
    """When; without it, when it is stored."""


class VersionView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """One version of a memory."""

    memory_id: str
    version: int
    content: str
    content_type: ContentType
    metadata: dict[str, Any]
    timestamp: float
    """When this version came."""
    cut: list[str] | None = None


class MemoryView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A memory in its current version."""

    memory_id: str
    space: str
    content: str
    content_type: ContentType
    status: Literal["active", "archived", "partial"]
    source: Source
    metadata: dict[str, Any]
    """`importance`, `tags`, and what else its writer keeps with it."""
    version: int
    created_at: float
    updated_at: float
    access_count: int
    last_accessed: float | None = None
    """When `memory:recall` last brought it."""
    user_id: str | None = None
    agent_id: str | None = None
    participant_id: str | None = None
    conversation_ref: ConversationRef | None = None
    immutable_ref: ImmutableRef | None = None
    mutable_ref: MutableRef | None = None
    indexed_version: int
    """The version that is found by meaning; 0 before the first. By words every version is found at once."""
    embedding_model: str | None = None
    """What made its vector; absent where the caller brought it and has not said."""
    embedding: list[float] | None = None
    """Only where it is asked for."""
    previous_versions: list[VersionView] | None = None
    """The newest ten that were replaced, newest first, in `get` only."""
    score: float | None = None
    """In a search: from 0 to 1, the best first."""
    highlights: list[str] | None = None
    """In a search for words: where they stand."""
    cut: list[str] | None = None
    """Fields that this answer had no room for; `get` has them whole."""
    list_truncated: bool | None = None
    """On the last one of a list that ends here because of its bytes: ask for the rest with `offset`."""


class MemoryDeleted(msgspec.Struct, rename="camel", kw_only=True):
    """A deleted memory. `state` says whether the index is cleared of it; `memory:getErasure` tells when it was."""

    deleted: bool
    memory_id: str
    receipt_id: str
    state: Literal["running", "completed"]


class MemoriesDeleted(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Several deleted memories, or with `dryRun` those that would be."""

    dry_run: bool
    deleted: int
    memory_ids: list[str]
    """As many as 32 KB hold; `deleted` counts all."""
    would_delete: int | None = None
    receipt_id: str | None = None
    state: Literal["running", "completed"] = "completed"


class MemoriesUpdated(msgspec.Struct, rename="camel", kw_only=True):
    """What `updateMany` has changed."""

    updated: int
    memory_ids: list[str]


def metadata_of(row: Memory | MemoryVersion) -> dict[str, Any]:
    """Importance, tags, and the rest."""
    return {**(row.metadata or {}), "importance": row.importance, "tags": row.tags}


def memory_view(row: Memory, *, embedding: bool = False) -> MemoryView:
    """A memory's document → what its readers see."""
    return MemoryView(
        memory_id=row.id,
        space=row.space,
        content=row.content,
        content_type=row.content_type,
        status=row.status,
        source=Source(type=row.source_type, user_id=row.source_user_id, user_name=row.source_user_name, timestamp=row.source_at),
        metadata=metadata_of(row),
        version=row.version,
        created_at=row.creation_time,
        updated_at=row.updated_at,
        access_count=row.access_count,
        last_accessed=row.last_accessed,
        user_id=row.user_id,
        agent_id=row.agent_id,
        participant_id=row.participant_id,
        conversation_ref=row.conversation_ref,
        immutable_ref=row.immutable_ref,
        mutable_ref=row.mutable_ref,
        indexed_version=row.indexed_version,
        embedding_model=None if row.embedding_model == GIVEN else row.embedding_model,
        embedding=row.embedding if embedding else None,
    )


def version_view(row: Memory | MemoryVersion) -> VersionView:
    """A version, whether it was replaced or is the current one."""
    memory, at = (row.id, row.updated_at) if isinstance(row, Memory) else (row.memory, row.at)
    return VersionView(
        memory_id=memory,
        version=row.version,
        content=row.content,
        content_type=row.content_type,
        metadata=metadata_of(row),
        timestamp=at,
    )


def whole(ctx: QueryCtx | MutationCtx, row: Memory, *, embedding: bool = False) -> MemoryView:
    """A memory with its newest earlier versions, as far as an answer has room."""
    view = memory_view(row, embedding=embedding)
    if row.version > 1:
        earlier = ctx.db.query(MemoryVersion.log(row.id)).newest().take(SHOWN_VERSIONS)
        room = ANSWER_BYTES - weight(view)
        if room > 0:
            view.previous_versions = beginning([version_view(each) for each in earlier], room)
    return view


def listed(views: list[MemoryView]) -> list[MemoryView]:
    """As many memories as one answer holds; the last one says so where more were found."""
    kept = beginning(views, ANSWER_BYTES - 100)
    if kept and len(kept) < len(views):
        kept[-1].list_truncated = True
    return kept
