"""The lag of indexes is measured, whatever it is (issue: index lag among the metrics)."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.data.meters import LISTENED
from chalicelib.data.tables import SYSTEM_SPECS, spec
from chalicelib.runtime.canary import EVERY_MS, PATIENCE_MS, Canary, index_lag
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.registry import Registry
from infra.local.faults.store import Faults, FaultyStore
from infra.local.sqlite.store import SqliteStore


class World:
    """A store whose indexes lag, and a time that passes only when somebody waits."""

    def __init__(self, lag_s: float) -> None:
        self.now = 1_700_000_000.0
        specs = [*SYSTEM_SPECS, spec(Canary)]
        inner = SqliteStore(":memory:", specs)
        self.store = FaultyStore(inner, specs, random.Random(1), now=lambda: self.now, sleep=self.sleep)
        self.lagging(lag_s)
        self.executor = Executor(self.store, Registry(), self)

    def lagging(self, seconds: float) -> None:
        self.store.faults = Faults(index_lag=(seconds, seconds))

    def now_ms(self) -> int:
        return round(self.now * 1000)

    def now_ns(self) -> int:
        return round(self.now * 1e9)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def minutes(self, count: float, every_s: float = 10) -> None:
        """Sweeps of so many minutes."""
        end = self.now + count * 60
        while self.now < end:
            index_lag(self.executor)
            self.now += every_s


@pytest.fixture
def measured() -> Iterator[list[float]]:
    """What is measured, in milliseconds."""
    heard: list[float] = []

    class Ear(logging.Handler):
        def emit(self, record: Any) -> None:
            name, value, unit, *_ = record.meter
            assert (name, unit) == ("IndexLag", "Milliseconds")
            heard.append(value)

    ear, before = Ear(), LISTENED.level
    LISTENED.addHandler(ear)
    LISTENED.setLevel(logging.DEBUG)
    yield heard
    LISTENED.removeHandler(ear)
    LISTENED.setLevel(before)


def test_a_short_lag_is_measured_once_a_minute_and_not_as_zero(measured: list[float]) -> None:
    World(0.3).minutes(5)
    assert 4 <= len(measured) <= 5
    assert all(300 <= each <= 1000 for each in measured), measured


def test_a_long_lag_grows_until_the_row_appears(measured: list[float]) -> None:
    world = World(400)
    world.minutes(6)
    assert measured == sorted(measured)
    assert measured[-1] > 340_000
    assert min(measured) > PATIENCE_MS, "a row that was waited for in vain is no measurement"
    count = len(measured)
    world.lagging(0.0)
    world.minutes(3)
    after = measured[count:]
    assert after[-1] < 50, "it is told when all is well again"


def test_two_sweeps_at_once_write_one_row(measured: list[float]) -> None:
    world = World(0.0)
    index_lag(world.executor)
    index_lag(world.executor)
    assert len(measured) == 1
    world.now += EVERY_MS / 1000
    index_lag(world.executor)
    assert len(measured) == 2
