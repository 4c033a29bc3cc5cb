"""The threads of a real process, and a timer."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

logger = logging.getLogger("concave")
MOST = 1000
"""Threads at once: an action, or a call that waits for the store, keeps one."""


class PoolThreads:
    """A pool of threads that grows as it is needed, and one more that waits for what is due.

    Nobody asks what came of a piece of work, so there is no future for it: handing it over is one lock and one queue.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most, self._threads = most, 0
        self._queue: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._gate = threading.Lock()
        self._none = threading.Condition(self._gate)
        self._idle = 0
        """Threads that wait, less those for whom there is work in the queue."""
        self._behind = 0
        """Work in the queue for which there is no thread yet."""
        self._left = 0
        """What runs, or is in the queue."""
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopped = self._over = False
        threading.Thread(target=self._wait, name="owner-timer", daemon=True).start()

    def run(self, work: Callable[[], object]) -> None:
        """Do it soon, in another thread. What it raises is logged."""
        begins = False
        with self._gate:
            if self._stopped:
                return
            self._left += 1
            if self._idle:
                self._idle -= 1
            elif self._threads < self._most:
                begins, number = True, self._threads
                self._threads += 1
            else:
                self._behind += 1
        self._queue.put(work)
        if begins:
            threading.Thread(target=self._serve, name=f"owner_{number}", daemon=True).start()

    def later(self, delay_ms: int, work: Callable[[], object]) -> None:
        """Do it after so many milliseconds, in another thread."""
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + delay_ms / 1000, next(self._numbers), work))
            self._changed.notify()

    def stop(self, wait_s: float = 1.0) -> None:
        """Begin nothing any more. What was begun gets a moment to end; the rest dies with the process."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        with self._gate:
            self._none.wait_for(lambda: self._left == 0, wait_s)
            self._over, waiting = True, self._idle
        for _ in range(waiting):
            self._queue.put(_nothing)

    def _serve(self) -> None:
        while True:
            _logged(self._queue.get())
            with self._gate:
                self._left -= 1
                if self._left == 0:
                    self._none.notify_all()
                if self._over:
                    return
                if self._behind:
                    self._behind -= 1
                else:
                    self._idle += 1

    def _wait(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is None or wait > 0:
                    self._changed.wait(wait)
                    continue
                work = heapq.heappop(self._due)[2]
            self.run(work)


def _nothing() -> None:
    """What wakes a thread that is to end."""


def _logged(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception:
        logger.exception("work for sockets failed")
