"""Permissions on the wire: an agent asks, whoever's session it is decides."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused, internal_mutation, mutation, query
from chalicelib.domain import access
from chalicelib.domain.machines import assignments, permissions, workers
from chalicelib.domain.machines.permissions import Options, PermissionView, Text
from chalicelib.domain.replies import lifecycle
from chalicelib.schema import ChatSession, Permission, Run

Name = Annotated[str, Meta(min_length=1, max_length=200)]


@mutation
def ask(
    ctx: MutationCtx,
    message_id: Name,
    epoch: int,
    tool_call_id: Name,
    tool: Name,
    title: Text,
    options: Options,
    input: Any = None,
    grant: Name | None = None,
) -> PermissionView:
    """A worker's agent asks whether it may use a tool, for the reply that it writes. Asking again is the same request.

    Args:
        options: the ways to answer; an `allow_always` one counts for the rest of the session, for the same `grant`.
        input: what the tool is to be given, 16 KB as JSON at most.

    Raises:
        Refused: MessageNotFound, ReplyEnded, LeaseLost, InputTooLarge, TooManyRequests.
    """
    worker = workers.caller(ctx)
    run, session = assignments.own_run(ctx, worker, message_id)
    if run.state in lifecycle.TERMINAL or run.read_epoch is not None:
        raise Refused("ReplyEnded", "This reply has ended; nothing is asked for it any more.")
    if run.state != "running" or run.epoch != epoch:
        raise Refused("LeaseLost", "Another writer has taken this reply over.")
    about: dict[str, Any] = {"tool_call_id": tool_call_id, "tool": tool, "title": title, "options": options}
    return permissions.view(permissions.ask(ctx, run, session, **about, input=input, grant=grant))


@query
def pending(ctx: QueryCtx) -> list[PermissionView]:
    """What the agents of the worker that asks have asked for replies that are being written, decided or not."""
    worker = workers.caller(ctx)
    return permissions.of_runs(ctx, ctx.db.query(Run.by_worker(worker.id)).take(assignments.MOST))


@query
def list_(ctx: QueryCtx, session_id: str) -> list[PermissionView]:
    """What was asked in a session: the newest 50, oldest first. Strangers get []."""
    session = access.readable(ctx, session_id)
    return [] if session is None else permissions.of_session(ctx, session)


@query
def waiting(ctx: QueryCtx) -> list[PermissionView]:
    """What waits for the caller's decision, oldest first, 20 at most."""
    user = access.reader(ctx)
    return [] if user is None or workers.is_worker(user) else permissions.waiting(ctx, user.subject)


@mutation
def decide(ctx: MutationCtx, request_id: Name, option_id: Name) -> PermissionView:
    """Answer a request. Exactly one answer counts.

    Raises:
        Refused: PermissionNotFound, NoSuchOption, AlreadyDecided (`state` and `optionId` say what it came to).
    """
    user = access.signed_in(ctx, "decide")
    request = ctx.db.get(Permission, request_id)
    session = ctx.db.get(ChatSession, request.session) if request is not None else None
    if request is None or session is None or not (user.is_service or session.user_id == user.subject):
        raise Refused("PermissionNotFound", "Permission request not found")
    return permissions.view(permissions.decide(ctx, request, option_id, user.subject))


@internal_mutation
def expire(ctx: MutationCtx, request_id: str) -> None:
    """The job: nobody has decided in time."""
    request = ctx.db.get(Permission, request_id)
    if request is not None:
        permissions.expire(ctx, request)
