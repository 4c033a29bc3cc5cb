"""The parts of a socket's feed (`functions/feeds.py`): one per room it has joined, one per image, session and task it follows.

A room's cursor holds the last sequence told, replies that were unfinished then, who was online, who was typing, and how far
everybody had said to have read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chalicelib import QueryCtx
from chalicelib.domain import members
from chalicelib.domain.feeds import image as image_feed
from chalicelib.domain.feeds import offsets
from chalicelib.domain.feeds import session as session_feed
from chalicelib.domain.feeds import sizes as event_sizes
from chalicelib.domain.feeds import task as task_feed
from chalicelib.domain.feeds.room import LARGEST
from chalicelib.domain.members import Kind, Me
from chalicelib.domain.rooms.views import message_view
from chalicelib.schema import ChatMessage, ChatSocket, Conversation

EVENTS = 60
"""Events in one value; the rest is asked for at once."""
CROWD, TASK_READS = 500, 12
"""Presences and marks that one socket is told of, of all its rooms together, and how many fewer for each task: its cursor holds
them. A room that does not fit is told without them while it is so crowded."""
Event = dict[str, Any]
PLACED = ("message:new", "presence:update", "conversation:history")
"""Events that bring the offset: what comes first in a room that is joined, and every message."""


def rooms(ctx: QueryCtx, me: Me, row: ChatSocket, seen: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The events of the rooms that a socket has joined, each with its name."""
    room_for = CROWD - TASK_READS * len(row.tasks)
    for conversation_id in sorted(row.rooms):
        room = _Room(ctx, me, row, conversation_id, seen.get(conversation_id))
        room.room_for = room_for
        yield conversation_id, room
        room_for -= room.crowd


def streams(ctx: QueryCtx, row: ChatSocket, seen: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What else a socket has subscribed: images, sessions and tasks."""
    for image_id, first in row.images.items():
        yield image_id, image_feed.ImageStream(ctx, image_id, first, seen.get(image_id))
    cursors = {task_id: seen.get(task_id) or known for task_id, known in row.tasks.items()}
    begun = task_feed.begun(cursors.values())
    for session_id, first in row.sessions.items():
        yield session_id, session_feed.SessionStream(ctx, session_id, first, seen.get(session_id), begun)
    for task_id, cursor in cursors.items():
        yield task_id, task_feed.TaskStream(ctx, task_id, cursor, row.sessions, len(row.tasks))


class _Room:
    """One conversation of one socket: what is new since its cursor."""

    def __init__(self, ctx: QueryCtx, me: Me, row: ChatSocket, conversation: str, cursor: dict[str, Any] | None) -> None:
        self.ctx, self.me, self.row, self.id = ctx, me, row, conversation
        self.first = cursor is None
        self.cursor: dict[str, Any] = dict(cursor or {**row.rooms[conversation], "online": [], "typing": [], "read": {}})
        self.events: list[Event] = []
        self.more = False
        self.space = event_sizes.VALUE
        self.room_for = CROWD
        self.crowd = 0
        """Presences and marks that it is told of."""
        self.name = self.cursor.get("name", "")

    def look(self) -> None:
        """Gather the events, and move the cursor."""
        view = self._view()
        if view is None or not _is_member(self.me, view):
            if "gone" not in self.cursor and not self.first:
                self._tell("conversation:left", reason="You are not a participant of this conversation any more.")
            self.cursor = {"gone": True}
            return
        if "gone" in self.cursor:  # taken out and let in again, while the socket was there
            self.first = True
            self.cursor = {"after": view["count"], "open": [], "online": [], "typing": [], "read": {}}
        self.name = self.cursor["name"] = view["name"]
        if self.first and self.row.history and self.cursor["after"]:
            self._history()
        self._messages(view)
        if view["crowd"] <= self.room_for:
            self.crowd = view["crowd"]
            self._presence(view)
            self._receipts(view)

    def _view(self) -> dict[str, Any] | None:
        """The room as all its sockets have it, or from this one's place on, where it has not been told so much."""
        about = {"conversation": self.id, "open": self.cursor.get("open", [])}
        view: dict[str, Any] | None = self.ctx.view("feeds:room", **about, after=None)
        after = self.cursor.get("after")
        if view is None or after is None or after >= view["after"]:
            return view
        behind: dict[str, Any] | None = self.ctx.view("feeds:room", **about, after=after)
        return behind

    def _tell(self, event: str, **data: Any) -> None:
        self.events.append({"event": event, "data": {"conversationId": self.name, **data}})

    def _history(self) -> None:
        """The end of the log, for who comes to it: in one event, so that nobody answers it."""
        conversation = self.ctx.db.peek(Conversation, self.id)
        assert conversation is not None  # its view was there
        log = self.ctx.db.peek_log(ChatMessage.log(self.id).at_most(self.cursor["after"]), self.row.history)
        kept: list[Any] = []
        size = 0
        for each in log:
            if each.completed:
                view = event_sizes.fitted(message_view(conversation, each), LARGEST)
                size += event_sizes.size(view)
                if kept and size > LARGEST:
                    break
                kept.append(view)
        self._tell("conversation:history", messages=list(reversed(kept)))

    def _messages(self, view: dict[str, Any]) -> None:
        """New entries of the log, and replies that are finished now. A value holds a page; `more` asks for the next."""
        after, unfinished = int(self.cursor["after"]), list(self.cursor["open"])
        size = 0
        for entry in view["finished"]:
            if size > self.space:
                break
            unfinished.remove(entry["sequence"])
            size += self._message(entry)
        for entry in view["entries"]:
            if entry["sequence"] <= after:
                continue
            if size > self.space:
                break
            after = entry["sequence"]
            if entry["view"] is not None:
                size += self._message(entry)
            else:
                unfinished = [*unfinished, after][-offsets.LONGEST :]
        self.more = after < view["count"] or size > self.space or view["more"]
        self.cursor |= {"after": after, "open": unfinished}

    def _message(self, entry: dict[str, Any]) -> int:
        """Tell a message, except to who sent it: a user's other sockets hear of it, an agent's do not answer each other."""
        own_agent = self.me.kind == "agent" and entry["by"] == ["agent", self.me.name]
        if entry["view"] is None or entry["origin"] == self.row.id or own_agent:
            return 0
        self.events.append({"event": "message:new", "data": entry["view"]})
        return int(entry["size"])

    def _presence(self, view: dict[str, Any]) -> None:
        """Who came, who went, who types: members, whatever number of sockets they have."""
        now, before, typing = view["online"], set(self.cursor["online"]), view["typing"]
        for key in sorted(now.keys() - before):
            self._came_or_went(key, "online", "user:joined", now[key])
        for key in sorted(before - now.keys()):
            self._came_or_went(key, "offline", "user:left", None)
        for key in sorted(set(typing) ^ set(self.cursor["typing"])):
            kind, name = members.parted(key)
            if key != self.me.key:
                self._tell(f"{kind}:typing", type=kind, **_named(kind, name), isTyping=key in typing)
        self.cursor |= {"online": sorted(now), "typing": typing}

    def _came_or_went(self, key: str, status: str, event: str, since: float | None) -> None:
        kind, name = members.parted(key)
        person = {"type": kind, **_named(kind, name)}
        if kind == "user" and key != self.me.key and not (self.first and status == "online"):
            self._tell(event, **person)
        when = {} if since is None else {"timestamp": since}
        self._tell("presence:update", **person, status=status, **when)

    def _receipts(self, view: dict[str, Any]) -> None:
        """Who said to have read further."""
        before = self.cursor["read"]
        for each in view["read"]:
            news = each["told"] > before.get(each["member"], 0) and each["member"] != self.me.key
            if news and not self.first:
                who = {"type": each["kind"], **_named(each["kind"], each["name"])}
                self._tell("message:read", messageId=each["messageId"], sequence=each["told"], **who, readAt=each["readAt"])
        self.cursor["read"] = {each["member"]: each["told"] for each in view["read"] if each["told"]}


def _is_member(me: Me, view: dict[str, Any]) -> bool:
    """Whether a caller is told of a room: by the members whom this very view has, so what it shows is theirs to see."""
    return me.is_service or me.key in view["members"]


def _named(kind: Kind, name: str) -> dict[str, str]:
    return {"agentId" if kind == "agent" else "userId": name}
