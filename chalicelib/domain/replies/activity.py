"""When something last happened in a session.

What somebody says is noted at once: sessions are listed by it. That a reply has ended says little more, and each write of a
session is one that all watchers of its replies are told of; so that is kept to the minute.
"""

from __future__ import annotations

from chalicelib import MutationCtx
from chalicelib.schema import ChatSession

COARSE_MS = 60_000
"""So old the noted time is before the end of a reply notes its own."""


def note(ctx: MutationCtx, session: ChatSession | None) -> None:
    """A reply of a session has ended. The session as it was seen, checked or not; one that is gone by now is left alone."""
    if session is None or ctx.now - session.last_activity < COARSE_MS:
        return
    if ctx.db.get(ChatSession, session.id) is not None:
        ctx.db.patch(session, last_activity=ctx.now)
