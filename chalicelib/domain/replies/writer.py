"""The writer of a reply: on its way from the model into chunks, under the epoch that it claimed.

It may die or freeze at any point. Who takes the run over raises the epoch first, so a late chunk lands where no reader looks.
"""

from __future__ import annotations

import json
import time
from typing import Any

from chalicelib import ActionCtx
from chalicelib.domain.replies import lifecycle
from chalicelib.domain.replies.text import ReplyText
from chalicelib.schema import ChatChunk, Status

LARGEST_PART, LARGEST_PARTS = 20_000, 60_000
"""Bytes of what a tool was asked or has answered, one by one and together, that a message keeps whole."""
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
        self._parts_size = 0
        self.sequence = 0
        self.fenced = False
        self._looked = time.monotonic()

    def write(self) -> tuple[Status | None, str | None]:
        """Stream until the end. Returns the state that the reply came to, or None when somebody else ended it."""
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
            elif not self._store(event.text, self._small(event.part) if event.kind == "tool" else None):
                return None, None
        return "failed", "truncated"

    def _small(self, part: dict[str, Any]) -> dict[str, Any]:
        """What a tool was asked or has answered, cut where it is too large for the message's document."""
        size = len(json.dumps(part, default=repr))
        if size <= LARGEST_PART and self._parts_size + size <= LARGEST_PARTS:  # a document holds 400 KB, with the text
            self._parts_size += size
            return part
        shown = {name: value for name, value in part.items() if name not in ("input", "content")}
        return {**shown, "text": json.dumps(part.get("input", part.get("content")), default=repr)[:1000], "cut": True}

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
