"""The threads of a real process, and a timer."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

logger = logging.getLogger("concave")
MOST = 1000
"""Threads at once: an action, or a call that waits for the store, keeps one."""


class PoolThreads:
    """A pool of threads that grows as it is needed, and one more that waits for what is due."""

    def __init__(self, most: int = MOST) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="owner")
        self._running: set[Future[None]] = set()
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        threading.Thread(target=self._wait, name="owner-timer", daemon=True).start()

    def run(self, work: Callable[[], object]) -> None:
        """Do it soon, in another thread. What it raises is logged."""
        if not self._stopped:
            future = self._pool.submit(_logged, work)
            self._running.add(future)
            future.add_done_callback(self._running.discard)

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
        wait(list(self._running), wait_s)
        self._pool.shutdown(wait=False, cancel_futures=True)

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


def _logged(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception:
        logger.exception("work for sockets failed")
