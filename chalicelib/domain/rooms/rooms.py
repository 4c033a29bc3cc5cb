"""Rooms behind `functions/rooms.py`: an agent's one active conversation, who is invited, who leads, how one ends.

One row per agent (`AgentRoom`) points to its conversation and is read by the commit that finds it; it is never taken back.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, structs

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain import members
from chalicelib.domain.conversations.opening import open_conversation
from chalicelib.domain.rooms.views import (
    RoomMessage,
    RoomView,
    room_view,
)
from chalicelib.schema import Agent, AgentRoom, Conversation, Participant, Room

Title = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=2000)]
Name = Annotated[str, Meta(min_length=1, max_length=512)]
Short = Annotated[str, Meta(max_length=200)]
Many = Annotated[list[Any], Meta(max_length=100)]
Kind = Literal["user", "agent"]
RoomStatus = Literal["active", "closed", "archived"]
LISTED = 30
"""Conversations in one page: with their members' rows they still make one instant."""
LOOKED_AT = 200
CANDIDATES = 20
"""Agents that a routing looks at."""
DAY_MS = 24 * 3600 * 1000


class PageMeta(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Where a list goes on: ask again with this `offset`."""

    count: int
    is_done: bool
    offset: int


class RoomPage(msgspec.Struct, rename="camel", kw_only=True):
    """A page of conversations, newest first."""

    data: list[RoomView]
    meta: PageMeta


class Sent(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """What became of a message."""

    conversation_id: str
    message: RoomMessage
    title_generated: bool | None = None
    """This message gave the conversation its title."""


def find_or_create(ctx: MutationCtx, agent: Agent) -> tuple[Conversation, bool]:
    """An agent's one active conversation. Returns whether it was made now."""
    row = ctx.db.get(AgentRoom, agent.id)
    found = ctx.db.get(Conversation, row.conversation) if row else None
    if found is not None and found.status == "active":
        return found, False
    made = opened(ctx, agent, agent.room_title or f"Agent {agent.id} - Auto Conversation", auto=True)
    if row is None:
        ctx.db.insert(AgentRoom(id=agent.id, conversation=made.id))
    else:
        ctx.db.patch(row, conversation=made.id)
    return made, True


def let_in(ctx: MutationCtx, me: members.Me, agent: Agent, title: str | None, description: str | None) -> RoomView:
    """Make somebody a member of an agent's one active conversation; one that is made now has the title that they chose."""
    conversation, made = find_or_create(ctx, agent)
    members.add(ctx, conversation, me.kind, me.name)
    found = ctx.db.get(Conversation, conversation.id)
    assert found is not None
    if made and (title is not None or description is not None):
        room = structs.replace(found.room or Room(), description=description, updated_by=me.name)
        found = ctx.db.patch(found, title=title or found.title, room=room)
    return whole(ctx, found)


def opened(ctx: MutationCtx, agent: Agent, title: str, *, auto: bool, description: str | None = None) -> Conversation:
    """Open a room for an agent."""
    about = description or ("Automatically created conversation for agent" if auto else None)
    room = Room(auto=auto, description=about, created_by=agent.id, updated_by=agent.id)
    if agent.archive_days is not None:
        room.archive_after_ms = agent.archive_days * DAY_MS
    session = open_conversation(ctx, None, responder="agent", name=title, agent_id=agent.id, room=room)
    made = ctx.db.get(Conversation, session.conversation)
    assert made is not None  # written a line ago
    if room.archive_after_ms is not None:
        ctx.scheduler.run_after(room.archive_after_ms, "rooms:expire", conversation=made.id)
    return made


def talks_to(ctx: members.Ctx, me: members.Me, agent_id: str) -> Agent | None:
    """An agent that the caller may talk to: its own, or one that is open to the org. None: there is none, or it is another's."""
    agent = ctx.db.get(Agent, agent_id) if len(agent_id.encode()) <= 512 else None
    own = agent is not None and (me.is_service or agent.owner == me.name or me.key == members.key_of("agent", agent_id))
    return agent if agent is not None and (own or agent.audience == "org") else None


def invited(ctx: MutationCtx, me: members.Me, agent_id: str) -> Agent:
    """An agent that the caller may bring along. Raises `Refused`: AgentNotFound."""
    agent = talks_to(ctx, me, agent_id)
    if agent is None:
        raise Refused("AgentNotFound", "Agent not found")
    return agent


def own(ctx: QueryCtx, me: members.Me, need: int) -> list[Conversation]:
    """What somebody takes part in, newest first: as the first user or agent of it, or as one who joined."""
    named = Conversation.by_user(me.name) if me.kind == "user" else Conversation.by_agent(me.name)
    found = list(ctx.db.query(named).newest().take(need))
    for row in ctx.db.query(Participant.by_guest(f"{me.kind}:{me.name}", "user-agent")).newest().take(need):
        one = ctx.db.get(Conversation, row.conversation)
        if one is not None:
            found.append(one)
    seen = {each.id: each for each in found if members.takes_part(ctx, each, me)}
    return sorted(seen.values(), key=lambda each: (-each.creation_time, each.id))[:need]


def open_to(ctx: QueryCtx, conversation: Conversation, me: members.Me) -> bool:
    """Whether a list of an agent's conversations shows this one to a caller."""
    return members.reaches(ctx, conversation, me) or members.may_join(ctx, conversation, me)


def ended(ctx: MutationCtx, conversation_id: str, status: Literal["closed", "archived"]) -> RoomView:
    """Close or archive a room. Raises `Refused`."""
    me, conversation = members.managed(ctx, conversation_id)
    room = structs.replace(conversation.room or Room(), updated_by=me.name)
    if conversation.active_run or conversation.queued_runs:
        ctx.scheduler.run_after(0, "runs:endAll", conversation_id=conversation.id)
    return room_view(ctx, ctx.db.patch(conversation, status=status, room=room, updated_at=ctx.now))


def leads(ctx: MutationCtx, conversation: Conversation, me: members.Me) -> bool:
    """Whether a member opened the conversation, or owns the agent whose room it is."""
    if me.kind == "agent":
        return conversation.participants.get("agentId") == me.name
    agent_id = conversation.participants.get("agentId")
    agent = ctx.db.get(Agent, str(agent_id)) if agent_id else None
    made = conversation.room.created_by if conversation.room else conversation.participants.get("userId")
    return made == me.name or (agent is not None and agent.owner == me.name)


def whole(ctx: members.Ctx, conversation: Conversation | None) -> RoomView:
    """A room with its members, as members see it."""
    assert conversation is not None  # read in this transaction
    return room_view(ctx, conversation, rows(ctx, conversation))


def rows(ctx: members.Ctx, conversation: Conversation) -> list[Any]:
    """The members of a room."""
    return ctx.db.query(Participant.by_conversation(conversation.id)).take(members.MEMBERS)
