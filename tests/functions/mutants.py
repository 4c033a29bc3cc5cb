"""The protective steps of the domain, each switched off by replacing the code that takes it, for one run (invariants 7 to 10)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import chalicelib.data.commit as commit_module
from chalicelib import ActionCtx, MutationCtx, internal_mutation
from chalicelib.data.store import Check, Update
from chalicelib.functions import lifecycle, runs
from chalicelib.schema import ChatChunk, ChatMessage, Conversation, Run
from tests.data.mutants import swapped

Plan = commit_module._Plan
Switch = Callable[[], AbstractContextManager[None]]


def unconditional(*tables: str) -> Switch:
    """A commit does not mind that documents of these tables have changed since they were read."""

    class Unconditional(Plan):
        def actions(self) -> list[Any]:
            return [
                Update(each.key, each.set, each.add, each.remove)
                if isinstance(each, Update) and each.key.table in tables
                else each
                for each in super().actions()
                if not (isinstance(each, Check) and each.key.table in tables)
            ]

    return lambda: swapped((commit_module, "_Plan", Unconditional))


# Invariant 7: nothing accepted is lost ------------------------------------------------------------------------------------


def a_sweep_without(*kinds: str) -> Switch:
    """The sweep does not look for runs of these kinds."""

    def repair(executor: Any) -> None:
        now = executor.clock.now_ms()
        for item in executor.listed(Run.by_state_lease, ("running",), now):
            fenced = item.get("readEpoch") is not None
            if ("fenced" if fenced else "silent") not in kinds:
                executor.call(item["org"], runs.settle if fenced else runs.interrupt, run_id=item["_id"])
        for item in executor.listed(Run.by_state_lease, ("pending",), now - 10_000):
            if "pending" not in kinds:
                executor.call(item["org"], runs.relaunch, run_id=item["_id"])

    repair.__module__ = runs.__name__  # a module's sweeps are its own functions
    repair.__concave_sweep__ = True  # type: ignore[attr-defined]
    return lambda: swapped((runs, "repair", repair))


def fence_without_epoch(ctx: MutationCtx, run: Run, ending: Any, reason: str) -> Run:
    """The writer is not told that its time is over."""
    if run.read_epoch is not None:
        return run
    return ctx.db.patch(run, read_epoch=run.epoch, ending=ending, reason=reason, lease_until=ctx.now)


def text_without_seal(ctx: MutationCtx, run: Run) -> str:
    """The pieces that are here now; others may still come."""
    stream = ChatChunk.log(lifecycle.stream_of(run.message_id, run.epoch if run.read_epoch is None else run.read_epoch))
    return "".join(piece.chunk for piece in ctx.db.peek_log(stream, 500, newest=False))


def no_text(ctx: MutationCtx, run: Run) -> str:
    """What was said before the end is not kept."""
    return ""


def beat_without_renewal(ctx: MutationCtx, run_id: str, epoch: int) -> bool:
    """The writer says that it is alive, and nobody writes that down."""
    run = ctx.db.get(Run, run_id)
    return run is not None and run.epoch == epoch and run.state == "running"


@internal_mutation
def end_the_run(ctx: MutationCtx, run_id: str) -> None:
    """The first half of an end: the run and its conversation."""
    run = ctx.db.get(Run, run_id)
    assert run is not None
    message = ctx.db.get(ChatMessage, run.conversation, run.sequence)
    lifecycle.finish(ctx, run, "completed", "")
    if message is not None:
        ctx.db.patch(message, content="", completed=False, status="pending")


@internal_mutation
def end_the_message(ctx: MutationCtx, run_id: str, content: str) -> None:
    """The second half: the text."""
    run = ctx.db.get(Run, run_id)
    message = ctx.db.get(ChatMessage, run.conversation, run.sequence) if run else None
    if message is not None:
        ctx.db.patch(message, content=content, completed=True, status="completed")


def end_in_two_commits(ctx: ActionCtx, run_id: str) -> None:
    """State and text are not one commit."""
    epoch = ctx.run_mutation(runs.claim, run_id=run_id)
    if epoch is not None:
        writer = runs._Writer(ctx, run_id, epoch, ctx.run_query(runs.prompt_of, run_id=run_id))
        writer.write()
        ctx.run_mutation(end_the_run, run_id=run_id)
        ctx.run_mutation(end_the_message, run_id=run_id, content=writer.text)


# Invariant 8: one active run per conversation ------------------------------------------------------------------------------


def claim_out_of_turn(ctx: MutationCtx, run_id: str) -> int | None:
    """Any pending run may be claimed."""
    run = ctx.db.get(Run, run_id)
    return None if run is None or run.state != "pending" else lifecycle.claim(ctx, run).epoch


def relaunch_out_of_turn(ctx: MutationCtx, run_id: str) -> None:
    """Any pending run is asked for again."""
    run = ctx.db.get(Run, run_id)
    conversation = ctx.db.get(Conversation, run.conversation) if run else None
    if run is not None and conversation is not None and run.state == "pending":
        lifecycle.launch(ctx, conversation, run.id)


REPLIES: dict[str, Switch] = {
    "the sweep looks for silent writers": a_sweep_without("silent"),
    "the sweep settles what was stopped": a_sweep_without("fenced"),
    "the sweep starts what nobody claimed": a_sweep_without("pending"),
    "a stop raises the epoch": lambda: swapped((lifecycle, "fence", fence_without_epoch)),
    "the pieces are sealed when they become the text": lambda: swapped((lifecycle, "sealed_text", text_without_seal)),
    "the partial text is kept": lambda: swapped((lifecycle, "sealed_text", no_text)),
    "the end is one commit": lambda: swapped((runs.generate, "handler", end_in_two_commits)),
    "a writer renews its lease": lambda: swapped((runs.beat, "handler", beat_without_renewal)),
    "what a send has read is a condition of its commit": unconditional("conversations", "chatSessions", "budgets"),
    "the run's row is a condition of a claim": unconditional("runs"),
    "only the active run is claimed": lambda: swapped(
        (runs.claim, "handler", claim_out_of_turn), (runs.relaunch, "handler", relaunch_out_of_turn)
    ),
}
