"""Memories: texts with where they come from, found by words and by meaning, kept in versions, archived and erased.

A memory belongs to a space, a name within the org, and to the user or agent that it is of. A user sees its own, an agent its
own, the org's backend (the role `service`) all. Strangers get what they would get for an id that never was, in every function.
Errors are data: `{code, field?, message}`, with the codes of `domain/memories/codes.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from chalicelib import ActionCtx, MutationCtx, QueryCtx, action, internal_mutation, internal_query, mutation, query
from chalicelib.domain.conversations.codes import check_dates, check_ids, check_query, refused
from chalicelib.domain.memories import access as may
from chalicelib.domain.memories import bulk, listing, storing, versions
from chalicelib.domain.memories import export as exporting
from chalicelib.domain.memories import searching as finding
from chalicelib.domain.memories.codes import check_importance, explain
from chalicelib.domain.memories.export import Format, MemoriesPart
from chalicelib.domain.memories.listing import Filters
from chalicelib.domain.memories.storing import Change, NewMemory
from chalicelib.domain.memories.views import (
    MemoriesDeleted,
    MemoriesUpdated,
    MemoryDeleted,
    MemoryView,
    Source,
    VersionView,
    listed,
    memory_view,
    whole,
)
from chalicelib.domain.memory import erasure
from chalicelib.domain.memory.layers import MEMORIES
from chalicelib.schema import ContentType, ConversationRef, ImmutableRef, MutableRef, SourceType

Limit = Annotated[int, Meta(ge=1, le=900)]
SearchLimit = Annotated[int, Meta(ge=1, le=100)]
Offset = Annotated[int, Meta(ge=0)]
Version = Annotated[int, Meta(ge=1)]
Tags = Literal["any", "all"]
Threshold = Annotated[int, Meta(ge=0)]


@mutation(explain=explain)
def store(
    ctx: MutationCtx,
    space: str,
    content: str,
    source: Source,
    content_type: ContentType = "raw",
    metadata: dict[str, Any] | None = None,
    embedding: list[float] | None = None,
    embedding_model: str | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    participant_id: str | None = None,
    conversation_ref: ConversationRef | None = None,
    immutable_ref: ImmutableRef | None = None,
    mutable_ref: MutableRef | None = None,
    generate_embedding: bool = True,
) -> MemoryView:
    """Keep a memory: found by `get`, `list`, `count` and by its words at once, by its meaning when `indexedVersion` says so.

    Args:
        space: a name within the org.
        content: a text of up to 64 KB.
        source: `conversation` needs `conversationRef`.
        conversation_ref: a conversation that you see; its deletion takes the reference away.
        metadata: `importance` (0 to 100, else 50), `tags` (up to 20), and what else you keep with it; 16 KB.
        embedding: 256 numbers of your own; without them the backend's embedder works them out behind the commit.
        user_id: whose it is. A user's own token says that by itself.
        participant_id: which of several tools or agents that share a space wrote it.
        generate_embedding: false: it is found by its words alone.

    Refuses: `INVALID_EMBEDDING`, `INVALID_IMPORTANCE`, `INVALID_TAGS`, `INVALID_SOURCE_TYPE`, `MISSING_CONVERSATION_REF`,
    `CONVERSATION_NOT_FOUND`, `MESSAGE_NOT_FOUND`, `CONTENT_TOO_LONG`, `FORBIDDEN`.
    """
    new = NewMemory(
        space=space,
        content=content,
        source=source,
        content_type=content_type,
        metadata=metadata,
        embedding=embedding,
        embedding_model=embedding_model,
        user_id=user_id,
        agent_id=agent_id,
        participant_id=participant_id,
        conversation_ref=conversation_ref,
        immutable_ref=immutable_ref,
        mutable_ref=mutable_ref,
        generate_embedding=generate_embedding,
    )
    return memory_view(storing.store(ctx, new))


@query(explain=explain)
def get(ctx: QueryCtx, space: str, memory_id: str, include_embedding: bool = False) -> MemoryView | None:
    """A memory with its newest earlier versions; null where it is not, also in another space."""
    row = may.found(ctx, space, memory_id)
    return None if row is None else whole(ctx, row, embedding=include_embedding)


@query(explain=explain)
def search(
    ctx: QueryCtx,
    space: str,
    query: str = "",
    embedding: list[float] | None = None,
    embedding_model: str | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    participant_id: str | None = None,
    source_type: SourceType | None = None,
    tags: list[str] | None = None,
    tags_match: Tags = "any",
    min_importance: int | None = None,
    min_score: float | None = None,
    include_archived: bool = False,
    limit: SearchLimit = 20,
) -> list[MemoryView]:
    """Memories best first, each with its `score` from 0 to 1: a live query.

    Args:
        query: words, any of them; the last is the beginning of one. With `embedding`, too, both lists are fused by their ranks.
        embedding: 256 numbers: what is nearest in meaning. To have a text embedded here, ask `memory:recall`.
        embedding_model: what made `embedding`: it is compared with vectors of the same model only, without a name with those that
            were stored without one.
        tags: any of them, or with `tagsMatch` all.
        min_score: cosine with `embedding` alone; s / (1 + s) of BM25 with words alone; 1 for the first of both.

    Refuses: `MISSING_REQUIRED_FIELD` without words and vector, `INVALID_EMBEDDING`, `CONTENT_TOO_LONG` (a query over 64 KB).
    """
    wanted = Filters(
        space=space,
        user_id=user_id,
        agent_id=agent_id,
        participant_id=participant_id,
        source_type=source_type,
        tags=tags,
        tags_all=tags_match == "all",
        min_importance=min_importance,
        include_archived=include_archived,
    )
    check_query(query)
    if not query.strip() and embedding is None:
        raise refused("MISSING_REQUIRED_FIELD", "name words to find, an embedding, or both", "query")
    asked = finding.Asked(wanted=wanted, query=query, embedding=embedding, limit=limit, min_score=min_score)
    asked.embedding_model = embedding_model
    return listed([finding.shown(each) for each in finding.search(ctx, asked)])


@query(explain=explain)
def list_(
    ctx: QueryCtx,
    space: str,
    user_id: str | None = None,
    agent_id: str | None = None,
    participant_id: str | None = None,
    source_type: SourceType | None = None,
    tags: list[str] | None = None,
    tags_match: Tags = "any",
    min_importance: int | None = None,
    include_archived: bool = False,
    created_after: float | None = None,
    created_before: float | None = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> list[MemoryView]:
    """The memories of a space that the caller may see, newest first.

    An answer holds 96 KB; a list that ends earlier because of that says so in its last element (`listTruncated`).

    Refuses: `FILTER_TOO_BROAD` where more than 400 had to be looked at one by one, `INVALID_RANGE`, `INVALID_DATE_RANGE`.
    """
    check_dates(created_after, created_before, "createdAfter")
    wanted = Filters(
        space=space,
        user_id=user_id,
        agent_id=agent_id,
        participant_id=participant_id,
        source_type=source_type,
        tags=tags,
        tags_all=tags_match == "all",
        min_importance=min_importance,
        include_archived=include_archived,
        created_after=created_after,
        created_before=created_before,
    )
    return listed([memory_view(each) for each in listing.select(ctx, wanted, offset + limit)[offset:]])


@query(explain=explain)
def count(
    ctx: QueryCtx,
    space: str,
    user_id: str | None = None,
    agent_id: str | None = None,
    participant_id: str | None = None,
    source_type: SourceType | None = None,
    include_archived: bool = False,
) -> int:
    """How many memories `list` would find, exactly."""
    wanted = Filters(
        space=space,
        user_id=user_id,
        agent_id=agent_id,
        participant_id=participant_id,
        source_type=source_type,
        include_archived=include_archived,
    )
    return listing.counted(ctx, wanted)


@mutation(explain=explain)
def update(
    ctx: MutationCtx,
    space: str,
    memory_id: str,
    content: str | None = None,
    content_type: ContentType | None = None,
    importance: int | None = None,
    tags: list[str] | None = None,
    metadata: dict[str, Any] | None = None,
    embedding: list[float] | None = None,
    embedding_model: str | None = None,
    generate_embedding: bool = True,
) -> MemoryView:
    """A new version of a memory; the one that it replaces is kept. What is not named stays.

    Refuses: `MEMORY_NOT_FOUND`, `PERMISSION_DENIED` (it is in another space), `MISSING_REQUIRED_FIELD`, and what `store` does.
    """
    change = Change(
        content=content,
        content_type=content_type,
        importance=importance,
        tags=tags,
        metadata=metadata,
        embedding=embedding,
        embedding_model=embedding_model,
        generate_embedding=generate_embedding,
    )
    return memory_view(storing.update(ctx, may.reached(ctx, space, memory_id, "change a memory"), change))


@action(explain=explain)
def update_many(
    ctx: ActionCtx,
    space: str,
    user_id: str | None = None,
    source_type: SourceType | None = None,
    tags: list[str] | None = None,
    importance: int | None = None,
    new_tags: list[str] | None = None,
) -> MemoriesUpdated:
    """Give every memory that fits, up to 900, a new version with this importance or these tags.

    Args:
        tags: only memories with any of these.
        new_tags: the tags of the new versions.

    Refuses: `MISSING_REQUIRED_FIELD` without a change.
    """
    wanted = Filters(space=space, user_id=user_id, source_type=source_type, tags=tags)
    return bulk.update_many(ctx, wanted, importance, new_tags)


@query(explain=explain)
def get_version(ctx: QueryCtx, space: str, memory_id: str, version: Version) -> VersionView | None:
    """One version of a memory, or null."""
    return versions.one(ctx, may.found(ctx, space, memory_id), version)


@query(explain=explain)
def get_history(ctx: QueryCtx, space: str, memory_id: str, limit: Limit = 100, offset: Offset = 0) -> list[VersionView]:
    """The versions of a memory, oldest first, the current one last; as many as 96 KB hold. [] for strangers."""
    return versions.history(ctx, may.found(ctx, space, memory_id), limit, offset)


@query(explain=explain)
def get_at_timestamp(ctx: QueryCtx, space: str, memory_id: str, timestamp: float) -> VersionView | None:
    """The version that was current at a moment (ms since the epoch); null before the first. Refuses: `INVALID_TIMESTAMP`."""
    return versions.at(ctx, may.found(ctx, space, memory_id), timestamp)


@mutation(explain=explain)
def archive(ctx: MutationCtx, space: str, memory_id: str) -> MemoryView:
    """Put a memory away: it stays, and no search, list or count has it unless asked for. Twice is once.

    Refuses: `MEMORY_NOT_FOUND`, `PERMISSION_DENIED`.
    """
    row = may.reached(ctx, space, memory_id, "archive a memory")
    return memory_view(row if row.status == "archived" else ctx.db.patch(row, status="archived"))


@mutation(explain=explain)
def restore_from_archive(ctx: MutationCtx, space: str, memory_id: str) -> MemoryView:
    """Bring an archived memory back as it was: content, importance, tags, references and version.

    Refuses: `MEMORY_NOT_FOUND`, `MEMORY_NOT_ARCHIVED`, `PERMISSION_DENIED`.
    """
    row = may.reached(ctx, space, memory_id, "restore a memory")
    if row.status != "archived":
        raise refused("MEMORY_NOT_ARCHIVED", "this memory is not archived", "memoryId")
    return memory_view(ctx.db.patch(row, status="active"))


@mutation(explain=explain)
def delete(ctx: MutationCtx, space: str, memory_id: str) -> MemoryDeleted:
    """Delete a memory with all its versions for good. It is not found from now on; the receipt says when the index is cleared.

    Refuses: `MEMORY_NOT_FOUND`, `PERMISSION_DENIED`.
    """
    row = may.reached(ctx, space, memory_id, "delete a memory")
    receipt = erasure.begin(ctx, [MEMORIES], space=space, ids=[row.id], now=erasure.ACTIONS)
    return MemoryDeleted(deleted=True, memory_id=row.id, receipt_id=receipt.id, state="running")


@action(explain=explain)
def delete_many(
    ctx: ActionCtx,
    space: str,
    user_id: str | None = None,
    source_type: SourceType | None = None,
    tags: list[str] | None = None,
    memory_ids: list[str] | None = None,
    dry_run: bool = False,
    confirmation_threshold: Threshold = 10,
) -> MemoriesDeleted:
    """Delete every memory of a space that fits, up to 900 of the caller's, archived ones included.

    Args:
        memory_ids: up to 100 by name instead; those that are not there are passed over.
        dry_run: only say how many it would be.
        confirmation_threshold: more than this many are refused; whoever means it raises the number.

    Refuses: `DELETE_MANY_THRESHOLD_EXCEEDED`.
    """
    if memory_ids is not None:
        check_ids(memory_ids, "memoryIds", 100)
    wanted = Filters(space=space, user_id=user_id, source_type=source_type, tags=tags, include_archived=True)
    return bulk.delete_many(ctx, wanted, memory_ids, dry_run, confirmation_threshold)


@query(explain=explain)
def export(
    ctx: QueryCtx,
    space: str,
    format: Format,
    user_id: str | None = None,
    include_embeddings: bool = False,
    include_archived: bool = True,
    cursor: str | None = None,
) -> MemoriesPart:
    """The memories of a space as text, `json` or `csv`, newest first, 96 KB at a time: call again with `continueCursor`."""
    wanted = Filters(space=space, user_id=user_id, include_archived=include_archived)
    return exporting.export(ctx, wanted, format, include_embeddings, cursor)


@internal_query
def planned(ctx: QueryCtx, wanted: dict[str, Any], memory_ids: list[str] | None = None) -> list[str]:
    """The memories that a call for many means, 900 at most."""
    return bulk.planned(ctx, wanted, memory_ids)


@internal_mutation
def update_some(ctx: MutationCtx, memory_ids: list[str], importance: int | None, tags: list[str] | None) -> list[str]:
    """New versions of some memories. Returns those that are still there."""
    if importance is not None:
        check_importance(importance, "importance")
    return bulk.update_some(ctx, memory_ids, Change(importance=importance, tags=tags))


@internal_mutation
def begin_erasure(ctx: MutationCtx, space: str, memory_ids: list[str]) -> str:
    """Write down which memories are to go. Returns the receipt's id."""
    return erasure.begin(ctx, [MEMORIES], space=space, ids=memory_ids).id
