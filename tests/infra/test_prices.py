"""The price table, and the money that a unit becomes."""

from __future__ import annotations

import re

import pytest

from infra.prices import PRICES, TAKEN, cost


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
