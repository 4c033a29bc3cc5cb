"""The chat gateway's sockets: they open, join and leave conversations, type, and end.

A socket's row says which conversations it has joined; what it is told follows from the row (`feeds.py`). In each conversation
it has a presence, and a member is online there while one of their sockets is: closing one of two tabs changes nothing.

**Leases.** A socket's row is leased, and never expires while its connection lives: the sweep asks the connection's mailbox,
and renews the lease, or removes what the socket left. Nobody has to send anything to stay online.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused, internal_mutation, mutation, query, sweep
from chalicelib.domain import members, quotas
from chalicelib.domain.feeds import offsets
from chalicelib.domain.feeds import reply as reply_feed
from chalicelib.domain.images import access as image_access
from chalicelib.domain.rooms import sending, sockets
from chalicelib.domain.rooms.sockets import LEASE_MS, ROOMS, TYPING_MS, Here, Joined, Online, Opened, SocketId
from chalicelib.domain.rooms.views import room_view
from chalicelib.schema import ChatSocket, Conversation, Presence


@mutation
def open(
    ctx: MutationCtx,
    socket: SocketId,
    offset: Annotated[str, Meta(max_length=4000)] | None = None,
    history: Annotated[int, Meta(ge=0, le=50)] | None = None,
    conversation_id: Annotated[str, Meta(max_length=512)] | None = None,
    stream: Annotated[str, Meta(max_length=512)] | None = None,
) -> Opened:
    """A socket begins. An agent's joins its conversation by itself, which is found or made.

    Args:
        offset: where an earlier socket of this client stood: its conversations are joined again, and nothing is missed.
        history: how many messages of the past are told; for an agent its owner's setting (20) is the default.
        conversation_id: joined as well.
        stream: a conversation of the caller's own; the socket hears its replies as they are written, and joins nothing.

    Raises:
        Refused: CONVERSATION_NOT_FOUND where `stream` names no conversation of the caller's; TooManySockets.
    """
    me = members.caller(ctx)
    known = ctx.db.get(ChatSocket, socket)
    if known is not None and known.member != me.key:
        raise Refused("SocketExists", "This socket is open already.")
    if known is not None:
        found = [ctx.db.get(Conversation, each) for each in sorted(known.rooms)]
        return sockets.opened(me, known, [each for each in found if each is not None], recovered=False)
    quotas.check(ctx, ChatSocket.by_member(me.key), "sockets")
    row = ChatSocket(id=socket, org=ctx.org, member=me.key, kind=me.kind, name=me.name, lease_until=ctx.now + LEASE_MS)
    row.history = history if history is not None else me.agent.history if me.agent else 0
    places = offsets.read(offset)
    wanted: list[Conversation] = []
    if me.agent is not None:
        wanted = sockets.agents(ctx, me)
        ctx.log(f"Client {socket} connected (agent: {me.name})")
    named = members.conversation_of(ctx, conversation_id) if conversation_id else None
    again = [ctx.db.get(Conversation, place) for place in list(places)[:ROOMS]]
    for each in [named, *again]:
        if each is not None and members.takes_part(ctx, each, me) and all(each.id != one.id for one in wanted):
            wanted.append(each)
    for each in wanted[:ROOMS]:
        sockets.enter(ctx, row, each, places.get(each.id))
    if stream is not None:
        heard = image_access.of_conversation(ctx, stream, "hear a conversation")
        row.images = {heard.image.id: reply_feed.place(ctx, heard.conversation)}
    ctx.db.insert(row)
    if me.kind == "agent":
        ctx.log(f"Agent {me.name} is now online (socket: {socket})")
    return sockets.opened(me, row, wanted[:ROOMS], recovered=any(each.id in places for each in wanted))


@mutation
def join(ctx: MutationCtx, conversation_id: Annotated[str, Meta(max_length=512)], socket: SocketId) -> Joined:
    """Join a conversation: as its member, or as who may come in, who becomes one. Twice is once."""
    me, row = sockets.mine(ctx, socket)
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
        sockets.enter(ctx, row, conversation)
    ctx.db.patch(row, rooms=row.rooms, current=conversation.id)
    return Joined(conversation_id=conversation_id, conversation=room_view(ctx, conversation))


@mutation
def leave(ctx: MutationCtx, socket: SocketId, conversation_id: Annotated[str, Meta(max_length=512)] | None = None) -> str | None:
    """Leave a conversation, or the current one; it stays one's own. Returns its id."""
    _, row = sockets.mine(ctx, socket)
    conversation = members.conversation_of(ctx, conversation_id) if conversation_id else None
    if conversation_id is None and row.current is not None:
        conversation = ctx.db.get(Conversation, row.current)
    if conversation is None or conversation.id not in row.rooms:
        raise Refused("NoConversation", "No conversation found. Please join a conversation first.")
    rest = {name: place for name, place in row.rooms.items() if name != conversation.id}
    current = row.current if row.current in rest else min(rest) if rest else None
    ctx.db.patch(row, rooms=rest, current=current)
    sockets.gone(ctx, conversation.id, row.id)
    return conversation.conversation_id


@mutation
def typing(
    ctx: MutationCtx, socket: SocketId, is_typing: bool, conversation_id: Annotated[str, Meta(max_length=512)] | None = None
) -> None:
    """This socket's user types, or stops; who says nothing more has stopped after six seconds."""
    me, row = sockets.mine(ctx, socket)
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
    if conversation is None or not members.reaches(ctx, conversation, me):
        raise members.not_found()
    here = {each.member: Here(type=each.kind, id=each.name) for each in sockets.presences(ctx, conversation.id)}
    listed = [here[key] for key in sorted(here)]
    users = [each.id for each in listed if each.type == "user"]
    return Online(conversation_id=conversation.conversation_id, online=listed, online_users=users)


@internal_mutation
def closed(ctx: MutationCtx, socket: str) -> None:
    """A connection has ended: remove what its socket left."""
    row = ctx.db.get(ChatSocket, socket)
    if row is None:
        return
    for conversation in row.rooms:
        sockets.gone(ctx, conversation, socket)
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
