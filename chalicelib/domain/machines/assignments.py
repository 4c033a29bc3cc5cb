"""What a worker has to write: the reply of each of its sessions whose turn it is. What is not listed, nobody is to write."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain.machines import workers
from chalicelib.domain.replies import lifecycle
from chalicelib.schema import ChatChunk, ChatMessage, ChatSession, Conversation, Run, Worker

MOST = 50
"""Replies that one worker is told of at once; the others come when these have ended."""
QUESTION_CHARS = 20_000
FAILURES = Literal[
    "agent_crashed",
    "agent_error",
    "agent_not_found",
    "permission_denied",
    "worker_stopped",
    "connection",
    "timeout",
    "too_large",
    "deadline",
    "refused",
]
OFFLINE, NOT_SHARED = "worker_offline", "worker_not_shared"


class Work(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """One reply that a worker is to write, with all that it needs for it."""

    session_id: str
    message_id: str
    conversation_id: str
    state: Literal["pending", "running"]
    question: str
    epoch: int
    asked_at: float
    model: str | None = None
    agent: str | None = None
    directory: str | None = None
    agent_session_id: str | None = None
    instance: str | None = None


class Assigned(msgspec.Struct, rename="camel", kw_only=True):
    """A worker's work, oldest first."""

    worker_id: str
    work: list[Work]


class Claimed(msgspec.Struct, rename="camel", kw_only=True):
    """A reply that a worker may write: under this epoch, from this sequence on."""

    epoch: int
    next_sequence: int
    session_id: str


class Renewed(msgspec.Struct, rename="camel", kw_only=True):
    """Of the replies that a worker holds, those that it does not hold any more."""

    lost: list[str]


class Followed(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """How a session is that a worker has opened."""

    session_id: str
    status: Literal["active", "idle", "terminated", "gone"]
    name: str | None = None
    agent_session_id: str | None = None


def assigned(ctx: QueryCtx, worker: Worker) -> Assigned:
    """The replies whose turn it is, in the order in which they were asked for."""
    runs = ctx.db.query(Run.by_worker(worker.id)).take(MOST)
    found = [work(ctx, worker, run) for run in runs if run.read_epoch is None and run.state in ("pending", "running")]
    return Assigned(worker_id=worker.id, work=[each for each in found if each is not None])


def _shared(worker: Worker, session: ChatSession) -> bool:
    """Whether a worker may still work for whose session it is: it was looked at when the session began, and is again now."""
    return worker.audience == "org" or session.user_id == worker.owner


def work(ctx: QueryCtx, worker: Worker, run: Run) -> Work | None:
    """What a worker needs to write a reply; None where its session is gone, or not its affair any more."""
    session = ctx.db.get(ChatSession, run.session_id)
    question = ctx.db.get(ChatMessage, run.conversation, _asked(run))
    state: Any = run.state
    if session is None or question is None or not _shared(worker, session):
        return None
    return Work(
        session_id=session.id,
        message_id=run.message_id,
        conversation_id=run.conversation,
        state=state,
        question=question.content[:QUESTION_CHARS],
        epoch=run.epoch,
        asked_at=question.timestamp,
        model=run.model or session.model,
        agent=session.agent,
        directory=session.directory,
        agent_session_id=session.agent_session_id,
        instance=run.instance,
    )


def _asked(run: Run) -> int:
    """The sequence of what a reply answers."""
    return (run.sequence if run.replaces is None else run.replaces) - 1


def own_run(ctx: MutationCtx, worker: Worker, message_id: str) -> tuple[Run, ChatSession]:
    """A reply of one of the worker's sessions. Raises `Refused`: MessageNotFound."""
    run = ctx.db.get(Run, f"run-{message_id.removeprefix('msg-')}") if message_id.startswith("msg-") else None
    session = ctx.db.get(ChatSession, run.session_id) if run is not None else None
    if run is None or session is None or session.worker_id != worker.id:
        raise Refused("MessageNotFound", "Message not found")
    return run, session


def claim(ctx: MutationCtx, worker: Worker, message_id: str) -> Claimed:
    """Take a reply whose turn it is. The same process may ask again: its answer may have been lost.

    Raises:
        Refused: MessageNotFound, ReplyEnded, NotYours, WorkerNotShared.
    """
    run, session = own_run(ctx, worker, message_id)
    conversation = ctx.db.get(Conversation, run.conversation)
    if run.state in lifecycle.TERMINAL or run.read_epoch is not None or conversation is None:
        raise Refused("ReplyEnded", "This reply has ended; nothing can be added to it.")
    if not _shared(worker, session):
        raise Refused("WorkerNotShared", "This worker is not shared with whoever asks any more.")
    if conversation.active_run != run.id:
        raise Refused("NotYours", "It is not this reply's turn yet.")
    if run.state == "pending":
        run = ctx.db.patch(lifecycle.claim(ctx, run), instance=worker.instance)
    elif run.instance != worker.instance:
        raise Refused("NotYours", "Another process has claimed this reply.")
    newest = ctx.db.peek_log(ChatChunk.log(lifecycle.stream_of(run.message_id, run.epoch)), 1, newest=True)
    following = newest[0].sequence + 1 if newest else 0
    return Claimed(epoch=run.epoch, next_sequence=following, session_id=session.id)


def renew(ctx: MutationCtx, worker: Worker, message_ids: list[str]) -> list[str]:
    """Go on holding these replies. Returns those that are lost."""
    lost = []
    for message_id in message_ids:
        run = ctx.db.get(Run, f"run-{message_id.removeprefix('msg-')}")
        mine = run is not None and run.worker == worker.id and run.instance == worker.instance
        if run is None or not mine or run.state != "running" or run.read_epoch is not None:
            lost.append(message_id)
        elif lifecycle.is_due(run, ctx.now, ctx.limits["run_lease_ms"]):
            ctx.db.patch(run, lease_until=ctx.now + ctx.limits["run_lease_ms"])
    return lost


def fail(ctx: MutationCtx, worker: Worker, message_id: str, epoch: int, code: FAILURES, text: str) -> None:
    """End a reply that cannot be written: what was accepted stays, and why it ended is its last part. Twice is once.

    Raises: `Refused`: MessageNotFound, ReplyEnded, LeaseLost.
    """
    run, _ = own_run(ctx, worker, message_id)
    if run.state == "failed" and run.epoch == epoch and run.reason == code:
        return
    if run.state in lifecycle.TERMINAL or run.read_epoch is not None:
        raise Refused("ReplyEnded", "This reply has ended; nothing can be added to it.")
    if run.state != "running" or run.epoch != epoch:
        raise Refused("LeaseLost", "Another writer has taken this reply over.")
    content, parts = lifecycle.kept(*lifecycle.sealed(ctx, run))
    said = parts if parts is not None else [{"type": "text", "text": content}] if content else []
    lifecycle.finish(ctx, run, "failed", content, reason=code, parts=[*said, {"type": "error", "message": text}])


def take_over(ctx: MutationCtx, worker: Worker) -> int:
    """A worker's process is gone, or replaced: what it was writing ends with what was accepted. Returns how many replies."""
    runs = ctx.db.query(Run.by_worker(worker.id)).take(MOST)
    running = [run for run in runs if run.state == "running" and run.read_epoch is None]
    for run in running:
        lifecycle.end_from_outside(ctx, run, "interrupted", "the worker was started again or went away")
    return len(running)


def revoke(ctx: MutationCtx, worker: Worker) -> Worker:
    """End a worker's access, at once: what it is writing ends with what it has said. Twice is once."""
    if worker.approval == "revoked":
        return worker
    take_over(ctx, worker)
    workers.went(ctx, worker)
    return ctx.db.patch(worker, approval="revoked", status="offline", token_version=worker.token_version + 1)


def wait_on(ctx: MutationCtx, run: Run, session: ChatSession | None, wait_ms: float) -> None:
    """A worker's reply that nobody has begun: it waits, and fails when its machine has been away for too long."""
    worker = ctx.db.get(Worker, run.worker) if run.worker else None
    if worker is not None and session is not None and not _shared(worker, session):
        lifecycle.finish(ctx, run, "failed", "", reason=NOT_SHARED)
        return
    away = session is None or (run.worker is not None and worker is None) or (worker is not None and worker.status == "offline")
    since = max(run.creation_time, (worker.offline_since if worker else None) or 0)
    if away and ctx.now - since >= wait_ms:
        lifecycle.finish(ctx, run, "failed", "", reason=OFFLINE)
    else:
        ctx.db.patch(run, lease_until=ctx.now + min(10 * 60_000, max(wait_ms - (ctx.now - since), 10_000)))


def followed(ctx: QueryCtx, worker: Worker, session_ids: list[str]) -> list[Followed]:
    """How sessions of a worker are; one that is none of its own is gone."""
    told = []
    for session_id in session_ids:
        session = ctx.db.get(ChatSession, session_id)
        if session is None or session.worker_id != worker.id:
            told.append(Followed(session_id=session_id, status="gone"))
        else:
            told.append(
                Followed(
                    session_id=session.id,
                    status=session.status,
                    name=session.name,
                    agent_session_id=session.agent_session_id,
                )
            )
    return told
