"""Permission to use a tool: an agent or the model asks, the person whose session it is decides, and exactly one decision counts.

A request is closed by a decision, by its time, or by the end of its reply (stop, end, revocation, a worker that went away). The
reply waits meanwhile: its lease is renewed by the worker, or it is parked (`replies/tool_use.py`), so that a decision may also
come after the server or the page was started again.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain import answer_size, notifications
from chalicelib.domain.depth import DEEPEST, too_deep
from chalicelib.domain.notifications import Notice
from chalicelib.domain.replies import activity
from chalicelib.schema import ChatSession, Permission, Run
from chalicelib.schema.machines import OptionKind, PermissionState

LARGEST_INPUT = 16 * 1024
LISTED = 50
WAITING = 20
MOST_OPEN = 20
"""Requests of one reply that may wait at once."""
ASKED = "Needs your decision"
Text = Annotated[str, Meta(min_length=1, max_length=500)]


class Option(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """One way to answer."""

    option_id: Annotated[str, Meta(min_length=1, max_length=100)]
    kind: OptionKind
    name: Annotated[str, Meta(min_length=1, max_length=200)]


Options = Annotated[list[Option], Meta(min_length=1, max_length=10)]


ANSWERS = [
    Option(option_id="once", kind="allow_once", name="Allow once"),
    Option(option_id="always", kind="allow_always", name="Allow for this session"),
    Option(option_id="deny", kind="reject_once", name="Deny"),
]
"""What whose session it is may answer where the model asks."""


class PermissionView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A request as its session's owner and its worker see it. Times are milliseconds since the epoch."""

    request_id: str
    session_id: str
    message_id: str
    tool_call_id: str
    tool: str
    title: str
    options: list[Option]
    state: PermissionState
    asked_at: float
    expires_at: float
    input: Any = None
    option_id: str | None = None
    decided_by: str | None = None
    decided_at: float | None = None


def view(request: Permission) -> PermissionView:
    """A request's document → what is told of it."""
    return PermissionView(
        request_id=request.id,
        session_id=request.session,
        message_id=request.message,
        tool_call_id=request.tool_call_id,
        tool=request.tool,
        title=request.title,
        input=request.input,
        options=[_option(each) for each in request.options],
        state=request.state,
        asked_at=request.asked_at,
        expires_at=request.expires_at,
        option_id=request.option,
        decided_by=request.decided_by,
        decided_at=request.decided_at,
    )


def _option(stored: dict[str, Any]) -> Option:
    return Option(option_id=stored["optionId"], kind=stored["kind"], name=stored["name"])


def check_input(value: Any) -> None:
    """What a tool is to be given fits a card. Raises `Refused`: InputTooLarge."""
    if too_deep(value) or answer_size.weight(value) > LARGEST_INPUT:
        raise Refused(
            "InputTooLarge",
            f"input: at most {LARGEST_INPUT} bytes as JSON, nested {DEEPEST} levels at most; cut it.",
            field="input",
        )


def ask(
    ctx: MutationCtx,
    run: Run,
    session: ChatSession,
    *,
    tool_call_id: str,
    tool: str,
    title: str,
    options: list[Option],
    input: Any = None,
    grant: str | None = None,
) -> Permission:
    """Ask for permission; asking again is the same request. What was allowed for the rest of the session is allowed at once.

    Raises:
        Refused: InputTooLarge, TooManyRequests.
    """
    name = f"perm-{hashlib.sha256(f'{run.id}|{run.epoch}|{tool_call_id}'.encode()).hexdigest()[:32]}"
    known = ctx.db.get(Permission, name)
    if known is not None:
        return known
    check_input(input)
    if len(activity.asks(ctx, run)) >= MOST_OPEN:
        raise Refused("TooManyRequests", f"{MOST_OPEN} requests of this reply wait for a decision; wait for one.")
    ctx.db.patch(run, asking=True)
    granted = _granted(ctx, session, grant)
    always = next((each for each in options if each.kind == "allow_always"), None)
    asked = Permission(
        id=name,
        session=session.id,
        message=run.message_id,
        run=run.id,
        tool_call_id=tool_call_id,
        tool=tool,
        title=title,
        input=input,
        options=[{"optionId": each.option_id, "kind": each.kind, "name": each.name} for each in options],
        grant=grant,
        asked_at=ctx.now,
        expires_at=ctx.now + ctx.limits["permission_ms"],
        waiting_for=session.user_id,
    )
    if granted is not None and always is not None:
        asked.state, asked.option, asked.waiting_for = "allowed", always.option_id, None
        asked.decided_by, asked.decided_at = granted.decided_by, ctx.now
        ctx.db.insert(asked)
        return asked
    ctx.db.insert(asked)
    ctx.scheduler.run_after(ctx.limits["permission_ms"], "permissions:expire", request_id=asked.id)
    if session.user_id is not None:
        body = notifications.beginning(f"{title} ({tool})")
        notifications.notify(ctx, session.user_id, Notice(title=ASKED, run_id=run.id, body=body))
    return asked


def _granted(ctx: MutationCtx, session: ChatSession, grant: str | None) -> Permission | None:
    """The decision that allows this for the rest of the session, if there is one."""
    if grant is None:
        return None
    found: list[Permission] = ctx.db.query(Permission.by_grant(session.id, grant)).take(LISTED)
    for each in found:
        if each.state == "allowed" and kind_of(each, each.option) == "allow_always":
            return each
    return None


def kind_of(request: Permission, option_id: str | None) -> str | None:
    """What kind of answer an option is."""
    return next((each["kind"] for each in request.options if each["optionId"] == option_id), None)


def decide(ctx: MutationCtx, request: Permission, option_id: str, by: str) -> Permission:
    """The decision of the session's owner. The first one counts; the same one again is the same.

    Raises:
        Refused: AlreadyDecided, with what it came to; NoSuchOption.
    """
    kind = kind_of(request, option_id)
    if kind is None:
        raise Refused("NoSuchOption", "optionId: it is none of this request's options.", field="optionId")
    if request.state != "open":
        if request.option == option_id and request.decided_by == by:
            return request
        raise Refused("AlreadyDecided", f"This request is {request.state} already.", state=request.state, optionId=request.option)
    state: Literal["allowed", "denied"] = "allowed" if kind.startswith("allow") else "denied"
    request = ctx.db.patch(request, state=state, option=option_id, decided_by=by, decided_at=ctx.now, waiting_for=None)
    activity.wake(ctx, request.run)
    return request


def expire(ctx: MutationCtx, request: Permission) -> None:
    """Nobody has decided in time: it is denied."""
    if request.state == "open" and request.expires_at <= ctx.now:
        ctx.db.patch(request, state="expired", decided_at=ctx.now, waiting_for=None)
        activity.wake(ctx, request.run)


def revive(ctx: MutationCtx, run: Run) -> None:
    """A parked reply that was not gone on with in time, or whose server was started again: see to it that somebody does."""
    for each in activity.asks(ctx, run):
        expire(ctx, each)
    still = activity.asks(ctx, run)
    if still:
        ctx.db.patch(run, lease_until=max(each.expires_at for each in still) + ctx.limits["run_lease_ms"])
    else:
        activity.wake(ctx, run.id)


def cancel(ctx: MutationCtx, run: Run) -> None:
    """A reply has ended: nothing of it is waited for any more."""
    for each in ctx.db.query(Permission.by_run(run.id)).take(LISTED):
        if each.state == "open":
            ctx.db.patch(each, state="cancelled", decided_at=ctx.now, waiting_for=None)


def of_session(ctx: QueryCtx, session: ChatSession) -> list[PermissionView]:
    """The newest requests of a session, oldest first."""
    found = ctx.db.query(Permission.by_session(session.id)).newest().take(LISTED)
    return answer_size.beginning(map(view, found), answer_size.LIST_BYTES)[::-1]


def waiting(ctx: QueryCtx, user_id: str) -> list[PermissionView]:
    """What waits for somebody's decision, oldest first."""
    found = ctx.db.query(Permission.by_waiting(user_id)).take(WAITING)
    return answer_size.beginning(map(view, found), answer_size.LIST_BYTES)


def of_runs(ctx: QueryCtx, runs: list[Run]) -> list[PermissionView]:
    """What the agents of these replies have asked, decided or not."""
    found = [each for run in runs if run.asking for each in ctx.db.query(Permission.by_run(run.id)).take(LISTED)]
    return answer_size.beginning(map(view, found), answer_size.LIST_BYTES)
