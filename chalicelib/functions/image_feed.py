"""What a socket is told of an image: its messages, and its replies as they are written (000-20, U04, U15, E03).

It is a part of the socket's feed (`feeds.py`): derived from the log and the pieces after a cursor, so a reply is told once on a
connection, in order, whichever door it was asked for at. Who comes in the middle of a reply is told it from its beginning, and
who comes back goes on (000-U18). Every event has its context; one that had none would reach nobody.

The cursor: `seq`, the entry that is next; of a reply that is being written `chars`, `piece` and `tools`, how far it was
told.
"""

from __future__ import annotations

from typing import Any

from chalicelib import QueryCtx
from chalicelib.functions import access, domains, lifecycle
from chalicelib.functions.image_access import Owned, found
from chalicelib.schema import ChatChunk, ChatMessage, Run

PAGE, PIECES = 20, 8
TIMEOUTS = ("timeout", "deadline")
TOOLS = {"tool_call": ("tool_planned", "tool_executing"), "tool_result": ("tool_result_message",)}
"""The provider calls a tool as soon as the model has asked for it, so both are told at once."""
SENTENCES = {
    "GENERATION_ABORTED": "The reply was stopped.",
    "GENERATION_TIMEOUT": "The model did not answer in time.",
    "AGENTX_ERROR": "The reply could not be written.",
}


def code_of(message: ChatMessage) -> str | None:
    """How a reply ended, as seed 000 calls it (000-U13); None for an ordinary end."""
    if message.status == "aborted":
        return "GENERATION_ABORTED"
    if message.status in ("failed", "interrupted"):
        return "GENERATION_TIMEOUT" if message.reason in TIMEOUTS else "AGENTX_ERROR"
    return None


class Stream:
    """One image of one socket: what is new since its cursor."""

    def __init__(self, ctx: QueryCtx, image_id: str, cursor: dict[str, Any] | None) -> None:
        self.ctx = ctx
        self.image_id = image_id
        self.cursor: dict[str, Any] = dict(cursor or {})
        self.events: list[dict[str, Any]] = []
        self.more = False

    def look(self) -> None:
        """Gather the events, and move the cursor."""
        one = found(self.ctx, self.image_id)
        if one is None or access.reader(self.ctx) is None:
            self.cursor = {"gone": True}
            return
        if "seq" not in self.cursor:
            self.cursor = {"seq": self._first(one)}
        told = 0
        while told < PAGE:
            entry = self.ctx.db.get(ChatMessage, one.conversation.id, int(self.cursor["seq"]))
            if entry is None:
                return
            told += 1
            if entry.role == "assistant" and not self._reply(one, entry):
                return
            if entry.role != "assistant":
                self._tell(one, entry, f"{entry.role}_message", {"messageId": entry.id, "content": entry.content})
            self.cursor = {"seq": entry.sequence + 1}
        self.more = True

    def _first(self, one: Owned) -> int:
        """Where a new subscription begins: with the reply that is being written, or after everything."""
        run = self.ctx.db.get(Run, one.conversation.active_run) if one.conversation.active_run else None
        return run.sequence if run is not None else one.conversation.message_count + 1

    def _reply(self, one: Owned, entry: ChatMessage) -> bool:
        """Tell of a reply. False: it is not over."""
        run = self.ctx.db.get(Run, f"run-{entry.id.removeprefix('msg-')}")
        chars = int(self.cursor.get("chars", -1))
        if chars < 0 and (entry.completed or (run is not None and run.state == "running")):
            self._tell(one, entry, "conversation_start", {"messageId": entry.id})
            chars = 0
        if not entry.completed:
            if chars >= 0 and run is not None:
                chars = self._pieces(one, entry, run, chars)
            self.cursor["chars"] = chars
            return False
        self._parts(one, entry)
        if entry.content[chars:]:
            self._tell(one, entry, "text_delta", {"messageId": entry.id, "text": entry.content[chars:]})
        self._end(one, entry)
        return True

    def _pieces(self, one: Owned, entry: ChatMessage, run: Run, chars: int) -> int:
        log = ChatChunk.log(lifecycle.stream_of(entry.id, run.epoch if run.read_epoch is None else run.read_epoch))
        pieces = self.ctx.db.query(log.after(int(self.cursor.get("piece", -1)))).take(PIECES)
        for piece in pieces:
            if piece.part is not None:
                self._tool(one, entry, piece.part)
                self.cursor["tools"] = int(self.cursor.get("tools", 0)) + 1
            if piece.chunk:
                self._tell(one, entry, "text_delta", {"messageId": entry.id, "text": piece.chunk})
            self.cursor["piece"] = piece.sequence
        self.more = self.more or len(pieces) == PIECES
        return chars + sum(len(piece.chunk) for piece in pieces)

    def _parts(self, one: Owned, entry: ChatMessage) -> None:
        """What tools did after what was told while the reply was written."""
        tools = [part for part in entry.parts or [] if part.get("type") in TOOLS]
        for part in tools[int(self.cursor.get("tools", 0)) :]:
            self._tool(one, entry, part)

    def _tool(self, one: Owned, entry: ChatMessage, part: dict[str, Any]) -> None:
        for event in TOOLS[part["type"]]:
            self._tell(one, entry, event, {"messageId": entry.id, **part})

    def _end(self, one: Owned, entry: ChatMessage) -> None:
        code = code_of(entry)
        if code == "GENERATION_ABORTED":
            self._tell(one, entry, "message_interrupted", {"messageId": entry.id, "content": entry.content})
        if code is not None:
            told: dict[str, Any] = {"messageId": entry.id, "code": code, "message": SENTENCES[code], "reason": entry.reason}
            self._tell(one, entry, "error_message", told)
        else:
            usage = {"usage": entry.usage} if entry.usage is not None else {}
            self._tell(one, entry, "assistant_message", {"messageId": entry.id, "content": entry.content, **usage})
        self._tell(one, entry, "conversation_end", {"messageId": entry.id, "status": entry.status})

    def _tell(self, one: Owned, entry: ChatMessage, event: str, data: dict[str, Any]) -> None:
        context = {
            "containerId": domains.container_of(one.image.domain_id) if one.image.domain_id else None,
            "imageId": one.image.id,
            "agentId": agent_of(entry.id),
            "sessionId": one.session.id,
        }
        self.events.append({"event": event, "data": {**data, "timestamp": entry.timestamp, "context": context}})


def agent_of(message_id: str) -> str:
    """The handle of a reply (000-10): made of its id, and stored nowhere."""
    return f"agent_{message_id.removeprefix('msg-')}"
