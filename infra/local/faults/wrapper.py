"""The store port, passed on: what every store that wraps another one is made of.

A wrapper changes what it is about. `around` is called for every request; `ranged` is `query` with its arguments as one value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from chalicelib.data.store import Action, Item, Key, Rows, Store, Write

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """What a `query` asks for; the fields are the arguments of `Store.query`."""

    table: str
    partition: str
    low: str | None = None
    high: str | None = None
    newest: bool = False
    limit: int | None = None
    index: str | None = None

    def of(self, store: Store) -> Rows:
        """Ask a store."""
        return store.query(
            self.table,
            self.partition,
            low=self.low,
            high=self.high,
            newest=self.newest,
            limit=self.limit,
            index=self.index,
        )


class StoreWrapper:
    """A store that does what `inner` does.

    Args:
        inner: the store that does the work. It may be exchanged at any time.
    """

    instant = None
    exact_indexes = one_writer = False
    """A wrapper changes what a store does, so it promises no more than the port says."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    def around(self, verb: str, work: Callable[[], T]) -> T:
        """Carry out one request; `verb` is the port's name for it."""
        return work()

    def ranged(self, asked: Range) -> Rows:
        """The work of a `query`."""
        return asked.of(self.inner)

    def get(self, key: Key) -> Item | None:
        """As the port says."""
        return self.around("get", lambda: self.inner.get(key))

    def batch_get(self, keys: Sequence[Key]) -> list[Item | None]:
        """As the port says."""
        return self.around("batch_get", lambda: self.inner.batch_get(keys))

    def transact_get(self, keys: Sequence[Key]) -> list[Item | None]:
        """As the port says."""
        return self.around("transact_get", lambda: self.inner.transact_get(keys))

    def query(
        self,
        table: str,
        partition: str,
        *,
        low: str | None = None,
        high: str | None = None,
        newest: bool = False,
        limit: int | None = None,
        index: str | None = None,
    ) -> Rows:
        """As the port says."""
        return self.around("query", lambda: self.ranged(Range(table, partition, low, high, newest, limit, index)))

    def scan(self, table: str, after: Key | None = None, limit: int = 200) -> Rows:
        """As the port says."""
        return self.around("scan", lambda: self.inner.scan(table, after, limit))

    def write(self, write: Write) -> Item | None:
        """As the port says."""
        return self.around("write", lambda: self.inner.write(write))

    def transact(self, actions: Sequence[Action]) -> int | None:
        """As the port says."""
        return self.around("transact", lambda: self.inner.transact(actions))
