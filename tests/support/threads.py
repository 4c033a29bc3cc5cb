"""Many invocations at once, repeatable by seed: each has a thread, but only the one with the baton runs.

An invocation gives the baton away wherever it would wait (`pause`: every store call, post and sleep). Time is simulated:
whoever is due next runs next, and the clock jumps there. A pause is also where an invocation can be made to crash or to
freeze. Threads are used again, because a campaign makes hundreds of thousands of invocations.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Crashed(BaseException):
    """The process of this invocation is dead. Not an Exception, so that no handler of the code under test survives it."""


@dataclass
class Task:
    """One invocation."""

    name: str
    work: Callable[[], Any]
    done: Callable[[Task], None]
    skew_ms: float = 0.0
    """How far this worker's clock is off."""
    crash_at: int | None = None
    """The number of the pause at which it dies."""
    freeze: tuple[int, float] | None = None
    """The number of the pause at which it stands still, and for how many milliseconds."""
    began: float = 0.0
    pauses: int = 0
    fragile: bool = True
    """False: it may neither crash nor freeze now."""
    outcome: str = ""
    """returned · raised · crashed"""
    result: Any = None
    error: BaseException | None = None
    lock: threading.Lock | None = None
    killed: bool = False
    """Its process is dead: it goes no further than where it stands."""


class _Worker:
    """A thread that runs one task after the other."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lock.acquire()
        self.run: Callable[[], None] = lambda: None
        threading.Thread(target=self._loop, daemon=True, name="invocation").start()

    def _loop(self) -> None:
        while True:
            self.lock.acquire()
            self.run()


_idle: list[_Worker] = []


class Schedule:
    """The baton, the clock and what is to come."""

    def __init__(self) -> None:
        self.now = 0.0
        """Milliseconds."""
        self.current: Task | None = None
        self.failure: BaseException | None = None
        """What an event raised: the run is over."""
        self._heap: list[tuple[float, int, Callable[[], object] | Task]] = []
        self._numbers = itertools.count()
        self._until = 0.0
        self._main = threading.Lock()
        self._main.acquire()
        self._dead = False

    def at(self, delay_ms: float, event: Callable[[], object]) -> None:
        """Call this later; it must not pause."""
        heapq.heappush(self._heap, (self.now + delay_ms, next(self._numbers), event))

    def spawn(self, task: Task, delay_ms: float = 0.0) -> None:
        """Start an invocation later."""
        heapq.heappush(self._heap, (self.now + delay_ms, next(self._numbers), task))

    def pause(self, ms: float) -> None:
        """Wait, as the invocation that has the baton."""
        task = self.current
        assert task is not None, "only an invocation can wait"
        if self._dead:
            raise Crashed
        task.pauses += 1
        if task.crash_at is not None and task.pauses >= task.crash_at and task.fragile:
            raise Crashed
        if task.freeze is not None and task.pauses >= task.freeze[0] and task.fragile:
            ms, task.freeze = ms + task.freeze[1], None
        heapq.heappush(self._heap, (self.now + ms, next(self._numbers), task))
        self._pass_on(task.lock)
        if self._dead or task.killed:
            raise Crashed

    def run(self, until_ms: float) -> None:
        """Let everything happen that is due until then. Raises what an event raised."""
        self._until = until_ms
        self._pass_on(self._main)
        if self.failure is not None:
            raise self.failure
        self.now = max(self.now, until_ms)

    def kill(self, which: Callable[[Task], bool]) -> None:
        """These invocations, begun or to come, are dead."""
        kept = [entry for entry in self._heap if not (isinstance(entry[2], Task) and entry[2].lock is None and which(entry[2]))]
        for entry in kept:
            if isinstance(entry[2], Task) and which(entry[2]):
                entry[2].killed = True
        self._heap = kept
        heapq.heapify(self._heap)

    def idle(self) -> bool:
        """Whether nothing is to come."""
        return not self._heap

    def close(self) -> None:
        """Kill every invocation that is still there, so that its thread can be used again."""
        self._dead, self._until = True, float("inf")
        self._heap = [entry for entry in self._heap if isinstance(entry[2], Task) and entry[2].lock is not None]
        heapq.heapify(self._heap)
        self._pass_on(self._main)

    # The baton ---------------------------------------------------------------------------------------------------------

    def _pass_on(self, mine: threading.Lock | None) -> None:
        """Give the baton to whoever is due; come back when it is our turn again."""
        to = self._next()
        if to is mine:
            return
        to.release()
        if mine is not None:
            mine.acquire()

    def _next(self) -> threading.Lock:
        while self._heap and self._heap[0][0] <= self._until and self.failure is None:
            due, _, what = heapq.heappop(self._heap)
            self.now = max(self.now, due)
            if isinstance(what, Task):
                self.current = what
                return what.lock or self._begin(what)
            self.current = None
            try:
                what()
            except BaseException as error:  # noqa: BLE001 - raised again by `run`, in the test's thread
                self.failure = error
        self.current = None
        return self._main

    def _begin(self, task: Task) -> threading.Lock:
        worker = _idle.pop() if _idle else _Worker()
        task.lock, task.began = worker.lock, self.now
        worker.run = lambda: self._work(task, worker)
        return worker.lock

    def _work(self, task: Task, worker: _Worker) -> None:
        try:
            task.result = task.work()
            task.outcome = "returned"
        except Crashed:
            task.outcome = "crashed"
        except Exception as error:  # noqa: BLE001 - as Lambda does: the invocation has failed, the process goes on
            task.outcome, task.error = "raised", error
        if not self._dead:
            try:
                task.done(task)
            except BaseException as error:  # noqa: BLE001 - raised again by `run`
                self.failure = self.failure or error
        _idle.append(worker)  # before the baton goes on: nobody else runs now
        self._pass_on(None)
