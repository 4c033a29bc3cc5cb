"""A mutation that writes nothing commits nothing; under an idempotency key its answer is kept, by one plain put."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.data.errors import LimitExceeded
from chalicelib.data.tables import all_specs
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.registry import Registry
from chalicelib.wiring import SystemClock
from infra.local.faults.counting import CountingStore
from infra.local.sqlite.store import SqliteStore
from tests.data import sea


@pytest.fixture
def house() -> tuple[CountingStore, Executor]:
    """A counted store with two boats in a harbour."""
    store = CountingStore(SqliteStore(":memory:", all_specs()), all_specs())
    registry = Registry()
    for function in sea.FUNCTIONS:
        registry.add(function, "sea")
    executor = Executor(store, registry, SystemClock(), development=True)
    for name in ("x", "y"):
        executor.mutation("sea:launch", {"harbour": "h", "name": name}, None)
    store.reset()
    return store, executor


def muster(executor: Executor, names: list[str], key: str | None = None) -> Any:
    outcome = executor.mutation("sea:muster", {"names": names}, None, key)
    assert outcome.error is None
    return outcome.value


@pytest.mark.parametrize("names", [["x"], ["x", "y"]])
def test_what_it_saw_is_looked_at_once_more_and_nothing_is_written(
    house: tuple[CountingStore, Executor], names: list[str]
) -> None:
    store, executor = house
    assert muster(executor, names) == [0] * len(names)
    assert (store.requests, store.wcu) == ({"get": len(names), "transact_get": 1}, {})


def test_under_a_key_the_answer_is_one_plain_put_and_stays_the_first(house: tuple[CountingStore, Executor]) -> None:
    store, executor = house
    assert muster(executor, ["x"], "k") == [0]
    assert store.items["write", "commits"] == 1
    assert store.wcu == {"commits": 1}
    executor.mutation("sea:board", {"name": "x"}, None)
    assert muster(executor, ["x"], "k") == [0]
    assert muster(executor, ["x"], "other") == [1]


def test_other_arguments_under_a_kept_key_are_refused(house: tuple[CountingStore, Executor]) -> None:
    _, executor = house
    muster(executor, ["x"], "k")
    outcome = executor.mutation("sea:muster", {"names": ["y"]}, None, "k")
    assert outcome.error is not None
    assert "idempotency key" in outcome.error.message


def test_it_may_read_no_more_than_one_that_writes(house: tuple[CountingStore, Executor]) -> None:
    """Whether a mutation is too large does not depend on what it finds."""
    _, executor = house

    def reads_all(run: Any) -> str:
        for number in range(120):
            run.db.get(sea.Boat, f"b{number}")
        return "null"

    with pytest.raises(LimitExceeded):
        executor.transact("acme", "test", reads_all)
