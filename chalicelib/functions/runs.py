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
from chalicelib.domain.images import mcp
from chalicelib.domain.replies import lifecycle
from chalicelib.domain.replies import options as reply_options
from chalicelib.schema import ChatChunk, ChatMessage, ChatSession, Conversation, Image, Run, Status

HISTORY = 200
"""Messages that are sent to the model at most; the prompt's own token bound usually ends sooner."""
HISTORY_BYTES = 250_000
IMAGE_TURNS = 3
"""The newest messages whose images are told again."""
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
    told = {
        "content": writer.pieces.text,
        "reasoning": writer.reasoning or None,
        "usage": writer.usage,
        "parts": writer.pieces.parts(),
    }
    ctx.run_mutation(end, run_id=run_id, epoch=epoch, state=state, reason=reason, **told)


class _Writer:
    """One reply on its way from the model into pieces."""

    def __init__(self, ctx: ActionCtx, run_id: str, epoch: int, asked: dict[str, Any]) -> None:
        self.ctx, self.run_id, self.epoch, self.asked = ctx, run_id, epoch, asked
        self.pieces, self.reasoning = lifecycle.Pieces(), ""
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
                self.pieces.think(event.text)
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
        """Store one piece, of text or what a tool did, by a single conditional write. False: the place is another writer's."""
        now = self.ctx.now
        place: dict[str, Any] = {"reply": lifecycle.stream_of(self.asked["messageId"], self.epoch), "sequence": self.sequence}
        about = {"message_id": self.asked["messageId"], "session_id": self.asked["sessionId"]}
        piece = ChatChunk(
            id=self.ctx.new_id("chunk-"),
            chunk=text,
            part=part,
            timestamp=now,
            expires_at=now + lifecycle.CHUNK_LIFE_MS,
            **place,
            **about,
        )
        if not self.ctx.parts.append(self.ctx.org, piece, hint=self.sequence == 0):
            self.fenced = True
            return False
        self.pieces.add(text, part)
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
    """What the model is asked for a run: the image's configuration, the run's own options, and the log before the placeholder."""
    run = ctx.db.get(Run, run_id)
    assert run is not None
    session = ctx.db.peek(ChatSession, run.session_id)
    image = ctx.db.peek(Image, session.image_id) if session else None
    log = ctx.db.peek_log(ChatMessage.log(run.conversation).before(run.sequence), HISTORY)
    return {
        "model": run.model,
        "system": (run.options or {}).get("systemPrompt") or (image.system_prompt if image else ""),
        "turns": _turns(ctx, run, log),
        "tools": mcp.allowed(ctx, image.mcp_servers if image else None),
        "settings": (image.settings if image else None) or {},
        "options": {name: value for name, value in (run.options or {}).items() if name in ("thinking", "providerOptions")},
        "messageId": run.message_id,
        "sessionId": run.session_id,
    }


def _turns(ctx: QueryCtx, run: Run, log: list[ChatMessage]) -> list[list[Any]]:
    """`[role, content, images]` of what counts, oldest first. Of earlier replies the text is told, not what tools did."""
    turns: list[list[Any]] = []
    size = with_images = 0
    answer = run.message_id
    for each in log:
        size += len(each.content.encode())
        if turns and size > HISTORY_BYTES:
            break
        shown: list[Any] = []
        if each.role == "user" and each.parts and with_images < IMAGE_TURNS:
            answered = ctx.db.peek(Run, f"run-{answer.removeprefix('msg-')}")  # a send's images are with the run that answers it
            shown = [list(pair) for pair in reply_options.images_of(answered.options if answered else None)]
            with_images += bool(shown)
        # A stored `system` entry is somebody's words and never becomes the model's instruction.
        if each.content and each.completed and not each.superseded and each.role in ("user", "assistant"):
            turns.append([each.role, each.content, shown])
        answer = each.copy_of or each.id
    return list(reversed(turns))


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
    text, parts = lifecycle.kept(*lifecycle.sealed(ctx, run))
    lifecycle.finish(ctx, run, ending, text, reason=run.reason, parts=parts)


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
        executor.repair(item["org"], settle if item.get("readEpoch") is not None else interrupt, run_id=item["_id"])
    for item in executor.listed(Run.by_state_lease, ("pending",), now - 10_000):
        executor.repair(item["org"], relaunch, run_id=item["_id"])
    for item in executor.listed(ChatSession.by_status_activity, ("active",), now - IDLE_MS):
        executor.repair(item["org"], rest, session_id=item["_id"])
