"""Several calls in one transaction: one that is taken back leaves nothing of itself, and the others are what they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chalicelib.data.commit as commit_module
from chalicelib.data.commit import commit
from chalicelib.data.errors import BadRequest, Conflict, LimitExceeded
from chalicelib.data.receipts import Intent, Planned
from chalicelib.data.store import Store
from chalicelib.data.tables import all_specs
from chalicelib.data.transaction import LARGEST_READ, Transaction
from infra.local.sqlite.store import SqliteStore
from tests.data.mutants import ReadsUnchecked, swapped
from tests.data.sea import Berth, Boat, Knot, Rope

Do = Callable[[Transaction], Any]
NAMES = ("a", "b", "c", "d")


def _insert_boat(name: str, harbour: str) -> Do:
    return lambda tx: tx.insert(Boat(id=name, harbour=harbour), look=True)


def _board(name: str, crew: int) -> Do:
    return lambda tx: tx.change(Boat, (name,), {"crew": crew})


def _sink(name: str) -> Do:
    return lambda tx: tx.delete(Boat, name)


def _moor(name: str, number: int) -> Do:
    return lambda tx: tx.insert(Berth(id=name, number=number), look=True)


def _leave(name: str) -> Do:
    return lambda tx: tx.delete(Berth, name)


def _list(harbour: str) -> Do:
    return lambda tx: [rec["_id"] for _, rec in tx.range(Boat.by_rank(harbour), False, None)]


def _who(number: int) -> Do:
    return lambda tx: (tx.unique(Berth.by_number(number)) or {}).get("_id")


names, harbours, numbers = st.sampled_from(NAMES), st.sampled_from(("h", "k")), st.integers(1, 3)
STEPS = st.one_of(
    st.builds(_insert_boat, names, harbours),
    st.builds(_board, names, numbers),
    st.builds(_sink, names),
    st.builds(_moor, names, numbers),
    st.builds(_leave, names),
    st.builds(_list, harbours),
    st.builds(_who, numbers),
)
CALLS = st.lists(STEPS, max_size=6)


def _store() -> Store:
    """Two boats and two berths are there."""
    store = SqliteStore(":memory:", all_specs())
    tx = _transaction(store)
    _run(tx, [_insert_boat("a", "h"), _insert_boat("b", "k"), _moor("a", 1), _moor("b", 2)])
    _commit(store, tx, "0")
    return store


def _transaction(store: Store) -> Transaction:
    return Transaction(store, "acme", now_ms=1000.0, writable=True)


def _run(tx: Transaction, steps: list[Do]) -> list[Any]:
    told: list[Any] = []
    for step in steps:
        try:
            told.append(step(tx))
        except BadRequest as error:
            told.append(error.message)
    return told


def _commit(store: Store, tx: Transaction, stamp: str) -> list[tuple[str, str]]:
    return commit(store, tx, Intent(stamp, stamp, "", "test", "acme", "null", 1)).touched


def _state(tx: Transaction) -> list[Any]:
    reads = tx.reads
    return [tx.writes, tx.uniques.held(), tx.now_ms, reads.versions, reads.watches, reads.torn]


def _everything(store: Store) -> list[Any]:
    return [store.scan(spec.name, limit=1000).items for spec in all_specs()]


@given(CALLS, CALLS, CALLS)
def test_a_call_that_is_taken_back_leaves_the_transaction_as_it_was(before: list[Do], taken: list[Do], after: list[Do]) -> None:
    store = _store()
    shared, alone = _transaction(store), _transaction(store)
    told = _run(shared, before)
    mark = shared.savepoint(2000.0)
    _run(shared, taken)
    shared.roll_back(mark)
    assert (told, _state(shared)) == (_run(alone, before), _state(alone))
    assert _run(shared, after) == _run(alone, after)
    assert _state(shared) == _state(alone)


@given(CALLS, CALLS, CALLS)
def test_a_refused_call_writes_nothing_and_what_it_has_read_is_checked(
    before: list[Do], refused: list[Do], after: list[Do]
) -> None:
    one, other = _store(), _store()
    shared, alone = _transaction(one), _transaction(other)
    _run(shared, before)
    mark = shared.savepoint()
    _run(shared, refused)
    seen = dict(shared.reads.versions)
    shared.roll_back(mark, keep_reads=True)
    assert _run(shared, after) == _run(alone, before + after)[len(before) :]
    assert seen.items() <= shared.reads.versions.items()
    assert _commit(one, shared, "1") == _commit(other, alone, "1")
    assert _everything(one) == _everything(other)


def test_what_a_call_that_was_taken_back_gave_up_is_still_taken() -> None:
    store = _store()
    tx = _transaction(store)
    mark = tx.savepoint()
    tx.delete(Berth, "a")
    tx.roll_back(mark, keep_reads=True)
    with pytest.raises(BadRequest, match="another document has this number"):
        tx.insert(Berth(id="c", number=1))


def test_creation_times_grow_with_the_calls_though_a_clock_stood_or_went_back() -> None:
    store = _store()
    tx = _transaction(store)
    made = []
    for number, now in enumerate((2000.0, 2000.0, 1999.0, 3000.0)):
        tx.savepoint(now)
        made.append(tx.insert(Boat(id=f"new{number}", harbour="h"))["_creationTime"])
    assert made == sorted(set(made))
    assert made[-1] >= 3000


def test_each_call_may_read_as_much_as_one_alone() -> None:
    store = SqliteStore(":memory:", all_specs())
    tx = _transaction(store)

    def read(start: int, count: int) -> None:
        for number in range(start, start + count):
            tx.get(Boat, f"x{number}")

    read(0, LARGEST_READ)
    tx.savepoint()
    read(LARGEST_READ, LARGEST_READ)
    with pytest.raises(LimitExceeded, match="1000 documents"):
        read(2 * LARGEST_READ, 1)


def test_a_document_that_one_call_makes_and_the_next_one_deletes_must_have_been_free() -> None:
    store = _store()
    first = _transaction(store)
    first.insert(Rope(id="r", made=1))
    first.insert(Knot(id="k", rope="r", sequence=1, text="tight"))
    _commit(store, first, "1")
    tx = _transaction(store)
    tx.insert(Knot(id="l", rope="r", sequence=1, text="loose"))
    tx.savepoint()
    tx.delete(Knot, "r", 1)
    with pytest.raises(Conflict) as refused:
        _commit(store, tx, "2")
    assert [key.table for key in refused.value.taken] == ["seaKnots"]


def _moved_while_it_was_read(meanwhile: list[Do]) -> None:
    """Somebody asks who has a berth, and writes something else down; before that is committed, others act."""
    store = _store()
    tx = _transaction(store)
    assert _run(tx, [_who(1), _board("a", 7)])[0] == "a"
    other = _transaction(store)
    _run(other, meanwhile)
    _commit(store, other, "1")
    _commit(store, tx, "2")


@pytest.mark.parametrize("meanwhile", [[_leave("a")], [_leave("a"), _moor("c", 1)], [_leave("a"), _moor("a", 3), _moor("c", 1)]])
def test_who_has_a_unique_value_is_as_sure_as_the_version_of_who_has_it(meanwhile: list[Do]) -> None:
    with pytest.raises(Conflict):
        _moved_while_it_was_read(meanwhile)
    with swapped((commit_module, "_Plan", ReadsUnchecked)):
        _moved_while_it_was_read(meanwhile)


def test_a_claim_is_asked_only_where_no_document_vouches_for_it() -> None:
    store = _store()
    tx = _transaction(store)
    _run(tx, [_who(1), _who(3), _board("a", 7)])
    plan = commit_module._Plan(tx, [Planned(Intent("i", "i", "", "test", "acme", "null", 1), [])])
    asked = [commit_module.key_of(each) for each in plan.actions()]
    assert [key.pk for key in asked if key.table == "claims"] == [Berth.by_number(3).address("acme")]
