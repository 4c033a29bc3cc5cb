"""What a socket is told: one live query, whose value is what has happened since its cursor.

`feed` takes a cursor and returns `events`, and in `next` the arguments with the cursor after them. The gateway's dialect
tells the events, stores `next` with the subscription, and asks with it from then on. So a message is told because the log
grew, whichever door it came through, and exactly once on a connection.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

from chalicelib import QueryCtx, Refused, internal_query, query
from chalicelib.domain import members
from chalicelib.domain.feeds import offsets
from chalicelib.domain.feeds import room as room_feed
from chalicelib.domain.feeds import sizes as event_sizes
from chalicelib.domain.feeds import socket as parts
from chalicelib.domain.feeds.socket import EVENTS, Event
from chalicelib.schema import ChatSocket


@query
def feed(ctx: QueryCtx, socket: str, seen: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a socket has not been told yet: `{events, next, more, close?}`.

    Args:
        seen: the cursor, by conversation.
    """
    seen = seen or {}
    row = ctx.db.apart(ChatSocket, socket)
    if row is None:  # not open yet: `gateway:open` says why, if it is refused
        return {"events": [], "next": {"socket": socket, "seen": {}}, "more": False}
    try:
        me = members.caller(ctx)
    except Refused as refused:
        return {"events": [], "next": {"socket": socket, "seen": seen}, "more": False, "close": refused.message}
    if row.member != me.key:
        return {"events": [], "next": {"socket": socket, "seen": {}}, "more": False}
    told: list[Event] = []
    cursors: dict[str, Any] = {}
    more, space = False, event_sizes.VALUE
    for key, part in chain(parts.rooms(ctx, me, row, seen), parts.streams(ctx, row, seen)):
        if space <= 0 or len(told) >= EVENTS:  # the rest is asked for at once
            more = True
            cursors |= {key: seen[key]} if key in seen else {}
            continue
        part.space = space
        part.look()
        found = [{**each, "data": event_sizes.fitted(each["data"])} for each in part.events]
        told += found
        space -= event_sizes.size(found) if found else 0
        cursors[key] = part.cursor
        more = more or part.more
    places = {key: cursors.get(key) or place for key, place in row.rooms.items()}
    offset = offsets.write({name: place for name, place in places.items() if "after" in place})
    for event in told:
        if event["event"] in parts.PLACED:
            event["offset"] = offset
    return {"events": told, "next": {"socket": socket, "seen": cursors}, "more": more}


@internal_query
def room(ctx: QueryCtx, conversation: str, after: int | None, open: list[int]) -> dict[str, Any] | None:
    """A room that a socket has joined, as `feed` tells of it: the same for all its sockets that stand at one place of its log."""
    return room_feed.view(ctx, conversation, after, open)
