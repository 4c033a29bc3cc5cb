"""The writer of a reply: on its way from the model into chunks, under the epoch that it claimed.

It may die or freeze at any point. Who takes the run over raises the epoch first, so a late chunk lands where no reader looks.

**Whatever a model says, the reply goes on or ends at once.** What a tool was asked or has answered is kept as JSON text where it
is no value that the store can hold (`parts.py`). Anything else that goes wrong here, a refusal of the store too, ends the reply
with a reason, what was stored of its text, and what it cost. Only who dies, or finds no store, leaves that to the sweep.
"""

from __future__ import annotations

import time
from typing import Any

from chalicelib import ActionCtx
from chalicelib.domain import budget
from chalicelib.domain.replies import lifecycle, remembered
from chalicelib.domain.replies.parts import Parts
from chalicelib.domain.replies.text import ReplyText
from chalicelib.schema import Status

POLL_S = 0.4
"""How often a writer looks whether it was stopped."""
LONGEST_REPLY_S = 840
"""A minute less than a Lambda function may run."""
LAST_COMMIT_S = 15
"""A reply is ended so long before its process is, so that its text and its reason are still stored by the writer itself."""
WRITER_ERROR = "writer_error"
"""The reason of a reply that its writer could not go on with; the operator's log says why."""
MAX_LENGTH = "max_length"
"""The reason of a reply that was ended where its message is full."""


class Writer:
    """One reply on its way from the model into chunks."""

    def __init__(self, ctx: ActionCtx, run_id: str, epoch: int) -> None:
        self.ctx, self.run_id, self.epoch = ctx, run_id, epoch
        self.asked: dict[str, Any] = {}
        self.chunks, self.reasoning = ReplyText(), ""
        self.usage: dict[str, Any] | None = None
        self.fault: Exception | None = None
        """What the operator is to be told of."""
        self._parts = Parts()
        self._viewers: Any = None
        self.sequence = 0
        self.fenced = self.full = False
        self._looked = time.monotonic()

    def write(self) -> tuple[Status | None, str | None]:
        """Stream until the end. Returns the state that the reply came to, or None when somebody else ended it."""
        try:
            self.asked = self.ctx.run_query("runs:promptOf", run_id=self.run_id)
            for part in remembered.recall(self.ctx, self.asked):
                self._store("", self._parts.kept(part))
            return self._streamed()
        except Exception as fault:  # noqa: BLE001 - whatever it is: the reply ends, and `fault` is told
            self.fault = fault
            return (None, None) if self.fenced else ("failed", WRITER_ERROR)
        finally:
            if self._viewers is not None:
                self._viewers.close()
            if self.usage is None:
                self.usage = budget.estimate(self.asked.get("turns", ()), self.chunks.text + self.reasoning)
            self.ctx.parts.used(self.ctx.org, self.usage)

    def end(self, state: Status, reason: str | None) -> None:
        """The last commit: all that was said; else, where the store does not take that, its text; else what it cost."""
        text = {"content": self.chunks.text, "usage": self.usage}
        whole = {**text, "reasoning": self.reasoning or None, "parts": self.chunks.parts()}
        for told in (whole, text, {**text, "content": ""}):
            try:
                space = remembered.space_of(self.asked) if state == "completed" else None
                how = {"state": state, "reason": reason, "remember_in": space}
                self.ctx.run_mutation("runs:end", run_id=self.run_id, epoch=self.epoch, **how, **told)
                return
            except Exception as fault:  # noqa: BLE001 - less is tried; `fault` is told
                self.fault = self.fault or fault
                state, reason = "failed", WRITER_ERROR

    def _streamed(self) -> tuple[Status | None, str | None]:
        asked = (self.asked["model"], self.asked["system"], self.asked["turns"], self._stopped, self._seconds_left())
        told = {"tools": self.asked["tools"], "settings": self.asked["settings"], "options": self.asked["options"]}
        for event in self.ctx.parts.model.reply(*asked, **told):
            if event.ended:
                self.usage = event.usage
                if self.full:
                    return "completed", MAX_LENGTH
                return (None, None) if self.fenced or event.state == "stopped" else (event.state, event.reason)
            if self.fenced or self.full:
                continue  # the model hears of it at once; its last event says what the reply has cost
            if event.kind == "thinking":
                self._think(event.text)
            else:
                self._store(event.text, self._parts.kept(event.part) if event.kind == "tool" else None)
        return "failed", "truncated"

    def _think(self, text: str) -> None:
        text = self._fitting(text)
        self.reasoning += text
        self.chunks.think(text)

    def _fitting(self, text: str) -> str:
        """As much of a text as the message has room for; then the reply is full."""
        room = max(0, lifecycle.LARGEST_TEXT - self.chunks.size - _bytes(self.reasoning)) // (2 if self.chunks.has_parts else 1)
        encoded = text.encode("utf-8", "surrogatepass")
        if len(encoded) <= room:
            return text
        self.full = True
        return encoded[:room].decode(errors="ignore")

    def _seconds_left(self) -> float:
        """How long the model may take."""
        if self.ctx.deadline is None:
            return LONGEST_REPLY_S
        return min(LONGEST_REPLY_S, max(1.0, (self.ctx.deadline - self.ctx.now) / 1000 - LAST_COMMIT_S))

    def _store(self, text: str, part: dict[str, Any] | None = None) -> None:
        """Store one chunk, of text or what a tool did, by a single conditional write; fenced when its place is another's."""
        text = self._fitting(text)
        if not text and part is None:
            return
        asked, stream = self.asked, lifecycle.stream_of(self.asked["messageId"], self.epoch)
        about = {"message_id": asked["messageId"], "session_id": asked["sessionId"]}
        chunk = lifecycle.chunk_at(self.ctx, stream, self.sequence, text, part=part, **about)
        if self._viewers is None:
            self._viewers = self.ctx.parts.viewers(self.ctx.org, chunk)
        if not self.ctx.parts.append(self.ctx.org, chunk, self._viewers):
            self.fenced = True
            return
        self.chunks.add(text, part)
        self.sequence += 1

    def _stopped(self) -> bool:
        """Whether the model is to stop: the message is full, or the run was taken away. That is asked often, and looked up in
        the store now and then; looking also renews the lease."""
        if not self.fenced and time.monotonic() - self._looked >= POLL_S:
            self._looked = time.monotonic()
            self.fenced = not self._holds()
        if self._viewers is not None:
            self._viewers.look()
        return self.fenced or self.full

    def _holds(self) -> bool:
        """Whether the run is still this writer's: one read; a commit only where the lease is to be renewed."""
        mine: dict[str, Any] = {"run_id": self.run_id, "epoch": self.epoch}
        found = self.ctx.run_query("runs:held", now=self.ctx.now, **mine)
        return found == "held" or (found == "due" and bool(self.ctx.run_mutation("runs:beat", **mine)))


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
