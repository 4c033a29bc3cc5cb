"""Indexes over all orgs are spread over shards: a sweep finds what stands in any of them, and what older code put in none."""

from __future__ import annotations

import pytest

from chalicelib import Index, MutationCtx, Table, mutation
from chalicelib.data.building import NOTHING_BUILDING, Building, IndexStates
from chalicelib.data.errors import BadRequest
from chalicelib.data.store import Item, Key, Put
from chalicelib.data.tables import SYSTEM_SPECS, spec
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.identity import User
from chalicelib.runtime.indexes import Indexes
from chalicelib.runtime.registry import Registry
from chalicelib.wiring import SystemClock
from infra.local.faults.counting import CountingStore
from infra.local.sqlite.store import SqliteStore

ORGS = ("acme", "other")
SHARDS = 8


class Chore(Table, name="shardChores"):
    """Something to do until a time."""

    until: int
    state: str = "open"

    by_state_until = Index("state", order="until", eventual=True, everywhere=True, shards=SHARDS, only=("open",))


@mutation
def put(ctx: MutationCtx, name: str, until: int, state: str = "open") -> None:
    """A new one, or the same with other values."""
    known = ctx.db.get(Chore, name)
    if known is None:
        ctx.db.insert(Chore(id=name, until=until, state=state))
    else:
        ctx.db.patch(known, until=until, state=state)


SPECS = [*SYSTEM_SPECS, spec(Chore)]


class House:
    """A backend without doors, whose requests are counted."""

    def __init__(self, store: CountingStore) -> None:
        self.store = store
        registry = Registry()
        registry.add(put, "chores")
        self.executor = Executor(store, registry, SystemClock(), development=True)
        self.executor.building = Building(store, SystemClock())
        self.indexes = Indexes(self.executor)

    def put(self, name: str, until: int, state: str = "open", org: str = "acme") -> None:
        """As one org's user."""
        done = self.executor.mutation(
            "chores:put", {"name": name, "until": until, "state": state}, User("alice", "https://issuer.test", org)
        )
        assert done.ok, done

    def due(self, until: int = 10**6, limit: int = 500) -> list[str]:
        """What a sweep finds."""
        return [item["_id"] for item in self.executor.listed(Chore.by_state_until, ("open",), until, limit)]

    def rows(self) -> list[Item]:
        """Every stored chore."""
        return self.store.scan("shardChores").items

    def as_older_code_left_it(self) -> None:
        """One partition for all, as it was before there were shards; and the store knows only that."""
        for item in self.rows():
            shard = str(item["by_state_until#p"]).rpartition("|")[0]
            self.store.inner.write(Put("shardChores", {**item, "by_state_until#p": shard}))

        def older(run: object) -> str:
            known = run.db.get(IndexStates, "indexes")  # type: ignore[attr-defined]
            definitions = {**known.definitions, "shardChores.by_state_until": "state / until / 1 eventual everywhere"}
            run.db.patch(known, definitions=definitions)  # type: ignore[attr-defined]
            return "null"

        self.executor.transact("_system", "older", older)
        self.executor.building = Building(self.store, SystemClock())


@pytest.fixture
def house() -> House:
    made = House(CountingStore(SqliteStore(":memory:", SPECS), SPECS))
    made.indexes.reconcile([Chore])
    return made


def test_what_stands_in_any_shard_is_found_in_order_and_not_more_than_was_asked_for(house: House) -> None:
    for number in range(60):
        house.put(f"c{number:02}", until=100 - number, org=ORGS[number % 2])
    partitions = {str(item["by_state_until#p"]) for item in house.rows()}
    assert len(partitions) == SHARDS
    assert house.due() == [f"c{number:02}" for number in reversed(range(60))]
    assert house.due(until=45) == ["c59", "c58", "c57", "c56", "c55"]
    assert house.due(limit=7) == [f"c{number:02}" for number in range(59, 52, -1)]


def test_what_is_finished_leaves_the_index_and_comes_back_when_it_is_opened_again(house: House) -> None:
    house.put("c", 1)
    house.put("c", 1, state="done")
    assert "by_state_until#p" not in house.rows()[0]
    assert house.due() == []
    with pytest.raises(BadRequest, match=r"by_state_until holds only state \['open'\]"):
        house.executor.listed(Chore.by_state_until, ("done",))
    house.put("c", 2)
    assert house.due() == ["c"]


def test_documents_that_older_code_left_in_one_partition_are_found_before_and_after_the_index_is_built(house: House) -> None:
    for number in range(20):
        house.put(f"c{number:02}", until=number)
    house.indexes.reconcile([Chore])
    house.as_older_code_left_it()
    everybody = [f"c{number:02}" for number in range(20)]
    assert house.due() == everybody
    house.put("c03", until=3)  # its next write puts it where it belongs
    assert house.due() == everybody
    assert house.indexes.reconcile([Chore]) == ["shardChores.by_state_until"]
    assert house.due() == everybody
    assert house.indexes.build("shardChores.by_state_until").clean
    assert house.due() == everybody
    assert len({str(item["by_state_until#p"]) for item in house.rows()}) == SHARDS


def test_a_process_that_does_not_ask_whether_documents_have_moved_misses_those_of_older_code(house: House) -> None:
    for number in range(20):
        house.put(f"c{number:02}", until=number)
    house.indexes.reconcile([Chore])
    house.as_older_code_left_it()
    house.executor.building = NOTHING_BUILDING
    assert house.due() == []


def test_a_sweep_of_a_quiet_store_asks_each_shard_once_and_nothing_else(house: House) -> None:
    house.put("c", 10)
    house.due()
    house.store.reset()
    assert house.due(until=5) == []
    assert dict(house.store.requests) == {"query": SHARDS}
    assert sum(house.store.rcu.values()) <= SHARDS * 0.5
    assert house.store.get(Key("shardChores", "nobody")) is None
