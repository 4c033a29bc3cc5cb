"""When something last happened in a session, and that a reply which waited for a decision goes on.

Sessions are listed by it, so what somebody says is noted at once, unless the session is the one that stands first in its user's
list already: there, as for the end of a reply, it is kept to the minute. For each write of a session is one that all who watch
it, or its user's list, are told of, and three requests more ask who these are.
"""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx
from chalicelib.schema import ChatSession, OpenReplies, ParkedReply, Permission, Run

COARSE_MS = 60_000
"""So old the noted time is before the end of a reply, or what is said in the session that stands first, notes its own."""

START_MS = 10_000
"""So long a writer that was started has to begin, before the sweep starts another."""


def note(ctx: MutationCtx, session: ChatSession | None) -> None:
    """A reply of a session has ended. The session as it was seen, checked or not; one that is gone by now is left alone."""
    if session is None or ctx.now - session.last_activity < COARSE_MS:
        return
    if ctx.db.get(ChatSession, session.id) is not None:
        ctx.db.patch(session, last_activity=ctx.now)


def said(ctx: MutationCtx, session: ChatSession, *, at_once: bool = False, **changes: Any) -> None:
    """Something was said in a session, or done with it: it stands first in its user's list.

    Args:
        at_once: the time is noted in any case; else only what was said is known to the moment, by the conversation.
        changes: what else is written of it.
    """
    row = ctx.db.get(OpenReplies, session.user_id) if session.user_id is not None else None
    first = row is not None and row.newest_session == session.id
    same = all(getattr(session, name) == value for name, value in changes.items())
    if at_once or not (first and same and ctx.now - session.last_activity < COARSE_MS):
        ctx.db.patch(session, last_activity=ctx.now, **changes)
    if row is not None and not first:
        ctx.db.patch(row, newest_session=session.id)


def opened(ctx: MutationCtx, session: ChatSession) -> None:
    """A new session stands first in its user's list. Where none is known to, there is nothing to say."""
    row = ctx.db.peek(OpenReplies, session.user_id) if session.user_id is not None else None
    if row is not None and row.newest_session is not None and ctx.db.get(OpenReplies, row.id) is not None:
        ctx.db.patch(OpenReplies, row.id, newest_session=session.id)


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
