"""A worker's work on the wire: what is to be written, who writes it, and that it goes on. `chat:writeChunk` adds to a reply."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, mutation, query
from chalicelib.domain.machines import assignments, workers
from chalicelib.domain.machines.assignments import FAILURES, MOST, Assigned, Claimed, Followed
from chalicelib.domain.machines.enrolling import Id

MessageId = Annotated[str, Meta(min_length=1, max_length=200)]


@query
def assigned(ctx: QueryCtx) -> Assigned:
    """What the worker that asks has to write now: the reply of each of its sessions whose turn it is, oldest first, 50 at most,
    with all that is needed for it. What is not listed any more was stopped, or has ended: nobody writes it."""
    return assignments.assigned(ctx, workers.caller(ctx))


@mutation
def claim(ctx: MutationCtx, message_id: MessageId, instance: Id) -> Claimed:
    """Take a reply; the same process may ask again. Raises `Refused`: MessageNotFound, ReplyEnded, NotYours, WorkerNotShared."""
    return assignments.claim(ctx, workers.speaking(ctx, instance), message_id)


@mutation
def renew(ctx: MutationCtx, message_ids: Annotated[list[MessageId], Meta(max_length=MOST)], instance: Id) -> assignments.Renewed:
    """Go on holding replies whose agent says nothing: every 20 seconds, also while a person decides. Says which are lost."""
    return assignments.Renewed(lost=assignments.renew(ctx, workers.speaking(ctx, instance), message_ids))


@mutation
def fail(
    ctx: MutationCtx,
    message_id: MessageId,
    epoch: int,
    code: FAILURES,
    text: Annotated[str, Meta(max_length=2000)],
) -> None:
    """End a reply that cannot be written; what was accepted stays. Raises `Refused`: MessageNotFound, ReplyEnded, LeaseLost.

    Args:
        text: what went wrong, for the person who asked.
    """
    assignments.fail(ctx, workers.caller(ctx), message_id, epoch, code, text)


@query
def sessions(
    ctx: QueryCtx, session_ids: Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=MOST)]
) -> list[Followed]:
    """How sessions are that the worker which asks has opened; others are "gone"."""
    return assignments.followed(ctx, workers.caller(ctx), session_ids)
