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
from chalicelib.domain.members import Kind, Me
from chalicelib.domain.rooms import receipts
from chalicelib.domain.rooms import sockets as gateway
from chalicelib.domain.rooms.views import message_view
from chalicelib.schema import ChatMessage, ChatSocket, Conversation, Presence, Receipt

PAGE = 20
"""Messages of one conversation in one value; more are asked for at once."""
LARGEST = 90_000
"""Bytes of one message, and of all messages of the past that are told together."""
EVENTS = 60
"""Events in one value; the rest is asked for at once."""
CROWD, LARGEST_CROWD, TASK_READS = 500, 250, 12
"""Presences and marks that one socket is told of, of all its rooms together; of one room at most; and how many fewer for each
task. A query reads a thousand documents at most: a room that does not fit is told without them while it is so crowded."""
Event = dict[str, Any]
PLACED = ("message:new", "presence:update", "conversation:history")
"""Events that bring the offset: what comes first in a room that is joined, and every message."""


def rooms(ctx: QueryCtx, me: Me, row: ChatSocket, seen: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The events of the rooms that a socket has joined, each with its name."""
    room_for = CROWD - TASK_READS * len(row.tasks)
    counted = len(row.rooms) * LARGEST_CROWD > room_for
    for conversation_id in sorted(row.rooms):
        room = _Room(ctx, me, row, conversation_id, seen.get(conversation_id))
        if counted:
            crowd = ctx.db.count(Presence.by_conversation(conversation_id)) + ctx.db.count(
                Receipt.by_conversation(conversation_id)
            )
            room.crowded = crowd > room_for
            room_for -= 0 if room.crowded else crowd
        yield conversation_id, room


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
        self.cursor: dict[str, Any] = dict(cursor or {**row.rooms[conversation], "online": {}, "typing": [], "read": {}})
        self.events: list[Event] = []
        self.more = False
        self.space = event_sizes.VALUE
        self.crowded = False
        self.name = self.cursor.get("name", "")

    def look(self) -> None:
        """Gather the events, and move the cursor."""
        conversation = self.ctx.db.get(Conversation, self.id)
        if conversation is None or not members.takes_part(self.ctx, conversation, self.me):
            if "gone" not in self.cursor and not self.first:
                self._tell("conversation:left", reason="You are not a participant of this conversation any more.")
            self.cursor = {"gone": True}
            return
        if "gone" in self.cursor:  # taken out and let in again, while the socket was there
            self.first, place = True, {"after": conversation.message_count, "open": []}
            self.cursor = {**place, "online": {}, "typing": [], "read": {}}
        self.name = self.cursor["name"] = conversation.conversation_id
        if self.first and self.row.history and self.cursor["after"]:
            self._history(conversation)
        self._messages(conversation)
        if not self.crowded:
            self._presence()
            self._receipts()

    def _tell(self, event: str, **data: Any) -> None:
        self.events.append({"event": event, "data": {"conversationId": self.name, **data}})

    def _history(self, conversation: Conversation) -> None:
        """The end of the log, for who comes to it: in one event, so that nobody answers it."""
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

    def _messages(self, conversation: Conversation) -> None:
        """New entries of the log, and replies that are finished now. A value holds a page; `more` asks for the next."""
        after, unfinished = int(self.cursor["after"]), list(self.cursor["open"])
        size = 0
        for number in list(unfinished):
            if size > self.space:
                break
            entry = self.ctx.db.get(ChatMessage, self.id, number)
            if entry is None or entry.completed:
                unfinished.remove(number)
                size += self._message(conversation, entry) if entry else 0
        for entry in self._new(conversation, after):
            if size > self.space:
                break
            after = entry.sequence
            if entry.completed:
                size += self._message(conversation, entry)
            else:
                unfinished = [*unfinished, entry.sequence][-offsets.LONGEST :]
        self.more = after < conversation.message_count or size > self.space
        self.cursor |= {"after": after, "open": unfinished}

    def _new(self, conversation: Conversation, after: int) -> list[ChatMessage]:
        """Entries after a sequence number, oldest first. The end of the log is read as an open range even when nothing is new,
        so that the places which are watched stay the same."""
        log, count = ChatMessage.log(self.id), conversation.message_count - after
        if count > PAGE:
            return self.ctx.db.query(log.after(after)).take(PAGE)
        newest = self.ctx.db.query(log).newest().take(max(1, count))
        return [each for each in reversed(newest) if each.sequence > after]

    def _message(self, conversation: Conversation, entry: ChatMessage) -> int:
        """Tell a message, except to who sent it: a user's other sockets hear of it, an agent's do not answer each other."""
        said = entry.said
        mine = said is not None and (
            said.origin == self.row.id
            or (self.me.kind == "agent" and (said.participant_type, said.participant_id) == ("agent", self.me.name))
        )
        if mine:
            return 0
        view = event_sizes.fitted(message_view(conversation, entry), LARGEST)
        self.events.append({"event": "message:new", "data": view})
        return event_sizes.size(view)

    def _presence(self) -> None:
        """Who came, who went, who types: members, whatever number of sockets they have."""
        rows = gateway.presences(self.ctx, self.id)
        now = {each.member: [each.kind, each.name, each.creation_time] for each in reversed(rows)}
        before = self.cursor["online"]
        for key in sorted(now.keys() - before.keys()):
            self._came_or_went(key, now[key], "online", "user:joined")
        for key in sorted(before.keys() - now.keys()):
            self._came_or_went(key, before[key], "offline", "user:left")
        typing = sorted({each.member for each in rows if each.typing_until is not None})
        for key in sorted(set(typing) ^ set(self.cursor["typing"])):
            kind, name, _ = now.get(key) or before.get(key) or ["user", key, 0]
            if key != self.me.key:
                self._tell(f"{kind}:typing", type=kind, **_named(kind, name), isTyping=key in typing)
        self.cursor |= {"online": now, "typing": typing}

    def _came_or_went(self, key: str, who: list[Any], status: str, event: str) -> None:
        kind, name, since = who
        person = {"type": kind, **_named(kind, name)}
        if kind == "user" and key != self.me.key and not (self.first and status == "online"):
            self._tell(event, **person)
        when = {"timestamp": since} if status == "online" else {}
        self._tell("presence:update", **person, status=status, **when)

    def _receipts(self) -> None:
        """Who said to have read further."""
        rows = receipts.rows(self.ctx, self.id)
        before, now = self.cursor["read"], {each.member: each.told for each in rows if each.told}
        for each in rows:
            news = each.told > before.get(each.member, 0) and each.member != self.me.key
            if news and not self.first:
                who = {"type": each.kind, **_named(each.kind, each.name)}
                self._tell("message:read", messageId=each.message_id, sequence=each.told, **who, readAt=each.read_at)
        self.cursor["read"] = now


def _named(kind: Kind, name: str) -> dict[str, str]:
    return {"agentId" if kind == "agent" else "userId": name}
