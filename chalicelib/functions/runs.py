"""The writer of a reply: claims a run, asks the model, stores the pieces, ends the run. And what repairs it.

The writer may die or freeze at any point. It writes only under the epoch it claimed; who takes the run over raises the
epoch first, so a late piece lands where no reader looks. Every run ends: by its writer, by `stop`, or by the sweep within
its lease and a minute (invariant 7).
"""

from __future__ import annotations

import json
import time
from typing import Any

from chalicelib import ActionCtx, MutationCtx, QueryCtx, internal_action, internal_mutation, internal_query, sweep
from chalicelib.functions import lifecycle
from chalicelib.schema import ChatChunk, ChatMessage, ChatSession, Conversation, Image, Run, Status

HISTORY = 200
"""Messages that are sent to the model at most; the prompt's own token bound usually ends sooner."""
HISTORY_BYTES = 250_000
LARGEST_PART, LARGEST_PARTS = 20_000, 60_000
"""Bytes of what a tool was asked or has answered, one by one and together, that a message keeps whole."""
POLL_S = 0.4
"""How often a writer looks whether it was stopped."""
IDLE_MS = 5 * 60 * 1000
"""After this long without activity a session is idle (004-U01)."""
LONGEST_REPLY_S = 840
"""A minute less than a Lambda function may run."""
LAST_COMMIT_S = 15
"""A reply is ended so long before its process is, so that its text and its reason are still stored by the writer itself."""


@internal_action(runner="generate", timeout_s=900)
def generate(ctx: ActionCtx, run_id: str) -> None:
    """Produce one reply. Started by the send's job; a run that is not pending any more is left alone."""
    epoch = ctx.run_mutation(claim, run_id=run_id)
    if epoch is None:
        return
    asked = ctx.run_query(prompt_of, run_id=run_id)
    writer = _Writer(ctx, run_id, epoch, asked)
    state, reason = writer.write()
    if state is None:
        return
    told = {"content": writer.text, "reasoning": writer.reasoning or None, "usage": writer.usage, "parts": writer.told_parts()}
    ctx.run_mutation(end, run_id=run_id, epoch=epoch, state=state, reason=reason, **told)


class _Writer:
    """One reply on its way from the model into pieces."""

    def __init__(self, ctx: ActionCtx, run_id: str, epoch: int, asked: dict[str, Any]) -> None:
        self.ctx, self.run_id, self.epoch, self.asked = ctx, run_id, epoch, asked
        self.text, self.reasoning = "", ""
        self.usage: dict[str, Any] | None = None
        self.parts: list[dict[str, Any]] = []
        self._shown = self._parts_size = 0
        self.sequence = 0
        self.fenced = False
        self._looked = time.monotonic()

    def write(self) -> tuple[Status | None, str | None]:
        """Stream until the end. Returns the state that the reply came to, or None when somebody else ended it."""
        turns = [(each["role"], each["content"]) for each in self.asked["turns"]]
        asked = (self.asked["model"], self.asked["system"], turns)
        for event in self.ctx.parts.model.reply(*asked, self._stopped, self._seconds_left(), self.asked["tools"]):
            if event.ended:
                self.usage = event.usage
                self.ctx.parts.used(self.ctx.org, event.usage)
                return (None, None) if self.fenced or event.state == "stopped" else (event.state, event.reason)
            if event.kind == "tool":
                self._part(event.part)
            elif event.kind == "thinking":
                self.reasoning += event.text
            elif not self._store(event.text):
                return None, None
        return "failed", "truncated"

    def _part(self, part: dict[str, Any]) -> None:
        """A tool was called or answered: the text before it is a part, too, so that a reader sees the order."""
        self._text_part()
        size = len(json.dumps(part, default=repr))
        self._parts_size += size
        if size > LARGEST_PART or self._parts_size > LARGEST_PARTS:  # a document holds 400 KB, with the text
            shown = {name: value for name, value in part.items() if name not in ("input", "content")}
            part = {**shown, "text": json.dumps(part.get("input", part.get("content")), default=repr)[:1000], "cut": True}
        self.parts.append(part)

    def _text_part(self) -> None:
        if self._shown < len(self.text):
            self.parts.append({"type": "text", "text": self.text[self._shown :]})
            self._shown = len(self.text)

    def told_parts(self) -> list[dict[str, Any]] | None:
        """The parts of the reply in their order; None where it is text and nothing else."""
        if not self.parts:
            return None
        self._text_part()
        return self.parts

    def _seconds_left(self) -> float:
        """How long the model may take."""
        if self.ctx.deadline is None:
            return LONGEST_REPLY_S
        return min(LONGEST_REPLY_S, max(1.0, (self.ctx.deadline - self.ctx.now) / 1000 - LAST_COMMIT_S))

    def _store(self, text: str) -> bool:
        """Store one piece by a single conditional write. False: the place is another writer's."""
        now = self.ctx.now
        place: dict[str, Any] = {"reply": lifecycle.stream_of(self.asked["messageId"], self.epoch), "sequence": self.sequence}
        about = {"message_id": self.asked["messageId"], "session_id": self.asked["sessionId"]}
        piece = ChatChunk(
            id=self.ctx.new_id("chunk-"), chunk=text, timestamp=now, expires_at=now + lifecycle.CHUNK_LIFE_MS, **place, **about
        )
        if not self.ctx.parts.append(self.ctx.org, piece, hint=self.sequence == 0):
            self.fenced = True
            return False
        self.text += text
        self.sequence += 1
        return not self._stopped()

    def _stopped(self) -> bool:
        """Whether the run was taken away; asked often, looks at the store now and then. Looking also renews the lease."""
        if not self.fenced and time.monotonic() - self._looked >= POLL_S:
            self._looked = time.monotonic()
            self.fenced = not self.ctx.run_mutation(beat, run_id=self.run_id, epoch=self.epoch)
        return self.fenced


@internal_mutation
def claim(ctx: MutationCtx, run_id: str) -> int | None:
    """Take a pending run. Returns the epoch to write under, or None when there is nothing to do."""
    run = ctx.db.get(Run, run_id)
    conversation = ctx.db.get(Conversation, run.conversation) if run else None
    if run is None or run.state != "pending" or conversation is None or conversation.active_run != run.id:
        return None
    return lifecycle.claim(ctx, run).epoch


@internal_mutation
def beat(ctx: MutationCtx, run_id: str, epoch: int) -> bool:
    """Whether the writer still holds the run; renews its lease when a third of it is used."""
    run = ctx.db.get(Run, run_id)
    if run is None or run.epoch != epoch or run.state != "running":
        return False
    if run.lease_until - ctx.now < ctx.limits["run_lease_ms"] * 0.7:
        ctx.db.patch(run, lease_until=ctx.now + ctx.limits["run_lease_ms"])
    return True


@internal_mutation
def end(
    ctx: MutationCtx,
    run_id: str,
    epoch: int,
    state: Status,
    content: str,
    reason: str | None = None,
    reasoning: str | None = None,
    usage: dict[str, Any] | None = None,
    parts: list[Any] | None = None,
) -> bool:
    """The writer's last commit. A writer that lost its epoch changes nothing."""
    run = ctx.db.get(Run, run_id)
    if run is None or run.epoch != epoch or run.state != "running":
        return False
    lifecycle.finish(ctx, run, state, content, reason=reason, reasoning=reasoning, usage=usage, parts=parts)
    return True


@internal_query
def prompt_of(ctx: QueryCtx, run_id: str) -> dict[str, Any]:
    """What the model is asked for a run: the image's instruction and the log before the placeholder."""
    run = ctx.db.get(Run, run_id)
    assert run is not None
    session = ctx.db.peek(ChatSession, run.session_id)
    image = ctx.db.peek(Image, session.image_id) if session else None
    log = ctx.db.peek_log(ChatMessage.log(run.conversation).before(run.sequence), HISTORY)
    turns: list[dict[str, str]] = []
    size = 0
    for each in log:
        size += len(each.content.encode())
        if turns and size > HISTORY_BYTES:
            break
        # A stored `system` entry is somebody's words and never becomes the model's instruction.
        if each.content and each.completed and not each.superseded and each.role in ("user", "assistant"):
            turns.append({"role": each.role, "content": each.content})
    return {
        "model": run.model,
        "system": (run.options or {}).get("systemPrompt") or (image.system_prompt if image else ""),
        "turns": list(reversed(turns)),
        "tools": (image.mcp_servers if image else None) or {},
        "messageId": run.message_id,
        "sessionId": run.session_id,
    }


@internal_mutation
def interrupt(ctx: MutationCtx, run_id: str) -> None:
    """A run whose writer fell silent: fence it, and have its pieces made the text."""
    run = ctx.db.get(Run, run_id)
    if run is None or run.state != "running" or run.lease_until > ctx.now:
        return
    lifecycle.fence(ctx, run, "interrupted", "the writer of this reply died")
    ctx.scheduler.run_after(0, settle, run_id=run_id)


@internal_mutation
def settle(ctx: MutationCtx, run_id: str) -> None:
    """The second step of ending a run from outside: what was accepted becomes its text."""
    run = ctx.db.get(Run, run_id)
    if run is None or run.read_epoch is None or run.state in lifecycle.TERMINAL:
        return
    ending: Any = run.ending or "interrupted"
    lifecycle.finish(ctx, run, ending, lifecycle.sealed_text(ctx, run), reason=run.reason)


@internal_mutation
def end_all(ctx: MutationCtx, conversation_id: str) -> None:
    """Stop the active run of an ended session, and take back those that wait."""
    conversation = ctx.db.get(Conversation, conversation_id)
    if conversation is None:
        return
    for run_id in conversation.queued_runs[:20]:
        waiting = ctx.db.get(Run, run_id)
        if waiting is not None and waiting.state == "pending":
            lifecycle.finish(ctx, waiting, "aborted", "", reason="the session ended")
    active = ctx.db.get(Run, conversation.active_run) if conversation.active_run else None
    if active is not None and active.state in ("pending", "running"):
        lifecycle.end_from_outside(ctx, active, "aborted", "the session ended")
    if len(conversation.queued_runs) > 20:
        ctx.scheduler.run_after(0, end_all, conversation_id=conversation_id)


@internal_mutation
def relaunch(ctx: MutationCtx, run_id: str) -> None:
    """An active run that nobody claimed: its job was lost, or died before the claim. Ask again."""
    run = ctx.db.get(Run, run_id)
    conversation = ctx.db.get(Conversation, run.conversation) if run else None
    if run is None or run.state != "pending" or conversation is None or conversation.active_run != run.id:
        return
    lifecycle.launch(ctx, conversation, run.id)
    ctx.db.patch(run, lease_until=ctx.now)


@internal_mutation
def rest(ctx: MutationCtx, session_id: str) -> None:
    """A session without activity for five minutes is idle (004-51). Asked by the sweep; queries have no clock."""
    session = ctx.db.get(ChatSession, session_id)
    if session is not None and session.status == "active" and session.last_activity <= ctx.now - IDLE_MS:
        ctx.db.patch(session, status="idle")


@sweep
def repair(executor: Any) -> None:
    """Runs whose writer died, runs that were never started, sessions that fell quiet: over all orgs."""
    now = executor.clock.now_ms()
    for item in executor.listed(Run.by_state_lease, ("running",), now):
        executor.call(item["org"], settle if item.get("readEpoch") is not None else interrupt, run_id=item["_id"])
    for item in executor.listed(Run.by_state_lease, ("pending",), now - 10_000):
        executor.call(item["org"], relaunch, run_id=item["_id"])
    for item in executor.listed(ChatSession.by_status_activity, ("active",), now - IDLE_MS):
        executor.call(item["org"], rest, session_id=item["_id"])
