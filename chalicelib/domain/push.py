"""A browser's subscription as it is kept: an endpoint at its maker's push service, and keys to encrypt for it.

Who knows an endpoint may send to it, so no answer holds one. `notifications.py` says when a message is sent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, Refused, hosts
from chalicelib.schema import PushSubscription

MOST = 20
"""Browsers of one user; as many jobs as one commit may schedule."""
Endpoint = Annotated[str, Meta(min_length=1, max_length=hosts.LONGEST_URL)]
Key = Annotated[str, Meta(min_length=1, max_length=100)]
Label = Annotated[str, Meta(max_length=200)]


class SubscriptionKeys(msgspec.Struct, rename="camel", kw_only=True):
    """The browser's keys, base64url: a P-256 point of 65 bytes, and 16 bytes (RFC 8291 section 2)."""

    p256dh: Key
    auth: Key


class Subscribed(msgspec.Struct, rename="camel", kw_only=True):
    """A browser's PushSubscription, as its `toJSON()` has it."""

    endpoint: Endpoint
    keys: SubscriptionKeys
    expiration_time: float | None = None


class PushView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A subscription as its owner sees it: the host of its push service, never the address or the keys.

    `id` is `push-` and the first 40 hex digits of the endpoint's SHA-256, so that a browser can find itself.
    """

    id: str = msgspec.field(name="_id")
    host: str
    label: str | None = None
    created_at: float


def id_of(endpoint: str) -> str:
    """The id of an endpoint's row."""
    return f"push-{hashlib.sha256(endpoint.encode()).hexdigest()[:40]}"


def check(ctx: MutationCtx, given: Subscribed) -> None:
    """Whether messages may be sent there, and can be encrypted. Asked again with every message."""
    entries = ctx.limits.get("push_hosts", ())
    if hosts.origin_of(given.endpoint) not in entries:
        try:
            host = hosts.public_host(given.endpoint)
        except hosts.BadAddress as rule:
            raise Refused("PushEndpointNotAllowed", f"subscription.endpoint: {rule}.", field="subscription.endpoint") from None
        if not any(hosts.matches(host, entry) for entry in entries):
            rule_ = f"{host} is no push service that the operator allows (PUSH_HOSTS)."
            raise Refused("PushEndpointNotAllowed", f"subscription.endpoint: {rule_}", field="subscription.endpoint")
    for name, text, size in (("p256dh", given.keys.p256dh, 65), ("auth", given.keys.auth, 16)):
        try:
            found = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            found = b""
        if len(found) != size or (size == 65 and found[0] != 4):
            field = f"subscription.keys.{name}"
            raise Refused("InvalidSubscription", f"{field}: must be base64url of {size} bytes.", field=field)


def view(of: PushSubscription) -> PushView:
    """A subscription's document → what its owner sees."""
    return PushView(id=of.id, host=urlsplit(of.endpoint).hostname or "", label=of.label, created_at=of.subscribed_at)
