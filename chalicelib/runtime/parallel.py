"""Work that waits for the network, done at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


class Parallel:
    """Runs independent calls in threads of their own, at most so many at once.

    The threads end with the call: a Lambda function is frozen when it returns, and work that starts such work itself cannot
    wait for its own threads. Each call keeps the caller's context (`data/trace.py`).

    Args:
        most: threads at once.
    """

    def __init__(self, most: int) -> None:
        self.most = most

    def __call__(self, work: Sequence[Callable[[], T]]) -> list[T]:
        """The results, in the order of the work. When one raised, that is raised after all have ended."""
        if len(work) < 2 or self.most < 2:
            return [one() for one in work]
        with ThreadPoolExecutor(min(self.most, len(work)), thread_name_prefix="parallel") as pool:
            futures = [pool.submit(copy_context().run, one) for one in work]
            wait(futures)
        return [future.result() for future in futures]


IN_TURN = Parallel(1)
"""One after another: no threads."""
