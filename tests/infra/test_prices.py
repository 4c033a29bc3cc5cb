"""The price table, and the money that a unit becomes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.settings import Settings
from infra.prices import PRICES, TAKEN, cost
from tests import counted_turns
from tests.bench_cost import Meter, idle, turn
from tests.bench_uses import idle_sockets

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"


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
    assert _documented(r"\$([\d.]+) a month while nobody comes") == f"{sum(dollars.values()):.0f}"


def test_a_socket_that_says_nothing_costs_what_the_documents_say(tmp_path: Path) -> None:
    meter = Meter(tmp_path, ping_s=1)
    try:
        found = idle_sockets(meter, Settings.ping_s)
    finally:
        meter.stack.stop()
    assert _documented(r"an idle\s+socket is \$([\d.]+) a month") == f"{found.dollars:.2f}"
    assert _documented(r"([\d,]+) pings") == f"{found.posts:,}"


def _documented(pattern: str) -> str:
    """The figure of docs/operating.md."""
    found = re.search(pattern, PAGE.read_text().replace("**", ""))
    assert found, pattern
    return found[1]


def test_the_documents_hold_the_table_of_a_turn_that_make_bench_cost_prints() -> None:
    page = PAGE.read_text()
    assert "\n".join(counted_turns.lines()) in page
    assert f"counted on {counted_turns.COUNTED_ON}" in page.replace("\n", " ")
    assert _documented(r"reply of (\d+) chunks") == f"{counted_turns.CHUNKS[1]}"
    assert _documented(r"\((\d+) where ten tabs watch\)") == f"{counted_turns.CHUNKS[10]}"
    assert _documented(r"chunks in (\d+)\s+seconds") == f"{counted_turns.REPLY_S}"


def test_a_turn_is_counted_as_it_is_recorded_and_costs_less_than_its_tokens(tmp_path: Path) -> None:
    meter = Meter(tmp_path)
    try:
        units, chunks, _ = turn(meter, 1)
    finally:
        meter.stack.stop()
    assert chunks > 5
    assert units["wru"] > chunks
    assert all(units[unit] > 0 for unit in ("rru", "invocation", "gb_second", "message", "log_byte", "byte_out"))
    assert counted_turns.otherwise(1, units, chunks) == []
    assert sum(cost(units).values()) * 1e6 < 2_000


def test_a_count_that_is_twice_the_recorded_one_is_said() -> None:
    twice = {unit: 2 * count for unit, count in counted_turns.TURNS[1].items()}
    assert len(counted_turns.otherwise(1, twice, counted_turns.CHUNKS[1])) == len(counted_turns.STEADY)
    assert counted_turns.otherwise(1, counted_turns.TURNS[1], counted_turns.CHUNKS[1]) == []
