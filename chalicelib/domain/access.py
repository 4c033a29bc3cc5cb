"""Who may do what. Strangers learn nothing: a session of another user or org answers like one that never was (invariant 9)."""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain import members
from chalicelib.domain.machines import workers
from chalicelib.schema import ChatSession, Run, Worker


def signed_in(ctx: MutationCtx, to_do: str) -> Any:
    """The caller, or the refusal of a caller who is not signed in."""
    if ctx.user is None or workers.is_worker(ctx.user):
        raise Refused("Unauthorized", f"Unauthorized: Must be logged in to {to_do}")
    return reader(ctx)


def reader(ctx: QueryCtx | MutationCtx) -> Any:
    """The caller, or None. An agent or a worker must be allowed to speak still: its token alone does not say so."""
    agents_token = ctx.user is not None and (ctx.user.claims.get("type") == "agent" or "agentId" in ctx.user.claims)
    if agents_token and isinstance(ctx, QueryCtx | MutationCtx):  # an action calls others, and these ask
        members.caller(ctx)
    if workers.is_worker(ctx.user) and isinstance(ctx, QueryCtx | MutationCtx):
        workers.caller(ctx)
    return ctx.user


def sees(user: Any, session: ChatSession | None) -> bool:
    """Whether a caller may read a session: its owner, the worker that holds it, the service."""
    if user is None or session is None:
        return False
    return bool(user.is_service or session.user_id == user.subject or holds(user, session))


def holds(user: Any, session: ChatSession) -> bool:
    """Whether a caller is the worker that holds a session, or the service: no stranger writes a reply."""
    return bool(user.is_service or (session.worker_id is not None and is_worker(user, session.worker_id)))


def is_worker(user: Any, worker_id: str) -> bool:
    """Whether a caller is this worker, or the service. One that was not taken in here has the operator's token."""
    if workers.is_worker(user):
        return workers.id_of(user) == worker_id
    return bool(user.is_service or ("worker" in user.roles and user.subject == worker_id))


def check_worker(ctx: MutationCtx, user: Any, worker_id: str) -> Worker | None:
    """Whether a caller may have this worker answer: it works on somebody's machine.

    Returns it; None for one that was not taken in here, which the operator vouches for.

    Raises:
        Refused: WorkerNotFound.
    """
    known: Worker | None = ctx.db.get(Worker, worker_id)
    own = worker_id == user.subject or worker_id.startswith(f"{user.subject}/")
    shared = ctx.limits.get("workers_shared", ())
    vouched = user.is_service or own or "*" in shared or worker_id in shared
    if workers.may_use(user, known) if known is not None else vouched:
        return known
    raise Refused(
        "WorkerNotFound",
        "Worker not found: there is none of yours by this name, and none that is shared with you.",
        field="workerId",
    )


def readable(ctx: QueryCtx | MutationCtx, session_id: str) -> ChatSession | None:
    """A session for a reader; None for strangers."""
    session: ChatSession | None = ctx.db.get(ChatSession, session_id) if session_id else None
    return session if sees(reader(ctx), session) else None


def owned(ctx: MutationCtx, session_id: str, to_do: str) -> ChatSession:
    """A session for its owner. Raises `Refused`."""
    user = signed_in(ctx, to_do)
    session = ctx.db.get(ChatSession, session_id) if session_id else None
    if session is None or not (user.is_service or session.user_id == user.subject):
        raise not_found()
    return session


def held(ctx: MutationCtx, session_id: str, to_do: str) -> ChatSession:
    """A session for the worker that holds it. Raises `Refused`."""
    user = reader(ctx) if workers.is_worker(ctx.user) else signed_in(ctx, to_do)
    session = ctx.db.get(ChatSession, session_id) if session_id else None
    if session is None or not holds(user, session):
        raise not_found()
    return session


def visible(ctx: QueryCtx, session_id: str) -> ChatSession | None:
    """A session for who reads what is in it; None for strangers. Whose it is never changes, and its end is told: so it is not
    looked at again beside each message and piece."""
    session = ctx.db.apart(ChatSession, session_id) if session_id else None
    return session if sees(reader(ctx), session) else None


def run_of(ctx: QueryCtx | MutationCtx, session: ChatSession, message_id: str) -> Run | None:
    """The run behind a reply of this session: a message is checked to belong to its session."""
    run = ctx.db.get(Run, f"run-{message_id.removeprefix('msg-')}") if message_id.startswith("msg-") else None
    return run if run is not None and run.session_id == session.id else None


def not_found() -> Refused:
    """The answer to strangers."""
    return Refused("SessionNotFound", "Session not found")
