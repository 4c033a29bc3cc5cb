"""Many threads, one at a time, in virtual time: a schedule that a seed repeats exactly.

A thread runs until it sleeps; the one that wakes first (in virtual seconds) runs next. With a store that sleeps at every
request this interleaves invocations as a cloud would, in microseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any


class Weave:
    """A scheduler. Also a clock: `now_ms`, `now_ns`, `sleep`."""

    def __init__(self) -> None:
        self.time = 1_000_000.0
        self._turn: dict[int, threading.Semaphore] = {}
        self._wakes: dict[int, float] = {}
        self._me = threading.local()
        self._idle = threading.Semaphore(0)

    def now(self) -> float:
        """Virtual seconds."""
        return self.time

    def now_ms(self) -> int:
        return int(self.time * 1000)

    def now_ns(self) -> int:
        return int(self.time * 1e9)

    def sleep(self, seconds: float) -> None:
        """Let others run for these virtual seconds; outside `run` only the clock moves."""
        me = getattr(self._me, "id", None)
        if me is None:
            self.time += seconds
            return
        self._wakes[me] = self.time + max(seconds, 1e-6)
        self._idle.release()
        self._turn[me].acquire()

    def run(self, workers: Sequence[Callable[[], Any]]) -> list[Any]:
        """Run these to their ends; their results, or the exceptions that ended them."""
        results: list[Any] = [None] * len(workers)

        def body(me: int) -> None:
            self._me.id = me
            self._turn[me].acquire()
            try:
                results[me] = workers[me]()
            except Exception as error:  # noqa: BLE001 - the test judges it
                results[me] = error
            del self._wakes[me]
            self._idle.release()

        threads = [threading.Thread(target=body, args=(me,), daemon=True) for me in range(len(workers))]
        self._turn = {me: threading.Semaphore(0) for me in range(len(workers))}
        self._wakes = {me: self.time + me * 1e-6 for me in range(len(workers))}
        for thread in threads:
            thread.start()
        while self._wakes:
            chosen = min(self._wakes, key=lambda me: (self._wakes[me], me))
            self.time = max(self.time, self._wakes[chosen])
            self._turn[chosen].release()
            self._idle.acquire()
        for thread in threads:
            thread.join(5)
        return results
