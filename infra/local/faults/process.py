"""Faults of whoever uses the store: a process that dies in the middle, and a stream whose records come late and twice."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from zlib import crc32

from chalicelib.data.store import Change, Store
from infra.local.faults.wrapper import StoreWrapper

T = TypeVar("T")


class Crashed(BaseException):
    """The process is dead. Not an Exception, so that no handler of the code under test can catch it by accident."""


class CrashingStore(StoreWrapper):
    """One process's way to the store; it dies at its n-th request, and every later one finds it dead.

    Args:
        inner: the store that all processes share.
        at: the number of the request (from 1) at which the process dies; None = it lives (and counts).
        after: whether that request is still carried out.
    """

    def __init__(self, inner: Store, at: int | None = None, *, after: bool = False) -> None:
        super().__init__(inner)
        self.at, self.after = at, after
        self.requests = 0
        self._lock = threading.Lock()

    def around(self, verb: str, work: Callable[[], T]) -> T:
        """Count the request; carry it out unless the process is dead."""
        with self._lock:
            self.requests += 1
            number = self.requests
        if self.at is None or number < self.at:
            return work()
        if number == self.at and self.after:
            work()
        raise Crashed(f"at request {self.at}")


class HasChanges(Protocol):
    """A store that keeps change records, as `SqliteStore` does."""

    def changes(self, after: str | None = None, limit: int = 100) -> list[Change]:
        """The records behind `after`."""


@dataclass
class _Shard:
    waiting: list[tuple[float, Change]] = field(default_factory=list)
    last_due: float = 0.0


class ShakenStream:
    """A store's changes as Lambda's poller hands them over: by shard, late, and again when it pleases.

    The order of one item's records holds and a repeated batch comes again at once, as AWS promises; with `disorder` every
    record has its own delay, which is worse than AWS.

    Args:
        source: the store.
        rng: draws delays and repetitions.
        now: seconds on the clock of the delays.
        late: from and to, in seconds.
        twice: the chance that a batch is handed over again.
        disorder: give up the order within a shard.
        shards: how many there are.
    """

    def __init__(
        self,
        source: HasChanges,
        rng: random.Random,
        now: Callable[[], float],
        *,
        late: tuple[float, float] = (0.0, 0.0),
        twice: float = 0.0,
        disorder: bool = False,
        shards: int = 3,
    ) -> None:
        self._source, self._rng, self._now = source, rng, now
        self._late, self._twice, self._disorder = late, twice, disorder
        self._shards = [_Shard() for _ in range(shards)]
        self._after: str | None = None

    def take(self, limit: int = 100) -> list[list[Change]]:
        """The batches that are due now, at most one per shard."""
        self._fetch()
        batches = []
        for shard in self._shards:
            due = [entry for entry in shard.waiting if entry[0] <= self._now()][:limit]
            if due:
                batches.append([change for _, change in due])
                if self._rng.random() >= self._twice:
                    shard.waiting = [entry for entry in shard.waiting if entry not in due]
        return batches

    def waiting(self) -> int:
        """How many records have yet to be handed over."""
        self._fetch()
        return sum(len(shard.waiting) for shard in self._shards)

    def _fetch(self) -> None:
        while changes := self._source.changes(self._after):
            for change in changes:
                self._place(change)
            self._after = changes[-1].sequence

    def _place(self, change: Change) -> None:
        item = change.new or change.old or {}
        name = f"{change.table} {item.get('pk')} {item.get('sk')}"
        shard = self._shards[crc32(name.encode()) % len(self._shards)]
        due = self._now() + self._rng.uniform(*self._late)
        if not self._disorder:
            due = shard.last_due = max(due, shard.last_due)
        shard.waiting.append((due, change))
        shard.waiting.sort(key=lambda entry: entry[0])
