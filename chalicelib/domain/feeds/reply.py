"""What a socket is told of a conversation's replies as they are written: a walk through its log and the chunks, after a cursor.

It is a part of the socket's feed (`functions/feeds.py`): derived, so a reply is told once on a connection, in order, whichever
door it was asked for at. Who comes in the middle of a reply is told it from its beginning, and who comes back goes on.
The words are the dialects' (`feeds/image.py` for subscribers of images, `feeds/session.py` for those of sessions); the walk is
the same.

The cursor: `seq`, the entry that is next; of a reply that is being written `chars`, `piece` and `tools`, how far it was told.
A subscription's row stores where it begins, so that nothing falls between the commit that subscribes and the first look.
"""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain.feeds import sizes as event_sizes
from chalicelib.domain.replies import lifecycle
from chalicelib.schema import ChatChunk, ChatMessage, Conversation, Run

PAGE, CHUNKS = 20, 8
TOOLS = {"tool_call": ("id", "name"), "tool_result": ("id",)}
"""The parts of a reply that are told, with what each must have: a worker may store anything (`chat:completeMessage`)."""


def place(ctx: MutationCtx, conversation: Conversation) -> int:
    """Where a subscription that begins now begins: at the reply that is being written, or after everything."""
    # Peeked: which run is active is a condition of the commit, where it stands never changes.
    run = ctx.db.peek(Run, conversation.active_run) if conversation.active_run else None
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
        self.space = event_sizes.VALUE
        """Bytes of events after which the rest is left to the next look."""

    def conversation(self) -> str | None:
        """The conversation's document id, if the socket's member may read it now."""
        raise NotImplementedError

    def said(self, entry: ChatMessage) -> None:
        """Tell a message that is no reply."""

    def started(self, entry: ChatMessage) -> None:
        """Tell that a reply is being written."""

    def text(self, entry: ChatMessage, text: str) -> None:
        """Tell a chunk of a reply's text."""

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
        while told < PAGE and self._left() > 0:
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

    def _left(self) -> int:
        """Bytes that this value may still take in."""
        return self.space - event_sizes.size(self.events)

    def _reply(self, entry: ChatMessage) -> bool:
        """Tell of a reply. False: it is not over, or not told to its end."""
        run = self.ctx.db.get(Run, f"run-{entry.id.removeprefix('msg-')}")
        chars = int(self.cursor.get("chars", -1))
        if chars < 0 and (entry.completed or (run is not None and run.state == "running")):
            self.started(entry)
            chars = 0
        if not entry.completed:
            self.cursor["chars"] = chars
            if chars >= 0 and run is not None:
                self._chunks(entry, run)
            return False
        self.cursor["chars"] = chars
        if not self._rest(entry):
            self.more = True
            return False
        self.ended(entry)
        return True

    def _chunks(self, entry: ChatMessage, run: Run) -> None:
        """Tell what was written since; so much of it as has room."""
        log = ChatChunk.log(lifecycle.shown_stream(run))
        after = log.after(int(self.cursor.get("piece", -1)))
        chunks = self.ctx.db.query(after).settled().take(CHUNKS)  # they never change, and the run is looked at again
        for chunk in chunks:
            if self._left() <= 0:
                self.more = True
                return
            if chunk.part is not None:
                self._used(entry, chunk.part)
            for text in _texts(chunk.chunk):
                self._text(entry, text)
            self.cursor["piece"] = chunk.sequence
        self.more = self.more or len(chunks) == CHUNKS

    def _rest(self, entry: ChatMessage) -> bool:
        """Tell what was not told while a reply was written, in its order. False: there is more than this value has room for."""
        chars, tools = int(self.cursor["chars"]), int(self.cursor.get("tools", 0))
        for part in _in_order(entry):
            if part["type"] in TOOLS:
                if tools:
                    tools -= 1
                elif self._left() <= 0:
                    return False
                else:
                    self._used(entry, part)
                continue
            for text in _texts(part["text"][chars:]):
                if self._left() <= 0:
                    return False
                self._text(entry, text)
            chars = max(0, chars - len(part["text"]))
        return self._left() > 0

    def _text(self, entry: ChatMessage, text: str) -> None:
        self.text(entry, text)
        self.cursor["chars"] = int(self.cursor["chars"]) + len(text)

    def _used(self, entry: ChatMessage, part: dict[str, Any]) -> None:
        self.tool(entry, part)
        self.cursor["tools"] = int(self.cursor.get("tools", 0)) + 1


def _texts(text: str) -> list[str]:
    return [text[start : start + event_sizes.TEXT] for start in range(0, len(text), event_sizes.TEXT)]


def _in_order(entry: ChatMessage) -> list[dict[str, Any]]:
    """A reply's text and tools in their order; where its parts do not hold the whole text, the tools first."""
    parts = [part for part in entry.parts or [] if isinstance(part, dict)]
    tools = {
        index
        for index, part in enumerate(parts)
        if isinstance(part.get("type"), str)
        and part["type"] in TOOLS
        and all(isinstance(part.get(name), str) for name in TOOLS[part["type"]])
    }
    texts = {index for index, part in enumerate(parts) if part.get("type") == "text" and isinstance(part.get("text"), str)}
    if "".join(parts[index]["text"] for index in sorted(texts)) == entry.content:
        return [parts[index] for index in sorted(tools | texts)]
    return [*(parts[index] for index in sorted(tools)), {"type": "text", "text": entry.content}]
