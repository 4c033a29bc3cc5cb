"""The upkeep of side indexes: moving long tails, taking out what is gone, and making an index anew from the documents."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote

from chalicelib.data.blocks import mover, unmark
from chalicelib.data.capabilities import vector_service
from chalicelib.data.entries import DUE, ROWS, document_name, index_of, standings, stored_addresses, tail_row
from chalicelib.data.errors import ConditionFailed, Conflict
from chalicelib.data.records import record
from chalicelib.data.side_index import SideIndex, Vector
from chalicelib.data.store import Check, Delete, Equals, Item, Key, Store
from chalicelib.data.tables import TABLES
from chalicelib.runtime.attempts import Clock

MOST_MARKS = 500
"""Marks that one sweep looks at; the next one goes on."""


def sweep(store: Store, clock: Clock) -> None:
    """Move the tails that are long, and take what is gone out of the rows of its index, however short its tail is."""
    now_s = clock.now_ms() / 1000
    marks: dict[str, list[str]] = {}
    for row in store.query(ROWS, DUE, limit=MOST_MARKS, index="by_due").items:
        marks.setdefault(row["pk"], []).append(row["sk"])
    for address, sort_keys in marks.items():
        index = index_of(address, TABLES)
        if index is not None:
            mover(store, index, address, now_s).move()
        for sort_key in sort_keys:
            unmark(store, address, sort_key)


def settle(store: Store, clock: Clock, org: str, index: SideIndex, named: dict[str, object]) -> int:
    """Move the whole tail of one partition: after it no row of the index holds what was deleted before. Returns how many entries.

    Raises: `Conflict` when somebody else is at it and does not come to an end.
    """
    address = index.address(org, index.within(named))
    moved = 0
    for attempt in range(50):
        moved += mover(store, index, address, clock.now_ms() / 1000).move(least=1)
        if not store.query(ROWS, address, low="t|", high="t}", limit=1).items:
            return moved
        clock.sleep(0.02 * (attempt + 1))
    raise Conflict(index.table.table_name)


# Making an index anew -------------------------------------------------------------------------------------------------


def wipe(store: Store, index: SideIndex) -> None:
    """Remove every row of an index, in all orgs."""
    after: Key | None = None
    while True:
        page = store.scan(ROWS, after, 500)
        mine = [item for item in page.items if item["pk"].split("|")[1] == index.fullname]
        forgotten(store, mine)
        for item in mine:
            store.write(Delete(Key(ROWS, item["pk"], item["sk"])))
        if not page.more:
            return
        after = Key(ROWS, page.items[-1]["pk"], page.items[-1]["sk"])


def forgotten(store: Store, rows: Sequence[Item]) -> None:
    """Have a service forget the vectors of these rows of indexes, which are about to go. Raises `StoreFailed`."""
    service = vector_service(store)
    names: dict[str, list[str]] = {}
    for row in rows:
        if row["sk"].startswith("d|"):
            names.setdefault(row["pk"], []).append(row["sk"][2:])
    for address, some in names.items() if service is not None else ():
        index = index_of(address, TABLES)
        if service is not None and (index is None or isinstance(index, Vector)):
            service.remove(address, some)


def enter(store: Store, clock: Clock, index: SideIndex, key: Key) -> None:
    """Write the entry of one document that says rightly where it has one. A document that changes meanwhile writes its own."""
    org = unquote(key.pk.split("|")[0])
    for attempt in range(20):
        item = store.get(key)
        standing = None if item is None else standings(index.table, org, record(item)).get(index.name)
        if (
            item is None
            or standing is None
            or stored_addresses(index.table, item).get(index.name) != (standing.address, standing.digest)
        ):
            return
        now_s = clock.now_ms() // 1000
        row = tail_row(standing.address, document_name(key, org), index.entry(record(item)), str(item["_c"]), now_s)
        try:
            store.transact([Check(key, Equals(("_c",), item["_c"])), row])
            return
        except (ConditionFailed, Conflict):
            clock.sleep(0.01 * (attempt + 1))
    raise Conflict(index.table.table_name)


def is_kept(store: Store, index: SideIndex, org: str, key: Key, item: Item) -> bool:
    """Whether the rows of an index know of a document that says that it has an entry."""
    stands = stored_addresses(index.table, item).get(index.name)
    if stands is None:
        return True
    name = document_name(key, org)
    tail, moved = store.batch_get([Key(ROWS, stands[0], f"t|{name}"), Key(ROWS, stands[0], f"d|{name}")])
    return "e" in tail if tail is not None else moved is not None
