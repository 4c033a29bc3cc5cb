"""One run of a function against the data: what it reads is tracked, what it writes is gathered.

Rules of this file:

* Every read goes through the read set, except `peek`, which is for building return values and is checked by nobody.
* A function sees its own writes: ranges, counts and gets are answered from the store *and* from the pending writes.
* Nothing is written here. `commit.py` turns `writes` and `reads` into one transaction, or nothing.
* A document is read once per run; a second read of it answers what the first saw.
* What is written has passed the gate (`gate.py`); what is read here has not, so a bad document can be deleted and replaced.
* Several calls may share one transaction, each after a savepoint: `roll_back` leaves it as it was, as if the call had not been.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec

from chalicelib.data import gate, records
from chalicelib.data.building import NOTHING_BUILDING, Building
from chalicelib.data.errors import BadRequest, Conflict, LimitExceeded, NotUnique
from chalicelib.data.pending import Pending, order_in, own
from chalicelib.data.plain import normal, number, optional_fields
from chalicelib.data.ranges import RangeReader, belongs_to, dense_of
from chalicelib.data.reads import ReadSet, version_of
from chalicelib.data.records import Rough
from chalicelib.data.savepoint import Savepoint
from chalicelib.data.store import Item, Key, Store
from chalicelib.data.stored import stored_claims
from chalicelib.data.tables import MARK, Index, Range, Record, Table, document_key, places, record_key
from chalicelib.data.uniques import Uniques, owner_of

LARGEST_READ = 1000
"""Documents that one run may read; more is a sign of a missing index or limit."""

Row = tuple[str, Record]
"""(order, record)"""


class Transaction:
    """The data as one run of a function sees it.

    Args:
        store: where the data is.
        org: the only org whose data this run can name.
        now_ms: the run's frozen time, the creation time of what it inserts, and when hints of lately are past theirs.
        building: knows the indexes that cannot be read yet.
        suspects: keys at which an earlier run of this call found a document that it had not looked for.
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
        suspects: Collection[Key] = (),
    ) -> None:
        self.store, self.org, self.now_ms, self.writable = store, org, now_ms, writable
        self.pause = pause
        self.building, self.suspects = building, suspects
        self.reads = ReadSet()
        self.writes: dict[Key, Pending] = {}
        self.unseen: set[Key] = set()
        """Where documents were inserted without a look."""
        self.known: Mapping[Key, Item | None] = {}
        """What has been read from the store already, just before this run."""
        self._items: dict[Key, Item | None] = {}
        self._inserts = self._read_before = 0
        self.uniques = Uniques(lambda address: self._item(Key("claims", address)))
        self.reader = RangeReader(store, self.reads, pause, now_ms / 1000)

    # Reading -----------------------------------------------------------------------------------------------------------

    def get(self, table: type[Table], *ids: Any) -> Record | None:
        """The document with this id (or composite key), or None."""
        self.may_watch(table)
        return self.at(document_key(table, self.org, *ids))

    def at(self, key: Key) -> Record | None:
        """The document at a key, or None."""
        self.reads.watch(key.pk, key.sk or MARK, key.sk or MARK)
        return self._now(key)

    def all_at(self, keys: Sequence[Key]) -> list[Record | None]:
        """The documents at some keys; those that were not read before, in one request."""
        self.load(keys)
        return [self.at(key) for key in keys]

    def load(self, keys: Sequence[Key]) -> None:
        """Read items from the store in one request, but for those that were read before; they are seen only when asked for."""
        unread = [key for key in dict.fromkeys(keys) if not (key in self._items or key in self.known or key in self.writes)]
        if unread:
            self.known = {**self.known, **dict(zip(unread, self.store.batch_get(unread), strict=True))}

    def peek(self, table: type[Table], *ids: Any) -> Record | None:
        """The document, unchecked: for return values only, never to decide what to write."""
        key = document_key(table, self.org, *ids)
        if key in self.writes:
            written = self.writes[key].after
            return None if written is None else own(written)
        item = self._items.get(key) or (self.known[key] if key in self.known else self.store.get(key))
        return None if item is None else records.at(key, item)

    def peek_range(self, wanted: Range, newest: bool, limit: int) -> list[Record]:
        """Documents of a log, unchecked: for return values and background work only."""
        low, high = wanted.bounds()
        rows = self.store.query(
            wanted.index.table.table_name, wanted.address(self.org), low=low, high=high, newest=newest, limit=limit
        )
        return [records.at(Key(wanted.index.table.table_name, item["pk"], item.get("sk")), item) for item in rows.items]

    def unique(self, wanted: Range) -> Record | None:
        """The one document that holds a unique value, or None. Strongly consistent through its claim."""
        self.may_watch(wanted.index.table)
        self.building.check(wanted.index, self.reads.watch)
        address = wanted.address(self.org)
        self.reads.watch(address)
        if address in self.uniques.now:
            holder = self.uniques.now[address]
            return None if holder is None else self._now(holder)
        claim = Key("claims", address)
        owner = owner_of(self._item(claim))
        if owner is None:
            return None
        self.reads.watch(owner.pk, owner.sk or MARK, owner.sk or MARK)
        found = self._now(owner)
        if found is None:
            self.reads.torn = True  # the claim without its document: half of a transaction
            return None
        place = wanted.index.position(self.org, found)
        if place is None or place.address != address:
            return None
        self.reads.vouched[claim] = owner
        return found

    def range(
        self, wanted: Range, newest: bool, limit: int | None, within: tuple[str, str] | None = None, *, settled: bool = False
    ) -> list[Row]:
        """Documents of a range in order, at most `limit`; `within` narrows it to positions of a page, both included.

        `settled`: a query does not look at each of them again, only at who they are.
        """
        index = wanted.index
        self.may_range(index)
        low, high = wanted.bounds()
        address = wanted.address(self.org)
        self.reads.watch(address, *((low, high) if within is None else (max(low, within[0]), min(high, within[1]))))
        if within is not None:
            low, high = max(low, within[0]), min(high, within[1])
        ask = None if limit is None else limit + len(self.writes)
        apart = settled and not self.writable
        found = self._stored(wanted, address, low, high, newest, ask, apart)
        rows = {order: records.at(key, item) for order, key, item in found if key not in self.writes}
        for pending in self.writes.values():
            order = order_in(self.org, index, address, pending.after, pending.table)
            if order is not None and low <= order <= high and pending.after is not None:
                rows[order] = normal(pending.after)
        chosen = sorted(rows.items(), reverse=newest)[:limit]
        if apart:
            return chosen
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
        self.may_watch(index.table)
        self.building.check(index, self.reads.watch)
        self.reads.watch(address)
        size = 0
        for shard in index.shard_addresses(address):
            fence = self._item(Key("fences", shard, MARK))
            size += 0 if fence is None else int(fence["size"])
        for pending in self.writes.values():
            before = order_in(self.org, index, address, pending.before, pending.table)
            after = order_in(self.org, index, address, pending.after, pending.table)
            size += (after is not None) - (before is not None)
        return size

    # Writing -----------------------------------------------------------------------------------------------------------

    def insert(self, doc: Table, *, look: bool = False, fresh: bool = False) -> Record:
        """Add a document under its own id. Returns the record.

        Args:
            look: whether the id may be taken. Where it is new, or part of a composite key, only the commit looks.
            fresh: the id was drawn in this run: nobody can have looked for it, and nobody waits to be told of it.

        Raises:
            BadValue: the table does not allow it.
            NotUnique: another document has its value of a unique index.
            BadRequest: `AlreadyExists`.
        """
        self._may_write()
        table, new = type(doc), gate.of(doc)
        if not new.get("_id"):
            raise BadRequest(f"{table.table_name}: a document needs an id before it is inserted.")
        new["_creationTime"] = number(self.now_ms + self._inserts / 1024)
        gate.check(table, new)
        key = record_key(table, self.org, new)
        known = self.writes.get(key)
        if known is None and (look or key in self.suspects):
            self._item(key)
        elif known is None and key not in self._items:
            self.unseen.add(key)
        if self._items.get(key) is not None if known is None else known.after is not None:
            raise BadRequest(f"{table.table_name}: there is already a document {new['_id']!a}.", "AlreadyExists")
        self._write(key, known or Pending(table, None, self.reads.versions.get(key), None, fresh=fresh), new)
        self._inserts += 1
        return new

    def change(self, table: type[Table], ids: tuple[Any, ...], changes: Record, *, strict: bool = True) -> Record:
        """Change fields of a document (None removes an optional one, UNSET any); returns the new record.

        Args:
            strict: the document must then be what its table declares; otherwise it is written as it is.

        Raises: as `insert`, and `BadRequest` for an absent document.
        """
        current = self._there(table, ids, "change")
        optional = optional_fields(table)
        after: Record = {**current}
        for name, part in changes.items():
            if part is msgspec.UNSET or (part is None and name in optional):
                after.pop(name, None)
            else:
                after[name] = part
        if isinstance(current, Rough):
            if not strict:
                after = current
            elif type(after.get("_creationTime")) not in (int, float):
                after["_creationTime"] = number(self.now_ms)
        if strict:
            if isinstance(current, Rough):
                after = gate.whole(table, after)
            gate.check(table, after)
        return self._rewritten(table, ids, current, after)

    def replace(self, doc: Table, ids: tuple[Any, ...]) -> Record:
        """Put a document in the place of the stored one, whatever that holds; its creation time stays. Raises: as `change`."""
        table, new = type(doc), gate.of(doc)
        current = self._there(table, ids, "replace")
        made = current.get("_creationTime")
        new["_creationTime"] = made if type(made) in (int, float) else number(self.now_ms)
        gate.check(table, new)
        return self._rewritten(table, ids, current, new)

    def delete(self, table: type[Table], *ids: Any) -> None:
        """Remove a document. Removing an absent one is refused."""
        current = self._there(table, ids, "delete")
        self._rewrite(document_key(table, self.org, *ids), table, current, None)

    # Savepoints --------------------------------------------------------------------------------------------------------

    def savepoint(self, now_ms: float | None = None) -> Savepoint:
        """Remember the transaction as it is, for the call that begins here.

        Args:
            now_ms: that call's frozen time; never earlier than that of the calls before it, so that creation times grow.
        """
        mark = Savepoint(
            dict(self.writes),
            self.uniques.held(),
            self._inserts,
            self.now_ms,
            dict(self.reads.versions),
            set(self.reads.watches),
            self.reads.torn,
            dict(self._items),
            self._read_before,
        )
        self._read_before = len(self._items)
        self.now_ms = self.now_ms if now_ms is None else max(now_ms, self.now_ms)
        return mark

    def roll_back(self, mark: Savepoint, *, keep_reads: bool = False) -> None:
        """Make the transaction what it was at a savepoint.

        Args:
            keep_reads: what was read since stays a condition of the commit: the answer of the call that is taken back, a
                refusal, is told, and must have been true when the others' writes are.
        """
        self.writes, self._inserts, self.now_ms = dict(mark.writes), mark.inserts, mark.now_ms
        self.uniques.put_back(mark.uniques)
        self._read_before = mark.read_before
        if not keep_reads:
            self.reads.versions, self.reads.watches = dict(mark.versions), set(mark.watches)
            self.reads.torn, self.reads.vouched, self._items = mark.torn, {}, dict(mark.items)

    # Inside ------------------------------------------------------------------------------------------------------------

    def _may_write(self) -> None:
        if not self.writable:
            raise BadRequest("A query only reads; write in a mutation.", "ReadOnly")

    def may_watch(self, table: type[Table]) -> None:
        """Refuse a query to read what nobody is told of."""
        if not (table.is_watched or self.writable):
            raise BadRequest(f"{table.table_name} is declared with watched=False: only mutations read it.", "Unwatched")

    def may_range(self, index: Index) -> None:
        """Refuse to read an index that is not fenced, or not built yet, and what nobody is told of."""
        if index.eventual:
            raise BadRequest(f"{index.table.table_name}.{index.name} is eventual: only sweeps may read it.", "EventualIndex")
        self.may_watch(index.table)
        if not index.is_log:
            self.building.check(index, self.reads.watch)

    def _there(self, table: type[Table], ids: tuple[Any, ...], to: str) -> Record:
        """The document as it is now, to be written. Refuses an absent one."""
        self._may_write()
        current = self.get(table, *ids)
        if current is None:
            raise BadRequest(f"{table.table_name}: there is no document {ids!r} to {to}.", "DocumentNotFound")
        return current

    def _rewritten(self, table: type[Table], ids: tuple[Any, ...], current: Record, after: Record) -> Record:
        self._rewrite(document_key(table, self.org, *ids), table, current, after)
        return own(after)

    def _rewrite(self, key: Key, table: type[Table], current: Record, after: Record | None) -> None:
        pending = self.writes.get(key)
        if pending is None:
            item = self._items[key]
            stored = records.record(item or {}) if isinstance(current, Rough) else current  # without what its key says
            pending = Pending(table, stored, self.reads.versions[key], current, item)
        self._write(key, pending, after)
        if pending.before is None and after is None:
            del self.writes[key]
            self.reads.versions.setdefault(key, pending.version)  # nothing is written, and yet it must have been free

    def _write(self, key: Key, pending: Pending, after: Record | None) -> None:
        """Make this the document's state after the run, or refuse it and change nothing."""
        table = pending.table
        held = pending.claims() if key in self.writes else stored_claims(table, pending.item)
        stands = {} if after is None else places(table, self.org, after)
        if after is not None:
            gate.check_size(table, key, after, stands)
            for side in table.sides.values():
                side.check(after, pending.before)
        wanted = {place.address: name for name, place in stands.items() if table.indexes[name].unique}
        for address, name in wanted.items():
            if address not in held and self.uniques.holder(address) not in (None, key):
                raise NotUnique(table.table_name, table.indexes[name].partition)
        self.uniques.move(key, held, wanted)
        self.writes[key] = Pending(table, pending.before, pending.version, after, pending.item, stands, pending.fresh)

    def _item(self, key: Key) -> Item | None:
        if key not in self._items:
            self._remember(key, self.known[key] if key in self.known else self.store.get(key))
        return self._items[key]

    def _now(self, key: Key) -> Record | None:
        """A document as it stands now: as this run has written it, or as it is stored."""
        if key in self.writes:
            written = self.writes[key].after
            return None if written is None else own(written)
        item = self._item(key)
        return None if item is None else records.at(key, item)

    def _remember(self, key: Key, item: Item | None) -> None:
        if key in self._items and version_of(key, self._items[key]) != version_of(key, item):
            self.reads.torn = True
            if self.writable:
                raise Conflict(key.table)  # seen twice and changed between: a commit could not pass
        self._items[key] = item
        self.reads.saw(key, item)
        if len(self._items) - self._read_before > LARGEST_READ:
            raise LimitExceeded(
                f"One run may read {LARGEST_READ} documents; read a page at a time, or split the work into jobs.",
                "TooManyDocumentsRead",
            )

    def _stored(
        self, wanted: Range, address: str, low: str, high: str, newest: bool, limit: int | None, apart: bool
    ) -> list[tuple[str, Key, Item]]:
        index = wanted.index
        if index.is_log:
            dense = dense_of(self.org, wanted)
            if dense is None:
                return self.reader.log(index.table.table_name, address, low, high, newest, limit)
            return self.reader.dense_log(index.table.table_name, address, low, high, newest, limit, dense)
        found: list[tuple[str, Key, Item]] = []
        shards = index.shard_addresses(address)
        for shard in shards:
            found += self.reader.index(index, shard, low, high, newest, limit, belongs_to(index, shards), apart)
        return sorted(found, key=lambda row: row[0], reverse=newest)[:limit]
