"""A conversation, who takes part in it, and the configuration and session that it is one with."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chalicelib import Index, Search, Table

MINUTE = 60_000.0
"""Of the orders that every message changes (ms)."""
Responder = Literal["none", "model", "worker", "agent"]
Status = Literal["pending", "completed", "failed", "aborted", "interrupted"]
RunState = Literal["pending", "running", "completed", "failed", "aborted", "interrupted"]


class Room(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """The gateway's part of a conversation. Costs are millionths of a dollar."""

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
    """Without a message for so long it is archived."""
    last_agent: str | None = None
    agent_turns: int = 0
    """How often agents have answered each other since a person last said something."""


class Conversation(Table, name="conversations"):
    """An append-only log between participants. `responder` says who answers a user's message."""

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
    """What its creator keeps with it."""
    last_message_at: float | None = None
    """The newest entry's timestamp; the next one is later, whatever the clocks say."""
    entry_bytes: float = 0.0
    """About how many bytes a recent entry has on the wire: how many of them one answer holds."""
    participants_key: str | None = None
    """A digest of type and participants, in any order."""
    anchor: str | None = None
    """The same digest, on the one conversation that `getOrCreate` gives for it."""
    copying: dict[str, Any] | None = None
    """A fork whose log is being copied: `{from, upto, then?}`. It takes no message until that is done."""
    domain_id: str | None = None
    task: str | None = None
    cron_agent: str | None = None
    """Of a conversation that the adapter started exactly one of the two is set."""
    linked_from: int | None = None
    """The entry from which on it is the task's, where it was somebody's chat before."""
    room: Room | None = None
    """What the chat gateway keeps about it; none for a conversation that was never used there."""

    by_conversationId = Index("conversation_id", unique=True)
    """Which conversation has this id? A claim: there is one."""
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
    by_user_updated = Index("participants.userId", order="updated_at", coarse=MINUTE)
    """A user's conversations, those that moved last at the end: by the minute, so that not every message moves them."""
    by_domain = Index("domain_id", order="updated_at")
    """A domain's conversations, those that moved last at the end."""
    by_task = Index("task")
    """The conversations of a task."""
    by_participants = Index("participants_key")
    """The conversations between exactly these participants, oldest first."""
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


class Domain(Table, name="domains"):
    """A template of conversations. Creating one creates no image; each conversation takes a copy."""

    owner: str
    name: str
    description: str | None = None
    system_prompt: str | None = None
    model: str | None = None
    mcp_servers: dict[str, Any] | None = None
    settings: dict[str, Any] | None = None
    """Roles and retrieval, which are passed to tools as they are."""
    updated_at: float = 0.0

    by_owner = Index("owner")
    """Somebody's domains."""


class Image(Table, name="images"):
    """A conversation's own copy of its configuration, taken when it was created."""

    conversation: str
    system_prompt: str = ""
    model: str = ""
    name: str | None = None
    description: str | None = None
    mcp_servers: dict[str, Any] | None = None
    """Tools that the model may use, by name; secrets are references."""
    settings: dict[str, Any] | None = None
    """Roles and retrieval."""
    domain_id: str | None = None
    parent_image_id: str | None = None
    """The image that this one was forked from."""
    custom_data: Any = None
    """What its creator keeps with it."""


class ChatSession(Table, name="chatSessions"):
    """What a user lists, names, resumes and ends. Times are milliseconds since the epoch."""

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
    directory: str | None = None
    """Where a worker's agent works."""
    agent: str | None = None
    """Which of a worker's agents answers."""
    on_offline: Literal["wait", "reject"] = "wait"
    """What becomes of a message while its worker is offline."""
    gone_in_engine: bool = False
    """The agent's own session was deleted by its user."""
    engine_title: str | None = None
    """The agent's own title of it when both were last brought together."""
    ready: bool = False
    title_generated: bool = False
    """Its name was made from its first message."""

    by_user = Index("user_id")
    """A user's sessions."""
    by_name = Search("name", partition=("user_id",))
    """Which of a user's sessions have these words in their name?"""
    by_worker = Index("worker_id")
    """The sessions that a worker holds."""
    by_engine = Index("worker_id", "agent_session_id")
    """Which session of a worker is this one of its agent's?"""
    by_status_activity = Index(
        "status", order="last_activity", coarse=MINUTE, eventual=True, everywhere=True, shards=8, only=("active",)
    )
    """Which active sessions have been quiet for long? Asked by the sweep."""
