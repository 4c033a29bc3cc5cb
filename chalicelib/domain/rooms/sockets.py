"""A chat socket's row, the rooms it has joined and its presence in each; and what `functions/gateway.py` answers with."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, Refused
from chalicelib.domain import members
from chalicelib.domain.feeds import offsets
from chalicelib.domain.rooms import rooms, sending
from chalicelib.domain.rooms.views import RoomView
from chalicelib.schema import ChatMessage, ChatSocket, Conversation, Presence

LEASE_MS = 3 * 60 * 1000
TYPING_MS = 6_000
"""Who says no more about typing has stopped (a client repeats it while keys are pressed)."""
ROOMS = 20
"""Conversations that one socket may have joined."""
SocketId = Annotated[str, Meta(min_length=1, max_length=200)]


class Opened(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """What a new socket is told first. An agent finds its conversation here, and in `presence:update`."""

    socket_id: str
    type: str
    user_id: str | None = None
    agent_id: str | None = None
    conversation_id: str | None = None
    rooms: list[str]
    recovered: bool
    offset: str | None = None
    """Where this socket begins: who is cut before its first message comes back with it, and misses nothing."""


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


def opened(me: members.Me, row: ChatSocket, joined: list[Conversation], *, recovered: bool) -> Opened:
    """What a socket is told when it has been opened."""
    current = next((each for each in joined if each.id == row.current), None)
    return Opened(
        socket_id=row.id,
        type=me.kind,
        user_id=me.name if me.kind == "user" else None,
        agent_id=me.name if me.kind == "agent" else None,
        conversation_id=current.conversation_id if current else None,
        rooms=[each.conversation_id for each in joined],
        recovered=recovered,
        offset=offsets.write(row.rooms) or None,
    )


def agents(ctx: MutationCtx, me: members.Me) -> list[Conversation]:
    """What an agent's socket joins: its one conversation, or all active ones where several are allowed."""
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


def enter(ctx: MutationCtx, row: ChatSocket, conversation: Conversation, place: dict[str, Any] | None = None) -> None:
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


def presences(ctx: members.Ctx, conversation: str) -> list[Any]:
    """The sockets in a conversation."""
    return ctx.db.query(Presence.by_conversation(conversation)).take(200)


def mine(ctx: MutationCtx, socket: str) -> tuple[members.Me, ChatSocket]:
    """The caller, and the socket that it names. Raises `Refused`: SocketNotFound where it is another's or none."""
    me = members.caller(ctx)
    row = sending.socket_of(ctx, me, socket)
    if row is None:
        raise Refused("SocketNotFound", "This socket is not open.")
    return me, row


def gone(ctx: MutationCtx, conversation: str, socket: str) -> None:
    """Take a socket's presence out of a conversation."""
    presence = ctx.db.get(Presence, f"{conversation}:{socket}")
    if presence is not None:
        ctx.db.delete(presence)
