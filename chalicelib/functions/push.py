"""Which browsers a user is told in: subscribe, list, unsubscribe, and a message to try it."""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx, QueryCtx, Refused, mutation, query
from chalicelib.domain import access, notifications, push
from chalicelib.domain.push import MOST, Endpoint, Label, PushView, Subscribed
from chalicelib.schema import PushSubscription


@query(anonymous=True)
def public_key(ctx: QueryCtx) -> str | None:
    """What a browser subscribes with (`applicationServerKey`, base64url); null where no messages are sent."""
    found: str | None = ctx.limits.get("push_key")
    return found


@mutation
def subscribe(ctx: MutationCtx, subscription: Subscribed, label: Label | None = None) -> PushView:
    """Have the caller's messages sent to a browser. Twice is once; a browser that another user subscribed becomes the caller's.

    Raises:
        Refused: NotConfigured, PushEndpointNotAllowed, InvalidSubscription, TooManySubscriptions.
    """
    user = access.signed_in(ctx, "be notified")
    if not ctx.limits.get("push_key"):
        raise Refused("NotConfigured", "No push messages are sent here: the operator has set no keys (PUSH_PUBLIC_KEY).")
    push.check(ctx, subscription)
    name = push.id_of(subscription.endpoint)
    about: dict[str, Any] = {
        "owner": user.subject,
        "p256dh": subscription.keys.p256dh,
        "auth": subscription.keys.auth,
        "label": label,
        "subscribed_at": ctx.now,
        "failures": 0,
    }
    known = ctx.db.get(PushSubscription, name)
    if (known is None or known.owner != user.subject) and ctx.db.count(PushSubscription.by_owner(user.subject)) >= MOST:
        raise Refused("TooManySubscriptions", f"You are notified in {MOST} browsers; take one away first.")
    if known is not None:
        return push.view(ctx.db.patch(known, **about))
    made = PushSubscription(id=name, endpoint=subscription.endpoint, **about)
    ctx.db.insert(made)
    return push.view(made)


@mutation
def unsubscribe(ctx: MutationCtx, endpoint: Endpoint) -> bool:
    """Send nothing to a browser any more. Returns whether it was one of the caller's."""
    user = access.signed_in(ctx, "change notifications")
    known = ctx.db.get(PushSubscription, push.id_of(endpoint))
    if known is None or known.owner != user.subject:
        return False
    ctx.db.delete(known)
    return True


@query
def list_(ctx: QueryCtx) -> list[PushView]:
    """The browsers in which the caller is notified, the newest first."""
    user = access.reader(ctx)
    if user is None:
        return []
    return [push.view(each) for each in ctx.db.query(PushSubscription.by_owner(user.subject)).newest().take(MOST)]


@mutation
def test(ctx: MutationCtx) -> int:
    """Send a message to each of the caller's browsers. Returns to how many."""
    user = access.signed_in(ctx, "be notified")
    return notifications.notify(ctx, user.subject, notifications.TEST)
