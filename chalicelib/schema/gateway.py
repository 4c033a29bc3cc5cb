"""The chat gateway: agents, and who is connected, present, and has read how far."""

from __future__ import annotations

from typing import Any, Literal

from chalicelib import Index, Table


class Agent(Table, name="agents"):
    """A program that takes part in conversations. Its secret and tokens are signed by the backend, and stored nowhere:
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
    """Its sockets join all its active conversations."""
    history: int = 20
    """So many messages of the past a new socket is told: an agent that comes back knows what was said."""
    archive_days: float | None = None
    room_title: str | None = None

    by_owner = Index("owner")
    """Somebody's agents."""
    by_audience = Index("audience")
    """The agents that everybody of the org may talk to."""


class AgentRoom(Table, name="agentRooms"):
    """Which conversation an agent's connection finds; the id is the agent's. One row, so that there is one."""

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
    """The conversation that is meant when none is named."""
    images: dict[str, int] = {}
    """Images whose replies it hears as they are written, each with the entry it began with."""
    sessions: dict[str, int] = {}
    """Sessions that it has subscribed, in the same way."""
    tasks: dict[str, Any] = {}
    """Tasks that it has subscribed, each with what was known then."""
    history: int = 0
    lease_until: float = 0.0
    state: Literal["open"] = "open"

    by_member = Index("member")
    """Is somebody connected?"""
    by_lease = Index("state", order="lease_until", eventual=True, everywhere=True, shards=8)
    """Whose lease ran out? Asked by the sweep."""


class Presence(Table, name="presences"):
    """A socket in a conversation. Somebody is online there while one of these is theirs."""

    conversation: str
    socket: str
    member: str
    kind: Literal["user", "agent"]
    name: str
    typing_until: float | None = None

    by_conversation = Index("conversation")
    """Who is here?"""


class Receipt(Table, name="receipts"):
    """How far somebody has read a conversation. Sending is reading; `told` is what was read by saying so."""

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
