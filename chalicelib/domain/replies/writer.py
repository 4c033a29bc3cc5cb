"""The writer of a reply: on its way from the model into chunks, under the epoch that it claimed.

It may die or freeze at any point. Who takes the run over raises the epoch first, so a late chunk lands where no reader looks.

**Whatever a model says, the reply goes on or ends at once.** What a tool was asked or has answered is kept as JSON text where it
is no value that the store can hold (`parts.py`). Anything else that goes wrong here, a refusal of the store too, ends the reply
with a reason, what was stored of its text, and what it cost. Only who dies, or finds no store, leaves that to the sweep.
"""

from __future__ import annotations

import json
import time
from typing import Any

from chalicelib import ActionCtx
from chalicelib.domain import budget
from chalicelib.domain.replies import lifecycle, remembered, tool_use
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

    def __init__(self, ctx: ActionCtx, run_id: str, epoch: int, parked: dict[str, Any] | None = None) -> None:
        """`parked`: what `runs:goOn` gave, where the reply waited for a decision."""
        self.ctx, self.run_id, self.epoch, self.step = ctx, run_id, epoch, parked["step"] if parked else 0
        self._gone_on_with = parked
        self.parked = False
        """Whether the reply waits for a decision; another writer goes on with it."""
        self._tools: tool_use.ToolUse | None = None
        """The tools of which somebody is asked first (`tool_use.ToolUse`), where the image has such."""
        self._before: dict[str, Any] = {}
        """What the reply has cost before."""
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
            if self._gone_on_with is not None:
                return self._gone_on(self._gone_on_with)
            for part in remembered.recall(self.ctx, self.asked):
                self.used(part)
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
            self.usage = self.cost()

    def end(self, state: Status, reason: str | None) -> None:
        """The last commit: all that was said; else, where the store does not take that, its text; else what it cost."""
        text = {"content": self.chunks.text, "usage": self.usage}
        whole = {**text, "reasoning": self.reasoning or None, "parts": self.chunks.parts()}
        for told in (whole, text, {**text, "content": ""}):
            try:
                space = remembered.space_of(self.asked) if state == "completed" else None
                how = {"state": state, "reason": reason, "remember_in": space}
                self.ctx.run_mutation("runs:end", run_id=self.run_id, epoch=self.epoch, step=self.step, **how, **told)
                return
            except Exception as fault:  # noqa: BLE001 - less is tried; `fault` is told
                self.fault = self.fault or fault
                state, reason = "failed", WRITER_ERROR

    def _gone_on(self, parked: dict[str, Any]) -> tuple[Status | None, str | None]:
        """Go on with a reply that waited for a decision."""
        kept = json.loads(parked["kept"])
        self.asked["system"], self.reasoning, self.sequence = kept["system"], kept["reasoning"], kept["sequence"]
        self.chunks, self._before = ReplyText.of(kept["parts"]), kept["usage"]
        self.usage = dict.fromkeys(self._before, 0)
        self._parts = Parts(kept["size"])
        servers = self.ctx.parts.model.asked_first(self.asked["tools"], self.asked["settings"])
        self._tools = tool_use.ToolUse(self, servers, kept["tool_use"])
        ended = self._tools.use(parked["decisions"])
        return self._turns() if ended is None else ended

    def _streamed(self) -> tuple[Status | None, str | None]:
        """The reply, from its beginning."""
        servers = self.ctx.parts.model.asked_first(self.asked["tools"], self.asked["settings"])
        if servers:
            try:
                self._tools = tool_use.ToolUse(self, servers)
            except tool_use.ToolServersFailed:
                return (None, None) if self.stopped() else ("failed", "mcp_error")
        return self._turns()

    def _turns(self) -> tuple[Status | None, str | None]:
        """Turns of the model, until one wants no tool used."""
        while True:
            state, reason, blocks = self._turn()
            if reason != "tool_use" or self._tools is None:
                return state, reason
            ended = self._tools.take(blocks)
            if ended is not None:
                return ended

    def used(self, part: dict[str, Any]) -> None:
        """Store what a tool was asked, or has answered."""
        if not self.fenced and not self.full:
            self._store("", self._parts.kept(part if self._tools is None else self._tools.shown(part)))

    def cost(self) -> dict[str, Any]:
        """What the reply has cost so far."""
        return _together(self._before, self.usage)

    def kept(self) -> dict[str, Any]:
        """How far the reply has come, for whoever goes on with it."""
        told = {"system": self.asked["system"], "reasoning": self.reasoning, "sequence": self.sequence, "usage": self.cost()}
        used = self._tools.kept() if self._tools is not None else {}
        return {**told, "parts": self.chunks.shown, "size": self._parts.size, "tool_use": used}

    def _turn(self) -> tuple[Status | None, str | None, tuple[Any, ...]]:
        """One turn of the model. Returns also its blocks, where it wants tools used."""
        asked = (self.asked["model"], self.asked["system"], self.asked["turns"], self.stopped, self._seconds_left())
        told = {"tools": self.asked["tools"], "settings": self.asked["settings"], "options": self.asked["options"]}
        told["crowd"] = self._crowd
        if self._tools is not None:
            so_far = self.cost()
            told |= {"own": self._tools.offered(), "dialog": self._tools.dialog, "spent": int(so_far.get("outputTokens", 0))}
        for event in self.ctx.parts.model.reply(*asked, **told):
            if event.ended:
                self.usage = _together(self.usage, event.usage)
                state, reason = self._ending(event)
                return state, reason, event.blocks
            if self.fenced or self.full:
                continue  # the model hears of it at once; its last event says what the reply has cost
            if event.kind == "thinking":
                self._think(event.text)
            elif event.kind == "tool":
                self.used(event.part)
            else:
                self._store(event.text)
        return "failed", "truncated", ()

    def _ending(self, event: Any) -> tuple[Status | None, str | None]:
        if self.full:
            return "completed", MAX_LENGTH
        return (None, None) if self.fenced or event.state == "stopped" else (event.state, event.reason)

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

    def stopped(self) -> bool:
        """Whether the model is to stop: the message is full, or the run was taken away. That is asked often, and looked up in
        the store now and then; looking also renews the lease."""
        if not self.fenced and time.monotonic() - self._looked >= POLL_S:
            self._looked = time.monotonic()
            self.fenced = not self._holds()
        if self._viewers is not None:
            self._viewers.look()
        return self.fenced or self.full

    def _crowd(self) -> bool:
        return self._viewers is not None and self._viewers.many

    def _holds(self) -> bool:
        """Whether the run is still this writer's: one read; a commit only where the lease is to be renewed."""
        mine: dict[str, Any] = {"run_id": self.run_id, "epoch": self.epoch, "step": self.step}
        found = self.ctx.run_query("runs:held", now=self.ctx.now, **mine)
        return found == "held" or (found == "due" and bool(self.ctx.run_mutation("runs:beat", **mine)))


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _together(one: dict[str, Any] | None, other: dict[str, Any] | None) -> dict[str, Any]:
    """What two turns have cost, by the names of `Usage`."""
    one, other = one or {}, other or {}
    return {name: one.get(name, 0) + other.get(name, 0) for name in (*other, *(each for each in one if each not in other))}
