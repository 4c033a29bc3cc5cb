"""Conversations of a Concave backend, from Python.

    from concave_client import Cortex

    cortex = Cortex("http://127.0.0.1:3210", token="…")

    conversation = cortex.conversations.create(
        type="user-agent", participants={"userId": "user-123", "agentId": "agent-456"}
    )
    cortex.conversations.add_message(conversation.conversation_id, {"role": "user", "content": "Hello, agent!"})
    for each in cortex.conversations.list(user_id="user-123", limit=10):
        print(each.conversation_id, each.message_count)
    cortex.conversations.delete(conversation.conversation_id)

The same with `AsyncCortex` and `await`. What is wrong with an argument is told by `ValidationError`, at the call and before
any request: also `AsyncCortex` raises it when the method is called, not when its result is awaited. What the backend refuses
is a `ConversationError` with its `code`, such as `CONVERSATION_NOT_FOUND`.

Memories, and memory as one thing (`cortex.vector` is `cortex.memories`):

    cortex.memory.remember(
        space="home", conversation_id="conv-1", user_id="user-123", agent_id="agent-456", key="turn-1",
        user_message="I drink green tea", agent_response="Noted.",
    )
    print(cortex.memory.recall("home", "what does she drink?", user_id="user-123").context)
    for memory in cortex.memories.search("home", "tea"):
        print(memory.score, memory.content)

Live, over the WebSocket of the official `convex` client (`pip install concave-client[live]`):

    for conversation in cortex.conversations.watch("conv-abc123"):   # now, and after every change; None when it is gone
        ...

The token says who calls: a user sees its own conversations, a registered agent those in which it takes part, and the role
`service`, for an org's own backend, all of the org. It may be a function, which is asked before each request, so that
short-lived tokens can be renewed. Requests that got no answer are repeated: a change carries a key under which it takes
effect once.
"""

from concave_client.client import AsyncConversations, AsyncCortex, Conversations, Cortex
from concave_client.errors import ConversationError, CortexError, ValidationError
from concave_client.immutable import AsyncImmutableStore, ImmutableStore
from concave_client.immutable_calls import (
    ImmutableHit,
    ImmutablePurged,
    ImmutableRecord,
    ImmutablesPurged,
    ImmutableVersion,
    PreviousVersion,
    VersionsPurged,
)
from concave_client.models import (
    Conversation,
    Deleted,
    DeletedMany,
    Erasure,
    Exported,
    History,
    Message,
    NewMessage,
    Participants,
    SearchAnswer,
    SearchResult,
)
from concave_client.models_memory import (
    ConversationRef,
    EnrichedMemory,
    Fact,
    FactStored,
    Forgotten,
    Memory,
    MemoryErasure,
    MemoryVersion,
    Recalled,
    Remembered,
    Source,
    Streamed,
)
from concave_client.mutable import AsyncMutableStore, MutableStore
from concave_client.mutable_calls import (
    MutableDeleted,
    MutableRecord,
    MutablesDeleted,
    Operation,
    OperationResult,
    TransactionResult,
)
from concave_client.streams import StreamFailed

__all__ = [
    "AsyncConversations",
    "AsyncCortex",
    "AsyncImmutableStore",
    "AsyncMutableStore",
    "Conversation",
    "ConversationError",
    "ConversationRef",
    "Conversations",
    "Cortex",
    "CortexError",
    "Deleted",
    "DeletedMany",
    "EnrichedMemory",
    "Erasure",
    "Exported",
    "Fact",
    "FactStored",
    "Forgotten",
    "History",
    "ImmutableHit",
    "ImmutablePurged",
    "ImmutableRecord",
    "ImmutableStore",
    "ImmutableVersion",
    "ImmutablesPurged",
    "Memory",
    "MemoryErasure",
    "MemoryVersion",
    "Message",
    "MutableDeleted",
    "MutableRecord",
    "MutableStore",
    "MutablesDeleted",
    "NewMessage",
    "Operation",
    "OperationResult",
    "Participants",
    "PreviousVersion",
    "Recalled",
    "Remembered",
    "SearchAnswer",
    "SearchResult",
    "Source",
    "StreamFailed",
    "Streamed",
    "TransactionResult",
    "ValidationError",
    "VersionsPurged",
]
