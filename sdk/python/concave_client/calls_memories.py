"""Every call of `cortex.memories`, as a value: what to send, and how to read the answer. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from concave_client import checks
from concave_client import checks_memory as rules
from concave_client.calls import Call, Kind, Part
from concave_client.errors import ValidationError
from concave_client.models import Exported, Format, from_wire, to_wire
from concave_client.models_memory import (
    ContentType,
    ConversationRef,
    ConversationRefDict,
    MemoriesDeleted,
    MemoriesUpdated,
    Memory,
    MemoryDeleted,
    MemoryVersion,
    Source,
    SourceDict,
    SourceType,
    TagsMatch,
)

T = TypeVar("T")


def _call(kind: Kind, path: str, args: dict[str, Any], read: Callable[[Any], T]) -> Call[T]:
    return Call(kind, f"memories:{path}", args, read)


def _memory(value: Any) -> Memory:
    return from_wire(Memory, value)


def _memories(value: Any) -> list[Memory]:
    return [_memory(each) for each in value]


def _one(space: str, memory_id: str) -> dict[str, Any]:
    checks.name(space, "space")
    checks.text(memory_id, "memoryId")
    return {"space": space, "memoryId": memory_id}


def store(
    space: str,
    content: str,
    *,
    source: Source | SourceDict,
    content_type: ContentType | None = None,
    metadata: dict[str, Any] | None = None,
    embedding: Sequence[float] | None = None,
    embedding_model: str | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    participant_id: str | None = None,
    conversation_ref: ConversationRef | ConversationRefDict | None = None,
    immutable_ref: dict[str, Any] | None = None,
    mutable_ref: dict[str, Any] | None = None,
    generate_embedding: bool | None = None,
) -> Call[Memory]:
    """Keep a memory: found by its words at once, by its meaning when `indexed_version` says so.

    Args:
        space: a name within your org.
        source: where it comes from; `conversation` needs `conversation_ref`.
        metadata: `importance` (0 to 100), `tags`, and what else you keep with it.
        embedding: 256 numbers of your own; without them the backend works them out.

    Raises `ConversationError`: `CONVERSATION_NOT_FOUND`, `MESSAGE_NOT_FOUND`, `FORBIDDEN`.
    """
    rules.filters(space, userId=user_id, agentId=agent_id, participantId=participant_id)
    rules.content(content)
    origin, ref = to_wire(source), to_wire(conversation_ref)
    rules.source(origin, ref)
    rules.metadata(metadata)
    args = {
        "space": space,
        "content": content,
        "source": origin,
        "contentType": content_type,
        "metadata": metadata,
        "embedding": rules.embedding(embedding),
        "embeddingModel": embedding_model,
        "userId": user_id,
        "agentId": agent_id,
        "participantId": participant_id,
        "conversationRef": ref,
        "immutableRef": immutable_ref,
        "mutableRef": mutable_ref,
        "generateEmbedding": generate_embedding,
    }
    return _call("mutation", "store", args, _memory)


def get(space: str, memory_id: str, *, include_embedding: bool | None = None) -> Call[Memory | None]:
    """A memory with its newest earlier versions, or None, also where it is in another space."""
    args = {**_one(space, memory_id), "includeEmbedding": include_embedding}
    return _call("query", "get", args, lambda value: None if value is None else _memory(value))


def search(
    space: str,
    query: str = "",
    *,
    embedding: Sequence[float] | None = None,
    embedding_model: str | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    participant_id: str | None = None,
    source_type: SourceType | None = None,
    tags: list[str] | None = None,
    tags_match: TagsMatch | None = None,
    min_importance: int | None = None,
    min_score: float | None = None,
    include_archived: bool | None = None,
    limit: int | None = None,
) -> Call[list[Memory]]:
    """Memories best first, each with `score`: by words, by an embedding, or by both. See also `cortex.memory.recall`."""
    rules.filters(space, userId=user_id, agentId=agent_id, participantId=participant_id)
    rules.tags(tags)
    rules.importance(min_importance, "minImportance")
    checks.between(limit, 1, rules.MOST_FOUND, "limit")
    vector = rules.embedding(embedding)
    if vector is None:
        checks.text(query, "query")
    args = {
        "space": space,
        "query": query,
        "embedding": vector,
        "embeddingModel": embedding_model,
        "userId": user_id,
        "agentId": agent_id,
        "participantId": participant_id,
        "sourceType": source_type,
        "tags": tags,
        "tagsMatch": tags_match,
        "minImportance": min_importance,
        "minScore": min_score,
        "includeArchived": include_archived,
        "limit": limit,
    }
    return _call("query", "search", args, _memories)


def list_memories(
    space: str,
    *,
    user_id: str | None = None,
    agent_id: str | None = None,
    participant_id: str | None = None,
    source_type: SourceType | None = None,
    tags: list[str] | None = None,
    tags_match: TagsMatch | None = None,
    min_importance: int | None = None,
    include_archived: bool | None = None,
    created_after: float | None = None,
    created_before: float | None = None,
    limit: int | None = None,
    offset: int | None = None,
) -> Call[list[Memory]]:
    """The memories of a space that you may see, newest first; 100 unless `limit` (1 to 900) says otherwise."""
    rules.filters(space, userId=user_id, agentId=agent_id, participantId=participant_id)
    rules.tags(tags)
    rules.importance(min_importance, "minImportance")
    checks.between(limit, 1, rules.MOST_LISTED, "limit")
    checks.between(offset, 0, None, "offset")
    checks.dates(created_after, created_before, "createdAfter")
    args = {
        "space": space,
        "userId": user_id,
        "agentId": agent_id,
        "participantId": participant_id,
        "sourceType": source_type,
        "tags": tags,
        "tagsMatch": tags_match,
        "minImportance": min_importance,
        "includeArchived": include_archived,
        "createdAfter": created_after,
        "createdBefore": created_before,
        "limit": limit,
        "offset": offset,
    }
    return _call("query", "list", args, _memories)


def count(
    space: str,
    *,
    user_id: str | None = None,
    agent_id: str | None = None,
    participant_id: str | None = None,
    source_type: SourceType | None = None,
    include_archived: bool | None = None,
) -> Call[int]:
    """How many memories `list` would find."""
    rules.filters(space, userId=user_id, agentId=agent_id, participantId=participant_id)
    args = {
        "space": space,
        "userId": user_id,
        "agentId": agent_id,
        "participantId": participant_id,
        "sourceType": source_type,
        "includeArchived": include_archived,
    }
    return _call("query", "count", args, int)


def update(
    space: str,
    memory_id: str,
    *,
    content: str | None = None,
    content_type: ContentType | None = None,
    importance: int | None = None,
    tags: list[str] | None = None,
    metadata: dict[str, Any] | None = None,
    embedding: Sequence[float] | None = None,
    embedding_model: str | None = None,
    generate_embedding: bool | None = None,
) -> Call[Memory]:
    """A new version of a memory; the one that it replaces is kept.

    Raises `ConversationError`: `MEMORY_NOT_FOUND`, `PERMISSION_DENIED` (it is in another space).
    """
    args = _one(space, memory_id)
    if content is not None:
        rules.content(content)
    rules.importance(importance)
    rules.tags(tags)
    rules.metadata(metadata)
    change = {
        "content": content,
        "contentType": content_type,
        "importance": importance,
        "tags": tags,
        "metadata": metadata,
        "embedding": rules.embedding(embedding),
    }
    if all(each is None for each in change.values()):
        raise ValidationError(
            "MISSING_REQUIRED_FIELD", "name what is to change: content, importance, tags, metadata or embedding"
        )
    more = {"embeddingModel": embedding_model, "generateEmbedding": generate_embedding}
    return _call("mutation", "update", {**args, **change, **more}, _memory)


def update_many(
    space: str,
    *,
    user_id: str | None = None,
    source_type: SourceType | None = None,
    tags: list[str] | None = None,
    importance: int | None = None,
    new_tags: list[str] | None = None,
) -> Call[MemoriesUpdated]:
    """Give every memory that fits a new version with this importance or these tags."""
    rules.filters(space, userId=user_id)
    rules.importance(importance)
    rules.tags(tags)
    rules.tags(new_tags, "newTags")
    if importance is None and new_tags is None:
        raise ValidationError("MISSING_REQUIRED_FIELD", "name what is to change: importance or new_tags")
    args = {"space": space, "userId": user_id, "sourceType": source_type, "tags": tags}
    more = {"importance": importance, "newTags": new_tags}
    return _call("action", "updateMany", {**args, **more}, lambda value: from_wire(MemoriesUpdated, value))


def _version(value: Any) -> MemoryVersion | None:
    return None if value is None else from_wire(MemoryVersion, value)


def get_version(space: str, memory_id: str, version: int) -> Call[MemoryVersion | None]:
    """One version of a memory, or None."""
    checks.between(version, 1, None, "version")
    return _call("query", "getVersion", {**_one(space, memory_id), "version": version}, _version)


def get_history(space: str, memory_id: str, *, limit: int | None = None, offset: int | None = None) -> Call[list[MemoryVersion]]:
    """The versions of a memory, oldest first, the current one last."""
    checks.between(limit, 1, rules.MOST_LISTED, "limit")
    checks.between(offset, 0, None, "offset")
    args = {**_one(space, memory_id), "limit": limit, "offset": offset}
    return _call("query", "getHistory", args, lambda value: [from_wire(MemoryVersion, each) for each in value])


def get_at_timestamp(space: str, memory_id: str, timestamp: float) -> Call[MemoryVersion | None]:
    """The version that was current at a moment, in milliseconds since the epoch; None before the first."""
    if isinstance(timestamp, bool) or not isinstance(timestamp, (int, float)):
        raise ValidationError("INVALID_TIMESTAMP", "timestamp is a number of milliseconds", "timestamp")
    return _call("query", "getAtTimestamp", {**_one(space, memory_id), "timestamp": timestamp}, _version)


def archive(space: str, memory_id: str) -> Call[Memory]:
    """Put a memory away: no list and no search has it unless asked for."""
    return _call("mutation", "archive", _one(space, memory_id), _memory)


def restore_from_archive(space: str, memory_id: str) -> Call[Memory]:
    """Bring an archived memory back as it was. Raises `ConversationError`: `MEMORY_NOT_ARCHIVED`."""
    return _call("mutation", "restoreFromArchive", _one(space, memory_id), _memory)


def delete(space: str, memory_id: str) -> Call[MemoryDeleted]:
    """Delete a memory with all its versions for good. Raises `ConversationError`: `MEMORY_NOT_FOUND`."""
    return _call("mutation", "delete", _one(space, memory_id), lambda value: from_wire(MemoryDeleted, value))


def delete_many(
    space: str,
    *,
    user_id: str | None = None,
    source_type: SourceType | None = None,
    tags: list[str] | None = None,
    memory_ids: list[str] | None = None,
    dry_run: bool = False,
    confirmation_threshold: int = 10,
) -> Call[MemoriesDeleted]:
    """Delete every memory that fits. More than `confirmation_threshold` are refused; `dry_run` only counts.

    Raises `ConversationError`: `DELETE_MANY_THRESHOLD_EXCEEDED`.
    """
    rules.filters(space, userId=user_id)
    rules.tags(tags)
    checks.between(confirmation_threshold, 0, None, "confirmationThreshold")
    if memory_ids is not None:
        checks.names(memory_ids, "memoryIds")
    args = {"space": space, "userId": user_id, "sourceType": source_type, "tags": tags, "memoryIds": memory_ids}
    more = {"dryRun": dry_run, "confirmationThreshold": confirmation_threshold}
    return _call("action", "deleteMany", {**args, **more}, lambda value: from_wire(MemoriesDeleted, value))


def export_part(
    space: str,
    *,
    format: Format,
    user_id: str | None = None,
    include_embeddings: bool = False,
    include_archived: bool = True,
    cursor: str | None = None,
) -> Call[Part]:
    """One part of an export."""
    rules.filters(space, userId=user_id)
    checks.export_format(format)
    args = {
        "space": space,
        "format": format,
        "userId": user_id,
        "includeEmbeddings": include_embeddings,
        "includeArchived": include_archived,
        "cursor": cursor,
    }

    def read(value: Any) -> Part:
        return Part(from_wire(Exported, value), None if value["isDone"] else value["continueCursor"])

    return _call("query", "export", args, read)
