"""The price table, and the money that a unit becomes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.prices import PRICES, TAKEN, cost
from tests.bench_cost import Meter, idle, turn


def test_each_price_says_its_unit_and_the_page_that_it_is_from() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", TAKEN)
    for price in PRICES.values():
        assert price.dollars > 0
        assert price.unit
        assert price.page.startswith("aws.amazon.com/")


def test_units_become_dollars_and_a_unit_without_a_price_is_an_error() -> None:
    assert cost({"wru": 2_000_000, "secret_month": 2}) == pytest.approx({"wru": 1.25, "secret_month": 0.8})
    with pytest.raises(KeyError):
        cost({"unheard of": 1})


def test_a_month_in_which_nobody_comes_is_counted_and_costs_little(tmp_path: Path) -> None:
    meter = Meter(tmp_path)
    try:
        units, alarms = idle(meter)
    finally:
        meter.stack.stop()
    assert units["wru"] >= 2 * 30 * 24 * 60, "a row of the canary a minute, and its entry in the index"
    assert units["alarm_month"] == alarms > 5
    dollars = cost(units)
    assert set(dollars) == set(units)
    assert 5 < sum(dollars.values()) < 20


def test_a_turn_is_counted_and_costs_less_than_its_tokens(tmp_path: Path) -> None:
    meter = Meter(tmp_path)
    try:
        units, chunks, _ = turn(meter, 1)
    finally:
        meter.stack.stop()
    assert chunks > 5
    assert units["wru"] > chunks
    assert all(units[unit] > 0 for unit in ("rru", "invocation", "gb_second", "message", "log_byte", "byte_out"))
    assert sum(cost(units).values()) * 1e6 < 2_000
