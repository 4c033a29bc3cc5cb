"""Sends one push message: what it says is encrypted for the browser (RFC 8291), who sends it is signed (VAPID, RFC 8292).

A push service is a machine that a user's browser chose, so its address comes from a user: only the hosts of an operator's list
are reached, over https, by an address that is public (`reach.py`), and a redirect is not followed.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chalicelib import hosts, reach
from chalicelib.push.outcome import Gone, Outcome, Refused, Retry, of_answer

logger = logging.getLogger("concave")

LARGEST = 3000
"""Bytes of a message's JSON. A push service takes 4,096 of the encrypted message (RFC 8030 section 7.2), of which 103 are the
encryption's; browsers differ in the rest."""
TTL_S = 24 * 3600
"""So long a service keeps a message for a browser that is not there."""
SIGNED_S = 12 * 3600
"""So long the signature counts; a service takes at most 24 hours (RFC 8292 section 2)."""
TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Subscription:
    """What a browser gave: where to send, and the keys to encrypt with (base64url)."""

    endpoint: str
    p256dh: str
    auth: str


@dataclass(frozen=True)
class Keys:
    """Who sends: a P-256 key pair (base64url of 65 and 32 bytes) and a contact (`mailto:` or `https:`)."""

    public: str
    private: str = field(repr=False)
    subject: str


def allowed(endpoint: str, entries: Sequence[str]) -> str:
    """The origin of an endpoint that may be reached.

    Args:
        entries: names of hosts, `*.name`, or an origin such as http://127.0.0.1:9999 (on a laptop).

    Raises:
        hosts.BadAddress: it may not be reached.
    """
    origin = hosts.origin_of(endpoint) if isinstance(endpoint, str) else ""
    if origin and origin in entries:
        return origin
    host = hosts.public_host(endpoint)
    if not any(hosts.matches(host, entry) for entry in entries):
        raise hosts.BadAddress(f"{host} is no push service that the operator allows (PUSH_HOSTS)")
    return f"https://{host}"


def fitting(payload: Mapping[str, Any], most: int = LARGEST) -> bytes:
    """A message's JSON of at most so many bytes: its body is shortened first, then its title, by whole characters.

    Raises:
        ValueError: it is too large without both.
    """
    told = dict(payload)
    for name in ("body", "title"):
        over = len(_json(told)) - most
        if over <= 0:
            break
        text = str(told.get(name) or "")
        while text and over > 0:
            text = text[: -max(1, over // 8)] if len(text) > 1 else ""  # a character is at most 12 bytes of JSON
            told[name] = text.rstrip() + "…" if text else ""
            over = len(_json(told)) - most
    made = _json(told)
    if len(made) > most:
        raise ValueError(f"a push message has {most} bytes at most")
    return made


def _json(payload: Mapping[str, Any]) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def send(
    subscription: Subscription,
    payload: Mapping[str, Any],
    keys: Keys,
    entries: Sequence[str],
    *,
    resolver: reach.Resolve = reach.resolve,
    seconds: float = TIMEOUT_S,
) -> Outcome:
    """Send one message. Never raises for what a user's subscription, the network or the service does: the outcome says it.

    Args:
        payload: `title`, `body` and more, as the page's worker reads it; `tag` also replaces an earlier message of that tag
            which a service still keeps (RFC 8030 section 5.4); with `silent` it may wait for a battery.
        entries: hosts that may be reached (PUSH_HOSTS).
        resolver: from a name to its addresses.
        seconds: for the whole request.
    """
    try:
        origin = allowed(subscription.endpoint, entries)
        body, signed = _sealed(subscription, fitting(payload), keys, origin)
    except hosts.BadAddress as rule:
        return Refused(f"the endpoint {rule}")
    except ValueError as error:  # a key that is none, a message that is too large
        return Refused(f"it cannot be encrypted: {error}")
    headers = {**signed, "content-encoding": "aes128gcm", "content-type": "application/octet-stream", "ttl": str(TTL_S)}
    headers["urgency"] = "low" if payload.get("silent") else "high"
    if payload.get("tag"):
        headers["topic"] = hashlib.sha256(str(payload["tag"]).encode()).hexdigest()[:32]
    try:
        answer = reach.post(subscription.endpoint, headers, body, seconds=seconds, private=origin in entries, resolver=resolver)
    except reach.Unreachable as why:
        return Refused(str(why))
    except (OSError, http.client.HTTPException) as error:
        return Retry(type(error).__name__)
    outcome = of_answer(answer.status, answer.retry_after, datetime.now(UTC))
    if isinstance(outcome, Refused | Gone):
        logger.info("a push service answered %s", answer.status, extra={"host": origin})
    return outcome


def _sealed(subscription: Subscription, message: bytes, keys: Keys, origin: str) -> tuple[bytes, dict[str, str]]:
    """The encrypted message, and the header that says who sends it. Raises `ValueError`."""
    from http_ece import ECEException
    from py_vapid import Vapid02, VapidException
    from pywebpush import WebPusher, WebPushException

    told = {"endpoint": subscription.endpoint, "keys": {"p256dh": subscription.p256dh, "auth": subscription.auth}}
    # Made anew for every message: an audience that is left from another service's would be refused by this one.
    claims = {"aud": origin, "exp": int(time.time()) + SIGNED_S, "sub": keys.subject}
    try:
        body = WebPusher(told).encode(message)["body"]
        signed = Vapid02.from_raw(keys.private.encode()).sign(claims)
        if not signed["Authorization"].endswith(f",k={keys.public}"):
            raise ValueError("PUSH_PUBLIC_KEY does not belong to PUSH_PRIVATE_KEY")
    except (WebPushException, ECEException, VapidException, TypeError, LookupError) as error:
        raise ValueError(str(error)) from error
    return bytes(body), {str(name).lower(): str(value) for name, value in signed.items()}
