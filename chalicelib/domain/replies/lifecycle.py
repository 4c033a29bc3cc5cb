"""The life of a reply: the one place that starts runs, ends them, and says what state they are in.

A conversation names its active run, and queues the others in the order of their sends; both are on its row, so "one run at
a time" is a condition of every commit and never a search (invariant 8).

Ending a run from outside takes three steps, in this order: a commit raises the epoch and keeps the old one to read; then
its chunks are read; then a second commit makes them the text and seals the stream, by an empty chunk at the next number.
A chunk is a single write that asks nobody: one that comes before the seal makes that commit read again, and one that
comes after it finds its place taken and was not accepted. So the text is exactly the accepted chunks (invariant 7).
"""

from __future__ import annotations

from typing import Any

from chalicelib import ActionCtx, BadDocument, MutationCtx
from chalicelib.domain import budget
from chalicelib.domain.answer_size import weight
from chalicelib.domain.replies import activity, hooks, prompt
from chalicelib.domain.replies.text import ReplyText
from chalicelib.domain.rooms import counters
from chalicelib.schema import ChatChunk, ChatMessage, ChatSession, Conversation, Run, RunState, Status

CHUNK_LIFE_MS = 24 * 3600 * 1000
"""Chunks can be read this long; the message holds the text for good."""
TERMINAL = ("completed", "failed", "aborted", "interrupted")
CHUNKS_READ = 500
"""Chunks that are read in one request when a reply is ended from outside."""
LARGEST_TEXT = 300_000
"""Bytes of a text that a message keeps of a reply which was ended from outside: its document holds 400 KB."""
QUEUED_RUNS = 100
"""Sends that may wait behind a running reply."""


def stream_of(message_id: str, epoch: int) -> str:
    """The log that one writer of a reply writes to."""
    return f"{message_id}:{epoch}"


def shown_stream(run: Run) -> str:
    """The log whose chunks are a reply's text so far. Of a run that nobody has claimed it is the next writer's: it is empty, and
    who watches it from then on has nothing else to watch once there is one."""
    if run.state == "pending" and run.read_epoch is None:
        return stream_of(run.message_id, run.epoch + 1)
    return stream_of(run.message_id, run.epoch if run.read_epoch is None else run.read_epoch)


def activate_or_queue(ctx: MutationCtx, conversation: Conversation, run: Run) -> dict[str, Any]:
    """What a new run changes in its conversation: it becomes the active one, or waits."""
    if conversation.active_run is not None:
        return {"queued_runs": [*conversation.queued_runs, run.id]}
    launch(ctx, conversation, run.id)
    return {"active_run": run.id}


def launch(ctx: MutationCtx, conversation: Conversation, run_id: str) -> None:
    """Have an active run produced. A worker finds its runs by subscribing; the model has to be called."""
    if conversation.responder == "model":
        ctx.scheduler.start("runs:generate", run_id=run_id)
    elif conversation.responder == "worker":
        run = ctx.db.get(Run, run_id)
        session = ctx.db.peek(ChatSession, run.session_id) if run is not None else None
        if run is not None and session is not None:
            ctx.db.patch(run, worker=session.worker_id)


def claim(ctx: MutationCtx, run: Run) -> Run:
    """Take a pending run: a new epoch, and a lease."""
    lease_until = ctx.now + ctx.limits["run_lease_ms"]
    hooks.on_streaming_started(ctx, run)
    return ctx.db.patch(run, state="running", epoch=run.epoch + 1, lease_until=lease_until, started_at=ctx.now)


def fence(ctx: MutationCtx, run: Run, ending: RunState, reason: str) -> Run:
    """The first step of ending a run from outside. A second caller keeps the epoch that is to be read."""
    if run.read_epoch is not None:
        return run
    return ctx.db.patch(run, epoch=run.epoch + 1, read_epoch=run.epoch, ending=ending, reason=reason, lease_until=ctx.now)


def end_from_outside(ctx: MutationCtx, run: Run, ending: Status, reason: str) -> None:
    """End a run that is not over: at once while nobody writes it, else by fencing its writer and settling its text."""
    if run.state == "pending":
        finish(ctx, run, ending, "", reason=reason)
        return
    fence(ctx, run, ending, reason)
    ctx.scheduler.run_after(0, "runs:settle", run_id=run.id)


def sealed(ctx: MutationCtx, run: Run) -> tuple[str, list[Any] | None]:
    """The accepted chunks of a fenced run, in order: their text, and the parts where a tool was called.

    The commit that calls this makes sure that there will be no others.
    """
    stream = stream_of(run.message_id, run.epoch if run.read_epoch is None else run.read_epoch)
    found = ReplyText()
    after = -1
    while page := ctx.db.peek_log(ChatChunk.log(stream).after(after), CHUNKS_READ, newest=False):  # also ends at 1 MB
        for chunk in page:
            found.add(chunk.chunk, chunk.part)
        after = page[-1].sequence
    ctx.db.insert(seal(ctx, run, stream, after + 1))
    return found.text, found.parts()


def kept(text: str, parts: list[Any] | None) -> tuple[str, list[Any] | None]:
    """What a message can hold of accepted chunks. A worker may write more than fits, and its reply must end all the same."""
    size = len(text.encode())
    if size + (0 if parts is None else weight(parts)) <= LARGEST_TEXT:
        return text, parts
    return text.encode()[:LARGEST_TEXT].decode(errors="ignore"), None


def is_held(run: Run | None, epoch: int, step: int = 0) -> bool:
    """Whether a run is still that of the writer under this epoch and step."""
    return run is not None and (run.epoch, run.step, run.state, run.parked) == (epoch, step, "running", False)


def is_due(run: Run, now: float, lease_ms: float) -> bool:
    """Whether the lease of a reply is to be renewed: half of it is used, by the model's writer, which looks every moment; a
    third by a worker, which is heard now and then."""
    return run.lease_until - now < lease_ms * (0.5 if run.worker is None else 0.7)


def seal(ctx: MutationCtx, run: Run, stream: str, sequence: int) -> ChatChunk:
    """The chunk that takes the place of any that is still on its way."""
    return chunk_at(ctx, stream, sequence, "", message_id=run.message_id, session_id=run.session_id)


def chunk_at(
    ctx: MutationCtx | ActionCtx,
    stream: str,
    sequence: int,
    text: str,
    *,
    message_id: str,
    session_id: str,
    part: dict[str, Any] | None = None,
) -> ChatChunk:
    """A chunk at its place in a writer's log. The first one opens it, and is found by its message and its session."""
    return ChatChunk(
        id=ctx.new_id("chunk-"),
        reply=stream,
        sequence=sequence,
        message_id=message_id,
        session_id=session_id,
        chunk=text,
        part=part,
        timestamp=ctx.now,
        expires_at=ctx.now + CHUNK_LIFE_MS,
        opens={"messageId": message_id, "sessionId": session_id} if sequence == 0 else None,
    )


def _estimated(
    ctx: MutationCtx, run: Run, conversation: Conversation | None, content: str, reasoning: str | None
) -> dict[str, Any] | None:
    """About what a reply of the model has cost that was begun, and whose writer has not said it."""
    if run.started_at is None or conversation is None or conversation.responder != "model":
        return None
    try:
        turns = prompt.of_run(ctx, run.id)["turns"]
    except BadDocument:  # an entry of its log cannot be read, so the model was not asked either
        turns = []
    return budget.estimate(turns, content + (reasoning or ""))


def finish(
    ctx: MutationCtx,
    run: Run,
    state: Status,
    content: str,
    *,
    reason: str | None = None,
    usage: dict[str, Any] | None = None,
    reasoning: str | None = None,
    parts: list[Any] | None = None,
) -> None:
    """Bring a run to its end: the text, the state, the cost, and the next run of the queue. The only way a run ends."""
    message = ctx.db.get(ChatMessage, run.conversation, run.sequence)
    conversation = ctx.db.get(Conversation, run.conversation)
    usage = usage or run.usage or _estimated(ctx, run, conversation, content, reasoning)
    if message is not None:
        message = ctx.db.patch(
            message, content=content, completed=True, status=state, reason=reason, usage=usage, reasoning=reasoning, parts=parts
        )
    run = budget.settle(ctx, run, usage)
    if run.parked:
        activity.unpark(ctx, run)
    ended = {"lease_until": ctx.now, "ended_at": ctx.now, "worker": None, "parked": False}
    ctx.db.patch(run, state=state, reason=reason, usage=usage, **ended)
    hooks.on_streaming_complete(ctx, run, state, content, reason)
    conversation = ctx.db.get(Conversation, run.conversation)
    if conversation is None:
        return
    if message is not None:
        conversation = ctx.db.patch(conversation, room=counters.after(conversation.room, message))
    waiting = [each for each in conversation.queued_runs if each != run.id]
    if conversation.active_run != run.id:
        ctx.db.patch(conversation, queued_runs=waiting)
        return
    following = waiting[0] if waiting else None
    ctx.db.patch(conversation, active_run=following, queued_runs=waiting[1:], updated_at=ctx.now)
    activity.note(ctx, ctx.db.peek(ChatSession, run.session_id))
    if following is not None:
        launch(ctx, conversation, following)


def charge(ctx: MutationCtx, run: Run | None, usage: dict[str, Any] | None) -> None:
    """Charge what a writer says that its reply has cost, after somebody else has ended it, fenced it, or erased it."""
    if run is None:
        budget.meter(ctx, usage)
    elif usage:
        run = budget.correct(ctx, run, usage)
        message = ctx.db.get(ChatMessage, run.conversation, run.sequence)
        if message is not None and message.completed:
            ctx.db.patch(message, usage=usage)
