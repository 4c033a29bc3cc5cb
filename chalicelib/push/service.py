"""Push messages as built-in actions send them: with this deployment's keys, to the hosts that its operator allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.push.outcome import Outcome, Refused
from chalicelib.push.sender import Keys, Subscription, send
from chalicelib.settings import Settings


class PushService:
    """Sends with PUSH_PUBLIC_KEY, PUSH_PRIVATE_KEY, PUSH_SUBJECT and PUSH_HOSTS.

    Args:
        settings: the setup of this process.
        kept: reads the private key (base64url) from where it is kept, at each message; used where PUSH_PRIVATE_KEY is not set.
    """

    def __init__(self, settings: Settings, kept: Callable[[], str | None] | None = None) -> None:
        self._settings, self._kept = settings, kept

    def send(self, endpoint: str, p256dh: str, auth: str, payload: Mapping[str, Any]) -> Outcome:
        """Send one message; `sender.send` says what comes of it."""
        public, subject = self._settings.push_key, self._settings.push_subject
        private = self._settings.push_private_key or (self._kept and self._kept())
        if public is None or not private or subject is None:
            return Refused("a setting is missing (PUSH_PUBLIC_KEY, PUSH_PRIVATE_KEY, PUSH_SUBJECT)")
        keys = Keys(public, private, subject)
        return send(Subscription(endpoint, p256dh, auth), payload, keys, self._settings.push_hosts)
