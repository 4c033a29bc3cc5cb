"""A circuit breaker before the model: who has failed five times in a row is left alone for half a minute.

It opens after failures of the provider or the way to it, not after requests that are wrong. While it is open, replies fail at
once, with the reason `circuit_open`, and cost nobody a wait. After the pause it is half open: one reply is let through, and how
it ends decides. It is a process's own: another Lambda environment makes its own experience.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

ILL: frozenset[str] = frozenset({"overloaded", "rate_limited", "model_error", "timeout", "connection", "truncated"})
"""Reasons that speak of the provider or the way to it. After any other end it was well enough to answer."""
FAILURES = 5
PAUSE_S = 30.0
CIRCUIT_OPEN = "circuit_open"


class Breaker:
    """One circuit. Safe for threads.

    Args:
        failures: so many in a row open it; 0: nothing does.
        pause_s: so long it stays open; seconds.
        now: seconds, growing.
    """

    def __init__(self, failures: int = FAILURES, pause_s: float = PAUSE_S, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._pause, self._now = failures, pause_s, now
        self._lock = threading.Lock()
        self._failed = 0
        self._until = 0.0
        self._admitted = 0
        self._trial = 0

    @property
    def state(self) -> str:
        """closed · open · half-open"""
        with self._lock:
            if self._failed < self._most or not self._most:
                return "closed"
            return "open" if self._now() < self._until else "half-open"

    def admits(self) -> int:
        """A ticket for a reply that may be asked for now, or 0; whoever has one says once that it has `ended`."""
        with self._lock:
            closed = self._failed < self._most or not self._most
            if not closed and (self._trial or self._now() < self._until):
                return 0
            self._admitted += 1
            self._trial = 0 if closed else self._admitted
            return self._admitted

    def ended(self, ticket: int, reason: str | None, *, known: bool = True) -> None:
        """A reply that was admitted has ended with this reason; `known=False`: it was given up, which says nothing.

        One that was admitted before the circuit opened does not end the trial.
        """
        with self._lock:
            self._trial = 0 if ticket == self._trial else self._trial
            if not known:
                return
            if reason not in ILL:
                self._failed = 0
                return
            self._failed += 1
            if self._failed >= self._most:
                self._until = self._now() + self._pause


class Breakers:
    """A circuit for each model: one may be overloaded while another is well. The newest hundred are remembered."""

    MOST = 100

    def __init__(self, failures: int = FAILURES) -> None:
        self._failures = failures
        self._lock = threading.Lock()
        self._known: dict[str, Breaker] = {}

    def states(self) -> list[dict[str, str]]:
        """Model and state of each circuit."""
        with self._lock:
            known = list(self._known.items())
        return [{"model": model, "state": breaker.state} for model, breaker in known]

    def of(self, model: str) -> Breaker:
        """The circuit of a model."""
        with self._lock:
            found = self._known.get(model)
            if found is None:
                if len(self._known) >= self.MOST:
                    del self._known[next(iter(self._known))]
                found = self._known[model] = Breaker(self._failures)
            return found
