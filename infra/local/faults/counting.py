"""A store that counts: requests per verb, and what AWS would charge for them, per table.

The rules of "DynamoDB read and write operations": a strongly consistent read costs 1 unit per 4 KB begun (an eventually
consistent one half), a write 1 unit per KB begun of the larger of the old and the new item; within transactions twice. A
query counts the bytes it read together. An index costs 1 unit for an entry that appears or disappears (keys only).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence

from chalicelib.aws.rules import action_key, action_table, indexed_at, item_bytes
from chalicelib.data.store import Action, Check, IndexSpec, Item, Key, Rows, Store, TableSpec, Write
from infra.local.faults.wrapper import Range, StoreWrapper

_READ_UNIT, _WRITE_UNIT = 4096, 1024


class CountingStore(StoreWrapper):
    """The store port, counted. `requests` by verb, `items` by (verb, table), `rcu` and `wcu` by table.

    Args:
        inner: the store that does the work.
        specs: its tables. Counting a write reads the item before and after, past the count.
    """

    def __init__(self, inner: Store, specs: Sequence[TableSpec]) -> None:
        super().__init__(inner)
        self._specs = {spec.name: spec for spec in specs}
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Start again at zero."""
        self.requests: Counter[str] = Counter()
        self.items: Counter[tuple[str, str]] = Counter()
        self.rcu: dict[str, float] = {}
        self.wcu: dict[str, float] = {}

    def get(self, key: Key) -> Item | None:
        """As the port says."""
        item = self.inner.get(key)
        self._read("get", [key], [item], 1)
        return item

    def batch_get(self, keys: Sequence[Key]) -> list[Item | None]:
        """As the port says."""
        items = self.inner.batch_get(keys)
        self._read("batch_get", keys, items, 1)
        return items

    def transact_get(self, keys: Sequence[Key]) -> list[Item | None]:
        """As the port says."""
        items = self.inner.transact_get(keys)
        self._read("transact_get", keys, items, 2)
        return items

    def ranged(self, asked: Range) -> Rows:
        """As the port says; a read of an index costs half."""
        rows = super().ranged(asked)
        units = _units(sum(map(item_bytes, rows.items)), _READ_UNIT)
        self._paged("query", asked.table, rows, units if asked.index is None else units / 2)
        return rows

    def scan(self, table: str, after: Key | None = None, limit: int = 200) -> Rows:
        """As the port says."""
        rows = super().scan(table, after, limit)
        self._paged("scan", table, rows, _units(sum(map(item_bytes, rows.items)), _READ_UNIT))
        return rows

    def write(self, write: Write) -> Item | None:
        """As the port says."""
        keys, olds = self._before([write])
        try:
            return self.inner.write(write)
        finally:
            self._wrote("write", [write], keys, olds, 1)

    def transact(self, actions: Sequence[Action]) -> None:
        """As the port says."""
        keys, olds = self._before(actions)
        try:
            self.inner.transact(actions)
        finally:
            self._wrote("transact", actions, keys, olds, 2)

    def _before(self, actions: Sequence[Action]) -> tuple[list[Key], list[Item | None]]:
        keys = [action_key(self._specs[action_table(action)], action) for action in actions]
        return keys, self.inner.batch_get(keys)

    def _wrote(self, verb: str, actions: Sequence[Action], keys: list[Key], olds: list[Item | None], factor: int) -> None:
        """Count a write, carried out or refused (AWS charges for both)."""
        news = self.inner.batch_get(keys)
        with self._lock:
            self.requests[verb] += 1
            for action, key, old, new in zip(actions, keys, olds, news, strict=True):
                spec = self._specs[key.table]
                size = max(item_bytes(old or {}), 0 if isinstance(action, Check) else item_bytes(new or {}))
                units = factor * _units(size, _WRITE_UNIT) + sum(_moves(spec, index, old, new) for index in spec.indexes)
                self.items[verb, key.table] += 1
                self.wcu[key.table] = self.wcu.get(key.table, 0) + units

    def _paged(self, verb: str, table: str, rows: Rows, units: float) -> None:
        with self._lock:
            self.requests[verb] += 1
            self.items[verb, table] += len(rows.items)
            self.rcu[table] = self.rcu.get(table, 0) + units

    def _read(self, verb: str, keys: Sequence[Key], items: Sequence[Item | None], factor: int) -> None:
        with self._lock:
            self.requests[verb] += 1
            for key, item in zip(keys, items, strict=True):
                self.items[verb, key.table] += 1
                self.rcu[key.table] = self.rcu.get(key.table, 0) + factor * _units(item_bytes(item or {}), _READ_UNIT)


def _units(size: int, unit: int) -> int:
    return max(1, -(-size // unit))


def _moves(spec: TableSpec, index: IndexSpec, old: Item | None, new: Item | None) -> int:
    """The index writes of a change: none, an entry more or less, or both."""
    before, after = indexed_at(spec, index, old), indexed_at(spec, index, new)
    return 0 if before == after else (before is not None) + (after is not None)
