"""Storing and changing memories: the row commits first, and says which of its versions is found by meaning.

Words are in the index with the commit. A vector that the caller brings is, too; without one a job that stands in the same commit
embeds the text (`functions/memory_jobs.py`), and `indexedVersion` follows. A new version without a vector is found by its words
alone until then, never by what an older one meant.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib import MutationCtx
from chalicelib.domain.conversations import access as conversations
from chalicelib.domain.conversations.codes import check_id, check_ids, check_metadata, refused
from chalicelib.domain.conversations.log import by_id
from chalicelib.domain.memories import access as may
from chalicelib.domain.memories.access import Who
from chalicelib.domain.memories.codes import (
    MOST_MESSAGES,
    check_content,
    check_embedding,
    check_importance,
    check_metadata_of,
    check_tags,
)
from chalicelib.domain.memories.views import Source
from chalicelib.schema import GIVEN, ContentType, Conversation, ConversationRef, ImmutableRef, Memory, MemoryVersion, MutableRef


class NewMemory(msgspec.Struct, kw_only=True):
    """What is to be remembered."""

    space: str
    content: str
    source: Source
    content_type: ContentType = "raw"
    metadata: dict[str, Any] | None = None
    embedding: list[float] | None = None
    embedding_model: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    participant_id: str | None = None
    conversation_ref: ConversationRef | None = None
    immutable_ref: ImmutableRef | None = None
    mutable_ref: MutableRef | None = None
    generate_embedding: bool = True


class Change(msgspec.Struct, kw_only=True):
    """What a new version has; None: as it was."""

    content: str | None = None
    content_type: ContentType | None = None
    importance: int | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None
    embedding: list[float] | None = None
    embedding_model: str | None = None
    generate_embedding: bool = True


def store(ctx: MutationCtx, new: NewMemory, memory_id: str | None = None) -> Memory:
    """Keep a memory. Raises `Refused`, as `check` says."""
    who = may.writer(ctx, "store a memory")
    check(new)
    user_id, agent_id = may.owner(who, new.space, new.user_id, new.agent_id)
    importance, tags, rest = check_metadata_of(new.metadata)
    row = Memory(
        id=memory_id or ctx.new_id("mem-"),
        space=new.space,
        content=new.content,
        content_type=new.content_type,
        owner=may.key_of(user_id, agent_id),
        user_id=user_id,
        agent_id=agent_id,
        participant_id=new.participant_id,
        source_type=new.source.type,
        source_user_id=new.source.user_id,
        source_user_name=new.source.user_name,
        source_at=ctx.now if new.source.timestamp is None else new.source.timestamp,
        conversation_ref=new.conversation_ref,
        conversation=_internal(ctx, who, new.conversation_ref),
        immutable_ref=new.immutable_ref,
        mutable_ref=new.mutable_ref,
        importance=50 if importance is None else importance,
        tags=tags or [],
        metadata=rest,
        updated_at=ctx.now,
        embedding=new.embedding,
        embedding_model=(new.embedding_model or GIVEN) if new.embedding is not None else None,
        indexed_version=int(new.embedding is not None),
    )
    ctx.db.insert(row)
    if new.embedding is None and new.generate_embedding:
        _embed_later(ctx, row)
    return row


def check(new: NewMemory) -> None:
    """The rules that types do not say. Raises `Refused`."""
    check_id(new.space, "space")
    check_content(new.content)
    check_embedding(new.embedding)
    if new.participant_id is not None:
        check_id(new.participant_id, "participantId")
    if new.source.user_name is not None:
        check_id(new.source.user_name, "source.userName")
    if new.source.user_id is not None:
        check_id(new.source.user_id, "source.userId")
    if new.embedding_model is not None:
        check_id(new.embedding_model, "embeddingModel")
    if new.source.type == "conversation" and new.conversation_ref is None:
        raise refused(
            "MISSING_CONVERSATION_REF", "a memory of a conversation names its conversation: conversationRef", "conversationRef"
        )
    _check_refs(new)


def _check_refs(new: NewMemory) -> None:
    if new.conversation_ref is not None:
        check_id(new.conversation_ref.conversation_id, "conversationRef.conversationId")
        if new.conversation_ref.message_ids:
            check_ids(new.conversation_ref.message_ids, "conversationRef.messageIds", MOST_MESSAGES)
    if new.immutable_ref is not None:
        check_id(new.immutable_ref.type, "immutableRef.type")
        check_id(new.immutable_ref.id, "immutableRef.id")
    if new.mutable_ref is not None:
        check_id(new.mutable_ref.namespace, "mutableRef.namespace")
        check_id(new.mutable_ref.key, "mutableRef.key")
        check_metadata(new.mutable_ref.snapshot_value, "mutableRef.snapshotValue")


def _internal(ctx: MutationCtx, who: Who, ref: ConversationRef | None) -> str | None:
    """The internal id of a conversation that is referred to, so that its deletion finds the memory. Raises `Refused` for what a
    user or an agent does not see; the org's backend may refer to conversations that are kept elsewhere."""
    if ref is None:
        return None
    found: Conversation | None = ctx.db.query(Conversation.by_conversationId(ref.conversation_id)).unique()
    seen = found if found is not None and conversations.sees(ctx, found) else None
    if who.everything:
        return None if seen is None else seen.id
    if seen is None:
        raise refused("CONVERSATION_NOT_FOUND", "there is no such conversation", "conversationRef.conversationId")
    if any(by_id(ctx, seen, each) is None for each in ref.message_ids):
        raise refused("MESSAGE_NOT_FOUND", "the conversation has no such message", "conversationRef.messageIds")
    return seen.id


def update(ctx: MutationCtx, row: Memory, change: Change) -> Memory:
    """A new version; the one that it replaces is kept. Raises `Refused`."""
    importance, tags, rest = check_metadata_of(change.metadata)
    if change.importance is not None:
        importance = check_importance(change.importance, "importance")
    if change.tags is not None:
        tags = check_tags(change.tags, "tags")
    if change.content is not None:
        check_content(change.content)
    check_embedding(change.embedding)
    reworded = change.content is not None and change.content != row.content
    named = (change.content, change.content_type, importance, tags, rest, change.embedding)
    if all(each is None for each in named):
        raise refused("MISSING_REQUIRED_FIELD", "name what is to change: content, importance, tags, metadata or embedding")
    version = row.version + 1
    meaning: dict[str, Any] = {"indexed_version": version if row.embedding is not None else row.indexed_version}
    if change.embedding is not None:
        meaning = {"embedding": change.embedding, "embedding_model": change.embedding_model or GIVEN, "indexed_version": version}
    elif reworded:
        meaning = {"embedding": None, "embedding_model": None}
    keep(ctx, row)
    changed = ctx.db.patch(
        row,
        content=row.content if change.content is None else change.content,
        content_type=change.content_type or row.content_type,
        importance=row.importance if importance is None else importance,
        tags=row.tags if tags is None else tags,
        metadata=row.metadata if rest is None else rest,
        version=version,
        updated_at=max(ctx.now, row.updated_at + 1),
        **meaning,
    )
    if reworded and change.embedding is None and change.generate_embedding:
        _embed_later(ctx, changed)
    return changed


def keep(ctx: MutationCtx, row: Memory) -> None:
    """Keep the current version as one that was replaced."""
    ctx.db.insert(
        MemoryVersion(
            memory=row.id,
            version=row.version,
            content=row.content,
            content_type=row.content_type,
            importance=row.importance,
            tags=row.tags,
            metadata=row.metadata,
            at=row.updated_at,
        )
    )


def _embed_later(ctx: MutationCtx, row: Memory) -> None:
    """The job in the same commit that works out what a version means."""
    ctx.scheduler.run_after(0, "memory_jobs:embed", memory_id=row.id, version=row.version)
