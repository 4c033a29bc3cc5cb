"""When something last happened in a session, and that a reply which waited for a decision goes on.

What somebody says is noted at once: sessions are listed by it. That a reply has ended says little more, and each write of a
session is one that all watchers of its replies are told of; so that is kept to the minute.
"""

from __future__ import annotations

from chalicelib import MutationCtx
from chalicelib.schema import ChatSession, ParkedReply, Permission, Run

COARSE_MS = 60_000
"""So old the noted time is before the end of a reply notes its own."""

START_MS = 10_000
"""So long a writer that was started has to begin, before the sweep starts another."""


def note(ctx: MutationCtx, session: ChatSession | None) -> None:
    """A reply of a session has ended. The session as it was seen, checked or not; one that is gone by now is left alone."""
    if session is None or ctx.now - session.last_activity < COARSE_MS:
        return
    if ctx.db.get(ChatSession, session.id) is not None:
        ctx.db.patch(session, last_activity=ctx.now)


def wake(ctx: MutationCtx, run_id: str) -> None:
    """A request of a reply was closed: when none is open any more, whoever writes is started, and the reply goes on."""
    run = ctx.db.get(Run, run_id)
    if run is None or not run.parked or run.read_epoch is not None or asks(ctx, run):
        return
    ctx.db.patch(run, lease_until=ctx.now + START_MS)  # then the sweep asks again
    ctx.scheduler.start("runs:generate", run_id=run.id)


def asks(ctx: MutationCtx, run: Run) -> list[Permission]:
    """The requests of a reply that wait for a decision."""
    return [each for each in ctx.db.query(Permission.by_run(run.id)).take(200) if each.state == "open"]


def unpark(ctx: MutationCtx, run: Run) -> str | None:
    """Nobody waits any more for how far a reply had come. Returns that."""
    row = ctx.db.get(ParkedReply, f"{run.id}-{run.step}")
    if row is not None:
        ctx.db.delete(row)
    return None if row is None else row.kept
