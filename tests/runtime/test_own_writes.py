"""A function sees its own writes, and a commit that cannot fit names its limit and writes nothing (checks 6 and 28)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib import Index, Table
from chalicelib.data.errors import LimitExceeded
from chalicelib.data.tables import SYSTEM_SPECS, spec
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.registry import Registry
from chalicelib.runtime.scheduling import Run
from chalicelib.wiring import SystemClock
from infra.local.faults.counting import CountingStore
from infra.local.sqlite.store import SqliteStore


class Leaf(Table, name="ownWritesLeaves"):
    """Something in an index, with a number that is unique."""

    tree: str
    number: int
    by_tree = Index("tree", order="number")
    by_number = Index("number", unique=True)


class Ring(Table, name="ownWritesRings", key=("tree", "year")):
    """An entry of a log."""

    tree: str
    year: int


@pytest.fixture
def store() -> CountingStore:
    specs = [*SYSTEM_SPECS, *(spec(table) for table in (Leaf, Ring))]
    return CountingStore(SqliteStore(":memory:", specs), specs)


def committed(store: CountingStore, work: Callable[[Any], Any]) -> None:
    """One mutation."""

    def body(run: Run) -> str:
        work(run.db)
        return "null"

    Executor(store, Registry(), SystemClock()).transact("acme", "test", body)  # type: ignore[arg-type]


def numbers(db: Any) -> list[int]:
    """What a range says; the count, the first one and each single document must agree."""
    found = [leaf.number for leaf in db.query(Leaf.by_tree("oak")).collect()]
    assert db.count(Leaf.by_tree("oak")) == len(found)
    first = db.query(Leaf.by_tree("oak")).first()
    assert (first and first.number) == (found[0] if found else None)
    assert [db.query(Leaf.by_number(each)).unique().number for each in found] == found
    return found


def test_what_a_mutation_writes_it_reads_by_every_way(store: CountingStore) -> None:
    def work(db: Any) -> None:
        assert numbers(db) == []
        for number in (3, 1, 2):
            db.insert(Leaf(id=f"leaf-{number}", tree="oak", number=number))
        assert numbers(db) == [1, 2, 3]
        db.patch(db.get(Leaf, "leaf-1"), number=9)
        assert numbers(db) == [2, 3, 9]
        assert db.query(Leaf.by_number(1)).unique() is None
        db.patch(db.get(Leaf, "leaf-2"), tree="elm")
        db.delete(db.get(Leaf, "leaf-3"))
        assert db.get(Leaf, "leaf-3") is None
        assert numbers(db) == [9]
        db.insert(Ring(id="r", tree="oak", year=1))
        assert [ring.year for ring in db.query(Ring.log("oak")).collect()] == [1]

    committed(store, work)
    committed(
        store, lambda db: [db.insert(Leaf(id="again", tree="oak", number=5)), numbers(db) == [5, 9] or pytest.fail("again")]
    )


def test_a_commit_of_101_writes_is_refused_by_name_and_writes_nothing(store: CountingStore) -> None:
    def work(db: Any) -> None:
        for number in range(101):
            db.insert(Ring(id=f"ring-{number}", tree="oak", year=number))

    with pytest.raises(LimitExceeded, match="a commit holds 100") as refused:
        committed(store, work)
    assert refused.value.tag == "TooManyWrites"
    assert "ctx.scheduler" in str(refused.value)
    assert store.inner.query("ownWritesRings", Ring.log.address("acme", ("oak",))).items == []
    assert store.requests["transact"] == store.requests["write"] == 0
