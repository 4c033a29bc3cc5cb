"""Who may call at all, before any function is looked up: everybody within their rate, and nobody's callers where they may."""

from __future__ import annotations

from chalicelib.data.errors import Refused
from chalicelib.runtime.identity import User
from chalicelib.runtime.ports import Clock
from chalicelib.runtime.rates import Buckets


class Admission:
    """The rule of one process.

    Args:
        calls_per_second: for each caller; 0 = no limit.
        anonymous: whether callers without a token are served.
    """

    def __init__(self, calls_per_second: int, clock: Clock, *, anonymous: bool = True) -> None:
        self.calls, self.anonymous = Buckets(calls_per_second, clock.now_ms), anonymous

    def check(self, user: User | None, where: str) -> None:
        """Count a call.

        Args:
            where: tells callers without a token apart: an address, or a connection.

        Raises:
            Refused: `Unauthenticated`, or `RateLimited` with `retryAfter` in milliseconds.
        """
        self.allow(user)
        wait = self.calls.take(f"nobody|{where}" if user is None else user.token_identifier)
        if wait:
            most = self.calls.per_second
            raise Refused("RateLimited", f"Too many calls: {most} a second for each caller; wait {wait} ms.", retryAfter=wait)

    def allow(self, user: User | None) -> None:
        """Whether this caller is served at all. Raises `Refused`."""
        if user is None and not self.anonymous:
            raise Refused("Unauthenticated", "A token is needed: this deployment serves nobody without one.")
