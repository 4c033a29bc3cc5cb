"""Forgetting one memory with what was taken from it, and all of a user or a space; and a memory with what it was made of."""

from __future__ import annotations

from typing import Literal

import msgspec

from chalicelib import ActionCtx, MutationCtx, QueryCtx
from chalicelib.domain.conversations import access as conversations
from chalicelib.domain.conversations.codes import check_id, refused
from chalicelib.domain.conversations.views import ConversationMessage
from chalicelib.domain.memories.views import MemoryView, whole
from chalicelib.domain.memory import erasure, facts
from chalicelib.domain.memory.erasure_views import MemoryErasureView
from chalicelib.domain.memory.facts import MOST_FACTS, FactView
from chalicelib.domain.memory.layers import COST, FACTS, LAYERS, MEMORIES
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


# All of a user, or of a space --------------------------------------------------------------------------------------------


def erase(ctx: ActionCtx, user_id: str | None, space: str | None, confirm: bool) -> MemoryErasureView:
    """See `memory:erase`."""
    user = conversations.signed_in(ctx, "erase memory")
    for field, value in (("userId", user_id), ("space", space)):
        if value is not None:
            check_id(value, field)
    if user_id is None and space is None:
        raise refused("MISSING_REQUIRED_FIELD", "name a userId, a space, or both", "userId")
    if not conversations.acts_for_org(user) and (conversations.is_agent(user) or user_id != user.subject):
        raise refused("FORBIDDEN", "you erase what is your own only: name yourself", "userId")
    if not confirm:
        raise refused("CONFIRMATION_REQUIRED", "this erases all of it for good; say confirm: true", "confirm")
    receipt = ctx.run_mutation("memory:beginErasure", user_id=user_id, space=space)
    erasure.drive(ctx, receipt, LAYERS, ctx.now + erasure.PATIENCE_MS)
    return msgspec.convert(ctx.run_query("memory:getErasure", receipt_id=receipt), MemoryErasureView)


def begin_erasure(ctx: MutationCtx, user_id: str | None, space: str | None) -> str:
    """Write down what is to go. Returns the receipt's id."""
    layers = [each for each in LAYERS if space is None or not each.whole_user_only]
    return erasure.begin(ctx, layers, user_id=user_id, space=space).id
