"""A log's bounds: both ends, in both directions, with and without a parent that counts it."""

from __future__ import annotations

import pytest

from chalicelib.data.database import Reader, Writer
from chalicelib.data.tables import SYSTEM_SPECS, Table, spec
from chalicelib.data.transaction import Transaction
from infra.local.sqlite.store import SqliteStore


class BoundedHead(Table, name="boundedHeads"):
    """Counts its log."""

    count: int = 0


class BoundedEntry(Table, name="boundedEntries", key=("head", "number"), parent=("boundedHeads", "count")):
    """A dense log."""

    head: str
    number: int


class LooseEntry(Table, name="looseEntries", key=("head", "number")):
    """A log without a parent."""

    head: str
    number: int


@pytest.fixture
def reader() -> Reader:
    """Nine entries in each log."""
    from chalicelib.data.commit import commit
    from chalicelib.data.receipts import Intent

    store = SqliteStore(":memory:", [*SYSTEM_SPECS, *map(spec, (BoundedHead, BoundedEntry, LooseEntry))])
    tx = Transaction(store, "acme", now_ms=1.0, writable=True)
    numbers = iter(range(1000))
    db = Writer(tx, lambda: f"id-{next(numbers)}")
    db.insert(BoundedHead(id="h", count=9))
    for number in range(1, 10):
        db.insert(BoundedEntry(head="h", number=number))
        db.insert(LooseEntry(head="h", number=number))
    commit(store, tx, Intent(id="acme|c1", stamp="s", call="", path="test", org="acme", result="null", now_s=1))
    return Reader(Transaction(store, "acme"))


@pytest.mark.parametrize("table", [BoundedEntry, LooseEntry])
@pytest.mark.parametrize("limit", [1, 3, 9, 20])
def test_a_bound_that_excludes_its_value_excludes_it(reader: Reader, table: type[Table], limit: int) -> None:
    log = table.log("h")
    cases = {
        (log.before(7), True): [6, 5, 4, 3, 2, 1],
        (log.before(7), False): [1, 2, 3, 4, 5, 6],
        (log.at_most(7), True): [7, 6, 5, 4, 3, 2, 1],
        (log.after(3).before(7), True): [6, 5, 4],
        (log.after(3).before(7), False): [4, 5, 6],
        (log.at_least(3).at_most(4), False): [3, 4],
        (log.before(1), True): [],
        (log.after(9), False): [],
    }
    for (wanted, newest), numbers in cases.items():
        query = reader.query(wanted)
        found = (query.newest() if newest else query.oldest()).take(limit)
        assert [each.number for each in found] == numbers[:limit], wanted
        assert [each.number for each in reader.peek_log(wanted, limit, newest)] == numbers[:limit], wanted
