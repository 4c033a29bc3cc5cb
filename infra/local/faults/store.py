"""A store that misbehaves as DynamoDB may: the laptop's answer to everything that a laptop never shows.

`FaultyStore` wraps any store and is what every process of a test shares (it knows what is not visible yet):

* **index lag**: what a write changed in an index is seen later, entries added and entries removed alike, each item in order;
* **half-visible transactions**: while a transaction is being applied, plain reads see some of its items old and some new;
  `transact_get` and writes on them get `Contention` until it has settled. The writer's call returns when it has settled,
  as AWS promises, unless its answer is lost or `linger` asks for more than AWS would do;
* **contention** without a reason, as TransactionConflict and throttling come;
* **lost answers**: `StoreFailed` before or after the work was done, and the SDK's silent second try of a single write;
* **delays** before the work and before the answer.

`CrashingStore` around it is one process that dies at its n-th request. Time and chance come from outside (`now`, `sleep`,
`rng`), so a single-threaded test repeats itself by the number that `rng` began with; its `sleep` is where it lets the others run.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from chalicelib.aws.rules import action_key, action_table
from chalicelib.data.errors import ConcaveError, Contention, StoreFailed
from chalicelib.data.store import Action, Check, Item, Key, Rows, Store, TableSpec, Write
from infra.local.faults.views import IndexHistory, Unsettled, page
from infra.local.faults.wrapper import Range, StoreWrapper

T = TypeVar("T")
Span = tuple[float, float]
"""From and to, in seconds; a value is drawn evenly between them."""


@dataclass(frozen=True)
class Faults:
    """What goes wrong, and how often (chances from 0 to 1, spans in seconds). The default is a store without faults."""

    index_lag: Span = (0.0, 0.0)
    half_visible: float = 0.0
    half_visible_for: Span = (0.01, 0.6)
    linger: bool = False
    contention: float = 0.0
    lost_before: float = 0.0
    lost_after: float = 0.0
    tried_twice: float = 0.0
    delay: Span = (0.0, 0.0)


class FaultyStore(StoreWrapper):
    """The store port with `Faults`; change `faults` at any time (`Faults()` heals it).

    Args:
        inner: the store that keeps the truth. All writes must go through this object.
        specs: the tables of `inner`.
        rng: decides what goes wrong.
        faults: how much goes wrong.
        now: seconds on any clock that grows.
        sleep: waits these seconds; other work may run meanwhile.
    """

    def __init__(
        self,
        inner: Store,
        specs: Sequence[TableSpec],
        rng: random.Random,
        faults: Faults | None = None,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(inner)
        self.faults = faults or Faults()
        self._specs = {spec.name: spec for spec in specs}
        self._rng, self._now, self._sleep = rng, now, sleep
        self._lock = threading.RLock()
        self._indexes = IndexHistory()
        self._unsettled = Unsettled()

    def around(self, verb: str, work: Callable[[], T]) -> T:
        """A request that is refused by nothing but chance: `query` and `scan`."""
        return self._request(work)

    # Reads ------------------------------------------------------------------------------------------------------------

    def get(self, key: Key) -> Item | None:
        """One item; the old one while a transaction is half applied."""
        return self._request(lambda: self._plain([key])[0])

    def batch_get(self, keys: Sequence[Key]) -> list[Item | None]:
        """Many items, each as `get` sees it."""
        return self._request(lambda: self._plain(keys))

    def transact_get(self, keys: Sequence[Key]) -> list[Item | None]:
        """Items at one instant, or `Contention` while a transaction on one of them settles."""

        def read() -> list[Item | None]:
            self._refuse_unsettled(keys)
            return self.inner.transact_get(keys)

        return self._request(read, contends=keys[0].table if keys else "")

    def ranged(self, asked: Range) -> Rows:
        """A range: of the table as plain reads see it, of an index as it was a while ago."""
        table, partition, low, high = asked.table, asked.partition, asked.low, asked.high
        spec, now = self._specs.get(table), self._now()
        if spec is not None and asked.index is not None and self._indexes.pending(table, asked.index, now):
            whole = Range(table, partition, low, high, index=asked.index).of(self.inner).items
            by = next(one for one in spec.indexes if one.name == asked.index)
            seen = self._indexes.view(spec, by, partition, low, high, whole, now)
            return page(seen, (by.range, "pk", "sk"), asked.newest, asked.limit)
        if asked.index is None and self._unsettled.partition(table, partition, now):
            whole = Range(table, partition, low, high).of(self.inner).items
            seen = self._unsettled.view(table, partition, low, high, whole, now)
            return page(seen, ("sk",), asked.newest, asked.limit)
        return asked.of(self.inner)

    def _plain(self, keys: Sequence[Key]) -> list[Item | None]:
        items = self.inner.batch_get(keys)
        now = self._now()
        return [self._unsettled.seen(key, item, now) for key, item in zip(keys, items, strict=True)]

    # Writes -----------------------------------------------------------------------------------------------------------

    def write(self, write: Write) -> Item | None:
        """One write."""
        key = self._key(write)

        def once() -> Item | None:
            self._refuse_unsettled([key])
            return self._watched([key], lambda: self.inner.write(write))

        def run() -> Item | None:
            if self._chance(self.faults.tried_twice):
                try:
                    once()
                except ConcaveError:  # the answer that got lost; the second try's answer is the one that arrives
                    return once()
            return once()

        return self._request(run, contends=key.table)

    def transact(self, actions: Sequence[Action]) -> None:
        """All of these or none; may be half visible until this call returns."""
        keys = [self._key(action) for action in actions]
        written = [key for key, action in zip(keys, actions, strict=True) if not isinstance(action, Check)]
        settles = 0.0

        def run() -> None:
            nonlocal settles
            self._refuse_unsettled(keys)
            olds = self.inner.batch_get(written) if self.faults.half_visible else []
            self._watched(written, lambda: self.inner.transact(actions))
            if olds and self._chance(self.faults.half_visible):
                settles = self._now() + self._draw(self.faults.half_visible_for)
                for key, old in zip(written, olds, strict=True):
                    self._unsettled.hold(key, old, self._rng.uniform(self._now(), settles), settles)

        def settle() -> None:
            if settles and not self.faults.linger:
                self._sleep(max(0.0, settles - self._now()))
                with self._lock:
                    self._unsettled.release(written)

        self._request(run, contends=keys[0].table if keys else "", before_answer=settle)

    def _key(self, action: Action) -> Key:
        return action_key(self._specs[action_table(action)], action)

    def _watched(self, keys: Sequence[Key], work: Callable[[], T]) -> T:
        """Do a write, and remember what it changes in indexes that lag."""
        lagging = [key for key in keys if self.faults.index_lag[1] > 0 and self._specs[key.table].indexes]
        olds = self.inner.batch_get(lagging) if lagging else []
        result = work()
        news = self.inner.batch_get(lagging) if lagging else []
        for key, old, new in zip(lagging, olds, news, strict=True):
            self._indexes.record(self._specs[key.table], key, old, new, self._now() + self._draw(self.faults.index_lag))
        return result

    def _refuse_unsettled(self, keys: Sequence[Key]) -> None:
        for key in keys:
            if self._unsettled.busy(key, self._now()):
                raise Contention(key.table)

    # Chance -----------------------------------------------------------------------------------------------------------

    def _request(self, work: Callable[[], T], contends: str | None = None, before_answer: Callable[[], None] | None = None) -> T:
        """Carry out one request with its faults; `contends` names the table that may be busy (None: it never is)."""
        self._wait()
        with self._lock:
            if contends is not None and self._chance(self.faults.contention):
                raise Contention(contends)
            if self._chance(self.faults.lost_before):
                raise StoreFailed("the request was lost")
            lost = self._chance(self.faults.lost_after)
            try:
                result = work()
            except ConcaveError as error:
                if lost:
                    raise StoreFailed("the answer was lost") from error
                raise
        if lost:
            raise StoreFailed("the answer was lost")
        if before_answer is not None:
            before_answer()
        self._wait()
        return result

    def _wait(self) -> None:
        if self.faults.delay[1] > 0:
            self._sleep(self._draw(self.faults.delay))

    def _draw(self, span: Span) -> float:
        with self._lock:
            return self._rng.uniform(*span)

    def _chance(self, chance: float) -> bool:
        if chance <= 0:
            return False
        with self._lock:
            return self._rng.random() < chance
