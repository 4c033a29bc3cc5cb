"""Conversations as the chat gateway and its REST door know them: find or create, members, messages, the end.

An agent's connection finds its one active conversation, or makes it: one row per agent (`AgentRoom`) points to it, and the
commit reads that row, so fifty simultaneous connections make one. The row is never taken back: whoever finds that
its conversation is closed or archived points it to a new one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, structs

from chalicelib import MutationCtx, QueryCtx, Refused, internal_mutation, mutation, query
from chalicelib.domain import members
from chalicelib.domain.answer_size import ANSWER_BYTES, beginning, shortened
from chalicelib.domain.conversations.log import by_id
from chalicelib.domain.conversations.opening import open_conversation
from chalicelib.domain.rooms import counters, rooms, sending
from chalicelib.domain.rooms.rooms import (
    CANDIDATES,
    LISTED,
    LOOKED_AT,
    Kind,
    Many,
    Name,
    PageMeta,
    RoomPage,
    RoomStatus,
    Sent,
    Short,
    Text,
    Title,
)
from chalicelib.domain.rooms.views import (
    MessageType,
    ParticipantView,
    RoomView,
    message_view,
    participant_view,
    room_view,
)
from chalicelib.schema import Agent, AgentRoom, ChatSocket, Conversation, Participant, Room, Said


@mutation
def create(
    ctx: MutationCtx,
    title: Title | None = None,
    description: Text | None = None,
    agent_id: Name | None = None,
) -> RoomView:
    """Open a conversation by hand: with an agent that is the caller's or open to the org, or with nobody yet.

    An agent has one active conversation, unless several are allowed to it (`multiConversation`): who opens one with it
    becomes a member of that one. An agent opens one of its own only if several are allowed to it.
    """
    me = members.caller(ctx)
    if me.kind == "agent":
        assert me.agent is not None  # `caller` read it
        if not me.agent.multi_conversation or agent_id not in (None, me.name):
            raise Refused("Forbidden", "This agent has one conversation; `multiConversation` allows several.")
        return room_view(ctx, rooms.opened(ctx, me.agent, title or f"Agent {me.name}", auto=False, description=description))
    room = Room(description=description, created_by=me.name, updated_by=me.name)
    agent = rooms.invited(ctx, me, agent_id) if agent_id is not None else None
    if agent is not None and not agent.multi_conversation:
        return rooms.let_in(ctx, me, agent, title, description)
    responder: Literal["agent", "none"] = "agent" if agent_id else "none"
    session = open_conversation(ctx, me.name, responder=responder, name=title or "New Chat", agent_id=agent_id, room=room)
    return rooms.whole(ctx, ctx.db.get(Conversation, session.conversation))


@query
def list_(
    ctx: QueryCtx,
    agent_id: Name | None = None,
    status: RoomStatus | None = None,
    limit: Annotated[int, Meta(ge=1, le=LISTED)] = 20,
    offset: Annotated[int, Meta(ge=0, le=800)] = 0,
) -> RoomPage:
    """Conversations that the caller takes part in, or of an agent that they may talk to, newest first.

    An agent's and those of a status are looked for among the 200 newest from `offset` on, and a page holds 96 KB: it may be
    shorter than `limit`. `isDone` says when there are no more; `offset` is where the next page begins.
    """
    me = members.caller(ctx)
    need = offset + limit + 1 if status is None and agent_id is None else offset + LOOKED_AT + 1
    if agent_id is not None and rooms.talks_to(ctx, me, agent_id) is not None:
        listed = ctx.db.query(Conversation.by_agent(agent_id)).newest().take(need)
    else:  # how many conversations somebody else's agent has is nobody's business
        listed = [each for each in rooms.own(ctx, me, need) if agent_id in (None, each.participants.get("agentId"))]
    found = [
        (place, each)
        for place, each in enumerate(listed)
        if place >= offset and status in (None, each.status) and (agent_id is None or rooms.open_to(ctx, each, me))
    ]
    data = beginning(room_view(ctx, each) for _, each in found[:limit])
    if agent_id is not None and not found:  # whose rooms are all closed to the caller is not told how many there are
        return RoomPage(data=[], meta=PageMeta(count=0, is_done=True, offset=offset))
    is_done = len(listed) < need and len(data) == len(found)
    following = found[len(data)][0] if len(data) < len(found) else len(listed)
    return RoomPage(data=data, meta=PageMeta(count=len(data), is_done=is_done, offset=following))


@query
def get(ctx: QueryCtx, conversation_id: str) -> RoomView | None:
    """A conversation with its members; null for strangers."""
    conversation = members.readable(ctx, conversation_id)
    return None if conversation is None else rooms.whole(ctx, conversation)


@mutation
def update(ctx: MutationCtx, conversation_id: str, title: Title | None = None, description: Text | None = None) -> RoomView:
    """Name a conversation, or say what it is about."""
    me, conversation = members.managed(ctx, conversation_id)
    room = structs.replace(conversation.room or Room(), updated_by=me.name)
    if description is not None:
        room.description = description
    return room_view(ctx, ctx.db.patch(conversation, title=title or conversation.title, room=room, updated_at=ctx.now))


@mutation
def close(ctx: MutationCtx, conversation_id: str) -> RoomView:
    """End a conversation; it stays readable. Its agent's next connection makes a new one."""
    return rooms.ended(ctx, conversation_id, "closed")


@mutation
def archive(ctx: MutationCtx, conversation_id: str) -> RoomView:
    """Put a conversation away; it stays readable. Its agent's next connection makes a new one."""
    return rooms.ended(ctx, conversation_id, "archived")


@internal_mutation
def expire(ctx: MutationCtx, conversation: str) -> None:
    """Archive a conversation that was quiet for as long as its agent's owner said; else look again when it may be."""
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
    return [] if conversation is None else [participant_view(each) for each in rooms.rows(ctx, conversation)]


@mutation
def add_participant(ctx: MutationCtx, conversation_id: str, participant_type: Kind, participant_id: Name) -> RoomView:
    """Let somebody take part: by a member, or by who may come in anyway. Twice is once."""
    me = members.caller(ctx)
    conversation = members.conversation_of(ctx, conversation_id)
    if conversation is None or not (members.takes_part(ctx, conversation, me) or members.may_join(ctx, conversation, me)):
        raise members.not_found()
    if participant_type == "agent":
        rooms.invited(ctx, me, participant_id)
    elif participant_id.startswith(members.AGENT):
        raise Refused("UserNotFound", "This name is kept for agents.")
    members.add(ctx, conversation, participant_type, participant_id)
    return rooms.whole(ctx, ctx.db.get(Conversation, conversation.id))


@mutation
def remove_participant(ctx: MutationCtx, conversation_id: str, participant_type: Kind, participant_id: Name) -> RoomView:
    """Take somebody out: themselves, or by a member who is not a guest of an agent's room. Their sockets are told to leave."""
    me, conversation = members.managed(ctx, conversation_id)
    key = members.key_of(participant_type, participant_id)
    if not (me.is_service or key == me.key or rooms.leads(ctx, conversation, me)):
        raise Refused("Forbidden", "Only who opened the conversation, or the owner of its agent, may take others out.")
    row = members.participant(ctx, conversation, key) if len(key.encode()) <= 512 else None
    if row is not None:
        members.remove(ctx, conversation, row)
    return rooms.whole(ctx, ctx.db.get(Conversation, conversation.id))


@mutation
def route(ctx: MutationCtx) -> RoomView:
    """Bring the caller to the connected agent that is open to the org and has the fewest people in its room."""
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
    conversation, _ = rooms.find_or_create(ctx, agent_found)
    members.add(ctx, conversation, me.kind, me.name)
    return rooms.whole(ctx, ctx.db.get(Conversation, conversation.id))


# Messages -----------------------------------------------------------------------------------------------------------------


@mutation
def send(
    ctx: MutationCtx,
    content: sending.Content,
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
    """Write a message. The role is the caller's own voice, and need not be said; without `conversationId` it
    goes where the socket is. An attachment is an http(s) address, or `document:` and an id."""
    me = members.caller(ctx)
    ours = sending.socket_of(ctx, me, socket, only_whose=bool(conversation_id))
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
    shown = shortened(message_view(conversation, message), ANSWER_BYTES)
    generated = (titled and message.role == "user") or None
    return Sent(conversation_id=conversation.conversation_id, message=shown, title_generated=generated)
