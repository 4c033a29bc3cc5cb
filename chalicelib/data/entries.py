"""The rows of side indexes (`side_index.py`), and what a commit writes of them: one row an entry, however many words it has.

All stand in the table `indexRows`, in the partition of their address:

| sort key | what it is |
|---|---|
| `t\\|document` | the *tail*: a document's newest entry, or that it is gone, as its commit wrote it |
| `w\\|term\\|batch` | a *block*: the postings of one term of a batch of documents |
| `d\\|document` | which batches a document's postings are in, and under which terms |
| `m` | the *manifest*: how many documents the blocks hold, how long they are, which blocks of vectors there are |

A commit writes the tail and nothing else: one action, so that a document may have thousands of words, and a search reads the
tail before the blocks. When a tail has become long, its entries are moved into blocks (`blocks.py`), many documents at a time: a
term that ten of them have is one row, not ten. What the tail says of a document is true, whatever the blocks say.

One tail row in sixteen, and every one that says that a document is gone, carries a mark by which a sweep finds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from chalicelib.data.errors import LimitExceeded
from chalicelib.data.index import MARK, Record, org_key
from chalicelib.data.pending import Pending
from chalicelib.data.side_index import Entry, SideIndex, Standing
from chalicelib.data.store import MAX_SORT_KEY_BYTES, Action, Item, Key, Put
from chalicelib.data.tables import Table

ROWS = "indexRows"
DUE = "*"
"""The one partition of the index `by_due`, of marks."""
ONE_IN = 16
LONGEST_ID = MAX_SORT_KEY_BYTES - 8
"""Bytes of the id of a document that has an entry."""
_packed = msgspec.msgpack.encode


def document_name(key: Key, org: str) -> str:
    """A document as the rows of its index name it: its key without org and table."""
    head = key.pk[len(org_key(org)) + len(key.table) + 2 :]
    name = head if key.sk is None else f"{head}\x1f{key.sk}"
    if len(name.encode()) > LONGEST_ID:
        raise LimitExceeded(
            f"The id of a document of {key.table}, which has a Search or a Vector, is longer than {LONGEST_ID} bytes."
        )
    return name


def document_key_of(name: str, org: str, table: type[Table]) -> Key:
    """The key of a document that an index's rows name."""
    head, _, sk = name.partition("\x1f")
    return Key(table.table_name, f"{org_key(org)}|{table.table_name}|{head}", sk or None)


def standings(table: type[Table], org: str, record: Record | None) -> dict[str, Standing]:
    """Where a record's entries belong, by the index's name."""
    if record is None:
        return {}
    found = ((name, index.standing(org, record)) for name, index in table.sides.items())
    return {name: standing for name, standing in found if standing is not None}


def stored_addresses(table: type[Table], item: Item | None) -> dict[str, tuple[str, str]]:
    """Where an item's entries are, and their digests, by the index's name: as the item says itself."""
    found: dict[str, tuple[str, str]] = {}
    for name in table.sides:
        digest, _, address = str((item or {}).get(f"{name}#s", "")).partition(" ")
        if address:
            found[name] = (address, digest)
    return found


def attributes(table: type[Table], org: str, record: Record | None) -> Item:
    """What an item says of its entries."""
    return {f"{name}#s": standing.attribute() for name, standing in standings(table, org, record).items()}


def actions(org: str, key: Key, pending: Pending, stamp: str, now_s: int) -> Iterator[Action]:
    """The tail rows that a commit writes for one document: none where no entry changes."""
    table = pending.table
    before, after = stored_addresses(table, pending.item), standings(table, org, pending.after)
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if new is not None and pending.after is not None and old != (new.address, new.digest):
            entry = table.sides[name].entry(pending.after)
            yield tail_row(new.address, document_name(key, org), entry, stamp, now_s)
        if old is not None and (new is None or new.address != old[0]):
            yield tail_row(old[0], document_name(key, org), None, stamp, now_s)


def touched(org: str, pending: Pending, then: Record | None, now: Record | None) -> set[tuple[str, str]]:
    """The places of side indexes that change between two states of a document: its partitions, and what it is filtered by."""
    table = pending.table
    before, after = standings(table, org, then), standings(table, org, now)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    stale = stored_addresses(table, pending.item)
    changed |= {name for name in table.sides if then is pending.before and _entered(stale.get(name), after.get(name))}
    places = {
        (one.address, at) for name in changed for one in (before.get(name), after.get(name)) if one for at in (MARK, *one.filters)
    }
    return places | {(stale[name][0], MARK) for name in changed & stale.keys()}


def _entered(stored: tuple[str, str] | None, now: Standing | None) -> bool:
    """Whether an entry that the item does not say it has is written."""
    return now is not None and stored != (now.address, now.digest)


def tail_row(address: str, document: str, entry: Entry | None, stamp: str, now_s: int) -> Put:
    """A document's newest entry, or None: it is gone."""
    item: Item = {"pk": address, "sk": f"t|{document}", "s": stamp}
    if entry is not None:
        item |= {"e": _packed(entry.postings), "n": entry.length}
    if entry is None or int(hashlib.sha256(document.encode()).hexdigest()[:8], 16) % ONE_IN == 0:
        item |= {"due": DUE, "since": f"{now_s:012d}"}
    return Put(ROWS, item)


def entry_of(row: Item) -> Entry | None:
    """The entry in a tail row; None: the document is gone."""
    if "e" not in row:
        return None
    found: dict[str, Any] = msgspec.msgpack.decode(bytes(row["e"]))
    return Entry(found, int(row["n"]))


def index_of(address: str, tables: dict[str, type[Table]]) -> SideIndex | None:
    """The index that an address belongs to, as it is declared today."""
    table, _, name = address.split("|")[1].partition(".")
    return tables[table].sides.get(name) if table in tables else None
