"""What a request costs, by AWS's published rules."""

from __future__ import annotations

import pytest

from chalicelib.data.errors import ConditionFailed
from chalicelib.data.store import Absent, Check, Delete, Exists, Key, Put, Update
from infra.local.faults.counting import CountingStore
from infra.local.sqlite.store import SqliteStore
from tests.support.stores import SPECS

A = Key("notes", "a")


def _store() -> CountingStore:
    return CountingStore(SqliteStore(":memory:", SPECS), SPECS)


def test_reads_cost_by_4_kb_and_twice_in_a_transaction() -> None:
    store = _store()
    store.write(Put("notes", {"pk": "a", "text": "x" * 5000}))
    store.reset()
    store.get(A)
    store.get(Key("notes", "nobody"))
    store.batch_get([A, A])
    store.transact_get([A, Key("fences", "f", "!")])
    assert (store.requests, store.rcu) == ({"get": 2, "batch_get": 1, "transact_get": 1}, {"notes": 2 + 1 + 4 + 4, "fences": 2})
    assert store.items["get", "notes"] == 2


def test_a_query_costs_by_what_it_reads_together_and_half_on_an_index() -> None:
    store = _store()
    for number in range(10):
        store.write(
            Put("log", {"pk": "c", "sk": str(number), "text": "x" * 1000, "by_author#p": "me", "by_author#o": str(number)})
        )
    store.reset()
    assert len(store.query("log", "c").items) == 10
    assert store.rcu == {"log": 3}
    store.query("log", "me", index="by_author")
    assert (store.rcu, store.requests["query"]) == ({"log": 3.5}, 2)


def test_writes_cost_by_1_kb_of_the_larger_item_and_twice_in_a_transaction() -> None:
    store = _store()
    store.write(Put("notes", {"pk": "a", "text": "x" * 2500}))
    store.write(Put("notes", {"pk": "a"}))
    store.write(Update(A, add={("n",): 1}))
    assert store.wcu == {"notes": 3 + 3 + 1}
    store.reset()
    store.transact([Update(A, add={("n",): 1}), Check(Key("fences", "f", "!"), Absent()), Put("commits", {"pk": "c"})])
    assert (store.wcu, store.requests) == ({"notes": 2, "fences": 2, "commits": 2}, {"transact": 1})


def test_a_refused_write_costs_too() -> None:
    store = _store()
    with pytest.raises(ConditionFailed):
        store.transact([Delete(A, Exists())])
    assert store.wcu == {"notes": 2}


def test_an_index_costs_one_per_entry_that_comes_or_goes() -> None:
    store = _store()
    owned = {"pk": "a", "by_owner#p": "me", "by_owner#o": "1"}
    for write, cost in (
        (Put("notes", owned), 2),
        (Put("notes", {**owned, "text": "same entry"}), 1),
        (Update(A, set={("by_owner#o",): "2"}), 3),
        (Delete(A), 2),
    ):
        store.reset()
        store.write(write)
        assert store.wcu == {"notes": cost}
