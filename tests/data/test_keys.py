"""Keys keep the order of values and fit DynamoDB."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.data.errors import BadRequest
from chalicelib.data.keys import UNDEFINED, encode_key
from chalicelib.data.tables import HIGHEST, LOWEST, org_key
from chalicelib.data.values import Int64

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.text("\x00\x01\x02a~", max_size=4)
leaves = (
    st.just(UNDEFINED)
    | st.none()
    | st.integers(-(2**63), 2**63 - 1).map(Int64)
    | st.floats(allow_nan=False).map(lambda number: number + 0.0)
    | st.integers(-(2**53), 2**53)
    | st.booleans()
    | texts
    | st.binary(max_size=4)
)
anything = leaves | st.lists(leaves.filter(lambda value: value is not UNDEFINED), max_size=3)


def rank(value: Any) -> tuple[Any, ...]:
    """Convex's order, written down a second time."""
    if value is UNDEFINED:
        return (0,)
    if value is None:
        return (1,)
    if isinstance(value, Int64):
        return (2, int(value))
    if isinstance(value, bool):
        return (4, value)
    if isinstance(value, (int, float)):
        return (3, float(value), str(value)[0] != "-")
    if isinstance(value, str):
        return (5, value.encode())
    if isinstance(value, bytes):
        return (6, value)
    return (7, [rank(each) for each in value])


@given(anything, anything)
def test_the_order_of_keys_is_the_order_of_values(one: Any, other: Any) -> None:
    first, second = encode_key(one).encode(), encode_key(other).encode()
    assert (first < second) == (rank(one) < rank(other))
    assert (first == second) == (rank(one) == rank(other))


@given(st.lists(anything, min_size=1, max_size=3), st.lists(anything, min_size=1, max_size=3))
def test_no_key_is_mistaken_for_another(one: list[Any], other: list[Any]) -> None:
    same = [rank(each) for each in one] == [rank(each) for each in other]
    assert (encode_key(*one) == encode_key(*other)) == same


@given(anything)
def test_a_key_fits_between_the_bounds_and_holds_no_nul(value: Any) -> None:
    key = encode_key(value)
    assert LOWEST <= key < HIGHEST
    assert "\x00" not in key


@given(anything, anything)
def test_what_follows_a_prefix_is_below_its_end(one: Any, other: Any) -> None:
    prefix = encode_key(one)
    assert prefix.encode() <= encode_key(one, other).encode() < (prefix + HIGHEST).encode()


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(BadRequest):
        encode_key("\ud800")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8))
def test_an_org_cannot_be_mistaken_for_part_of_an_address(org: str) -> None:
    """Invariant 9."""
    assert not set(org_key(org)) & {"|", "*", "#", "\x00"}
