"""What a range costs does not depend on how much was inserted within the hour, and what is past its hour is not looked at."""

from __future__ import annotations

import pytest

from chalicelib.data.tables import all_specs
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.registry import Registry
from infra.local.faults.counting import CountingStore
from infra.local.sqlite.store import SqliteStore
from tests.data import sea
from tests.functions.conftest import MovingClock

HOUR_MS = 3_600_000


class Harbour:
    """One harbour over a counted store, at a time of its own."""

    def __init__(self) -> None:
        self.store = CountingStore(SqliteStore(":memory:", all_specs()), all_specs())
        registry = Registry()
        for function in sea.FUNCTIONS:
            registry.add(function, "sea")
        self.clock = MovingClock()
        self.executor = Executor(self.store, registry, self.clock, development=True)

    def launch(self, ranks: range) -> None:
        for rank in ranks:
            self.do("launch", harbour="h", rank=rank, name=f"b{rank}")

    def do(self, name: str, /, **args: object) -> None:
        assert self.executor.mutation(f"sea:{name}", args, None).error is None

    def first(self, newest: bool) -> tuple[int, float, int]:
        """The boat at one end of the range; the read units that it took, and the documents that were read."""
        self.store.reset()
        outcome = self.executor.query("sea:ranked", {"harbour": "h", "limit": 1, "newest": newest, "high": 1000}, None)
        assert outcome.error is None
        read = self.store.items["batch_get", "seaBoats"] + self.store.items["transact_get", "seaBoats"]
        return outcome.value[0][0], sum(self.store.rcu.values()), read


@pytest.mark.parametrize("newest", [True, False])
def test_one_end_of_a_range_costs_the_same_after_hundreds_of_inserts(newest: bool) -> None:
    harbour = Harbour()
    harbour.launch(range(10))
    _, few, _ = harbour.first(newest)
    harbour.launch(range(10, 600))
    found, many, read = harbour.first(newest)
    assert found == (599 if newest else 0)
    assert many <= few
    assert read <= 12


def test_what_left_within_the_hour_is_passed_over_and_after_it_is_not_looked_at() -> None:
    """The store keeps expired rows for days; they are no candidates any more."""
    harbour = Harbour()
    harbour.launch(range(40))
    for rank in range(30):
        harbour.do("sink", name=f"b{rank}")
    assert harbour.first(newest=False)[0] == 30
    within = harbour.first(newest=False)[2]
    harbour.clock.ahead += HOUR_MS + 60_000
    found, _, after = harbour.first(newest=False)
    assert found == 30
    assert after < within / 3
