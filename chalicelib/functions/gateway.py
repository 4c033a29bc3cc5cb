"""The chat gateway's sockets: they open, join and leave conversations, type, and end (002-05…09, 26, U03…U06).

A socket's row says which conversations it has joined; what it is told follows from the row (`feeds.py`). In each conversation
it has a presence, and a member is online there while one of their sockets is: closing one of two tabs changes nothing.

**Leases.** A socket's row is leased, and never expires while its connection lives: the sweep asks the connection's mailbox,
and renews the lease, or removes what the socket left. Nobody has to send anything to stay online.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused, internal_mutation, mutation, query, sweep
from chalicelib.domain import members
from chalicelib.domain.feeds import offsets
from chalicelib.domain.feeds import reply as reply_feed
from chalicelib.domain.images import access as image_access
from chalicelib.domain.rooms import sending
from chalicelib.domain.rooms.views import RoomView, room_view
from chalicelib.functions import rooms
from chalicelib.schema import ChatMessage, ChatSocket, Conversation, Presence

LEASE_MS = 3 * 60 * 1000
TYPING_MS = 6_000
"""Who says no more about typing has stopped (a client repeats it while keys are pressed)."""
ROOMS = 20
"""Conversations that one socket may have joined."""
SocketId = Annotated[str, Meta(min_length=1, max_length=200)]


class Opened(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """What a new socket is told first. An agent finds its conversation here, and in `presence:update` (002-25)."""

    socket_id: str
    type: str
    user_id: str | None = None
    agent_id: str | None = None
    conversation_id: str | None = None
    rooms: list[str]
    recovered: bool


class Joined(msgspec.Struct, rename="camel", kw_only=True):
    """A conversation that a socket has joined."""

    conversation_id: str
    conversation: RoomView


class Here(msgspec.Struct, rename="camel", kw_only=True):
    """Somebody who is online in a conversation."""

    type: str
    id: str


class Online(msgspec.Struct, rename="camel", kw_only=True):
    """Who is online in a conversation; `onlineUsers` are the ids of the users among them."""

    conversation_id: str
    online: list[Here]
    online_users: list[str]


@mutation
def open(
    ctx: MutationCtx,
    socket: SocketId,
    offset: Annotated[str, Meta(max_length=4000)] | None = None,
    history: Annotated[int, Meta(ge=0, le=50)] | None = None,
    conversation_id: Annotated[str, Meta(max_length=512)] | None = None,
    stream: Annotated[str, Meta(max_length=512)] | None = None,
) -> Opened:
    """A socket begins. An agent's joins its conversation by itself, which is found or made (002-05…09, 18…22).

    Args:
        offset: where an earlier socket of this client stood: its conversations are joined again, and nothing is missed.
        history: how many messages of the past are told; for an agent its owner's setting is the default (002-37).
        conversation_id: joined as well.
        stream: a conversation of the caller's own; the socket hears its replies as they are written (000-U08), and joins nothing.

    Raises:
        Refused: CONVERSATION_NOT_FOUND where `stream` names no conversation of the caller's.
    """
    me = members.caller(ctx)
    known = ctx.db.get(ChatSocket, socket)
    if known is not None and known.member != me.key:
        raise Refused("SocketExists", "This socket is open already.")
    if known is not None:
        found = [ctx.db.get(Conversation, each) for each in sorted(known.rooms)]
        return _opened(me, known, [each for each in found if each is not None], recovered=False)
    row = ChatSocket(id=socket, org=ctx.org, member=me.key, kind=me.kind, name=me.name, lease_until=ctx.now + LEASE_MS)
    row.history = history if history is not None else me.agent.history if me.agent else 0
    places = offsets.read(offset)
    wanted: list[Conversation] = []
    if me.agent is not None:
        wanted = _agents(ctx, me)
        ctx.log(f"Client {socket} connected (agent: {me.name})")
    named = members.conversation_of(ctx, conversation_id) if conversation_id else None
    again = [ctx.db.get(Conversation, place) for place in list(places)[:ROOMS]]
    for each in [named, *again]:
        if each is not None and members.takes_part(ctx, each, me) and all(each.id != one.id for one in wanted):
            wanted.append(each)
    for each in wanted[:ROOMS]:
        _enter(ctx, row, each, places.get(each.id))
    if stream is not None:
        heard = image_access.of_conversation(ctx, stream, "hear a conversation")
        row.images = {heard.image.id: reply_feed.place(ctx, heard.conversation)}
    ctx.db.insert(row)
    if me.kind == "agent":
        ctx.log(f"Agent {me.name} is now online (socket: {socket})")
    return _opened(me, row, wanted[:ROOMS], recovered=any(each.id in places for each in wanted))


def _opened(me: members.Me, row: ChatSocket, joined: list[Conversation], *, recovered: bool) -> Opened:
    current = next((each for each in joined if each.id == row.current), None)
    return Opened(
        socket_id=row.id,
        type=me.kind,
        user_id=me.name if me.kind == "user" else None,
        agent_id=me.name if me.kind == "agent" else None,
        conversation_id=current.conversation_id if current else None,
        rooms=[each.conversation_id for each in joined],
        recovered=recovered,
    )


def _agents(ctx: MutationCtx, me: members.Me) -> list[Conversation]:
    """What an agent's socket joins: its one conversation, or all active ones where several are allowed (002-35)."""
    assert me.agent is not None
    own, made = rooms.find_or_create(ctx, me.agent)
    if made:
        ctx.log(f"Created new conversation {own.conversation_id} for agent {me.name}")
    else:
        ctx.log(f"Reusing existing conversation {own.conversation_id} for agent {me.name}")
    ctx.log(f"Agent {me.name} auto-joined conversation {own.conversation_id}")
    if not me.agent.multi_conversation:
        return [own]
    listed = ctx.db.query(Conversation.by_agent(me.name)).newest().take(ROOMS)
    return [
        own,
        *(each for each in listed if each.id != own.id and each.status == "active" and members.takes_part(ctx, each, me)),
    ]


def _enter(ctx: MutationCtx, row: ChatSocket, conversation: Conversation, place: dict[str, Any] | None = None) -> None:
    """Join, from here on or from where an earlier socket stood."""
    if place is not None:
        place = {**place, "after": min(place["after"], conversation.message_count)}
    row.rooms = {**row.rooms, conversation.id: place or _now(ctx, conversation)}
    row.current = row.current or conversation.id
    presence = Presence(
        id=f"{conversation.id}:{row.id}",
        conversation=conversation.id,
        socket=row.id,
        member=row.member,
        kind=row.kind,
        name=row.name,
    )
    ctx.db.insert(presence)


def _now(ctx: MutationCtx, conversation: Conversation) -> dict[str, Any]:
    """Where the log is now; replies that are being written are told when they are done."""
    unfinished: list[int] = []
    if conversation.active_run is not None or conversation.queued_runs:
        newest = ctx.db.peek_log(ChatMessage.log(conversation.id), 50)
        unfinished = [each.sequence for each in newest if not each.completed]
    return {"after": conversation.message_count, "open": unfinished}


@mutation
def join(ctx: MutationCtx, conversation_id: Annotated[str, Meta(max_length=512)], socket: SocketId) -> Joined:
    """Join a conversation (002-26): as its member, or as who may come in, who becomes one. Twice is once."""
    me, row = _mine(ctx, socket)
    conversation = members.conversation_of(ctx, conversation_id)
    if conversation is None:
        raise members.not_found()
    if not members.takes_part(ctx, conversation, me):
        if not members.may_join(ctx, conversation, me):
            raise members.not_found()
        members.add(ctx, conversation, me.kind, me.name)
    if conversation.id not in row.rooms:
        if len(row.rooms) >= ROOMS:
            raise Refused("TooManyRooms", f"A socket joins at most {ROOMS} conversations; leave one, or open another socket.")
        _enter(ctx, row, conversation)
    ctx.db.patch(row, rooms=row.rooms, current=conversation.id)
    return Joined(conversation_id=conversation_id, conversation=room_view(ctx, conversation))


@mutation
def leave(ctx: MutationCtx, socket: SocketId, conversation_id: Annotated[str, Meta(max_length=512)] | None = None) -> str | None:
    """Leave a conversation, or the current one; it stays one's own. Returns its id."""
    _, row = _mine(ctx, socket)
    conversation = members.conversation_of(ctx, conversation_id) if conversation_id else None
    if conversation_id is None and row.current is not None:
        conversation = ctx.db.get(Conversation, row.current)
    if conversation is None or conversation.id not in row.rooms:
        raise Refused("NoConversation", "No conversation found. Please join a conversation first.")
    rest = {name: place for name, place in row.rooms.items() if name != conversation.id}
    current = row.current if row.current in rest else min(rest) if rest else None
    ctx.db.patch(row, rooms=rest, current=current)
    _gone(ctx, conversation.id, row.id)
    return conversation.conversation_id


@mutation
def typing(
    ctx: MutationCtx, socket: SocketId, is_typing: bool, conversation_id: Annotated[str, Meta(max_length=512)] | None = None
) -> None:
    """This socket's user types, or stops; who says nothing more has stopped after six seconds."""
    me, row = _mine(ctx, socket)
    conversation = sending.meant(ctx, me, conversation_id, row)
    presence = ctx.db.get(Presence, f"{conversation.id}:{row.id}")
    if presence is None:
        raise Refused("NoConversation", "No conversation found. Please join a conversation first.")
    if not is_typing:
        if presence.typing_until is not None:
            ctx.db.patch(presence, typing_until=None)
    elif presence.typing_until is None or presence.typing_until - ctx.now < TYPING_MS / 2:
        until = ctx.now + TYPING_MS
        ctx.db.patch(presence, typing_until=until)
        ctx.scheduler.run_at(until, stopped_typing, presence=presence.id, until=until)


@internal_mutation
def stopped_typing(ctx: MutationCtx, presence: str, until: float) -> None:
    """Nothing more was said about typing."""
    row = ctx.db.get(Presence, presence)
    if row is not None and row.typing_until == until:
        ctx.db.patch(row, typing_until=None)


@query
def online(
    ctx: QueryCtx, conversation_id: Annotated[str, Meta(max_length=512)] | None = None, socket: SocketId | None = None
) -> Online:
    """Who is online in a conversation, agents too."""
    me = members.caller(ctx)
    row = sending.socket_of(ctx, me, socket)
    if conversation_id is None and row is not None and row.current is not None:
        conversation = ctx.db.get(Conversation, row.current)
    else:
        conversation = members.conversation_of(ctx, conversation_id or "")
    if conversation is None or not members.takes_part(ctx, conversation, me):
        raise members.not_found()
    here = {each.member: Here(type=each.kind, id=each.name) for each in presences(ctx, conversation.id)}
    listed = [here[key] for key in sorted(here)]
    users = [each.id for each in listed if each.type == "user"]
    return Online(conversation_id=conversation.conversation_id, online=listed, online_users=users)


def presences(ctx: members.Ctx, conversation: str) -> list[Any]:
    """The sockets in a conversation."""
    return ctx.db.query(Presence.by_conversation(conversation)).take(200)


def _mine(ctx: MutationCtx, socket: str) -> tuple[members.Me, ChatSocket]:
    me = members.caller(ctx)
    row = sending.socket_of(ctx, me, socket)
    if row is None:
        raise Refused("SocketNotFound", "This socket is not open.")
    return me, row


def _gone(ctx: MutationCtx, conversation: str, socket: str) -> None:
    presence = ctx.db.get(Presence, f"{conversation}:{socket}")
    if presence is not None:
        ctx.db.delete(presence)


@internal_mutation
def closed(ctx: MutationCtx, socket: str) -> None:
    """A connection has ended: remove what its socket left."""
    row = ctx.db.get(ChatSocket, socket)
    if row is None:
        return
    for conversation in row.rooms:
        _gone(ctx, conversation, socket)
    ctx.db.delete(row)


@internal_mutation
def renew(ctx: MutationCtx, socket: str) -> None:
    """The connection is there: so is its socket, for another lease."""
    row = ctx.db.get(ChatSocket, socket)
    if row is not None:
        ctx.db.patch(row, lease_until=ctx.now + LEASE_MS)


@sweep
def repair(executor: Any) -> None:
    """Sockets whose lease ran out: renewed where the connection lives, removed where nobody said that it ended."""
    for item in executor.listed(ChatSocket.by_lease, ("open",), executor.clock.now_ms()):
        alive = executor.parts.connected(item["_id"])
        executor.repair(item["org"], renew if alive else closed, socket=item["_id"])
