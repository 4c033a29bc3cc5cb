"""Push messages as built-in actions send them: with this deployment's keys, to the hosts that its operator allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.push.outcome import Outcome, Refused
from chalicelib.push.sender import Keys, Subscription, send
from chalicelib.settings import Settings


class PushService:
    """Sends with PUSH_PUBLIC_KEY, PUSH_PRIVATE_KEY, PUSH_SUBJECT and PUSH_HOSTS."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, endpoint: str, p256dh: str, auth: str, payload: Mapping[str, Any]) -> Outcome:
        """Send one message; `sender.send` says what comes of it."""
        public, private, subject = self._settings.push_key, self._settings.push_private_key, self._settings.push_subject
        if public is None or private is None or subject is None:
            return Refused("a setting is missing (PUSH_PUBLIC_KEY, PUSH_PRIVATE_KEY, PUSH_SUBJECT)")
        keys = Keys(public, private, subject)
        return send(Subscription(endpoint, p256dh, auth), payload, keys, self._settings.push_hosts)
