"""Creation times that grow."""

from __future__ import annotations

import threading


class Moments:
    """Creation times that grow with the runs of a process, though several fall into one millisecond: who lists documents
    by their age sees those of one writer in the order in which they were made."""

    STEP = 1 / 8
    """Milliseconds; what one run inserts lies within it."""

    def __init__(self) -> None:
        self._last = 0.0
        self._lock = threading.Lock()

    def next(self, now_ms: int) -> float:
        """The time of the clock, or a little later than the last."""
        with self._lock:
            self._last = max(float(now_ms), self._last + self.STEP)
            return self._last
