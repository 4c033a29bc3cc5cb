"""Values on the wire and in the store."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.data import values
from chalicelib.data.errors import BadRequest
from chalicelib.data.values import Int64

names = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=8).filter(lambda name: name[0] != "$")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | texts
    | st.binary(max_size=8)
    | st.integers(-(2**63), 2**63 - 1).map(Int64)
)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=12
)


def same(one: Any, other: Any) -> bool:
    """Equal, and of one type where the wire knows the difference (int64, -0)."""
    return repr(normal(one)) == repr(normal(other))


def normal(value: Any) -> Any:
    if (
        isinstance(value, float)
        and value.is_integer()
        and abs(value) <= 2**53
        and math.copysign(1, value or 1) == math.copysign(1, value)
    ):
        return int(value)
    if isinstance(value, Int64):
        return ("int64", int(value))
    if isinstance(value, list):
        return [normal(each) for each in value]
    if isinstance(value, dict):
        return {name: normal(each) for name, each in sorted(value.items())}
    return value


@given(anything)
def test_a_value_survives_the_wire(value: Any) -> None:
    assert same(values.loads(values.dumps(values.encode(value))), value)


@given(anything)
def test_a_value_survives_the_store(value: Any) -> None:
    assert same(values.from_item(values.to_item(value)), value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -0.0])
def test_special_floats_are_tagged_and_ordinary_ones_never(number: float) -> None:
    wire = values.encode(number)
    assert list(wire) == ["$float"]
    assert struct.pack("<d", values.decode(wire)) == struct.pack("<d", number)
    assert values.encode(1.5) == 1.5
    assert values.encode(3.0) == 3


def test_int64_and_bytes_have_their_own_form() -> None:
    assert values.encode(Int64(-2)) == {"$integer": base64.b64encode((-2).to_bytes(8, "little", signed=True)).decode()}
    assert values.decode({"$integer": "AQAAAAAAAAA="}) == 1
    assert isinstance(values.decode({"$integer": "AQAAAAAAAAA="}), Int64)
    assert values.decode({"$bytes": "AP8="}) == b"\x00\xff"


@pytest.mark.parametrize(
    "wire",
    [
        {"$other": 1},
        {"$integer": "AQ=="},
        {"$bytes": "?"},
        {"$float": 1},
        {"a": {"é": 1}},
        {"$a": 1, "b": 2},
        "\ud800",
        [0] * 8193,
    ],
)
def test_what_is_no_value_is_refused(wire: Any) -> None:
    with pytest.raises(BadRequest):
        values.decode(wire)


@pytest.mark.parametrize("value", [{1, 2}, object(), 2**60, {"$a": 1}])
def test_a_function_cannot_return_what_is_no_value(value: Any) -> None:
    with pytest.raises(BadRequest):
        values.encode(value)


def test_equal_values_have_equal_text() -> None:
    assert (
        values.dumps(values.encode({"b": 1.0, "a": [2]}))
        == values.dumps(values.encode({"a": [2.0], "b": 1}))
        == '{"a":[2],"b":1}'
    )
    assert values.digest({"b": 1}) == values.digest({"b": 1.0}) != values.digest({"b": 2})


def test_the_plain_format_is_lossy() -> None:
    assert json.dumps(values.clean({"n": Int64(7), "b": b"\x01", "x": 1.5})) == '{"n": "7", "b": "AQ==", "x": 1.5}'
