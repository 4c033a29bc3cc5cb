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
        anonymous: whether callers without a token are served by every function, and not only by those that are open to nobody.
    """

    def __init__(self, calls_per_second: int, clock: Clock, *, anonymous: bool = True) -> None:
        self.calls, self.anonymous = Buckets(calls_per_second, clock.now_ms), anonymous

    def check(self, user: User | None, where: str, open_to_nobody: bool = False) -> None:
        """Count a call.

        Args:
            where: tells callers without a token apart: an address, or a connection.
            open_to_nobody: whether the function that is called says so of itself (`anonymous=True`).

        Raises:
            Refused: `Unauthenticated`, or `RateLimited` with `retryAfter` in milliseconds.
        """
        self.allow(user, open_to_nobody)
        wait = self.calls.take(f"nobody|{where}" if user is None else user.token_identifier)
        if wait:
            most = self.calls.per_second
            raise Refused("RateLimited", f"Too many calls: {most} a second for each caller; wait {wait} ms.", retryAfter=wait)

    def allow(self, user: User | None, open_to_nobody: bool = False) -> None:
        """Whether this caller is served at all. Raises `Refused`."""
        if user is None and not (self.anonymous or open_to_nobody):
            raise Refused("Unauthenticated", "A token is needed: this function serves nobody without one.")
