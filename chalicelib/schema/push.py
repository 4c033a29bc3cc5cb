"""Browsers that are told when a reply is ready."""

from __future__ import annotations

from chalicelib import Index, Table


class PushSubscription(Table, name="pushSubscriptions"):
    """One browser of one user. Its id is a hash of the endpoint, so that a browser has one row whoever uses it (`push.id_of`)."""

    owner: str
    endpoint: str
    """Who knows it may send to it, so it is told to nobody."""
    p256dh: str
    auth: str
    label: str | None = None
    subscribed_at: float
    failures: int = 0
    """Messages since the last delivered one that the service did not take."""

    by_owner = Index("owner", order="subscribed_at")
    """Somebody's browsers."""
