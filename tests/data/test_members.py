"""`ids()`: who is in a range, without the documents; what is read, watched and a condition for it, and where it is refused."""

from __future__ import annotations

import pytest

from chalicelib import Index, Table
from chalicelib.data import ids as made
from chalicelib.data.commit import commit
from chalicelib.data.database import Reader, Writer
from chalicelib.data.errors import BadRequest, Conflict
from chalicelib.data.receipts import Intent
from chalicelib.data.store import Delete, Key
from chalicelib.data.tables import MARK, all_specs
from chalicelib.data.transaction import Transaction
from infra.local.faults.counting import CountingStore
from infra.local.sqlite.store import SqliteStore
from tests.data.sea import Knot

ORG = "acme"


class Lamp(Table, name="memberLamps"):
    quay: str
    height: int = 0
    lit: bool = False
    by_quay = Index("quay", order="height")
    by_shards = Index("quay", shards=4)


class Candle(Table, name="memberCandles", ttl="burns_until"):
    quay: str
    burns_until: float
    by_quay = Index("quay")


class Quay:
    """A store that is counted, and hides that its indexes are exact: fresh rows are written and read."""

    def __init__(self) -> None:
        self.store = CountingStore(SqliteStore(":memory:", all_specs()), all_specs())
        self._commits = 0

    def reading(self) -> Transaction:
        return Transaction(self.store, ORG)

    def writing(self) -> tuple[Transaction, Writer]:
        tx = Transaction(self.store, ORG, writable=True)
        return tx, Writer(tx, lambda: made.of_table("memberLamps", "a" * 20))

    def commit(self, tx: Transaction) -> None:
        self._commits += 1
        number = self._commits
        commit(self.store, tx, Intent(f"c{number}", f"stamp{number}", "", "test:it", ORG, "null", 1_000))

    def light(self, *lamps: Table) -> None:
        tx, db = self.writing()
        for lamp in lamps:
            db.insert(lamp)
        self.commit(tx)


@pytest.fixture
def quay() -> Quay:
    made = Quay()
    made.light(*(Lamp(id=f"l{number}", quay="north", height=number % 7) for number in range(20)), Lamp(id="far", quay="south"))
    return made


@pytest.mark.parametrize("index", [Lamp.by_quay, Lamp.by_shards])
@pytest.mark.parametrize("newest", [True, False])
def test_ids_are_those_of_the_documents_in_the_order_of_the_range(quay: Quay, index: Index, newest: bool) -> None:
    db = Reader(quay.reading())
    wanted = db.query(index("north")).newest() if newest else db.query(index("north"))
    assert wanted.ids() == [lamp.id for lamp in wanted.collect()]
    assert len(wanted.ids()) == 20


def test_ids_between_bounds_are_those_of_the_documents(quay: Quay) -> None:
    db = Reader(quay.reading())
    wanted = db.query(Lamp.by_quay("north").at_least(2).before(5))
    assert wanted.ids() == [lamp.id for lamp in wanted.collect()]
    assert 0 < len(wanted.ids()) < 20


def test_no_document_is_read_and_what_is_watched_is_what_the_documents_range_watches(quay: Quay) -> None:
    named, read = quay.reading(), quay.reading()
    quay.store.reset()
    assert len(Reader(named).query(Lamp.by_quay("north")).ids()) == 20
    assert not quay.store.items["batch_get", "memberLamps"] + quay.store.items["transact_get", "memberLamps"]
    Reader(read).query(Lamp.by_quay("north")).collect()
    assert named.reads.watches == read.reads.watches
    fences = {key: version for key, version in read.reads.versions.items() if key.table == "fences"}
    assert named.reads.versions == fences
    assert len(fences) == 1


def test_who_left_within_the_hour_is_not_named(quay: Quay) -> None:
    tx, db = quay.writing()
    db.delete(Lamp, "l3")
    db.patch(Lamp, "l4", quay="south")
    quay.commit(tx)
    named = Reader(quay.reading()).query(Lamp.by_quay("north")).ids()
    assert sorted(named) == sorted(f"l{number}" for number in range(20) if number not in (3, 4))


def test_a_member_that_changes_is_no_conflict_and_one_that_comes_is(quay: Quay) -> None:
    def begun() -> Transaction:
        tx, db = quay.writing()
        assert len(db.query(Lamp.by_quay("north")).ids()) == 20
        db.insert(Lamp(id=f"new{quay._commits}", quay="east"))
        return tx

    def meanwhile(change: Table | None) -> None:
        tx, db = quay.writing()
        if change is None:
            db.patch(Lamp, "l5", lit=True)
        else:
            db.insert(change)
        quay.commit(tx)

    calm = begun()
    meanwhile(None)
    quay.commit(calm)
    late = begun()
    meanwhile(Lamp(id="another", quay="north"))
    with pytest.raises(Conflict):
        quay.commit(late)


def test_who_has_expired_in_the_store_is_not_named_and_nobody_stands_for_them(quay: Quay) -> None:
    """The store removes such rows itself, so the fence's size knows nothing of it."""
    quay.light(*(Candle(id=f"c{number}", quay="north", burns_until=1e15) for number in range(3)))
    tx, db = quay.writing()
    db.delete(Candle, "c0")  # its fresh row is still there
    quay.commit(tx)
    partition = Candle.by_quay("north").address(ORG)
    fresh = {row["dpk"]: row["sk"] for row in quay.store.query("fences", partition).items if row["sk"] != MARK}
    gone = f"{ORG}|memberCandles|c1"
    quay.store.write(Delete(Key("memberCandles", gone)))
    quay.store.write(Delete(Key("fences", partition, fresh[gone])))
    fence = quay.store.get(Key("fences", partition, MARK))
    assert fence is not None
    assert fence["size"] == 2, "and two are proposed: one who left, and one who is there"
    assert Reader(quay.reading()).query(Candle.by_quay("north")).ids() == ["c2"]


def test_ids_of_a_log_are_refused(quay: Quay) -> None:
    with pytest.raises(BadRequest, match="an id of their own"):
        Reader(quay.reading()).query(Knot.log("r")).ids()
