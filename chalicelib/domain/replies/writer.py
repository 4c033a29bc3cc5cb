"""The writer of a reply: on its way from the model into chunks, under the epoch that it claimed.

It may die or freeze at any point. Who takes the run over raises the epoch first, so a late chunk lands where no reader looks.

**Whatever a model says, the reply goes on or ends at once.** What a tool was asked or has answered is kept as JSON text where it
is no value that the store can hold (`parts.py`). Anything else that goes wrong here ends the reply with the reason
`writer_error`, the text so far and the usage, instead of leaving it to whoever finds a silent run.
"""

from __future__ import annotations

import time
from typing import Any

from chalicelib import ActionCtx
from chalicelib.domain.replies import lifecycle
from chalicelib.domain.replies.parts import Parts
from chalicelib.domain.replies.text import ReplyText
from chalicelib.schema import ChatChunk, Status

POLL_S = 0.4
"""How often a writer looks whether it was stopped."""
LONGEST_REPLY_S = 840
"""A minute less than a Lambda function may run."""
LAST_COMMIT_S = 15
"""A reply is ended so long before its process is, so that its text and its reason are still stored by the writer itself."""


class Writer:
    """One reply on its way from the model into chunks."""

    def __init__(self, ctx: ActionCtx, run_id: str, epoch: int, asked: dict[str, Any]) -> None:
        self.ctx, self.run_id, self.epoch, self.asked = ctx, run_id, epoch, asked
        self.chunks, self.reasoning = ReplyText(), ""
        self.usage: dict[str, Any] | None = None
        self._parts = Parts()
        self.sequence = 0
        self.fenced = False
        self._looked = time.monotonic()

    def write(self) -> tuple[Status | None, str | None]:
        """Stream until the end. Returns the state that the reply came to, or None when somebody else ended it."""
        try:
            return self._write()
        except Exception as error:  # noqa: BLE001 - the last resort: a reply that was paid for ends with what it has said
            self.ctx.log.error("the writer of a reply failed:", self.run_id, type(error).__name__, str(error))
            return "failed", "writer_error"

    def _write(self) -> tuple[Status | None, str | None]:
        asked = (self.asked["model"], self.asked["system"], self.asked["turns"], self._stopped, self._seconds_left())
        told = {"tools": self.asked["tools"], "settings": self.asked["settings"], "options": self.asked["options"]}
        for event in self.ctx.parts.model.reply(*asked, **told):
            if event.ended:
                self.usage = event.usage
                self.ctx.parts.used(self.ctx.org, event.usage)
                return (None, None) if self.fenced or event.state == "stopped" else (event.state, event.reason)
            if event.kind == "thinking":
                self.reasoning += event.text
                self.chunks.think(event.text)
            elif not self._store(event.text, self._parts.kept(event.part) if event.kind == "tool" else None):
                return None, None
        return "failed", "truncated"

    def _seconds_left(self) -> float:
        """How long the model may take."""
        if self.ctx.deadline is None:
            return LONGEST_REPLY_S
        return min(LONGEST_REPLY_S, max(1.0, (self.ctx.deadline - self.ctx.now) / 1000 - LAST_COMMIT_S))

    def _store(self, text: str, part: dict[str, Any] | None = None) -> bool:
        """Store one chunk, of text or what a tool did, by a single conditional write. False: the place is another writer's."""
        now = self.ctx.now
        place: dict[str, Any] = {"reply": lifecycle.stream_of(self.asked["messageId"], self.epoch), "sequence": self.sequence}
        about = {"message_id": self.asked["messageId"], "session_id": self.asked["sessionId"]}
        chunk = ChatChunk(
            id=self.ctx.new_id("chunk-"),
            chunk=text,
            part=part,
            timestamp=now,
            expires_at=now + lifecycle.CHUNK_LIFE_MS,
            **place,
            **about,
        )
        if not self.ctx.parts.append(self.ctx.org, chunk, hint=self.sequence == 0):
            self.fenced = True
            return False
        self.chunks.add(text, part)
        self.sequence += 1
        return not self._stopped()

    def _stopped(self) -> bool:
        """Whether the run was taken away; asked often, looks at the store now and then. Looking also renews the lease."""
        if not self.fenced and time.monotonic() - self._looked >= POLL_S:
            self._looked = time.monotonic()
            self.fenced = not self.ctx.run_mutation("runs:beat", run_id=self.run_id, epoch=self.epoch)
        return self.fenced
