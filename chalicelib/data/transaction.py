"""One run of a function against the data: what it reads is tracked, what it writes is gathered.

Rules of this file:

* Every read goes through the read set, except `peek`, which is for building return values and is checked by nobody.
* A function sees its own writes: ranges, counts and gets are answered from the store *and* from the pending writes.
* Nothing is written here. `commit.py` turns `writes` and `reads` into one transaction, or nothing.
* A document is read once per run; a second read of it answers what the first saw.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chalicelib.data.building import NOTHING_BUILDING, Building
from chalicelib.data.errors import BadRequest, Conflict, LimitExceeded
from chalicelib.data.ranges import Dense, RangeReader
from chalicelib.data.reads import ReadSet, version_of
from chalicelib.data.records import plain, record
from chalicelib.data.store import Item, Key, Store
from chalicelib.data.tables import (
    MARK,
    TABLES,
    Index,
    Range,
    Record,
    Table,
    claims,
    document_key,
    record_key,
)

LARGEST_READ = 1000
"""Documents that one run may read; more is a sign of a missing index or limit."""

Row = tuple[str, Record]
"""(order, record)"""


@dataclass
class Pending:
    """A document that this run writes: before (None = made here) and after (None = deleted).

    `item` is what was stored: the indexes that it *is* in, which are not those that the code declares while one is built.
    """

    table: type[Table]
    before: Record | None
    version: str | int | None
    after: Record | None
    item: Item | None = None


class Transaction:
    """The data as one run of a function sees it.

    Args:
        store: where the data is.
        org: the only org whose data this run can name.
        now_ms: the run's frozen time, the creation time of what it inserts.
        building: knows the indexes that cannot be read yet.
        writable: False for queries; writing then is an error.
    """

    def __init__(
        self,
        store: Store,
        org: str,
        *,
        now_ms: float = 0.0,
        writable: bool = False,
        pause: Callable[[float], None] = time.sleep,
        building: Building = NOTHING_BUILDING,
    ) -> None:
        self.store, self.org, self.now_ms, self.writable = store, org, now_ms, writable
        self.pause = pause
        self.building = building
        self.reads = ReadSet()
        self.writes: dict[Key, Pending] = {}
        self._items: dict[Key, Item | None] = {}
        self._inserts = 0
        self._reader = RangeReader(store, self.reads, pause)

    # Reading -----------------------------------------------------------------------------------------------------------

    def get(self, table: type[Table], *ids: Any) -> Record | None:
        """The document with this id (or composite key), or None."""
        key = document_key(table, self.org, *ids)
        self.reads.watch(key.pk, key.sk or MARK, key.sk or MARK)
        if key in self.writes:
            return self.writes[key].after
        return self._read(key)

    def peek(self, table: type[Table], *ids: Any) -> Record | None:
        """The document, unchecked: for return values only, never to decide what to write."""
        key = document_key(table, self.org, *ids)
        if key in self.writes:
            return self.writes[key].after
        item = self._items.get(key) or self.store.get(key)
        return None if item is None else record(item)

    def peek_range(self, wanted: Range, newest: bool, limit: int) -> list[Record]:
        """Documents of a log, unchecked: for return values and background work only."""
        low, high = wanted.bounds()
        rows = self.store.query(
            wanted.index.table.table_name, wanted.address(self.org), low=low, high=high, newest=newest, limit=limit
        )
        return [record(item) for item in rows.items]

    def unique(self, wanted: Range) -> Record | None:
        """The one document that holds a unique value, or None. Strongly consistent through its claim."""
        self.building.check(wanted.index, self.reads.watch)
        address = wanted.address(self.org)
        key = Key("claims", address)
        for pending in self.writes.values():
            if any(held == address for _, held in claims(pending.table, self.org, pending.after)):
                return pending.after
        claim = self._item(key)
        self.reads.watch(address)
        if claim is None:
            return None
        owner = Key(claim["t"], claim["dpk"], claim.get("dsk"))
        if owner in self.writes:
            found = self.writes[owner].after
        else:
            self.reads.watch(owner.pk, owner.sk or MARK, owner.sk or MARK)
            found = self._read(owner)
            if found is None:
                self.reads.torn = True  # the claim without its document: half of a transaction
        still = found is not None and any(held == address for _, held in claims(wanted.index.table, self.org, found))
        return found if still else None

    def range(self, wanted: Range, newest: bool, limit: int | None, within: tuple[str, str] | None = None) -> list[Row]:
        """Documents of a range in order, at most `limit`; `within` narrows it to positions of a page, both included."""
        index = wanted.index
        if index.eventual:
            raise BadRequest(f"{index.table.table_name}.{index.name} is eventual: only sweeps may read it.", "EventualIndex")
        if not index.is_log:
            self.building.check(index, self.reads.watch)
        low, high = wanted.bounds()
        address = wanted.address(self.org)
        self.reads.watch(address, *((low, high) if within is None else (max(low, within[0]), min(high, within[1]))))
        if within is not None:
            low, high = max(low, within[0]), min(high, within[1])
        ask = None if limit is None else limit + len(self.writes)
        found = self._stored(wanted, address, low, high, newest, ask)
        rows = {order: record(item) for order, key, item in found if key not in self.writes}
        for pending in self.writes.values():
            order = self._order_in(index, address, pending.after, pending.table)
            if order is not None and low <= order <= high and pending.after is not None:
                rows[order] = pending.after
        chosen = sorted(rows.items(), reverse=newest)[:limit]
        for order, key, item in found:
            if key not in self.writes and (order in dict(chosen)):
                self._remember(key, item)
        return chosen

    def count(self, wanted: Range) -> int:
        """How many documents a whole partition holds, from its fence: one strongly consistent read a shard."""
        index, address = wanted.index, wanted.address(self.org)
        if index.eventual or index.unique or index.is_log or wanted.low or wanted.high:
            raise BadRequest(
                f"Only whole partitions of fenced indexes are counted; {index.table.table_name}.{index.name} is not."
            )
        self.building.check(index, self.reads.watch)
        self.reads.watch(address)
        size = 0
        for shard in index.shard_addresses(address):
            fence = self._item(Key("fences", shard, MARK))
            size += 0 if fence is None else int(fence["size"])
        for pending in self.writes.values():
            before = self._order_in(index, address, pending.before, pending.table)
            after = self._order_in(index, address, pending.after, pending.table)
            size += (after is not None) - (before is not None)
        return size

    # Writing -----------------------------------------------------------------------------------------------------------

    def insert(self, doc: Table) -> Record:
        """Add a document; its own `id` if it has one, else a new one by the caller. Returns the record."""
        self._may_write()
        table = type(doc)
        new: Record = plain(doc)
        chosen = bool(new.get("_id"))
        if not chosen:
            raise BadRequest(f"{table.table_name}: a document needs an id before it is inserted.")
        self._inserts += 1
        new["_creationTime"] = self.now_ms + (self._inserts - 1) / 1024
        key = record_key(table, self.org, new)
        known = self.writes.get(key)
        if known is not None and known.after is not None:
            raise BadRequest(f"{table.table_name}: there is already a document {new['_id']!r}.", "AlreadyExists")
        if known is not None:
            known.after = new
            return new
        self._claims_free(table, new, key)
        self.writes[key] = Pending(table, None, self.reads.versions.get(key), new)
        return new

    def replace(self, table: type[Table], ids: tuple[Any, ...], changes: Record) -> Record:
        """Change fields of a document (None removes one); returns the new record. Refuses an absent document."""
        self._may_write()
        key = document_key(table, self.org, *ids)
        current = self.get(table, *ids)
        if current is None:
            raise BadRequest(f"{table.table_name}: there is no document {ids!r} to change.", "DocumentNotFound")
        after = {**current, **changes}
        after = {name: part for name, part in after.items() if part is not None}
        self._claims_free(table, after, key)
        pending = self.writes.get(key)
        if pending is None:
            self.writes[key] = Pending(table, current, self.reads.versions[key], after, self._items[key])
        else:
            pending.after = after
        return after

    def delete(self, table: type[Table], *ids: Any) -> None:
        """Remove a document. Removing an absent one is refused."""
        self._may_write()
        key = document_key(table, self.org, *ids)
        current = self.get(table, *ids)
        if current is None:
            raise BadRequest(f"{table.table_name}: there is no document {ids!r} to delete.", "DocumentNotFound")
        pending = self.writes.get(key)
        if pending is None:
            self.writes[key] = Pending(table, current, self.reads.versions[key], None, self._items[key])
        elif pending.before is None:
            del self.writes[key]
        else:
            pending.after = None

    # Inside ------------------------------------------------------------------------------------------------------------

    def _may_write(self) -> None:
        if not self.writable:
            raise BadRequest("A query only reads; write in a mutation.", "ReadOnly")

    def _claims_free(self, table: type[Table], rec: Record, key: Key) -> None:
        """Refuse a unique value that another document holds; reading the claim makes the commit depend on it."""
        for index, address in claims(table, self.org, rec):
            claim = self._item(Key("claims", address))
            owner = None if claim is None else Key(claim["t"], claim["dpk"], claim.get("dsk"))
            if owner is None or owner == key:
                continue
            pending = self.writes.get(owner)
            if pending is None or any(held == address for _, held in claims(table, self.org, pending.after)):
                raise BadRequest(f"{table.table_name}: another document has this {' and '.join(index.partition)}.", "NotUnique")

    def _item(self, key: Key) -> Item | None:
        if key not in self._items:
            self._remember(key, self.store.get(key))
        return self._items[key]

    def _read(self, key: Key) -> Record | None:
        item = self._item(key)
        return None if item is None else record(item)

    def _remember(self, key: Key, item: Item | None) -> None:
        if key in self._items and version_of(key, self._items[key]) != version_of(key, item):
            self.reads.torn = True
            if self.writable:
                raise Conflict(key.table)  # seen twice and changed between: a commit could not pass
        self._items[key] = item
        self.reads.saw(key, item)
        if len(self._items) > LARGEST_READ:
            raise LimitExceeded(
                f"One run may read {LARGEST_READ} documents; read a page at a time, or split the work into jobs.",
                "TooManyDocumentsRead",
            )

    def _stored(
        self, wanted: Range, address: str, low: str, high: str, newest: bool, limit: int | None
    ) -> list[tuple[str, Key, Item]]:
        index = wanted.index
        if index.is_log:
            dense = self._dense(wanted)
            if dense is None:
                return self._reader.log(index.table.table_name, address, low, high, newest, limit)
            return self._reader.dense_log(index.table.table_name, address, low, high, newest, limit, dense)
        found: list[tuple[str, Key, Item]] = []

        def belongs(item: Item) -> str | None:
            return item.get(f"{index.name}#o") if item.get(f"{index.name}#p") in shards else None

        shards = index.shard_addresses(address)
        for shard in shards:
            found += self._reader.index(index, address, shard, low, high, newest, limit, belongs)
        return sorted(found, key=lambda row: row[0], reverse=newest)[:limit]

    def _dense(self, wanted: Range) -> Dense | None:
        table = wanted.index.table
        if table.parent is None:
            return None
        parent, counter = table.parent
        first = 1 if wanted.low is None else int(wanted.low[0]) + (0 if wanted.low[1] else 1)
        last = None if wanted.high is None else int(wanted.high[0]) - (0 if wanted.high[1] else 1)
        return Dense(document_key(TABLES[parent], self.org, wanted.values[0]), counter, table.key[-1], first, last)

    def _order_in(self, index: Index, address: str, rec: Record | None, table: type[Table]) -> str | None:
        """The order at which a pending record stands in a partition, or None."""
        if rec is None or table is not index.table:
            return None
        if index.is_log:
            key = record_key(table, self.org, rec)
            return key.sk if key.pk == address else None
        position = index.position(self.org, rec)
        return position.order if position is not None and position.address == address else None
