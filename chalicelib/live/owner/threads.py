"""The threads of a real process, and a timer."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

logger = logging.getLogger("concave")
MOST = 1000
"""Threads at once: an action, or a call that waits for the store, keeps one."""


class _Worker:
    """One thread of the pool. While it waits nobody else lets its turn go."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work: Callable[[], object] | None = work
        self.turn = threading.Lock()
        self.turn.acquire()


class PoolThreads:
    """A pool of threads that grows as it is needed, and one more that waits for what is due.

    Nobody asks what came of a piece of work, so there is no future for it: handing it over is two locks. Who has waited for the
    shortest time is woken: what it needs is in the processor's caches still, and few threads do the work of many.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most, self._threads = most, 0
        self._gate = threading.Lock()
        self._none = threading.Condition(self._gate)
        self._idle: list[_Worker] = []
        self._behind: deque[Callable[[], object]] = deque()
        """Work for which there is no thread yet."""
        self._left = 0
        """What runs, or waits for a thread."""
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopped = self._over = False
        threading.Thread(target=self._wait, name="owner-timer", daemon=True).start()

    def run(self, work: Callable[[], object]) -> None:
        """Do it soon, in another thread. What it raises is logged."""
        with self._gate:
            if self._stopped:
                return
            self._left += 1
            if self._idle:
                worker = self._idle.pop()
                worker.work = work
                worker.turn.release()
                return
            if self._threads == self._most:
                self._behind.append(work)
                return
            number = self._threads
            self._threads += 1
        threading.Thread(target=self._serve, args=(_Worker(work),), name=f"owner_{number}", daemon=True).start()

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
            self._over = True
            for worker in self._idle:
                worker.turn.release()

    def _serve(self, worker: _Worker) -> None:
        while worker.work is not None:
            _logged(worker.work)
            with self._gate:
                self._left -= 1
                if self._left == 0:
                    self._none.notify_all()
                if self._over:
                    return
                worker.work = self._behind.popleft() if self._behind else None
                if worker.work is not None:
                    continue
                self._idle.append(worker)
            worker.turn.acquire()

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
