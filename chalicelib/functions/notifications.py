"""Sending push messages: one job for each browser, tried up to six times in about an hour.

    ending's commit ── fan_out ──┬── deliver (one per browser) ── push service
                                 └── deliver ── later again

`domain/notifications.py` says when and in which words.
"""

from __future__ import annotations

from typing import Any

from chalicelib import ActionCtx, MutationCtx, QueryCtx, internal_action, internal_mutation, internal_query
from chalicelib.domain import notifications
from chalicelib.domain.notifications import Notice
from chalicelib.schema import PushSubscription, Task


@internal_mutation
def fan_out(ctx: MutationCtx, user_id: str, notice: Notice) -> None:
    """One job per browser."""
    for each in ctx.db.query(PushSubscription.by_owner(user_id)).take(notifications.MOST_BROWSERS):
        ctx.scheduler.run_after(0, deliver, subscription_id=each.id, user_id=user_id, notice=notice)


@internal_action(timeout_s=60)
def deliver(ctx: ActionCtx, subscription_id: str, user_id: str, notice: Notice, tried: int = 0) -> None:
    """Send a message to one browser, and put down what became of it."""
    told = ctx.run_query(prepared, subscription_id=subscription_id, user_id=user_id, notice=notice)
    if told is None:
        return
    outcome = ctx.parts.push.send(told["endpoint"], told["p256dh"], told["auth"], told["payload"])
    if outcome.kind != "delivered":
        ctx.log.warn("push:", told["host"], outcome.kind, getattr(outcome, "why", ""))
    elif not told["failures"]:
        return
    ctx.run_mutation(
        settle,
        subscription_id=subscription_id,
        user_id=user_id,
        notice=notice,
        tried=tried + 1,
        outcome=outcome.kind,
        after_s=getattr(outcome, "after_s", 0.0),
    )


@internal_query
def prepared(ctx: QueryCtx, subscription_id: str, user_id: str, notice: Notice) -> dict[str, Any] | None:
    """A message as it is sent, and where to. None: the browser is another user's by now, or what it is about was deleted."""
    known = ctx.db.get(PushSubscription, subscription_id)
    if known is None or known.owner != user_id:
        return None
    payload = notifications.payload_of(ctx, notice)
    if payload is None:
        return None
    counted = ctx.db.query(Task.by_owner_status(user_id, "in_progress")).take(notifications.BADGE_COUNTED)
    return {
        "endpoint": known.endpoint,
        "host": known.endpoint.split("/")[2],
        "p256dh": known.p256dh,
        "auth": known.auth,
        "failures": known.failures,
        "payload": {**payload, "badge": len(counted)},
    }


@internal_mutation
def settle(
    ctx: MutationCtx, subscription_id: str, user_id: str, notice: Notice, tried: int, outcome: str, after_s: float
) -> None:
    """What follows a try: a subscription that is gone is forgotten, and what may be taken later is sent again."""
    known = ctx.db.get(PushSubscription, subscription_id)
    if known is None or known.owner != user_id:
        return
    if outcome == "gone":
        ctx.db.delete(known)
        return
    ctx.db.patch(known, failures=0 if outcome == "delivered" else known.failures + 1)
    wait = notifications.waits(tried, after_s) if outcome == "retry" else None
    if wait is not None:
        ctx.scheduler.run_after(
            wait * 1000, deliver, subscription_id=subscription_id, user_id=user_id, notice=notice, tried=tried
        )
