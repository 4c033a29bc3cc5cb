"""Conversations as the chat gateway and its REST door know them (seed 002): find or create, members, messages, the end.

An agent's connection finds its one active conversation, or makes it: one row per agent (`AgentRoom`) points to it, and the
commit reads that row, so fifty simultaneous connections make one (002-20). The row is never taken back: whoever finds that
its conversation is closed or archived points it to a new one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, structs

from chalicelib import MutationCtx, QueryCtx, Refused, internal_mutation, mutation, query
from chalicelib.domain import members
from chalicelib.domain.conversations.log import by_id
from chalicelib.domain.conversations.opening import open_conversation
from chalicelib.domain.rooms import counters, sending
from chalicelib.domain.rooms.views import (
    MessageType,
    ParticipantView,
    RoomMessage,
    RoomView,
    message_view,
    participant_view,
    room_view,
)
from chalicelib.schema import Agent, AgentRoom, ChatSocket, Conversation, Participant, Room, Said

Title = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=2000)]
Content = Annotated[str, Meta(max_length=100_000)]
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
    """This message gave the conversation its title (000-U14)."""


def find_or_create(ctx: MutationCtx, agent: Agent) -> tuple[Conversation, bool]:
    """An agent's one active conversation (002-05, 11…22). Returns whether it was made now."""
    row = ctx.db.get(AgentRoom, agent.id)
    found = ctx.db.get(Conversation, row.conversation) if row else None
    if found is not None and found.status == "active":
        return found, False
    made = _opened(ctx, agent, agent.room_title or f"Agent {agent.id} - Auto Conversation", auto=True)
    if row is None:
        ctx.db.insert(AgentRoom(id=agent.id, conversation=made.id))
    else:
        ctx.db.patch(row, conversation=made.id)
    return made, True


def _opened(ctx: MutationCtx, agent: Agent, title: str, *, auto: bool, description: str | None = None) -> Conversation:
    about = description or ("Automatically created conversation for agent" if auto else None)
    room = Room(auto=auto, description=about, created_by=agent.id, updated_by=agent.id)
    if agent.archive_days is not None:
        room.archive_after_ms = agent.archive_days * DAY_MS
    session = open_conversation(ctx, None, responder="agent", name=title, agent_id=agent.id, room=room)
    made = ctx.db.get(Conversation, session.conversation)
    assert made is not None  # written a line ago
    if room.archive_after_ms is not None:
        ctx.scheduler.run_after(room.archive_after_ms, expire, conversation=made.id)
    return made


@mutation
def create(
    ctx: MutationCtx,
    title: Title | None = None,
    description: Text | None = None,
    agent_id: Name | None = None,
) -> RoomView:
    """Open a conversation by hand (002-32): with an agent that is the caller's or open to the org, or with nobody yet.

    An agent opens one of its own only if several are allowed to it (`multiConversation`, 002-35).
    """
    me = members.caller(ctx)
    if me.kind == "agent":
        assert me.agent is not None  # `caller` read it
        if not me.agent.multi_conversation or agent_id not in (None, me.name):
            raise Refused("Forbidden", "This agent has one conversation; `multiConversation` allows several.")
        return room_view(ctx, _opened(ctx, me.agent, title or f"Agent {me.name}", auto=False, description=description))
    room = Room(description=description, created_by=me.name, updated_by=me.name)
    if agent_id is not None:
        _invited(ctx, me, agent_id)
    responder: Literal["agent", "none"] = "agent" if agent_id else "none"
    session = open_conversation(ctx, me.name, responder=responder, name=title or "New Chat", agent_id=agent_id, room=room)
    return _whole(ctx, ctx.db.get(Conversation, session.conversation))


def _invited(ctx: MutationCtx, me: members.Me, agent_id: str) -> Agent:
    """An agent that the caller may bring along."""
    agent = ctx.db.get(Agent, agent_id) if len(agent_id.encode()) <= 512 else None
    if agent is None or not (me.is_service or agent.owner == me.name or agent.audience == "org"):
        raise Refused("AgentNotFound", "Agent not found")
    return agent


@query
def list_(
    ctx: QueryCtx,
    agent_id: Name | None = None,
    status: RoomStatus | None = None,
    limit: Annotated[int, Meta(ge=1, le=LISTED)] = 20,
    offset: Annotated[int, Meta(ge=0, le=800)] = 0,
) -> RoomPage:
    """Conversations that the caller takes part in, or of an agent that they may talk to (002-27), newest first.

    A status is looked for among the 200 newest from `offset` on; `isDone` says when there are no more.
    """
    me = members.caller(ctx)
    need = offset + limit + 1 if status is None else offset + LOOKED_AT + 1
    if agent_id is not None:
        listed = ctx.db.query(Conversation.by_agent(agent_id)).newest().take(need)
        listed = [each for each in listed if members.takes_part(ctx, each, me) or members.may_join(ctx, each, me)]
    else:
        listed = _own(ctx, me, need)
    found = [each for each in listed[offset:] if status in (None, each.status)]
    data = [room_view(ctx, each) for each in found[:limit]]
    return RoomPage(data=data, meta=PageMeta(count=len(data), is_done=len(found) <= limit, offset=offset + limit))


def _own(ctx: QueryCtx, me: members.Me, need: int) -> list[Conversation]:
    """What somebody takes part in, newest first: as the first user or agent of it, or as one who joined."""
    named = Conversation.by_user(me.name) if me.kind == "user" else Conversation.by_agent(me.name)
    found = list(ctx.db.query(named).newest().take(need))
    for row in ctx.db.query(Participant.by_guest(f"{me.kind}:{me.name}", "user-agent")).newest().take(need):
        one = ctx.db.get(Conversation, row.conversation)
        if one is not None:
            found.append(one)
    seen = {each.id: each for each in found if members.takes_part(ctx, each, me)}
    return sorted(seen.values(), key=lambda each: (-each.creation_time, each.id))[:need]


@query
def get(ctx: QueryCtx, conversation_id: str) -> RoomView | None:
    """A conversation with its members; null for strangers."""
    conversation = members.readable(ctx, conversation_id)
    return None if conversation is None else _whole(ctx, conversation)


@mutation
def update(ctx: MutationCtx, conversation_id: str, title: Title | None = None, description: Text | None = None) -> RoomView:
    """Name a conversation, or say what it is about (002-39)."""
    me, conversation = members.joined(ctx, conversation_id)
    room = structs.replace(conversation.room or Room(), updated_by=me.name)
    if description is not None:
        room.description = description
    return room_view(ctx, ctx.db.patch(conversation, title=title or conversation.title, room=room, updated_at=ctx.now))


@mutation
def close(ctx: MutationCtx, conversation_id: str) -> RoomView:
    """End a conversation; it stays readable. Its agent's next connection makes a new one (002-22)."""
    return _ended(ctx, conversation_id, "closed")


@mutation
def archive(ctx: MutationCtx, conversation_id: str) -> RoomView:
    """Put a conversation away; it stays readable. Its agent's next connection makes a new one (002-22)."""
    return _ended(ctx, conversation_id, "archived")


def _ended(ctx: MutationCtx, conversation_id: str, status: Literal["closed", "archived"]) -> RoomView:
    from chalicelib.functions import runs

    me, conversation = members.joined(ctx, conversation_id)
    room = structs.replace(conversation.room or Room(), updated_by=me.name)
    if conversation.active_run or conversation.queued_runs:
        ctx.scheduler.run_after(0, runs.end_all, conversation_id=conversation.id)
    return room_view(ctx, ctx.db.patch(conversation, status=status, room=room, updated_at=ctx.now))


@internal_mutation
def expire(ctx: MutationCtx, conversation: str) -> None:
    """Archive a conversation that was quiet for as long as its agent's owner said (002-36); else look again when it may be."""
    found = ctx.db.get(Conversation, conversation)
    if found is None or found.status != "active" or found.room is None or found.room.archive_after_ms is None:
        return
    due = (found.last_message_at or found.creation_time) + found.room.archive_after_ms
    if due > ctx.now:
        ctx.scheduler.run_at(due, expire, conversation=conversation)
    else:
        ctx.db.patch(found, status="archived", updated_at=ctx.now)


# Members ------------------------------------------------------------------------------------------------------------------


@query
def participants(ctx: QueryCtx, conversation_id: str) -> list[ParticipantView]:
    """Who takes part; [] for strangers."""
    conversation = members.readable(ctx, conversation_id)
    return [] if conversation is None else [participant_view(each) for each in _rows(ctx, conversation)]


@mutation
def add_participant(ctx: MutationCtx, conversation_id: str, participant_type: Kind, participant_id: Name) -> RoomView:
    """Let somebody take part (002-28): by a member, or by who may come in anyway. Twice is once."""
    me = members.caller(ctx)
    conversation = members.conversation_of(ctx, conversation_id)
    if conversation is None or not (members.takes_part(ctx, conversation, me) or members.may_join(ctx, conversation, me)):
        raise members.not_found()
    if participant_type == "agent":
        _invited(ctx, me, participant_id)
    elif participant_id.startswith(members.AGENT):
        raise Refused("UserNotFound", "This name is kept for agents.")
    members.add(ctx, conversation, participant_type, participant_id)
    return _whole(ctx, ctx.db.get(Conversation, conversation.id))


@mutation
def remove_participant(ctx: MutationCtx, conversation_id: str, participant_type: Kind, participant_id: Name) -> RoomView:
    """Take somebody out: themselves, or by a member who is not a guest of an agent's room. Their sockets are told to leave."""
    me, conversation = members.joined(ctx, conversation_id)
    key = members.key_of(participant_type, participant_id)
    if not (me.is_service or key == me.key or _leads(ctx, conversation, me)):
        raise Refused("Forbidden", "Only who opened the conversation, or the owner of its agent, may take others out.")
    row = members.participant(ctx, conversation, key) if len(key.encode()) <= 512 else None
    if row is not None:
        members.remove(ctx, conversation, row)
    return _whole(ctx, ctx.db.get(Conversation, conversation.id))


def _leads(ctx: MutationCtx, conversation: Conversation, me: members.Me) -> bool:
    """Whether a member opened the conversation, or owns the agent whose room it is."""
    if me.kind == "agent":
        return conversation.participants.get("agentId") == me.name
    agent_id = conversation.participants.get("agentId")
    agent = ctx.db.get(Agent, str(agent_id)) if agent_id else None
    made = conversation.room.created_by if conversation.room else conversation.participants.get("userId")
    return made == me.name or (agent is not None and agent.owner == me.name)


@mutation
def route(ctx: MutationCtx) -> RoomView:
    """Bring the caller to the connected agent that is open to the org and has the fewest people in its room (002-38)."""
    me = members.caller(ctx)
    best: tuple[int, str] | None = None
    for agent in ctx.db.query(Agent.by_audience("org")).take(CANDIDATES):
        key = members.key_of("agent", agent.id)
        room = ctx.db.get(AgentRoom, agent.id)
        if agent.status != "active" or room is None or ctx.db.count(ChatSocket.by_member(key)) == 0:
            continue
        load = ctx.db.count(Participant.by_conversation(room.conversation))
        if best is None or load < best[0]:
            best = (load, agent.id)
    agent_found = ctx.db.get(Agent, best[1]) if best else None
    if agent_found is None:
        raise Refused("AgentNotFound", "No agent that is open to your organisation is connected.")
    conversation, _ = find_or_create(ctx, agent_found)
    members.add(ctx, conversation, me.kind, me.name)
    return _whole(ctx, ctx.db.get(Conversation, conversation.id))


def _whole(ctx: members.Ctx, conversation: Conversation | None) -> RoomView:
    assert conversation is not None  # read in this transaction
    return room_view(ctx, conversation, _rows(ctx, conversation))


def _rows(ctx: members.Ctx, conversation: Conversation) -> list[Any]:
    return ctx.db.query(Participant.by_conversation(conversation.id)).take(members.MEMBERS)


# Messages -----------------------------------------------------------------------------------------------------------------


@mutation
def send(
    ctx: MutationCtx,
    content: Content,
    conversation_id: str | None = None,
    role: Literal["user", "assistant", "system", "tool"] | None = None,
    type: MessageType = "text",
    name: Short | None = None,
    parent_id: Short | None = None,
    tool_calls: Many | None = None,
    tool_results: Many | None = None,
    thinking: dict[str, Any] | None = None,
    usage: dict[str, Any] | None = None,
    latency: float | None = None,
    error: Annotated[str, Meta(max_length=10_000)] | None = None,
    attachments: Annotated[list[Annotated[str, Meta(max_length=2000)]], Meta(max_length=20)] | None = None,
    socket: str | None = None,
) -> Sent:
    """Write a message (002-23, U07). The role is the caller's own voice, and need not be said; without `conversationId` it
    goes where the socket is (002-U05). An attachment is an http(s) address, or `document:` and an id (002-U08)."""
    me = members.caller(ctx)
    ours = sending.socket_of(ctx, me, socket)
    conversation = sending.meant(ctx, me, conversation_id, ours)
    if parent_id is not None and by_id(ctx, conversation, parent_id) is None:
        raise Refused("MessageNotFound", "Message not found")
    said = Said(
        participant_id=me.name,
        participant_type=me.kind,
        origin=ours.id if ours else None,
        type=type,
        name=name,
        parent_id=parent_id,
        tool_calls=tool_calls,
        tool_results=tool_results,
        thinking=thinking,
        latency=latency,
        error=error,
        attachments=attachments,
        cost=counters.cost(usage),
    )
    titled = sending.untitled(ctx, conversation)
    message = sending.append(ctx, me, conversation, role, content, said, usage)
    shown = message_view(conversation, message)
    generated = (titled and message.role == "user") or None
    return Sent(conversation_id=conversation.conversation_id, message=shown, title_generated=generated)
