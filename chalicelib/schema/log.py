"""What is said in a conversation, the replies that are being produced, and their chunks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from chalicelib import Index, Search, Table
from chalicelib.schema.conversations import Conversation, RunState, Status

SAID = msgspec.Meta(extra={"said": True})
"""What a model or a tool has said is read whatever it is: no message keeps its conversation from being opened."""


class Said(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """What a message of the chat gateway carries beside its text."""

    participant_id: str | None = None
    participant_type: Literal["user", "agent"] | None = None
    origin: str | None = None
    """The socket it came from, which is not told of it again."""
    type: Literal["text", "thinking", "tool_call", "tool_result", "error", "system"] = "text"
    name: str | None = None
    parent_id: str | None = None
    tool_calls: list[Any] | None = None
    tool_results: list[Any] | None = None
    thinking: dict[str, Any] | None = None
    latency: float | None = None
    error: str | None = None
    attachments: list[str] | None = None
    cost: int = 0


def _reader(db: Any, message: Any) -> dict[str, Any]:
    """Whose a message is that is older than its field `reader`."""
    conversation = db.get(Conversation, message.conversation)
    user = None if conversation is None else conversation.participants.get("userId")
    return {} if user is None else {"reader": user}


class ChatMessage(Table, name="chatMessages", key=("conversation", "sequence"), parent=("conversations", "message_count")):
    """One entry of a log. Id, role and order never change; a reply's content is set once, when it ends."""

    conversation: str
    sequence: int
    session_id: str
    role: Literal["user", "assistant", "system", "tool"]
    content: str
    completed: bool
    status: Status
    timestamp: float
    model: str | None = None
    reasoning: str | None = None
    parts: Annotated[list[Any] | None, SAID] = None
    usage: dict[str, Any] | None = None
    reason: str | None = None
    agent_id: str | None = None
    metadata: Any = None
    client_key: str | None = None
    """The key of the send that wrote it: what is erased with it."""
    named: str | None = None
    """Its id again, when its writer chose it; an id of ours holds the sequence and needs no index."""
    superseded: bool = False
    """It no longer counts: another reply stands for it, or its turn was rolled back. The model is not told of it."""
    copy_of: str | None = None
    """In a fork: the message that this is a copy of. What a reply was asked with, such as images, stays with that one's run."""
    said: Said | None = None
    """Who said it and what came with it, where a chat client or an agent did."""

    reader: str | None = None
    """The conversation's user (`participants.userId`), among whose messages it is searched."""

    by_words = Search("content", partition=("reader",), fill=_reader)
    """Which of a user's messages have these words? Who may read one is said by its conversation, and asked of that."""
    by_session = Index("session_id", order="sequence", eventual=True)
    """The messages of a session."""
    by_messageId = Index("conversation", "named", unique=True)
    """Which entry of this conversation has this chosen id? (unique in a conversation, so a deleted one leaves none)"""


class ChatChunk(Table, name="chatChunks", key=("reply", "sequence"), stream=True, ttl="expires_at"):
    """A chunk of a reply while it is being written. `reply` names message and epoch: a writer that lost its lease
    writes where no reader looks."""

    reply: str
    sequence: int
    message_id: str
    session_id: str
    chunk: str
    part: Annotated[dict[str, Any] | None, SAID] = None
    """A call or an answer of a tool, which stands here in the order of the text; the chunk itself is empty then."""
    timestamp: float
    expires_at: float
    opens: dict[str, str] | None = None
    """Of the first chunk of each writer alone: `{messageId, sessionId}`. So an index has one entry a writer, not one a chunk."""

    by_message_and_sequence = Index("opens.messageId", order="sequence", eventual=True)
    """Where the chunks of a message begin, one writer's after another's."""
    by_session_and_sequence = Index("opens.sessionId", order="sequence", eventual=True)
    """Where the chunks of a session's replies begin."""


class Run(Table, name="runs", silent=("lease_until",)):
    """One reply being produced. `epoch` rises whenever somebody else may write; `read_epoch` is the one whose chunks count
    when the run was ended from outside."""

    org: str
    conversation: str
    session_id: str
    message_id: str
    sequence: int
    model: str
    state: RunState = "pending"
    epoch: int = 0
    read_epoch: int | None = None
    ending: str | None = None
    """The state that whoever raised the epoch is bringing the run to."""
    lease_until: float = 0.0
    reason: str | None = None
    usage: dict[str, Any] | None = None
    user_id: str | None = None
    """Who is told when it ends."""
    options: dict[str, Any] | None = None
    """What this reply alone is asked with, before the image's configuration."""
    replaces: int | None = None
    """The sequence of the reply that this one stands for."""
    agent_run: str | None = None
    """The agent run whose reply this is."""
    held: int = 0
    """Tokens that are held for it in its org's budget, of the day `held_on`, until it has ended."""
    held_on: str | None = None
    held_by: str | None = None
    """Among whose open replies it is counted until then."""
    charged: int = 0
    """Tokens that were charged for it."""
    started_at: float | None = None
    ended_at: float | None = None
    worker: str | None = None
    """Who is to write it, from when it is its turn until it has ended."""
    instance: str | None = None
    """The worker's process that has claimed it."""
    asking: bool = False
    """Its agent, or its model, has asked for permission."""
    parked: bool = False
    """Nobody writes it: it waits for a decision, and `ParkedReply` holds how far it has come."""
    step: int = 0
    """How often it was parked. A writer writes under its epoch and its step, so who has parked a reply writes no more of it."""

    by_worker = Index("worker")
    """Which replies is a worker to write now?"""
    by_state_lease = Index("state", order="lease_until", eventual=True, everywhere=True, shards=8)
    """Which runs have a lease that ran out, or were never started? Asked by the sweep; which ended lately, by operators."""


class ParkedReply(Table, name="parkedReplies"):
    """How far a reply of the model has come that waits for a decision; the id is made of its run and its step. Whoever goes on
    with it takes the row away in the same commit, so exactly one writer goes on."""

    run: str
    kept: str
    """JSON of `domain/replies/tool_use.py`: what was said, in the model's own blocks, and the calls that are waited for."""


class ClientKey(Table, name="clientKeys", ttl="expires_at"):
    """A send's own key: the same key is the same send (invariant 6)."""

    content: str
    message_id: str
    expires_at: float
