"""Forgetting one memory with what was taken from it, and a memory with what it was made of."""

from __future__ import annotations

from typing import Literal

import msgspec

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain.conversations import access as conversations
from chalicelib.domain.conversations.codes import refused
from chalicelib.domain.conversations.views import ConversationMessage
from chalicelib.domain.memories.views import MemoryView, whole
from chalicelib.domain.memory import erasure, facts
from chalicelib.domain.memory.facts import MOST_FACTS, FactView
from chalicelib.domain.memory.layers import COST, FACTS, MEMORIES
from chalicelib.domain.memory.recalling import ROOM, messages_of
from chalicelib.schema import Conversation, Fact, Memory


class EnrichedMemory(msgspec.Struct, rename="camel", kw_only=True):
    """A memory, with what it was made of and what was taken from it."""

    memory: MemoryView
    messages: list[ConversationMessage]
    facts: list[FactView]


class Forgotten(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """What was forgotten; `memory:getErasure` tells when the indexes are cleared of it."""

    memory_id: str
    facts_deleted: int
    receipt_id: str
    state: Literal["running", "completed"] = "running"
    conversation_id: str | None = None
    """The conversation that is deleted behind this commit."""


def enriched(ctx: QueryCtx, row: Memory, include_conversation: bool) -> EnrichedMemory:
    """A memory with its surroundings."""
    taken = ctx.db.query(Fact.by_memory(row.id)).take(MOST_FACTS)
    return EnrichedMemory(
        memory=whole(ctx, row),
        messages=messages_of(ctx, [row.conversation_ref], ROOM) if include_conversation else [],
        facts=[facts.view(each) for each in taken],
    )


def forget(ctx: MutationCtx, row: Memory, with_conversation: bool) -> Forgotten:
    """See `memory:forget`."""
    conversation = ctx.db.get(Conversation, row.conversation) if with_conversation and row.conversation else None
    if conversation is not None and not conversations.may_delete(ctx, conversation):
        raise refused("FORBIDDEN", "only the user whose conversation it is deletes it")
    taken = ctx.db.query(Fact.by_memory(row.id)).take(MOST_FACTS)
    for each in taken:
        ctx.db.delete(each)
    receipt = erasure.begin(ctx, [MEMORIES, FACTS], space=row.space, ids=[row.id], now=COST)
    told = Forgotten(memory_id=row.id, facts_deleted=len(taken), receipt_id=receipt.id)
    if conversation is not None:
        told.conversation_id = conversation.conversation_id
        ctx.scheduler.run_after(0, "memory_jobs:deleteConversation", conversation=conversation.id)
    return told
