"""Changing indexes under data: what is new is built through the engine, audited, and only then read.

    declared ──reconcile──> building ──build (resumable)──> audit ──> ready

* **reconcile** compares what the code declares with what the store was last told. An index that is new, or declared in
  another way, is *building* (unless its table is empty): from now on its readers are refused (`data/building.py`). One that
  is not declared any more is forgotten: code that does not know it does not keep it, so if it comes back it is built again.
* **build** goes through the table and writes each document that does not stand where it belongs, changing no field: an
  ordinary commit, with its fences, claims and fresh rows. So writers need not stop; the place of the work is stored after
  every page, and any process may go on with it.
  Of words and vectors the rows are removed first, and every document is entered again.
* **audit** reads the table and the fences once more and says what does not agree. Only what agrees becomes ready.

In the cloud old code may still be writing while new code starts: build after the deployment is through (the command does).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from chalicelib.data.building import SYSTEM_ORG, IndexStates, definition, name_of
from chalicelib.data.entries import standings
from chalicelib.data.errors import BadRequest
from chalicelib.data.records import at
from chalicelib.data.side_index import SideIndex
from chalicelib.data.store import Item, Key, Store
from chalicelib.data.stored import misplaced, stored_claims, stored_positions
from chalicelib.data.tables import MARK, TABLES, Index, Table
from chalicelib.runtime import side_rows
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.scheduling import Run

PAGE = 100
"""Documents between two notes of how far the building has come."""
SHOWN = 20
"""So many discrepancies are named; the rest is counted."""


@dataclass
class Audit:
    """What does not agree: documents that are not where they belong, partitions that count wrong, values held twice."""

    documents: int = 0
    misplaced: int = 0
    examples: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    """Partitions that changed whenever they were counted. They do not keep an index from being read: each of their documents
    was looked at, and the engine counts in the commits that it enters and leaves by. Audit again in a quiet minute."""

    @property
    def clean(self) -> bool:
        """Whether the index may be read."""
        return not self.misplaced and not self.examples

    def add(self, what: str) -> None:
        """Name a discrepancy."""
        if len(self.examples) < SHOWN:
            self.examples.append(what)


class Indexes:
    """Brings the store's indexes to what the code declares."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.store: Store = executor.store

    # What is to be done ------------------------------------------------------------------------------------------------

    def reconcile(self, tables: Iterable[type[Table]] | None = None) -> list[str]:
        """Tell the store what is declared. Returns the indexes (`table.index`) that are to be built now."""
        declared = {name_of(index): index for index in _declared(TABLES.values() if tables is None else tables)}
        definitions = {name: definition(index) for name, index in declared.items()}
        empty: dict[str, bool] = {}

        def is_empty(name: str) -> bool:
            table = declared[name].table.table_name
            if table not in empty:
                empty[table] = not self.store.scan(table, limit=1).items
            return empty[table]

        def body(run: Run) -> str:
            known = run.db.get(IndexStates, "indexes")
            before = known.definitions if known else {}
            wanted = dict(known.building) if known else {}
            wanted |= {name: {"done": 0} for name, how in definitions.items() if before.get(name) != how}
            building = {name: how for name, how in wanted.items() if name in declared and not is_empty(name)}
            if known is None:
                run.db.insert(IndexStates(id="indexes", definitions=definitions, building=building))
            elif (known.definitions, known.building) != (definitions, building):
                run.db.patch(known, definitions=definitions, building=building)
            return json.dumps(sorted(building))

        found: list[str] = self._transact(body)
        return found

    def begin(self, names: Iterable[str]) -> None:
        """Have these indexes built, whatever they are: documents were written beside the engine."""

        def body(run: Run) -> str:
            known = run.db.get(IndexStates, "indexes")
            building = {name: {"done": 0} for name in names}
            if known is None:
                run.db.insert(IndexStates(id="indexes", definitions=self._definitions(), building=building))
            else:
                run.db.patch(known, building={**known.building, **building})
            return "null"

        self._transact(body)

    @staticmethod
    def declared() -> list[str]:
        """Every declared index, by name."""
        return sorted(name_of(index) for index in _declared(TABLES.values()))

    @staticmethod
    def _definitions() -> dict[str, str]:
        return {name_of(index): definition(index) for index in _declared(TABLES.values())}

    def building(self) -> dict[str, Any]:
        """The indexes that are being built, and how far that has come."""

        def body(run: Run) -> str:
            known = run.db.get(IndexStates, "indexes")
            return json.dumps(known.building if known else {})

        found: dict[str, Any] = self._transact(body)
        return found

    # Building ----------------------------------------------------------------------------------------------------------

    def build(self, name: str) -> Audit:
        """Bring every document into an index, from where the work was left. Ready if the audit is clean."""
        index = _index(name)
        table = index.table
        how = self.building().get(name)
        if how is None:
            return self.audit(name)
        place = how.get("at")
        after = None if place is None else Key(table.table_name, *place)
        done, more = int(how.get("done", 0)), True
        if isinstance(index, SideIndex) and place is None:
            side_rows.wipe(self.store, index)
        while more:
            page = self.store.scan(table.table_name, after, PAGE)
            for item in page.items:
                if isinstance(index, SideIndex) and index.fill is not None:
                    self._fill(index, item)
                self._enter(table, name, item)
                if isinstance(index, SideIndex):
                    side_rows.enter(self.store, self.executor.clock, index, _key(table, item))
            done, more = done + len(page.items), page.more
            if page.items:
                after = _key(table, page.items[-1])
                self._note(name, {"done": done, "at": [after.pk, *([] if after.sk is None else [after.sk])]})
        found = self.audit(name)
        self._note(name, None if found.clean else {"done": 0, "found": found.examples})
        return found

    def _fill(self, index: SideIndex, item: Item) -> None:
        """Have a document without an entry say what it is too old to say (`SideIndex.fill`)."""
        org, table, fill = unquote(str(item["pk"]).split("|")[0]), index.table, index.fill
        rec = at(_key(table, item), item)
        ids = tuple(rec.get(part) for part in table.key or ("_id",))
        if fill is None or None in ids or index.name in standings(table, org, rec):
            return

        def body(run: Run) -> str:
            document = run.db.get(table, *ids)
            changes = {} if document is None else fill(run.db, document)
            if changes:
                run.db.patch(document, **changes)
            return "null"

        self.executor.transact(org, f"indexes:build {name_of(index)}", body)

    def _enter(self, table: type[Table], name: str, item: Item) -> None:
        """Write one document into the index, if it is not there. A value that another document holds is left for the audit."""
        org = unquote(str(item["pk"]).split("|")[0])
        if name.partition(".")[2] not in misplaced(table, org, item):
            return
        rec = at(_key(table, item), item)
        ids = tuple(rec.get(part) for part in table.key or ("_id",))
        if None in ids:  # made by hand: the audit names it
            return

        def body(run: Run) -> str:
            run.db.touch(table, *ids)
            return "null"

        try:
            self.executor.transact(org, f"indexes:build {name}", body)
        except BadRequest as error:
            if error.tag != "NotUnique":
                raise

    def _note(self, name: str, how: dict[str, Any] | None) -> None:
        def body(run: Run) -> str:
            known = run.db.get(IndexStates, "indexes")
            if known is not None and name in known.building:
                rest = {other: state for other, state in known.building.items() if other != name}
                run.db.patch(known, building=rest if how is None else {**rest, name: how})
            return "null"

        self._transact(body)

    # Audit -------------------------------------------------------------------------------------------------------------

    def audit(self, name: str) -> Audit:
        """Compare an index with its table: places, fences, claims. Writers may go on; what differs is looked at again."""
        index = _index(name)
        table, sizes, found = index.table, Counter[str](), Audit()
        for item in self._all(table):
            found.documents += 1
            org = unquote(str(item["pk"]).split("|")[0])
            if index.name in misplaced(table, org, item) and self._still_misplaced(index, org, item):
                found.misplaced += 1
                found.add(f"{item.get('_id')} does not stand where it belongs")
            if isinstance(index, SideIndex):
                self._check_entry(index, org, item, found)
                continue
            sizes.update(place.shard for each, place in stored_positions(table, org, item) if each is index)
            if index.unique:
                self._check_claims(table, item, found)
        if not (isinstance(index, SideIndex) or index.eventual or index.unique or index.is_log):
            for shard, size in sizes.items():
                fence = self.store.get(Key("fences", shard, MARK)) or {}
                agrees = True if int(fence.get("size", 0)) == size else self._agrees(index, shard)
                if agrees is None:
                    found.undecided.append(shard)
                elif not agrees:
                    found.add(f"{shard} counts {int(fence.get('size', 0))}, holds {size}")
        return found

    def _check_entry(self, index: SideIndex, org: str, item: Item, found: Audit) -> None:
        key = _key(index.table, item)
        if side_rows.is_kept(self.store, index, org, key, item):
            return
        now = self.store.get(key)  # it may have changed since it was listed
        if now is not None and not side_rows.is_kept(self.store, index, org, key, now):
            found.add(f"{item.get('_id')} has no entry in the index")

    def _still_misplaced(self, index: Index | SideIndex, org: str, item: Item) -> bool:
        now = self.store.get(_key(index.table, item))
        return now is not None and index.name in misplaced(index.table, org, now)

    def _agrees(self, index: Index, shard: str) -> bool | None:
        """Whether a partition's fence counts what the table holds at a moment; None: something entered or left each time."""
        key = Key("fences", shard, MARK)
        for _ in range(5):
            before = self.store.get(key) or {}
            held = sum(1 for item in self._all(index.table) if item.get(f"{index.name}#p") == shard)
            after = self.store.get(key) or {}
            if before == after:
                return held == int(after.get("size", 0))
        return None

    def _check_claims(self, table: type[Table], item: Item, found: Audit) -> None:
        if all(self._claimed(item, address) for address in stored_claims(table, item)):
            return
        now = self.store.get(_key(table, item))  # it may have changed since it was listed
        if now is not None and not all(self._claimed(now, address) for address in stored_claims(table, now)):
            found.add(f"{item.get('_id')} has a unique value that is not claimed for it")

    def _claimed(self, item: Item, address: str) -> bool:
        owner = self.store.get(Key("claims", address))
        return owner is not None and bool(owner["dpk"] == item["pk"])

    def _all(self, table: type[Table]) -> Iterator[Item]:
        after: Key | None = None
        while True:
            page = self.store.scan(table.table_name, after, 500)
            yield from page.items
            if not page.more:
                return
            after = _key(table, page.items[-1])

    def _transact(self, body: Any) -> Any:
        return self.executor.transact(SYSTEM_ORG, "indexes", body).value


def _declared(tables: Iterable[type[Table]]) -> Iterator[Index | SideIndex]:
    for table in tables:
        yield from table.indexes.values()
        yield from table.sides.values()


def _index(name: str) -> Index | SideIndex:
    table, _, index = name.partition(".")
    try:
        return TABLES[table].sides.get(index) or TABLES[table].indexes[index]
    except KeyError:
        raise BadRequest(f"There is no index {name!r}.", "IndexNotFound") from None


def _key(table: type[Table], item: Item) -> Key:
    return Key(table.table_name, item["pk"], item.get("sk"))
