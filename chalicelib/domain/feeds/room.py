"""A room as all its sockets are told of it: one view, evaluated once for all who have been told nearly everything.

It brings the newest messages, and each socket takes what it has not been told; who is further behind asks for a view from its
own place on. A view knows its members, so who may see it is decided by what it says itself (`feeds/socket.py`). Members,
presences and read marks are exact in who is there; of members nothing else is asked. What the others hold is of its own moment,
and every change of one is told.
"""

from __future__ import annotations

from typing import Any

from chalicelib import QueryCtx
from chalicelib.domain import members
from chalicelib.domain.feeds import sizes
from chalicelib.domain.rooms.views import message_view
from chalicelib.schema import ChatMessage, Conversation, Participant, Presence, Receipt

RECENT = 3
"""Messages that the view of those who have been told nearly everything brings: a sender has its own before the others have it."""
PAGE = 20
"""Messages of one conversation in one value; more are asked for at once."""
LARGEST = 90_000
"""Bytes of one message, and of all messages of the past that are told together."""
SOCKETS = 200
"""Presences of one room that are told of."""


def view(ctx: QueryCtx, conversation_id: str, after: int | None, unfinished: list[int]) -> dict[str, Any] | None:
    """A room with its newest messages, or from a place of its log on; None where it is gone.

    Args:
        conversation_id: the internal one.
        after: the last sequence that was told; None = the newest are wanted.
        unfinished: sequences of replies that were not finished then.

    Returns:
        `name`, `count` (messages), `members` (keys), `online` (key → since), `typing` (keys), `read` (marks),
        `crowd` (presences and marks); `finished` and `entries` (messages; `view` None where one is gone, or not finished), the
        latter without a gap after `after`; `more`: there are further ones that had no room.
    """
    conversation = ctx.db.get(Conversation, conversation_id)
    if conversation is None:
        return None
    taking_part = ctx.db.query(Participant.by_conversation(conversation_id)).ids()
    here = ctx.db.query(Presence.by_conversation(conversation_id)).apart().take(SOCKETS)
    marks = ctx.db.query(Receipt.by_conversation(conversation_id)).apart().take(members.MEMBERS)
    told = _Told(ctx, conversation)
    told.look(after, unfinished)
    return {
        "name": conversation.conversation_id,
        "count": conversation.message_count,
        "members": sorted(members.key_in(conversation_id, each) for each in taking_part),
        "online": {each.member: each.creation_time for each in reversed(here)},
        "typing": sorted({each.member for each in here if each.typing_until is not None}),
        "read": [_mark(each) for each in marks],
        "crowd": len(here) + len(marks),
        "finished": told.finished,
        "entries": told.entries,
        "after": told.after,
        "more": told.more,
    }


class _Told:
    """The messages of a view, as many as one value holds."""

    def __init__(self, ctx: QueryCtx, conversation: Conversation) -> None:
        self.ctx, self.conversation = ctx, conversation
        self.finished: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []
        self.more, self.size, self.after = False, 0, conversation.message_count

    def look(self, after: int | None, unfinished: list[int]) -> None:
        """Read what is new."""
        for number in unfinished:
            entry = self.ctx.db.get(ChatMessage, self.conversation.id, number)
            if entry is None:
                self.finished.append({"sequence": number, "view": None})
            elif entry.completed and self._has_room():
                self.finished.append(self._entry(entry))
        if after is None:
            self._newest()
        else:
            self._from(after)

    def _has_room(self) -> bool:
        self.more = self.more or self.size > sizes.VALUE
        return not self.more

    def _newest(self) -> None:
        """The newest entries that fit, oldest first. The end of the log is read as an open range, whatever is new, so that the
        places which are watched stay the same."""
        for entry in self.ctx.db.query(ChatMessage.log(self.conversation.id)).newest().take(RECENT):
            if self.size > sizes.VALUE:
                return
            self.entries.insert(0, self._entry(entry))
            self.after = entry.sequence - 1

    def _from(self, after: int) -> None:
        """Entries after a sequence number, oldest first."""
        self.after = after
        for entry in self.ctx.db.query(ChatMessage.log(self.conversation.id).after(after)).take(PAGE):
            if not self._has_room():
                return
            self.entries.append(self._entry(entry))

    def _entry(self, entry: ChatMessage) -> dict[str, Any]:
        said = entry.said
        told = sizes.fitted(message_view(self.conversation, entry), LARGEST) if entry.completed else None
        size = 0 if told is None else sizes.size(told)
        self.size += size
        return {
            "sequence": entry.sequence,
            "view": told,
            "size": size,
            "origin": said.origin if said else None,
            "by": [said.participant_type, said.participant_id] if said else [],
        }


def _mark(row: Receipt) -> dict[str, Any]:
    return {
        "member": row.member,
        "kind": row.kind,
        "name": row.name,
        "told": row.told,
        "messageId": row.message_id,
        "readAt": row.read_at,
    }
