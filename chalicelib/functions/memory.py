"""Memory as one thing: remembering a turn of a talk, recalling what fits a question, facts, forgetting, and erasing all of it.

Who may do what is as in `memories`: a user has its own, the org's backend (the role `service`) all, a stranger nothing.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chalicelib import ActionCtx, MutationCtx, QueryCtx, action, internal_mutation, internal_query, mutation, query
from chalicelib.domain.answer_size import beginning
from chalicelib.domain.conversations.access import acts_for_org
from chalicelib.domain.conversations.codes import check_id, check_query, refused
from chalicelib.domain.memories import access as may
from chalicelib.domain.memories.codes import check_embedding, check_importance, check_tags, explain
from chalicelib.domain.memories.views import MemoryView, whole
from chalicelib.domain.memory import facts, forgetting, recalling, remembering, retention
from chalicelib.domain.memory.erasure_views import MemoryErasureView, erasure_view
from chalicelib.domain.memory.facts import FactStored, FactView, NewFact
from chalicelib.domain.memory.forgetting import EnrichedMemory, Forgotten
from chalicelib.domain.memory.recalling import Question, Recalled
from chalicelib.domain.memory.remembering import Ids, Remembered, Turn
from chalicelib.domain.memory.retention import RetentionView
from chalicelib.schema import FactType, MemoryErasure

Limit = Annotated[int, Meta(ge=1, le=100)]
Characters = Annotated[int, Meta(ge=0, le=20_000)]


@mutation(explain=explain)
def remember(
    ctx: MutationCtx,
    space: str,
    conversation_id: str,
    user_message: str,
    agent_response: str,
    user_id: str | None = None,
    user_name: str | None = None,
    agent_id: str | None = None,
    key: str | None = None,
    importance: int | None = None,
    tags: list[str] | None = None,
    summary: str | None = None,
    facts: list[NewFact] | None = None,
    metadata: Any = None,
    generate_embedding: bool = True,
) -> Remembered:
    """Remember a turn: two messages of the conversation, which is opened if there is none, and a memory of each, in one commit.

    Args:
        key: your own name for this turn: the same again adds nothing and tells what is there.
        summary: remembered in place of both texts, as one `summarized` memory.
        facts: up to 3 statements that the turn shows.
        metadata: kept with the user's message.

    Refuses: `OWNER_REQUIRED`, `AGENT_REQUIRED_FOR_USER_CONVERSATION`, `CONVERSATION_ALREADY_EXISTS` (somebody else's),
    `MESSAGE_ALREADY_EXISTS` where the key was another turn's, `INVALID_PARTICIPANTS`, `CONVERSATION_NOT_ACTIVE`.
    """
    turn = Turn(
        space=space,
        conversation_id=conversation_id,
        user_message=user_message,
        agent_response=agent_response,
        user_id=user_id,
        user_name=user_name,
        agent_id=agent_id,
        key=key,
        importance=None if importance is None else check_importance(importance, "importance"),
        tags=None if tags is None else check_tags(tags, "tags"),
        summary=summary,
        facts=facts or [],
        metadata=metadata,
        generate_embedding=generate_embedding,
    )
    return remembering.remember(ctx, turn)


@mutation(explain=explain)
def remember_part(
    ctx: MutationCtx, space: str, key: str, content: str, user_id: str | None = None, agent_id: str | None = None
) -> MemoryView:
    """Keep what has come so far of an answer that is still being said: a `partial` memory, found by nobody.

    Args:
        key: that of the `remember` which will take it away.
        content: everything that has come, not only what is new.
    """
    turn = Turn(
        space=space, conversation_id="", user_message="", agent_response=content, user_id=user_id, agent_id=agent_id, key=key
    )
    return remembering.keep_part(ctx, turn)


@query(explain=explain)
def get_part(ctx: QueryCtx, space: str, key: str, user_id: str | None = None, agent_id: str | None = None) -> MemoryView | None:
    """What was kept of an answer that did not end, or null."""
    row = remembering.part(ctx, space, key, user_id, agent_id)
    return None if row is None else whole(ctx, row)


@mutation(explain=explain)
def drop_part(ctx: MutationCtx, space: str, key: str, user_id: str | None = None, agent_id: str | None = None) -> bool:
    """Take what was kept of an answer away. Returns whether there was anything."""
    may.writer(ctx, "forget")
    row = remembering.part(ctx, space, key, user_id, agent_id)
    if row is not None:
        remembering.drop(ctx, Ids.of(row.owner, space, key))
    return row is not None


@action(explain=explain)
def recall(
    ctx: ActionCtx,
    space: str,
    query: str,
    user_id: str | None = None,
    agent_id: str | None = None,
    embedding: list[float] | None = None,
    embedding_model: str | None = None,
    limit: Limit = 10,
    min_importance: int | None = None,
    tags: list[str] | None = None,
    include_facts: bool = True,
    include_conversation: bool = False,
    max_characters: Characters = 4_000,
) -> Recalled:
    """Memories and facts that fit a question, each once, best first, and `context`: a text of them for a model.

    The question is embedded here, unless you bring `embedding`. What is recalled counts as accessed.

    Args:
        embedding_model: what made `embedding`: it is compared with vectors of the same model only.
        max_characters: of `context`: facts first, then memories, as many as fit whole.
        include_conversation: also the messages that the memories were made of.
    """
    check_embedding(embedding)
    check_query(query)
    if not query.strip() and embedding is None:
        raise refused("MISSING_REQUIRED_FIELD", "name a question, an embedding, or both", "query")
    asked = Question(
        space=space,
        query=query,
        user_id=user_id,
        agent_id=agent_id,
        embedding=embedding,
        embedding_model=embedding_model,
        limit=limit,
        min_importance=min_importance,
        tags=tags,
        include_facts=include_facts,
        include_conversation=include_conversation,
        max_characters=max_characters,
    )
    return recalling.recall(ctx, asked)


@internal_query
def recalled(ctx: QueryCtx, asked: dict[str, Any]) -> Recalled:
    """What fits a question, at one instant."""
    return recalling.look(ctx, msgspec.convert(asked, Question))


@internal_mutation
def touched(ctx: MutationCtx, memory_ids: list[str]) -> None:
    """Note that these memories were recalled."""
    recalling.touch(ctx, memory_ids)


@query(explain=explain)
def get(ctx: QueryCtx, space: str, memory_id: str, include_conversation: bool = False) -> EnrichedMemory | None:
    """A memory, with the messages that it was made of and the facts that were taken from it; null where it is not."""
    row = may.found(ctx, space, memory_id)
    return None if row is None else forgetting.enriched(ctx, row, include_conversation)


@mutation(explain=explain)
def forget(
    ctx: MutationCtx,
    space: str,
    memory_id: str,
    delete_conversation: bool = False,
    delete_entire_conversation: bool = False,
) -> Forgotten:
    """Forget a memory with its versions, and the facts that were taken from it; its conversation stays unless you say otherwise.

    Args:
        delete_conversation: also what it was made of. A log's messages are not taken out one by one, so this needs
            `deleteEntireConversation`, too.

    Refuses: `MEMORY_NOT_FOUND`, `PERMISSION_DENIED`, `ENTIRE_CONVERSATION_ONLY`, `FORBIDDEN` (the conversation is another's).
    """
    row = may.reached(ctx, space, memory_id, "forget a memory")
    if delete_conversation and not delete_entire_conversation:
        raise refused(
            "ENTIRE_CONVERSATION_ONLY",
            "messages are not taken out of a log one by one; say deleteEntireConversation",
            "deleteEntireConversation",
        )
    return forgetting.forget(ctx, row, delete_entire_conversation)


@action(explain=explain)
def erase(ctx: ActionCtx, user_id: str | None = None, space: str | None = None, confirm: bool = False) -> MemoryErasureView:
    """Erase all that is kept of a user in every layer, or of a space, for good, with one receipt.

    Args:
        user_id: whose. Without `space` their conversations go, too. A user erases what is its own only.
        space: what is in a space; of one user with `userId`, else of everybody, which only the org's backend may.

    Returns:
        The receipt: `completed`, or still `running`, then `memory:getErasure` tells when it is.

    Refuses: `MISSING_REQUIRED_FIELD`, `CONFIRMATION_REQUIRED`, `FORBIDDEN`.
    """
    return forgetting.erase(ctx, user_id, space, confirm)


@internal_mutation
def begin_erasure(ctx: MutationCtx, user_id: str | None, space: str | None) -> str:
    """Write down whose memory is to be erased. Returns the receipt's id."""
    return forgetting.begin_erasure(ctx, user_id, space)


@query(explain=explain)
def get_erasure(ctx: QueryCtx, receipt_id: str) -> MemoryErasureView | None:
    """The receipt of an erasure, for who asked for it and for the org's backend; null for others."""
    user = ctx.user
    receipt = ctx.db.get(MemoryErasure, receipt_id) if user is not None and may.usable(receipt_id) else None
    if user is None or receipt is None or not (acts_for_org(user) or receipt.requested_by == user.token_identifier):
        return None
    return erasure_view(receipt)


@mutation(explain=explain)
def set_retention(
    ctx: MutationCtx, space: str, days: float | None = None, keep_importance: int | None = None
) -> RetentionView | None:
    """Say how long the memories of a space are kept; without `days` for ever. Only the org's backend.

    Args:
        days: after so many a sweep erases a memory, within an hour or so; each time with a receipt.
        keep_importance: memories of at least this importance stay.

    Refuses: `FORBIDDEN`, `INVALID_RANGE`, `INVALID_IMPORTANCE`.
    """
    return retention.set_rule(ctx, space, days, keep_importance)


@query(explain=explain)
def get_retention(ctx: QueryCtx, space: str) -> RetentionView | None:
    """How long the memories of a space are kept, for the org's backend; null where it is for ever, and for others."""
    return retention.rule_of(ctx, space)


# Facts -------------------------------------------------------------------------------------------------------------------


@mutation(explain=explain)
def store_fact(
    ctx: MutationCtx,
    space: str,
    fact: str,
    fact_type: FactType = "knowledge",
    subject: str | None = None,
    predicate: str | None = None,
    object: str | None = None,
    confidence: int = 80,
    tags: list[str] | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    memory_id: str | None = None,
) -> FactStored:
    """Hold a statement to be true. Said again it is confirmed; another about the same supersedes it, and its history stays.

    Args:
        subject: with `predicate`: what it is about; of these two one fact is active.
        confidence: 0 to 100.
        memory_id: the memory that it was taken from; who forgets that one forgets the fact. Up to 6 of one.

    Refuses: `INVALID_CONFIDENCE`, `MISSING_REQUIRED_FIELD`, `CONTENT_TOO_LONG`, `MEMORY_NOT_FOUND`, `FORBIDDEN`.
    """
    who = may.writer(ctx, "store a fact")
    check_id(space, "space")
    named = may.owner(who, space, user_id, agent_id)
    memory = None if memory_id is None else may.reached(ctx, space, memory_id, "store a fact")
    new = NewFact(
        fact=fact,
        fact_type=fact_type,
        subject=subject,
        predicate=predicate,
        object=object,
        confidence=confidence,
        tags=tags,
    )
    return facts.store(ctx, space, new, *named, memory)


@query(explain=explain)
def get_fact(ctx: QueryCtx, space: str, fact_id: str) -> FactView | None:
    """A fact, or null."""
    row = facts.found(ctx, space, fact_id)
    return None if row is None else facts.view(row)


@query(explain=explain)
def list_facts(
    ctx: QueryCtx, space: str, user_id: str | None = None, include_superseded: bool = False, limit: Limit = 100
) -> list[FactView]:
    """The facts of a space that are held to be true, newest first."""
    rows: list[Any] = []
    for each in facts.ranges(ctx, space, user_id, include_superseded):
        rows += ctx.db.query(each).newest().take(limit)
    rows.sort(key=lambda each: (-each.creation_time, each.id))
    return beginning(facts.view(each) for each in rows[:limit])


@query(explain=explain)
def count_facts(ctx: QueryCtx, space: str, user_id: str | None = None, include_superseded: bool = False) -> int:
    """How many facts there are, exactly."""
    return sum(ctx.db.count(each) for each in facts.ranges(ctx, space, user_id, include_superseded))


@query(explain=explain)
def get_fact_history(ctx: QueryCtx, space: str, fact_id: str) -> list[FactView]:
    """What was held to be true of the same, oldest first. [] for strangers."""
    row = facts.found(ctx, space, fact_id)
    return [] if row is None else beginning(facts.view(each) for each in facts.history(ctx, row))


@mutation(explain=explain)
def delete_fact(ctx: MutationCtx, space: str, fact_id: str) -> bool:
    """Delete one fact; what it superseded stays superseded. Refuses: `FACT_NOT_FOUND`."""
    may.writer(ctx, "delete a fact")
    row = facts.found(ctx, space, fact_id)
    if row is None:
        raise facts.not_found()
    ctx.db.delete(row)
    return True
