"""Every call of `cortex.memory`, as a value: what to send, and how to read the answer. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from concave_client import checks
from concave_client import checks_memory as rules
from concave_client.calls import Call, Kind
from concave_client.errors import ValidationError
from concave_client.models import from_wire
from concave_client.models_memory import (
    EnrichedMemory,
    Fact,
    FactStored,
    FactType,
    Forgotten,
    Memory,
    MemoryErasure,
    NewFactDict,
    Recalled,
    Remembered,
    Retention,
)

T = TypeVar("T")


def _call(kind: Kind, path: str, args: dict[str, Any], read: Callable[[Any], T]) -> Call[T]:
    return Call(kind, f"memory:{path}", args, read)


def _or_none(kind: type[T]) -> Callable[[Any], T | None]:
    return lambda value: None if value is None else from_wire(kind, value)


def _facts(value: Any) -> list[Fact]:
    return [from_wire(Fact, each) for each in value]


def remember(
    *,
    space: str,
    conversation_id: str,
    user_message: str,
    agent_response: str,
    agent_id: str,
    user_id: str | None = None,
    user_name: str | None = None,
    key: str | None = None,
    importance: int | None = None,
    tags: list[str] | None = None,
    summary: str | None = None,
    facts: list[NewFactDict] | None = None,
    metadata: Any = None,
    generate_embedding: bool | None = None,
    extract_content: Callable[[str, str], str | None] | None = None,
) -> Call[Remembered]:
    """Remember a turn: two messages of the conversation, which is created if there is none, and a memory of each.

    Args:
        key: your own name for this turn: the same again adds nothing.
        summary: remembered in place of both texts.
        extract_content: makes the summary from the user's message and the agent's response; None: there is none.
        facts: up to 3 statements that the turn shows.

    Raises `ConversationError`: `MESSAGE_ALREADY_EXISTS` (the key was another turn's), `INVALID_PARTICIPANTS`.
    """
    rules.filters(space, userId=user_id, key=key)
    checks.name(conversation_id, "conversationId")
    if not agent_id:
        sentence = "a conversation with a user names its agent"
        raise ValidationError("AGENT_REQUIRED_FOR_USER_CONVERSATION", sentence, "agentId")
    checks.name(agent_id, "agentId")
    rules.content(user_message, "userMessage")
    rules.content(agent_response, "agentResponse")
    rules.importance(importance)
    rules.tags(tags)
    checks.metadata(metadata, "metadata")
    if summary is None and extract_content is not None:
        summary = extract_content(user_message, agent_response)
    args = {
        "space": space,
        "conversationId": conversation_id,
        "userMessage": user_message,
        "agentResponse": agent_response,
        "userId": user_id,
        "userName": user_name,
        "agentId": agent_id,
        "key": key,
        "importance": importance,
        "tags": tags,
        "summary": summary,
        "facts": facts,
        "metadata": metadata,
        "generateEmbedding": generate_embedding,
    }
    return _call("mutation", "remember", args, lambda value: from_wire(Remembered, value))


def _part(space: str, key: str, user_id: str | None, agent_id: str | None) -> dict[str, Any]:
    rules.filters(space, userId=user_id, agentId=agent_id)
    checks.name(key, "key")
    return {"space": space, "key": key, "userId": user_id, "agentId": agent_id}


def remember_part(space: str, key: str, content: str, *, user_id: str | None = None, agent_id: str | None = None) -> Call[Memory]:
    """Keep what has come so far of an answer: a `partial` memory, found by nobody; `remember` with this key takes it away."""
    rules.content(content)
    args = {**_part(space, key, user_id, agent_id), "content": content}
    return _call("mutation", "rememberPart", args, lambda value: from_wire(Memory, value))


def get_part(space: str, key: str, *, user_id: str | None = None, agent_id: str | None = None) -> Call[Memory | None]:
    """What was kept of an answer that did not end, or None."""
    return _call("query", "getPart", _part(space, key, user_id, agent_id), _or_none(Memory))


def drop_part(space: str, key: str, *, user_id: str | None = None, agent_id: str | None = None) -> Call[bool]:
    """Take what was kept of an answer away. True: there was something."""
    return _call("mutation", "dropPart", _part(space, key, user_id, agent_id), bool)


def recall(
    space: str,
    query: str = "",
    *,
    user_id: str | None = None,
    agent_id: str | None = None,
    embedding: Sequence[float] | None = None,
    embedding_model: str | None = None,
    limit: int | None = None,
    min_importance: int | None = None,
    tags: list[str] | None = None,
    include_facts: bool | None = None,
    include_conversation: bool | None = None,
    max_characters: int | None = None,
) -> Call[Recalled]:
    """Memories and facts that fit a question, each once, best first, and `context`: a text of them for a model."""
    rules.filters(space, userId=user_id, agentId=agent_id)
    rules.importance(min_importance, "minImportance")
    rules.tags(tags)
    checks.between(limit, 1, rules.MOST_FOUND, "limit")
    checks.between(max_characters, 0, 20_000, "maxCharacters")
    vector = rules.embedding(embedding)
    if vector is None:
        checks.text(query, "query")
    args = {
        "space": space,
        "query": query,
        "userId": user_id,
        "agentId": agent_id,
        "embedding": vector,
        "embeddingModel": embedding_model,
        "limit": limit,
        "minImportance": min_importance,
        "tags": tags,
        "includeFacts": include_facts,
        "includeConversation": include_conversation,
        "maxCharacters": max_characters,
    }
    return _call("action", "recall", args, lambda value: from_wire(Recalled, value))


def _one(space: str, memory_id: str) -> dict[str, Any]:
    checks.name(space, "space")
    checks.text(memory_id, "memoryId")
    return {"space": space, "memoryId": memory_id}


def get(space: str, memory_id: str, *, include_conversation: bool | None = None) -> Call[EnrichedMemory | None]:
    """A memory with the messages that it was made of and the facts that were taken from it, or None."""
    args = {**_one(space, memory_id), "includeConversation": include_conversation}
    return _call("query", "get", args, _or_none(EnrichedMemory))


def forget(
    space: str, memory_id: str, *, delete_conversation: bool = False, delete_entire_conversation: bool = False
) -> Call[Forgotten]:
    """Forget a memory, and the facts that were taken from it; its conversation stays unless you say both.

    Raises `ConversationError`: `MEMORY_NOT_FOUND`, `PERMISSION_DENIED`, `FORBIDDEN`.
    """
    if delete_conversation and not delete_entire_conversation:
        sentence = "messages are not taken out of a log one by one; say delete_entire_conversation=True"
        raise ValidationError("ENTIRE_CONVERSATION_ONLY", sentence, "deleteEntireConversation")
    more = {"deleteConversation": delete_conversation, "deleteEntireConversation": delete_entire_conversation}
    return _call("mutation", "forget", {**_one(space, memory_id), **more}, lambda value: from_wire(Forgotten, value))


def erase(*, user_id: str | None = None, space: str | None = None, confirm: bool = False) -> Call[MemoryErasure]:
    """Erase all that is kept of a user in every layer, or of a space, for good; only with `confirm=True`.

    Raises `ConversationError`: `FORBIDDEN`.
    """
    checks.name(user_id, "userId", needed=False)
    checks.name(space, "space", needed=False)
    if user_id is None and space is None:
        raise ValidationError("MISSING_REQUIRED_FIELD", "name a user_id, a space, or both", "userId")
    if confirm is not True:
        raise ValidationError("CONFIRMATION_REQUIRED", "this erases all of it for good; say confirm=True", "confirm")
    args = {"userId": user_id, "space": space, "confirm": True}
    return _call("action", "erase", args, lambda value: from_wire(MemoryErasure, value))


def get_erasure(receipt_id: str) -> Call[MemoryErasure | None]:
    """The receipt of an erasure, or None."""
    checks.text(receipt_id, "receiptId")
    return _call("query", "getErasure", {"receiptId": receipt_id}, _or_none(MemoryErasure))


def set_retention(space: str, *, days: float | None = None, keep_importance: int | None = None) -> Call[Retention | None]:
    """Say how long the memories of a space are kept; without `days` for ever. Only the org's own backend.

    Raises `ConversationError`: `FORBIDDEN`.
    """
    checks.name(space, "space")
    rules.importance(keep_importance, "keepImportance")
    if days is not None and (isinstance(days, bool) or not isinstance(days, (int, float)) or days <= 0):
        raise ValidationError("INVALID_RANGE", "days is a number above 0", "days")
    args = {"space": space, "days": days, "keepImportance": keep_importance}
    return _call("mutation", "setRetention", args, _or_none(Retention))


def get_retention(space: str) -> Call[Retention | None]:
    """How long the memories of a space are kept; None: for ever."""
    checks.name(space, "space")
    return _call("query", "getRetention", {"space": space}, _or_none(Retention))


def store_fact(
    space: str,
    fact: str,
    *,
    fact_type: FactType | None = None,
    subject: str | None = None,
    predicate: str | None = None,
    object: str | None = None,
    confidence: int | None = None,
    tags: list[str] | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    memory_id: str | None = None,
) -> Call[FactStored]:
    """Hold a statement to be true. Said again it is confirmed; another about the same subject and predicate supersedes it."""
    rules.filters(space, subject=subject, predicate=predicate, object=object, userId=user_id, agentId=agent_id)
    checks.text(fact, "fact")
    if (subject is None) != (predicate is None):
        raise ValidationError("MISSING_REQUIRED_FIELD", "a fact names subject and predicate, or neither", "predicate")
    rules.importance(confidence, "confidence", "INVALID_CONFIDENCE")
    rules.tags(tags)
    args = {
        "space": space,
        "fact": fact,
        "factType": fact_type,
        "subject": subject,
        "predicate": predicate,
        "object": object,
        "confidence": confidence,
        "tags": tags,
        "userId": user_id,
        "agentId": agent_id,
        "memoryId": memory_id,
    }
    return _call("mutation", "storeFact", args, lambda value: from_wire(FactStored, value))


def _fact(space: str, fact_id: str) -> dict[str, Any]:
    checks.name(space, "space")
    checks.text(fact_id, "factId")
    return {"space": space, "factId": fact_id}


def get_fact(space: str, fact_id: str) -> Call[Fact | None]:
    """A fact, or None."""
    return _call("query", "getFact", _fact(space, fact_id), _or_none(Fact))


def list_facts(
    space: str, *, user_id: str | None = None, include_superseded: bool | None = None, limit: int | None = None
) -> Call[list[Fact]]:
    """The facts that are held to be true, newest first."""
    rules.filters(space, userId=user_id)
    checks.between(limit, 1, rules.MOST_FOUND, "limit")
    args = {"space": space, "userId": user_id, "includeSuperseded": include_superseded, "limit": limit}
    return _call("query", "listFacts", args, _facts)


def count_facts(space: str, *, user_id: str | None = None, include_superseded: bool | None = None) -> Call[int]:
    """How many facts there are."""
    rules.filters(space, userId=user_id)
    args = {"space": space, "userId": user_id, "includeSuperseded": include_superseded}
    return _call("query", "countFacts", args, int)


def get_fact_history(space: str, fact_id: str) -> Call[list[Fact]]:
    """What was held to be true of the same, oldest first."""
    return _call("query", "getFactHistory", _fact(space, fact_id), _facts)


def delete_fact(space: str, fact_id: str) -> Call[bool]:
    """Delete one fact. Raises `ConversationError`: `FACT_NOT_FOUND`."""
    return _call("mutation", "deleteFact", _fact(space, fact_id), bool)
