"""Recalling: memories and facts that fit a question, each once, best first, with a text of them to put before a model.

The question is embedded where there is an embedder, so both its words and its meaning are asked for; where the embedder does not
answer, its words alone are. `context` holds the facts, then the memories, as many as fit the budget.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chalicelib import ActionCtx, EmbedderFailed, MutationCtx, QueryCtx
from chalicelib.domain.answer_size import ANSWER_BYTES, beginning, weight
from chalicelib.domain.conversations import access as conversations
from chalicelib.domain.conversations.codes import check_id
from chalicelib.domain.conversations.log import by_id
from chalicelib.domain.conversations.views import ConversationMessage, cut, message_view
from chalicelib.domain.memories import access as may
from chalicelib.domain.memories import listing, searching
from chalicelib.domain.memories.listing import Filters
from chalicelib.domain.memories.searching import Asked
from chalicelib.domain.memories.views import MemoryView
from chalicelib.domain.memory import facts
from chalicelib.domain.memory.facts import FactView
from chalicelib.schema import DIMENSIONS, ConversationRef, Fact, Memory
from chalicelib.words import fold

ROOM = ANSWER_BYTES // 3
"""Bytes of memories, of messages, and of facts with the context, in one answer."""
MESSAGE_BYTES = 2048
"""Of one message that a memory was made of."""
MOST_CONTEXT = 20_000
"""Characters of `context` at most."""
MOST_TOUCHED = 20


class Question(msgspec.Struct, kw_only=True):
    """What is to be recalled."""

    space: str
    query: str
    user_id: str | None = None
    agent_id: str | None = None
    embedding: list[float] | None = None
    embedding_model: str | None = None
    limit: int = 10
    min_importance: int | None = None
    tags: list[str] | None = None
    include_facts: bool = True
    include_conversation: bool = False
    max_characters: int = 4_000


class Recalled(msgspec.Struct, rename="camel", kw_only=True):
    """What was recalled."""

    mode: Literal["words", "semantic", "hybrid"]
    """How: by words where there was no embedder."""
    memories: list[MemoryView]
    facts: list[FactView]
    messages: list[ConversationMessage]
    """With `includeConversation`: the messages that the memories were made of, in the order of the memories."""
    context: str
    """The facts and the memories as lines, cut to the budget."""


def recall(ctx: ActionCtx, asked: Question) -> Recalled:
    """See `memory:recall`."""
    if asked.embedding is None and asked.query.strip() and ctx.embedder is not None and ctx.embedder.dimensions == DIMENSIONS:
        try:
            (vector,) = ctx.embedder.embed([asked.query])
            if any(vector):
                asked.embedding, asked.embedding_model = vector, ctx.embedder.name
        except EmbedderFailed as error:
            ctx.log(f"recalled by words alone: {error}")
    told: Recalled = msgspec.convert(ctx.run_query("memory:recalled", asked=msgspec.to_builtins(asked)), Recalled)
    touched = [each.memory_id for each in told.memories][:MOST_TOUCHED]
    if touched:
        ctx.run_mutation("memory:touched", memory_ids=touched)
    return told


def look(ctx: QueryCtx, asked: Question) -> Recalled:
    """What fits a question, at one instant."""
    wanted = Filters(
        space=asked.space, user_id=asked.user_id, agent_id=asked.agent_id, min_importance=asked.min_importance, tags=asked.tags
    )
    search = Asked(wanted=wanted, query=asked.query, embedding=asked.embedding, limit=asked.limit)
    search.embedding_model = asked.embedding_model
    hits = searching.search(ctx, search)
    seen: set[str] = set()
    once = []
    for hit in hits:
        text = fold(" ".join(hit.document.content.split()))
        if text not in seen:
            seen.add(text)
            once.append(hit)
    views = beginning((searching.shown(each) for each in once), ROOM)
    held = _facts(ctx, asked) if asked.include_facts else []
    refs = [each.document.conversation_ref for each in once[: len(views)]]
    messages = messages_of(ctx, refs, ROOM) if asked.include_conversation else []
    return Recalled(mode=search.mode, memories=views, facts=held, messages=messages, context=_context(asked, held, views))


def _facts(ctx: QueryCtx, asked: Question) -> list[FactView]:
    """The facts that have the words of a question, best first."""
    who = may.asks(ctx)
    if who is None or not asked.query.strip():
        return []
    allowed, owner = listing.owner_of(who, Filters(space=asked.space, user_id=asked.user_id))
    if not allowed:
        return []
    named: dict[str, Any] = {"space": asked.space, "status": "active"} | ({} if owner is None else {"owner": owner})
    hits = ctx.db.search(Fact.by_text(asked.query, **named), limit=asked.limit)
    return beginning((facts.view(each.document, round(each.score / (1 + each.score), 6)) for each in hits), ROOM // 2)


def messages_of(ctx: QueryCtx, refs: list[ConversationRef | None], room: int) -> list[ConversationMessage]:
    """The messages that memories were made of, each once, as far as there is room; none of a conversation that is gone."""
    found: dict[str, ConversationMessage] = {}
    for ref in refs:
        conversation = None if ref is None else conversations.found(ctx, ref.conversation_id)
        for each in ref.message_ids if ref is not None and conversation is not None else ():
            message = by_id(ctx, conversation, each) if conversation is not None and each not in found else None
            if message is not None:
                view = cut(message_view(message), MESSAGE_BYTES)
                room -= weight(view)
                if room < 0:
                    return list(found.values())
                found[each] = view
    return list(found.values())


def _context(asked: Question, held: list[FactView], views: list[MemoryView]) -> str:
    lines, room = list[str](), min(asked.max_characters, MOST_CONTEXT)
    for text in [*(each.fact for each in held), *(each.content for each in views)]:
        line = "- " + " ".join(text.split())
        if len(line) + 1 > room:
            break
        lines.append(line)
        room -= len(line) + 1
    return "\n".join(lines)


def touch(ctx: MutationCtx, memory_ids: list[str]) -> None:
    """Note that these memories were recalled. No version of them changes."""
    for each in memory_ids:
        row = ctx.db.get(Memory, each)
        if row is not None:
            ctx.db.patch(row, access_count=row.access_count + 1, last_accessed=ctx.now)


def check(asked: Question) -> None:
    """The rules that types do not say. Raises `Refused`."""
    check_id(asked.space, "space")
