"""Agents: registered by a user, connected by a secret or by their owner, suspended and renewed at any time.

`connect` gives a token for a day. A token names the version that it belongs to, and every call of an agent reads its
document: suspending it, renewing its credentials or disconnecting it ends all its sockets at once.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from chalicelib import ActionCtx, MutationCtx, QueryCtx, Refused, action, internal_mutation, mutation, query
from chalicelib.domain import agents, quotas
from chalicelib.domain.agents import LISTED, TOKEN_S, AgentId, AgentView, Connected, Registered, Settings, Word
from chalicelib.domain.answer_size import ANSWER_BYTES, shortened
from chalicelib.schema import Agent


@action
def create(ctx: ActionCtx, id: AgentId | None = None, settings: Settings | None = None) -> Registered:
    """Register an agent of the caller's, under an id of its own choice or a new one. Its secret is shown this once."""
    minter = agents.minter(ctx)  # first: an agent without a secret could never connect
    made = ctx.run_mutation(register, agent_id=id or ctx.new_id("agent-"), settings=settings)
    return Registered(agent_id=made["agentId"], secret=minter.secret(made["agentId"], ctx.org, made["version"]))


@internal_mutation
def register(ctx: MutationCtx, agent_id: AgentId, settings: Settings | None = None) -> dict[str, Any]:
    """The document of a new agent."""
    me = agents.person(ctx)
    if ctx.db.get(Agent, agent_id) is not None:
        raise Refused("AgentExists", "There is an agent with this id.")
    quotas.check(ctx, Agent.by_owner(me.name), "agents")
    agent = Agent(id=agent_id, owner=me.name, **agents.given(settings))
    ctx.db.insert(agent)
    return {"agentId": agent_id, "version": agent.secret_version}


@mutation
def update(ctx: MutationCtx, agent_id: AgentId, settings: Settings) -> AgentView:
    """Change what its owner decides."""
    return agents.view(ctx, ctx.db.patch(agents.owned(ctx, agent_id), **agents.given(settings)))


@action(anonymous=True)
def connect(
    ctx: ActionCtx,
    agent_id: AgentId,
    secret: Annotated[str, Meta(max_length=4096)] | None = None,
    ttl_seconds: Annotated[int, Meta(ge=60, le=TOKEN_S)] = TOKEN_S,
) -> Connected:
    """A token for the chat gateway: for the agent's owner, or for whoever has its secret (then no other token is needed)."""
    minter, org = agents.minter(ctx), ctx.org
    if secret is not None:
        proven, org, version = minter.redeem(secret)
        if proven != agent_id:
            raise Refused("BadCredentials", "The secret is another agent's.")
        found = ctx.parts.executor.call(org, check_in, agent_id=agent_id, version=version)
    else:
        found = ctx.run_mutation(check_in, agent_id=agent_id)
    token = minter.token(agent_id, org, ttl_seconds, {"tv": found["tokenVersion"]})
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
        agent = agents.owned(ctx, agent_id, itself=True)
    elif agent is None or agent.secret_version != version:
        raise Refused("BadCredentials", "The secret is not valid any more.")
    if agent.status == "suspended":
        raise Refused("AgentSuspended", "The agent is suspended.")
    ctx.db.patch(agent, last_heartbeat=ctx.now)
    told = {"tokenVersion": agent.token_version, "allowedTools": agent.allowed_tools}
    return told if agent.instruction is None else {**told, "instruction": agent.instruction}


@mutation
def heartbeat(ctx: MutationCtx, agent_id: AgentId, status: Word | None = None, metrics: dict[str, Any] | None = None) -> bool:
    """An agent says that it is well, and how. Its presence does not hang on this: sockets do."""
    agent = agents.owned(ctx, agent_id, itself=True)
    if agent.status == "suspended":
        raise Refused("AgentSuspended", "The agent is suspended.")
    agents.check_metrics(metrics)
    ctx.db.patch(agent, last_heartbeat=ctx.now, health=status or agent.health, metrics=metrics or agent.metrics)
    return True


@mutation
def disconnect(ctx: MutationCtx, agent_id: AgentId) -> None:
    """End all sockets and tokens of an agent. Its secret stays good."""
    agent = agents.owned(ctx, agent_id, itself=True)
    ctx.db.patch(agent, token_version=agent.token_version + 1)


@action
def regenerate(ctx: ActionCtx, agent_id: AgentId) -> Registered:
    """A new secret, shown this once; the old one, all tokens and all sockets are over."""
    minter = agents.minter(ctx)
    version = ctx.run_mutation(renew, agent_id=agent_id)
    return Registered(agent_id=agent_id, secret=minter.secret(agent_id, ctx.org, version))


@internal_mutation
def renew(ctx: MutationCtx, agent_id: AgentId) -> int:
    """The next version of an agent's credentials."""
    agent = agents.owned(ctx, agent_id)
    changed = ctx.db.patch(agent, secret_version=agent.secret_version + 1, token_version=agent.token_version + 1)
    return changed.secret_version


@mutation
def suspend(ctx: MutationCtx, agent_id: AgentId) -> None:
    """Refuse an agent from now on; its sockets end at once."""
    ctx.db.patch(agents.owned(ctx, agent_id), status="suspended")


@mutation
def activate(ctx: MutationCtx, agent_id: AgentId) -> None:
    """Let a suspended agent in again."""
    ctx.db.patch(agents.owned(ctx, agent_id), status="active")


@query
def get(ctx: QueryCtx, agent_id: AgentId) -> AgentView | None:
    """An agent, for its owner and itself; null for strangers."""
    agent = ctx.db.get(Agent, agent_id)
    if agent is None or not agents.may(ctx, agent, itself=True):
        return None
    return shortened(agents.view(ctx, agent), ANSWER_BYTES)


@query
def list_(ctx: QueryCtx, offset: Annotated[int, Meta(ge=0, le=800)] = 0) -> list[AgentView]:
    """The caller's agents, newest first: 100 after `offset`. Long instructions are cut where the list is long (`cut`)."""
    me = agents.person(ctx)
    found = ctx.db.query(Agent.by_owner(me.name)).newest().take(offset + LISTED)[offset:]
    return agents.listed([agents.view(ctx, each) for each in found])
