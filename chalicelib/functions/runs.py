"""Runs: one is claimed, written and ended; and what repairs it.

Every run ends: by its writer, by `stop`, or by the sweep within its lease and a minute (invariant 7).
"""

from __future__ import annotations

from typing import Any, Literal

from chalicelib import ActionCtx, MutationCtx, QueryCtx, internal_action, internal_mutation, internal_query, sweep
from chalicelib.domain import budget
from chalicelib.domain.machines import assignments, permissions
from chalicelib.domain.replies import activity, lifecycle, prompt, remembered
from chalicelib.domain.replies.writer import Writer
from chalicelib.schema import ChatSession, Conversation, ParkedReply, Permission, Run, Status

IDLE_MS = 5 * 60 * 1000
"""After this long without activity a session is idle."""


@internal_action(runner="generate", timeout_s=900)
def generate(ctx: ActionCtx, run_id: str) -> None:
    """Produce one reply. Started by the send's commit, often twice; a run that is not pending any more is left alone."""
    waiting = ctx.run_query(waits, run_id=run_id)
    if not waiting:
        return
    ctx.parts.model.load()
    kept = ctx.run_mutation(go_on, run_id=run_id) if waiting == "parked" else None
    epoch = kept["epoch"] if kept else ctx.run_mutation(claim, run_id=run_id)
    if epoch is None:
        return
    writer = Writer(ctx, run_id, epoch, kept)
    state, reason = writer.write()
    if state is not None:
        writer.end(state, reason)
    elif writer.usage and not writer.parked:
        ctx.run_mutation(charge, run_id=run_id, usage=writer.usage)
    if writer.fault is not None:  # the reply has its end; the operator hears why
        raise writer.fault


@internal_query
def waits(ctx: QueryCtx, run_id: str) -> Literal["pending", "parked"] | None:
    """Whether a run is to be claimed, or gone on with, by one read."""
    run = ctx.db.peek(Run, run_id)
    if run is not None and run.parked and run.state == "running":
        return "parked"
    return "pending" if run is not None and run.state == "pending" else None


@internal_mutation
def claim(ctx: MutationCtx, run_id: str) -> int | None:
    """Take a pending run. Returns the epoch to write under, or None when there is nothing to do.

    Where the day's tokens were spent since the send, it fails here (`budget_exceeded`), and the model is not asked."""
    run = ctx.db.get(Run, run_id)
    conversation = ctx.db.get(Conversation, run.conversation) if run else None
    if run is None or run.state != "pending" or conversation is None or conversation.active_run != run.id:
        return None
    if budget.spent(ctx):
        lifecycle.finish(ctx, run, "failed", "", reason=budget.SPENT_REASON)
        return None
    return lifecycle.claim(ctx, run).epoch


@internal_mutation
def park(
    ctx: MutationCtx, run_id: str, epoch: int, step: int, asked: list[Any], kept: str, usage: dict[str, Any]
) -> dict[str, str] | None:
    """Ask whose session it is, and put the reply down until everything is decided: its writer ends.

    Where all was allowed for the session before, nothing is put down and the writer goes on.

    Args:
        asked: the calls, as `permissions.ask` takes them.
        kept: what whoever goes on has to know.
        usage: what the reply has cost so far.

    Returns: what became of each call, by its id; None where the writer has lost its run.
    """
    run = ctx.db.get(Run, run_id)
    session = ctx.db.get(ChatSession, run.session_id) if run is not None else None
    if run is None or session is None or not lifecycle.is_held(run, epoch, step):
        return None
    found = [permissions.ask(ctx, run, session, options=permissions.ANSWERS, **each) for each in asked]
    if any(each.state == "open" for each in found):
        step = run.step + 1
        ctx.db.insert(ParkedReply(id=f"{run.id}-{step}", run=run.id, kept=kept))
        until = max(each.expires_at for each in found) + ctx.limits["run_lease_ms"]
        ctx.db.patch(Run, run.id, parked=True, step=step, usage=usage, lease_until=until)
    return {each.tool_call_id: each.state for each in found}


@internal_mutation
def go_on(ctx: MutationCtx, run_id: str) -> dict[str, Any] | None:
    """Take a parked run of which everything is decided. Exactly one writer gets it, and no tool was used before.

    Returns: `epoch` and `step` to write under, what was `kept`, and the `decisions` by the calls' ids.
    """
    run = ctx.db.get(Run, run_id)
    if run is None or not run.parked or run.state != "running" or run.read_epoch is not None or activity.asks(ctx, run):
        return None
    kept = activity.unpark(ctx, run)
    decisions = {each.tool_call_id: each.state for each in ctx.db.query(Permission.by_run(run.id)).take(200)}
    ctx.db.patch(run, parked=False, usage=None, lease_until=ctx.now + ctx.limits["run_lease_ms"])
    return {"epoch": run.epoch, "step": run.step, "kept": kept, "decisions": decisions}


@internal_query
def held(ctx: QueryCtx, run_id: str, epoch: int, now: float, step: int = 0) -> Literal["held", "due", "lost"]:
    """Whether the writer under this epoch still has its run, by one read; `due`: its lease is to be renewed (`beat`).

    Args:
        now: the writer's time, milliseconds since the epoch.
    """
    run = ctx.db.peek(Run, run_id)
    if run is None or not lifecycle.is_held(run, epoch, step):
        return "lost"
    return "due" if lifecycle.is_due(run, now, ctx.limits["run_lease_ms"]) else "held"


@internal_mutation
def beat(ctx: MutationCtx, run_id: str, epoch: int, step: int = 0) -> bool:
    """Whether the writer still holds the run; renews its lease when half of it is used."""
    run = ctx.db.get(Run, run_id)
    if run is None or not lifecycle.is_held(run, epoch, step):
        return False
    if lifecycle.is_due(run, ctx.now, ctx.limits["run_lease_ms"]):
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
    remember_in: str | None = None,
    step: int = 0,
) -> bool:
    """The writer's last commit. A writer that lost its epoch changes nothing.

    Args:
        remember_in: the space of memory in which a job remembers the reply, and what it answers.
    """
    run = ctx.db.get(Run, run_id)
    if run is None or not lifecycle.is_held(run, epoch, step):
        lifecycle.charge(ctx, run, usage)
        return False
    lifecycle.finish(ctx, run, state, content, reason=reason, reasoning=reasoning, usage=usage, parts=parts)
    if remember_in is not None:
        ctx.scheduler.run_after(0, remember, run_id=run_id, space=remember_in)
    return True


@internal_mutation
def remember(ctx: MutationCtx, run_id: str, space: str) -> None:
    """The job: remember a completed reply, and what it answers."""
    remembered.remember(ctx, run_id, space)


@internal_mutation
def charge(ctx: MutationCtx, run_id: str, usage: dict[str, Any]) -> None:
    """What a reply has cost that somebody else has ended: its writer knows that a little later."""
    lifecycle.charge(ctx, ctx.db.get(Run, run_id), usage)


@internal_query
def prompt_of(ctx: QueryCtx, run_id: str) -> dict[str, Any]:
    """What the model is asked for a run."""
    return prompt.of_run(ctx, run_id)


@internal_mutation
def interrupt(ctx: MutationCtx, run_id: str, dead: bool = False) -> None:
    """A run whose writer fell silent, or is known to be dead: fence it, and have its chunks made the text."""
    run = ctx.db.get(Run, run_id)
    if run is None or run.state != "running" or (run.lease_until > ctx.now and not dead):
        return
    if run.parked and run.read_epoch is None:
        permissions.revive(ctx, run)
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
    if conversation.responder == "worker":
        assignments.wait_on(ctx, run, ctx.db.get(ChatSession, run.session_id), ctx.limits["worker_wait_ms"])
        return
    lifecycle.launch(ctx, conversation, run.id)
    ctx.db.patch(run, lease_until=ctx.now)


@internal_mutation
def rest(ctx: MutationCtx, session_id: str) -> None:
    """A session without activity for five minutes is idle. Asked by the sweep; queries have no clock."""
    session, quiet_since = ctx.db.get(ChatSession, session_id), ctx.now - IDLE_MS
    if session is None or session.status != "active" or session.last_activity > quiet_since:
        return
    conversation = ctx.db.get(Conversation, session.conversation)  # it knows to the moment what the session keeps to the minute
    if conversation is None or (conversation.last_message_at or 0) <= quiet_since:
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
