"""What a socket is told of a conversation's replies as they are written: a walk through its log and the pieces, after a cursor.

It is a part of the socket's feed (`feeds.py`): derived, so a reply is told once on a connection, in order, whichever door it was
asked for at. Who comes in the middle of a reply is told it from its beginning, and who comes back goes on (000-U18, 001-U16).
The words are the dialects' (`image_feed.py`: seed 000's, `session_feed.py`: seed 001's); the walk is the same.

The cursor: `seq`, the entry that is next; of a reply that is being written `chars`, `piece` and `tools`, how far it was told.
A subscription's row stores where it begins, so that nothing falls between the commit that subscribes and the first look.
"""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx, QueryCtx
from chalicelib.functions import lifecycle
from chalicelib.schema import ChatChunk, ChatMessage, Conversation, Run

PAGE, PIECES = 20, 8
TOOLS = ("tool_call", "tool_result")


def place(ctx: MutationCtx, conversation: Conversation) -> int:
    """Where a subscription that begins now begins: at the reply that is being written, or after everything."""
    run = ctx.db.get(Run, conversation.active_run) if conversation.active_run else None
    return run.sequence if run is not None else conversation.message_count + 1


class Stream:
    """One conversation of one socket: what is new since its cursor. A dialect says how it is told.

    Args:
        first: the entry that the subscription began with.
        cursor: what the last look left; None at the first one.
    """

    def __init__(self, ctx: QueryCtx, first: int, cursor: dict[str, Any] | None) -> None:
        self.ctx = ctx
        self.cursor: dict[str, Any] = dict(cursor or {"seq": first})
        self.events: list[dict[str, Any]] = []
        self.more = False

    def conversation(self) -> str | None:
        """The conversation's document id, if the socket's member may read it now."""
        raise NotImplementedError

    def said(self, entry: ChatMessage) -> None:
        """Tell a message that is no reply."""

    def started(self, entry: ChatMessage) -> None:
        """Tell that a reply is being written."""

    def text(self, entry: ChatMessage, text: str) -> None:
        """Tell a piece of a reply's text."""

    def tool(self, entry: ChatMessage, part: dict[str, Any]) -> None:
        """Tell what a tool was asked, or answered."""

    def ended(self, entry: ChatMessage) -> None:
        """Tell how a reply ended."""

    def look(self) -> None:
        """Gather the events, and move the cursor."""
        conversation = self.conversation()
        if conversation is None or "gone" in self.cursor:
            self.cursor = {"gone": True}
            return
        told = 0
        while told < PAGE:
            entry = self.ctx.db.get(ChatMessage, conversation, int(self.cursor["seq"]))
            if entry is None:
                return
            told += 1
            if entry.role == "assistant" and not self._reply(entry):
                return
            if entry.role != "assistant":
                self.said(entry)
            self.cursor = {"seq": entry.sequence + 1}
        self.more = True

    def _reply(self, entry: ChatMessage) -> bool:
        """Tell of a reply. False: it is not over."""
        run = self.ctx.db.get(Run, f"run-{entry.id.removeprefix('msg-')}")
        chars = int(self.cursor.get("chars", -1))
        if chars < 0 and (entry.completed or (run is not None and run.state == "running")):
            self.started(entry)
            chars = 0
        if not entry.completed:
            if chars >= 0 and run is not None:
                chars = self._pieces(entry, run, chars)
            self.cursor["chars"] = chars
            return False
        tools = [part for part in entry.parts or [] if part.get("type") in TOOLS]
        for part in tools[int(self.cursor.get("tools", 0)) :]:  # after those that were told while it was written
            self.tool(entry, part)
        if entry.content[chars:]:
            self.text(entry, entry.content[chars:])
        self.ended(entry)
        return True

    def _pieces(self, entry: ChatMessage, run: Run, chars: int) -> int:
        log = ChatChunk.log(lifecycle.stream_of(entry.id, run.epoch if run.read_epoch is None else run.read_epoch))
        pieces = self.ctx.db.query(log.after(int(self.cursor.get("piece", -1)))).take(PIECES)
        for piece in pieces:
            if piece.part is not None:
                self.tool(entry, piece.part)
                self.cursor["tools"] = int(self.cursor.get("tools", 0)) + 1
            if piece.chunk:
                self.text(entry, piece.chunk)
            self.cursor["piece"] = piece.sequence
        self.more = self.more or len(pieces) == PIECES
        return chars + sum(len(piece.chunk) for piece in pieces)
