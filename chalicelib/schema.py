"""READ FIRST: every table of the chat backend, and every index with the question it answers.

A conversation, its image (the configuration it was created with) and its session (what a user lists, names, resumes and
ends) are 1 : 1 : 1 and opened together. The conversation's row counts its log, so it is the log's fence, and it names the
one run that is active, so that there can be only one.

Index names are those of the documents this system implements. `eventual` indexes are for look-ups and sweeps; a function
that a subscriber watches cannot read them.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chalicelib import Index, Table

Responder = Literal["none", "model", "worker", "agent"]
Status = Literal["pending", "completed", "failed", "aborted", "interrupted"]
RunState = Literal["pending", "running", "completed", "failed", "aborted", "interrupted"]


class Room(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """The gateway's part of a conversation (002-12…17, 002-U09). Costs are millionths of a dollar."""

    auto: bool = False
    """Made by an agent's connection: an agent has one active at most (`AgentRoom`)."""
    description: str | None = None
    created_by: str | None = None
    updated_by: str | None = None
    total_tokens: int = 0
    total_cost: int = 0
    last_message: str | None = None
    summary: str | None = None
    summary_at: int | None = None
    """How many messages the summary knows."""
    archive_after_ms: float | None = None
    """Without a message for so long it is archived (002-36)."""
    last_agent: str | None = None
    agent_turns: int = 0
    """How often agents have answered each other since a person last said something."""


class Conversation(Table, name="conversations"):
    """An append-only log between participants. `responder` says who answers a user's message (seed 003, 004)."""

    conversation_id: str
    type: Literal["user-agent", "agent-agent"] = "user-agent"
    responder: Responder = "model"
    participants: dict[str, Any] = {}
    status: Literal["active", "closed", "archived"] = "active"
    title: str | None = None
    message_count: int = 0
    """Counts every entry, so it is also the last sequence number: the log is dense."""
    active_run: str | None = None
    queued_runs: list[str] = []
    updated_at: float = 0.0
    session_id: str | None = None
    image_id: str | None = None
    metadata: Any = None
    """What its creator keeps with it (003-09)."""
    last_message_at: float | None = None
    """The newest entry's timestamp; the next one is later, whatever the clocks say (003-26)."""
    entry_bytes: float = 0.0
    """About how many bytes a recent entry has on the wire: how many of them one answer holds."""
    participants_key: str | None = None
    """A digest of type and participants, in any order (003-U01)."""
    anchor: str | None = None
    """The same digest, on the one conversation that `getOrCreate` gives for it."""
    room: Room | None = None
    """What the chat gateway keeps about it (002); none for a conversation that was never used there."""

    by_conversationId = Index("conversation_id", unique=True)
    """Which conversation has this id? (003: unique)"""
    by_type = Index("type", shards=8)
    """Conversations of one type."""
    by_user = Index("participants.userId")
    """A user's conversations."""
    by_agent = Index("participants.agentId")
    """An agent's conversations."""
    by_agent_user = Index("participants.agentId", "participants.userId")
    """The conversations of one agent with one user."""
    by_created = Index(shards=8)
    """All conversations of an org, in the order of their creation."""
    by_user_updated = Index("participants.userId", order="updated_at")
    """A user's conversations, those that moved last at the end (000-U09)."""
    by_participants = Index("participants_key")
    """The conversations between exactly these participants, oldest first (003-U01)."""
    by_anchor = Index("anchor", unique=True)
    """Which one does `getOrCreate` give for these participants? A claim: there is never a second."""


class Participant(Table, name="participants"):
    """One member of one conversation: the truth for access and for "my conversations"."""

    conversation: str
    member: str
    kind: Literal["user", "agent"]
    guest: str | None = None
    """`kind:member` of who is not the `userId` or `agentId` that the conversation's own indexes know."""
    conversation_type: Literal["user-agent", "agent-agent"] = "user-agent"
    since: float = 0.0
    """When the conversation was created: guests' lists have the order of all others."""

    by_conversation = Index("conversation")
    """Who takes part?"""
    by_guest = Index("guest", "conversation_type", order="since")
    """Where is somebody who stands in no index of conversations: further agents, users who joined."""


class Image(Table, name="images"):
    """A conversation's own copy of its configuration, taken when it was created."""

    conversation: str
    system_prompt: str = ""
    model: str = ""
    name: str | None = None
    description: str | None = None
    mcp_servers: dict[str, Any] | None = None
    """Tools that the model may use, by name; secrets are references."""
    domain_id: str | None = None
    parent_image_id: str | None = None
    """The image that this one was forked from."""
    custom_data: Any = None
    """What its creator keeps with it (000-E02)."""


class ChatSession(Table, name="chatSessions"):
    """What a user lists, names, resumes and ends (004-01). Times are milliseconds since the epoch."""

    conversation: str
    image_id: str
    user_id: str | None = None
    """Nobody's, when only agents talk."""
    org: str
    worker_id: str | None = None
    model: str | None = None
    name: str | None = None
    status: Literal["active", "idle", "terminated"] = "active"
    last_activity: float = 0.0
    agent_session_id: str | None = None
    ready: bool = False

    by_user = Index("user_id")
    """A user's sessions."""
    by_worker = Index("worker_id")
    """The sessions that a worker holds (004-12)."""
    by_status_activity = Index("status", order="last_activity", eventual=True, everywhere=True)
    """Which active sessions have been quiet for long? Asked by the sweep."""


class Said(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """What a message of the chat gateway carries beside its text (002-U07, U08)."""

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


class ChatMessage(Table, name="chatMessages", key=("conversation", "sequence"), parent=("conversations", "message_count")):
    """One entry of a log (004-02). Id, role and order never change; a reply's content is set once, when it ends."""

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
    parts: list[Any] | None = None
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
    said: Said | None = None
    """Who said it and what came with it, where a chat client or an agent did (002-U07)."""

    by_session = Index("session_id", order="sequence", eventual=True)
    """The messages of a session."""
    by_messageId = Index("conversation", "named", unique=True)
    """Which entry of this conversation has this chosen id? (003-U01; unique in a conversation, so a deleted one leaves none)"""


class ChatChunk(Table, name="chatChunks", key=("reply", "sequence"), stream=True, ttl="expires_at"):
    """A piece of a reply while it is being written (004-03). `reply` names message and epoch: a writer that lost its lease
    writes where no reader looks."""

    reply: str
    sequence: int
    message_id: str
    session_id: str
    chunk: str
    timestamp: float
    expires_at: float

    by_message_and_sequence = Index("message_id", order="sequence", eventual=True)
    """The pieces of a message."""
    by_session_and_sequence = Index("session_id", order="sequence", eventual=True)
    """The pieces of a session."""


class Run(Table, name="runs"):
    """One reply being produced. `epoch` rises whenever somebody else may write; `read_epoch` is the one whose pieces count
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
    """What this reply alone is asked with, before the image's configuration (000-E05, 001-09)."""
    replaces: int | None = None
    """The sequence of the reply that this one stands for."""
    started_at: float | None = None
    ended_at: float | None = None

    by_state_lease = Index("state", order="lease_until", eventual=True, everywhere=True)
    """Which runs have a lease that ran out, or were never started? Asked by the sweep."""


class ClientKey(Table, name="clientKeys", ttl="expires_at"):
    """A send's own key: the same key is the same send (invariant 6)."""

    content: str
    message_id: str
    expires_at: float


class Erasure(Table, name="erasures"):
    """The receipt of a deletion: what is gone, and what is still to go (003-23, 003-U02). It names ids, never contents."""

    org: str
    requested_by: str
    state: Literal["running", "completed"] = "running"
    touched_at: float
    """When something was last done for it."""
    conversation_ids: list[str] = []
    """The first hundred."""
    conversations: int = 0
    messages: int = 0
    erased: dict[str, int] = {}
    """Documents by table."""
    digest: str = ""
    """A chain of SHA-256 over table and id of every erased document, in the order of their erasure."""
    started_at: float
    completed_at: float | None = None
    residue_until: float
    """Until then the answers of earlier calls, kept so that a repeated call is not carried out twice, may hold its text."""
    todo: list[str] = []
    """Conversations that are still to be deleted."""
    filters: dict[str, Any] | None = None
    """Or all that fit these filters and were there when it started."""
    children: list[dict[str, Any]] = []
    """Deleted conversations whose logs are being erased."""

    by_state_touched = Index("state", order="touched_at", eventual=True, everywhere=True)
    """Which deletions stand still? Asked by the sweep."""


class Residue(Table, name="residues"):
    """A deleted session whose reply was being written: what a writer that wakes late still puts there is erased. The id is the
    session's."""

    org: str
    conversation: str
    messages: list[str]
    """The replies that were not finished."""
    look_at: float
    until: float
    """After that no writer of its replies is alive."""
    state: Literal["open"] = "open"

    by_state_look = Index("state", order="look_at", eventual=True, everywhere=True)
    """Which are to be looked at? Asked by the sweep."""


class Budget(Table, name="budgets"):
    """What an org's replies cost on one UTC day; the id is the day."""

    spent: int = 0


class Agent(Table, name="agents"):
    """A program that takes part in conversations (seed 002). Its secret and tokens are signed by the backend, and stored nowhere:
    a version makes the old ones void."""

    owner: str
    name: str | None = None
    status: Literal["active", "suspended"] = "active"
    audience: Literal["owner", "org"] = "owner"
    """Who may join its conversations unasked: only its owner, or everybody of the org."""
    instruction: str | None = None
    allowed_tools: list[str] = []
    secret_version: int = 1
    token_version: int = 1
    last_heartbeat: float | None = None
    health: str | None = None
    metrics: dict[str, Any] | None = None
    multi_conversation: bool = False
    """Its sockets join all its active conversations (002-35)."""
    history: int = 0
    """So many messages of the past a new socket is told (002-37)."""
    archive_days: float | None = None
    room_title: str | None = None

    by_owner = Index("owner")
    """Somebody's agents."""
    by_audience = Index("audience")
    """The agents that everybody of the org may talk to (002-38)."""


class AgentRoom(Table, name="agentRooms"):
    """Which conversation an agent's connection finds; the id is the agent's. One row, so that there is one (002-20)."""

    conversation: str


class ChatSocket(Table, name="chatSockets"):
    """A connection to the chat gateway, leased; the id is the connection's. `rooms`: conversation → where its log was joined:
    after which sequence, and which earlier replies were unfinished (`open`)."""

    org: str
    member: str
    kind: Literal["user", "agent"]
    name: str
    """Of the user or agent, without its kind."""
    rooms: dict[str, Any] = {}
    current: str | None = None
    """The conversation that is meant when none is named (002-U05)."""
    history: int = 0
    lease_until: float = 0.0
    state: Literal["open"] = "open"

    by_member = Index("member")
    """Is somebody connected?"""
    by_lease = Index("state", order="lease_until", eventual=True, everywhere=True)
    """Whose lease ran out? Asked by the sweep."""


class Presence(Table, name="presences"):
    """A socket in a conversation. Somebody is online there while one of these is theirs (002-U06)."""

    conversation: str
    socket: str
    member: str
    kind: Literal["user", "agent"]
    name: str
    typing_until: float | None = None

    by_conversation = Index("conversation")
    """Who is here?"""


class Receipt(Table, name="receipts"):
    """How far somebody has read a conversation. Sending is reading; `told` is what was read by saying so (002-U03)."""

    conversation: str
    member: str
    kind: Literal["user", "agent"]
    name: str
    sequence: int
    told: int = 0
    message_id: str | None = None
    read_at: float | None = None

    by_conversation = Index("conversation")
    """Who has read how far?"""
