"""Agents: registered by a user, connected by a secret or by their owner, suspended and renewed at any time (002-01, 002-U11).

`connect` gives a token for a day. A token names the version that it belongs to, and every call of an agent reads its
document: suspending it, renewing its credentials or disconnecting it ends all its sockets at once.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import ActionCtx, MutationCtx, QueryCtx, Refused, action, internal_mutation, mutation, query
from chalicelib.domain import members
from chalicelib.schema import Agent, ChatSocket

AgentId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Word = Annotated[str, Meta(min_length=1, max_length=200)]
TOKEN_S = 24 * 3600
"""How long an agent's token lasts, unless it asks for less (002-U11)."""
LISTED = 100
AGENTS_PER_OWNER = 1000


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
    history: int = 0
    instruction: str | None = None
    allowed_tools: list[str] = []
    room_title: str | None = None
    archive_days: float | None = None
    last_heartbeat: float | None = None
    health: str | None = None
    metrics: dict[str, Any] | None = None
    created_at: float


class Registered(msgspec.Struct, rename="camel", kw_only=True):
    """An agent and its secret, which is shown this once."""

    agent_id: str
    secret: str


class Connected(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """What an agent needs to take part (002-01): a token for `wss://host/chat`, and its instruction."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int
    """Seconds."""
    agent_id: str
    instruction: str | None = None
    allowed_tools: list[str] = []


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


@action
def create(ctx: ActionCtx, id: AgentId | None = None, settings: Settings | None = None) -> Registered:
    """Register an agent of the caller's, under an id of its own choice or a new one. Its secret is shown this once."""
    minter = _minter(ctx)  # first: an agent without a secret could never connect
    made = ctx.run_mutation(register, agent_id=id or ctx.new_id("agent-"), settings=settings)
    return Registered(agent_id=made["agentId"], secret=minter.secret(made["agentId"], ctx.org, made["version"]))


@internal_mutation
def register(ctx: MutationCtx, agent_id: AgentId, settings: Settings | None = None) -> dict[str, Any]:
    """The document of a new agent."""
    me = _person(ctx)
    if ctx.db.get(Agent, agent_id) is not None:
        raise Refused("AgentExists", "There is an agent with this id.")
    if ctx.db.count(Agent.by_owner(me.name)) >= AGENTS_PER_OWNER:
        raise Refused("TooManyAgents", f"One owner has at most {AGENTS_PER_OWNER} agents.")
    agent = Agent(id=agent_id, owner=me.name, **_given(settings))
    ctx.db.insert(agent)
    return {"agentId": agent_id, "version": agent.secret_version}


@mutation
def update(ctx: MutationCtx, agent_id: AgentId, settings: Settings) -> AgentView:
    """Change what its owner decides."""
    return _view(ctx, ctx.db.patch(_owned(ctx, agent_id), **_given(settings)))


@action
def connect(
    ctx: ActionCtx,
    agent_id: AgentId,
    secret: Annotated[str, Meta(max_length=4096)] | None = None,
    ttl_seconds: Annotated[int, Meta(ge=60, le=TOKEN_S)] = TOKEN_S,
) -> Connected:
    """A token for the chat gateway: for the agent's owner, or for whoever has its secret (then no other token is needed)."""
    minter, org = _minter(ctx), ctx.org
    if secret is not None:
        proven, org, version = minter.redeem(secret)
        if proven != agent_id:
            raise Refused("BadCredentials", "The secret is another agent's.")
        found = ctx.parts.executor.call(org, check_in, agent_id=agent_id, version=version)
    else:
        found = ctx.run_mutation(check_in, agent_id=agent_id)
    token = minter.token(agent_id, org, ctx.parts.backend.settings.org_claim, ttl_seconds, {"tv": found["tokenVersion"]})
    return Connected(
        access_token=token,
        expires_in=ttl_seconds,
        agent_id=agent_id,
        instruction=found.get("instruction"),
        allowed_tools=found["allowedTools"],
    )


@internal_mutation
def check_in(ctx: MutationCtx, agent_id: AgentId, version: int | None = None) -> dict[str, Any]:
    """Whether an agent may connect: as the service after its secret was checked (`version`), else as its owner or itself."""
    agent = ctx.db.get(Agent, agent_id)
    if version is None:
        agent = _owned(ctx, agent_id, itself=True)
    elif agent is None or agent.secret_version != version:
        raise Refused("BadCredentials", "The secret is not valid any more.")
    if agent.status == "suspended":
        raise Refused("AgentSuspended", "The agent is suspended.")
    ctx.db.patch(agent, last_heartbeat=ctx.now)
    told = {"tokenVersion": agent.token_version, "allowedTools": agent.allowed_tools}
    return told if agent.instruction is None else {**told, "instruction": agent.instruction}


@mutation
def heartbeat(ctx: MutationCtx, agent_id: AgentId, status: Word | None = None, metrics: dict[str, Any] | None = None) -> bool:
    """An agent says that it is well, and how (002-U11). Its presence does not hang on this: sockets do."""
    agent = _owned(ctx, agent_id, itself=True)
    if agent.status == "suspended":
        raise Refused("AgentSuspended", "The agent is suspended.")
    ctx.db.patch(agent, last_heartbeat=ctx.now, health=status or agent.health, metrics=metrics or agent.metrics)
    return True


@mutation
def disconnect(ctx: MutationCtx, agent_id: AgentId) -> None:
    """End all sockets and tokens of an agent. Its secret stays good."""
    agent = _owned(ctx, agent_id, itself=True)
    ctx.db.patch(agent, token_version=agent.token_version + 1)


@action
def regenerate(ctx: ActionCtx, agent_id: AgentId) -> Registered:
    """A new secret, shown this once; the old one, all tokens and all sockets are over (002-U11)."""
    minter = _minter(ctx)
    version = ctx.run_mutation(renew, agent_id=agent_id)
    return Registered(agent_id=agent_id, secret=minter.secret(agent_id, ctx.org, version))


@internal_mutation
def renew(ctx: MutationCtx, agent_id: AgentId) -> int:
    """The next version of an agent's credentials."""
    agent = _owned(ctx, agent_id)
    changed = ctx.db.patch(agent, secret_version=agent.secret_version + 1, token_version=agent.token_version + 1)
    return changed.secret_version


@mutation
def suspend(ctx: MutationCtx, agent_id: AgentId) -> None:
    """Refuse an agent from now on; its sockets end at once."""
    ctx.db.patch(_owned(ctx, agent_id), status="suspended")


@mutation
def activate(ctx: MutationCtx, agent_id: AgentId) -> None:
    """Let a suspended agent in again."""
    ctx.db.patch(_owned(ctx, agent_id), status="active")


@query
def get(ctx: QueryCtx, agent_id: AgentId) -> AgentView | None:
    """An agent, for its owner and itself; null for strangers."""
    agent = ctx.db.get(Agent, agent_id)
    return _view(ctx, agent) if agent is not None and _may(ctx, agent, itself=True) else None


@query
def list_(ctx: QueryCtx) -> list[AgentView]:
    """The caller's agents, newest first: the 100 newest."""
    me = _person(ctx)
    return [_view(ctx, each) for each in ctx.db.query(Agent.by_owner(me.name)).newest().take(LISTED)]


def _person(ctx: members.Ctx) -> members.Me:
    me = members.caller(ctx)
    if me.kind != "user":
        raise Refused("Forbidden", "An agent cannot have agents.")
    return me


def _may(ctx: members.Ctx, agent: Agent, *, itself: bool) -> bool:
    me = members.caller(ctx)
    if me.is_service:
        return True
    return agent.owner == me.name if me.kind == "user" else itself and agent.id == me.name


def _owned(ctx: MutationCtx, agent_id: str, *, itself: bool = False) -> Agent:
    agent = ctx.db.get(Agent, agent_id)
    if agent is None or not _may(ctx, agent, itself=itself):
        raise Refused("AgentNotFound", "Agent not found")
    return agent


def _given(settings: Settings | None) -> dict[str, Any]:
    if settings is None:
        return {}
    given = {name: getattr(settings, name) for name in settings.__struct_fields__}
    return {name: part for name, part in given.items() if part is not None}


def _view(ctx: members.Ctx, agent: Agent) -> AgentView:
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


def _minter(ctx: ActionCtx) -> Any:
    if ctx.parts.minter is None:
        raise Refused("NotConfigured", "This deployment has no SIGNING_KEY, so it cannot make agents' tokens.")
    return ctx.parts.minter
