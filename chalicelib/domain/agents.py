"""What agents are to their owners: shapes, settings, who may manage one, and who signs their tokens."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import ActionCtx, MutationCtx, Refused
from chalicelib.domain import members
from chalicelib.domain.answer_size import ANSWER_BYTES, shortened, weight
from chalicelib.domain.depth import DEEPEST, too_deep
from chalicelib.schema import Agent, ChatSocket

AgentId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Word = Annotated[str, Meta(min_length=1, max_length=200)]
TOKEN_S = 24 * 3600
"""How long an agent's token lasts, unless it asks for less."""
LISTED = 100
LARGEST_METRICS = 16 * 1024


class AgentView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """An agent as its owner and itself see it. Times are milliseconds since the epoch."""

    id: str = msgspec.field(name="_id")
    agent_id: str
    name: str
    owner: str
    status: Literal["active", "suspended"]
    online: bool
    audience: Literal["owner", "org"]
    multi_conversation: bool = False
    history: int
    instruction: str | None = None
    allowed_tools: list[str] = []
    room_title: str | None = None
    archive_days: float | None = None
    last_heartbeat: float | None = None
    health: str | None = None
    metrics: dict[str, Any] | None = None
    created_at: float
    cut: list[str] | None = None
    """What did not fit the answer, and was shortened or left out; `agents:get` tells more of it."""


class Registered(msgspec.Struct, rename="camel", kw_only=True):
    """An agent and its secret, which is shown this once."""

    agent_id: str
    secret: str


class Connected(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """What an agent needs to take part: a token for `wss://host/chat`, and its instruction."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    """Seconds."""
    agent_id: str
    instruction: str | None
    allowed_tools: list[str]


class Settings(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """What an agent's owner decides."""

    name: Word | None = None
    instruction: Annotated[str, Meta(max_length=20_000)] | None = None
    allowed_tools: Annotated[list[Word], Meta(max_length=200)] | None = None
    audience: Literal["owner", "org"] | None = None
    multi_conversation: bool | None = None
    history: Annotated[int, Meta(ge=0, le=50)] | None = None
    archive_days: Annotated[float, Meta(gt=0, le=3650)] | None = None
    room_title: Word | None = None


def person(ctx: members.Ctx) -> members.Me:
    """The person who calls. Raises `Refused` where it is an agent."""
    me = members.caller(ctx)
    if me.kind != "user":
        raise Refused("Forbidden", "An agent cannot have agents.")
    return me


def may(ctx: members.Ctx, agent: Agent, *, itself: bool) -> bool:
    """Whether the caller may manage an agent: its owner, the org's service, or (`itself`) the agent."""
    me = members.caller(ctx)
    if me.is_service:
        return True
    return agent.owner == me.name if me.kind == "user" else itself and agent.id == me.name


def owned(ctx: MutationCtx, agent_id: str, *, itself: bool = False) -> Agent:
    """An agent that the caller may manage. Raises `Refused`: AgentNotFound."""
    agent = ctx.db.get(Agent, agent_id)
    if agent is None or not may(ctx, agent, itself=itself):
        raise Refused("AgentNotFound", "Agent not found")
    return agent


def check_metrics(metrics: dict[str, Any] | None) -> None:
    """What an agent says of itself has 16 KB, and nests 24 levels at most. Raises `Refused`."""
    if too_deep(metrics) or weight(metrics) > LARGEST_METRICS:
        raise Refused("MetricsTooLarge", f"metrics: at most {LARGEST_METRICS} bytes as JSON, nested {DEEPEST} levels at most.")


def given(settings: Settings | None) -> dict[str, Any]:
    """The settings that a caller named, as fields of the agent's document."""
    if settings is None:
        return {}
    given = {name: getattr(settings, name) for name in settings.__struct_fields__}
    return {name: part for name, part in given.items() if part is not None}


def view(ctx: members.Ctx, agent: Agent) -> AgentView:
    """An agent's document → what its owner sees."""
    return AgentView(
        id=agent.id,
        agent_id=agent.id,
        name=agent.name or agent.id,
        owner=agent.owner,
        status=agent.status,
        online=ctx.db.count(ChatSocket.by_member(members.key_of("agent", agent.id))) > 0,
        audience=agent.audience,
        multi_conversation=agent.multi_conversation,
        history=agent.history,
        instruction=agent.instruction,
        allowed_tools=agent.allowed_tools,
        room_title=agent.room_title,
        archive_days=agent.archive_days,
        last_heartbeat=agent.last_heartbeat,
        health=agent.health,
        metrics=agent.metrics,
        created_at=agent.creation_time,
    )


def listed(views: list[AgentView]) -> list[AgentView]:
    """All of these in one answer: whole while they fit, else each shortened to an equal share of what is left."""
    room, told = ANSWER_BYTES, list[AgentView]()
    for number, each in enumerate(views):
        told.append(shortened(each, room // (len(views) - number)))
        room -= weight(told[-1])
    return told


def minter(ctx: ActionCtx) -> Any:
    """Who signs agents' tokens. Raises `Refused`: NotConfigured."""
    if ctx.parts.minter is None:
        raise Refused("NotConfigured", "This deployment has no SIGNING_KEY, so it cannot make agents' tokens.")
    return ctx.parts.minter
