"""One gate: what a table does not allow is refused by the write that brings it, and what is stored can be read by every way."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.data import values
from chalicelib.data.store import MAX_ITEM_BYTES
from tests.data.desk import Desk, said
from tests.data.test_values import anything, names, same


def nested(levels: int, leaf: Any = 1) -> Any:
    value = leaf
    for number in range(levels):
        value = [value] if number % 2 else {"in": value}
    return value


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a wrong type": ({"text": 5}, "text"),
    "a string for a number": ({"rank": "high"}, "rank"),
    "a broken number for an int": ({"count": 1.5}, "count"),
    "an unknown literal": ({"state": "opne"}, "state"),
    "None where the type has none": ({"text": None}, "text"),
    "a number for an Int64": ({"big": 5}, "big"),
    "a set": ({"meta": {"tags": {"a"}}}, "meta.tags"),
    "an object": ({"anything": object()}, "anything"),
    "a key that is not ASCII": ({"meta": {"a": {"日本": 1}}}, "meta.a"),
    "a key with a leading $": ({"anything": {"price": {"$gt": 5}}}, "anything.price"),
    "an empty key": ({"meta": {"": 1}}, "meta"),
    "a key that is a number": ({"meta": {1: 1}}, "meta"),
    "a key of 1,025 characters": ({"meta": {"k" * 1025: 1}}, "meta"),
    "a key with a line break": ({"meta": {"a\nb": 1}}, "meta"),
    "a list of 9,000": ({"anything": [0] * 9000}, "anything"),
    "half of an emoji": ({"text": "cut \ud83d"}, "text"),
    "half of an emoji, deep inside": ({"meta": {"list": [1, {"x": "\udc00"}]}}, "meta.list[1].x"),
    "half of an emoji in a key": ({"meta": {"\ud83d": 1}}, "meta"),
    "an integer of 19 digits": ({"anything": 10**18}, "anything"),
    "an integer of 400 digits": ({"meta": {"n": 10**400}}, "meta.n"),
    "nesting beyond the store's": ({"anything": nested(32)}, "anything"),
    "nesting without an end": ({"anything": nested(3000)}, "anything"),
    "a field of a struct that is missing": ({"corner": {"fromLeft": 1}}, "corner.label"),
    "a wrong type in a struct": ({"corner": {"fromLeft": "x", "label": None}}, "corner.fromLeft"),
    "a wrong type in a list": ({"tags": ["a", 1]}, "tags"),
    "an id that is empty": ({"about": ""}, "about"),
    "half of an emoji as the id": ({"id": "\ud83d"}, "_id"),
    "a number as the id": ({"id": 5}, "_id"),
}
WAYS = ("insert", "patch", "replace")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", REFUSED)
def test_what_its_readers_could_not_take_is_refused_by_field_and_rule_and_nothing_is_written(case: str, way: str) -> None:
    fields, path = REFUSED[case]
    if "id" in fields and way != "insert":
        return
    desk = Desk()
    assert desk.do("put", {"id": "n"}).ok
    before = desk.everything()
    told = said(
        desk.do("put", fields) if way == "insert" else desk.do({"patch": "change", "replace": "overwrite"}[way], fields, id="n")
    )
    assert "deskNotes" in told, told
    assert f"at {path}" in told or f"at {path}[" in told, told
    assert "Uncaught" not in told
    assert desk.everything() == before
    assert [note["_id"] for note in desk.do("listed").value] == ["n"]


def test_a_refusal_can_be_caught_and_the_function_goes_on() -> None:
    desk = Desk()
    assert desk.do("try_put", {"id": "n", "text": 5}).value == "BadValue"
    assert [note["owner"] for note in desk.do("listed").value] == ["the catcher"]


def test_a_circle_is_refused() -> None:
    circle: dict[str, Any] = {}
    circle["again"] = circle
    assert "nest" in said(Desk().do("put", {"meta": circle}))


def test_a_function_cannot_write_past_the_gate_through_what_it_has_read() -> None:
    from chalicelib.data.database import Writer
    from chalicelib.data.transaction import Transaction
    from tests.data.desk import DeskNote, note_of

    desk = Desk()
    tx = Transaction(desk.store, "acme", writable=True)
    db = Writer(tx, lambda: "n")
    meta: dict[str, Any] = {"inner": {"a": 1}}
    db.insert(note_of({"meta": meta}))
    meta["inner"]["$"] = {1}
    found = db.get(DeskNote, "n")
    assert found is not None
    found.meta["inner"]["$"] = {2}
    db.patch(found, text="x").meta["inner"]["$"] = {3}
    db.query(DeskNote.by_owner("ann")).take(1)[0].meta["inner"]["$"] = {4}
    (pending,) = tx.writes.values()
    assert pending.after is not None
    assert pending.after["meta"] == {"inner": {"a": 1}}


@pytest.mark.parametrize("text", ["x", "é", "日", "😀"])
def test_a_document_that_fits_is_stored_and_one_byte_more_is_refused_at_the_insert(text: str) -> None:
    desk = Desk()
    width = len(text.encode())
    low, high = 0, MAX_ITEM_BYTES // width + 1
    while high - low > 1:
        middle = (low + high) // 2
        if desk.do("put", {"id": f"n{middle}", "text": text * middle}).ok:
            low = middle
        else:
            high = middle
    assert MAX_ITEM_BYTES - low * width < 1000
    told = said(desk.do("put", {"text": text * high}))
    assert "400 KB" in told
    assert desk.do("try_put", {"text": text * high}).value == "LimitExceeded"


def test_many_small_numbers_are_counted_as_the_store_counts_them() -> None:
    desk = Desk()
    rows = [[7] * 8000 for _ in range(30)]
    assert "400 KB" in said(desk.do("put", {"anything": rows}))
    assert desk.do("put", {"anything": rows[:12]}).ok


# Round trips -----------------------------------------------------------------------------------------------------------

documents = st.fixed_dictionaries(
    {"owner": st.none() | st.text(max_size=6)},
    optional={
        "text": st.text(max_size=12),
        "state": st.sampled_from(["open", "done", "shut"]),
        "rank": st.floats() | st.integers(-(2**54), 2**54),
        "count": st.integers(-(2**54), 2**54) | st.floats(),
        "big": st.none() | st.integers(-(2**63), 2**63 - 1).map(values.Int64) | st.integers(0, 3),
        "raw": st.none() | st.binary(max_size=6) | st.text(max_size=2),
        "tags": st.lists(st.text(max_size=3) | st.integers(0, 3), max_size=3),
        "meta": st.dictionaries(names | st.text(max_size=3), anything, max_size=3),
        "anything": anything | st.text(max_size=4) | st.sets(st.integers(), max_size=2),
        "limit": st.none() | st.integers(0, 9),
        "about": st.none() | st.text(max_size=3),
        "corner": st.none()
        | st.fixed_dictionaries({"fromLeft": st.floats(allow_nan=False)}, optional={"label": st.none() | st.text(max_size=2)}),
    },
)


@settings(max_examples=300, deadline=None, database=None)
@given(documents, documents)
def test_what_is_accepted_is_given_back_equal_by_every_reader_and_what_is_refused_changes_nothing(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    desk = Desk()
    for way, fields in (("put", {"id": "n", **first}), ("change", second), ("overwrite", second)):
        before = desk.everything()
        outcome = desk.do(way, fields) if way == "put" else desk.do(way, fields, id="n")
        if not outcome.ok:
            assert "Uncaught" not in said(outcome) or way != "put", said(outcome)
            assert desk.everything() == before
            continue
        read = desk.do("read", id="n")
        assert read.ok, said(read)
        for field, value in fields.items():
            kept = read.value.get({"id": "_id"}.get(field, field))
            assert same(kept, value) or (field in ("rank", "corner") and _numerically(kept, value)), (field, value, kept)
        listed = desk.do("listed", state=read.value["state"])
        assert [same(each, read.value) for each in listed.value] == [True]
        if read.value["state"] == "open":
            page = desk.do("paged", paginationOpts={"numItems": 5, "cursor": None})
            assert [same(each, read.value) for each in page.value["page"]] == [True]
        assert same(json.loads(json.dumps(values.encode(read.value))), values.encode(read.value))


def _numerically(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return bool(one.keys() <= other.keys() | {"hint"} and one["fromLeft"] == other["fromLeft"])
    return bool(one == other) or (math.isnan(one) and math.isnan(other))


deep = st.integers(1, 70).flatmap(
    lambda levels: st.sampled_from([1, "x", None, [], {}]).map(lambda leaf: (levels, nested(levels, leaf)))
)


@settings(max_examples=60, deadline=None, database=None)
@given(deep)
def test_any_depth_that_is_stored_can_be_paged(given_: tuple[int, Any]) -> None:
    levels, value = given_
    desk = Desk()
    outcome = desk.do("put", {"id": "n", "anything": value})
    assert outcome.ok or "nest" in said(outcome)
    assert outcome.ok or levels >= 31
    if outcome.ok:
        assert desk.do("paged", paginationOpts={"numItems": 5, "cursor": None}).value["page"][0]["anything"] == value


# The wire --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wire",
    [10**309, -(10**400), {"a": [10**4000]}, math.inf, math.nan, nested(70), nested(5000), {"a": {"": 1}}, {"$float": "AAAA"}],
)
def test_what_is_no_value_on_the_wire_is_refused_in_words(wire: Any) -> None:
    from chalicelib.data.errors import BadRequest

    with pytest.raises(BadRequest) as refused:
        values.decode(wire)
    assert len(str(refused.value)) < 300


def test_dots_and_brackets_in_a_key_are_no_nesting() -> None:
    assert values.decode({"." * 65: {"[" * 100: 1}}) == {"." * 65: {"[" * 100: 1}}


def test_a_tagged_struct_keeps_its_tag_on_its_way() -> None:
    class Circle(msgspec.Struct, tag="circle"):
        radius: int

    assert values.encode(Circle(3)) == {"type": "circle", "radius": 3}


def test_an_int64_argument_that_is_a_number_is_an_argument_error() -> None:
    desk = Desk()
    told = said(desk.do("wants_int64", number=5))
    assert "ArgumentValidationError" in told
    assert ".number" in told
    assert desk.do("wants_int64", number=values.Int64(5)).value == "Int64"
    assert "ArgumentValidationError" in said(desk.do("wants_int64", number="5"))
    assert "ArgumentValidationError" in said(desk.do("wants_int64", number=None))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 0, -1, 201, 1e300])
def test_a_page_of_no_size_is_refused(number: float) -> None:
    assert "paginationOpts.numItems is " in said(Desk().do("paged", paginationOpts={"numItems": number, "cursor": None}))


@pytest.mark.parametrize("mark", [5, None, True, ["x"], {"a": 1}, "x" * 5000, math.nan, "_end", "\ud83d", 10**400])
@pytest.mark.parametrize("function", ["paged", "slips"])
def test_a_forged_cursor_is_an_invalid_one(function: str, mark: Any) -> None:
    import base64

    desk = Desk()
    for number in range(4):
        assert desk.do("put", {"id": f"n{number}"}).ok
        assert desk.do("slip", {"pad": "p", "line": number}).ok
    honest = desk.do(function, paginationOpts={"numItems": 2, "cursor": None}).value["continueCursor"]
    fingerprint, _ = json.loads(base64.urlsafe_b64decode(honest))
    cursor = base64.urlsafe_b64encode(json.dumps([fingerprint, mark]).encode()).decode()
    for given_ in ({"cursor": cursor}, {"cursor": honest, "endCursor": cursor}):
        told = said(desk.do(function, paginationOpts={"numItems": 2, **given_}))
        assert "Uncaught" not in told or "InvalidCursor" in told, told


def test_a_cursor_that_is_no_cursor_is_an_invalid_one() -> None:
    for cursor in ("", "é", "AAAA", "W10=", "[" * 100_000, "W1tbW1tb"):
        assert "InvalidCursor" in said(Desk().do("paged", paginationOpts={"numItems": 2, "cursor": cursor})), cursor


# When ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", [math.nan, math.inf, -math.inf, 1e300, 8.64e15 * 1.001, "soon", None])
@pytest.mark.parametrize("how", ["after", "at"])
def test_a_call_at_no_moment_is_refused(how: str, when: Any) -> None:
    from tests.data.desk import HELD

    HELD.pop("after", None), HELD.pop("at", None)
    HELD[how] = when
    desk = Desk()
    told = said(desk.do("sometime"))
    assert told
    assert "Uncaught" not in told, told


@pytest.mark.parametrize("until", [math.nan, math.inf, 1e300])
def test_a_document_cannot_expire_at_no_moment(until: float) -> None:
    told = said(Desk().do("slip", {"pad": "p", "line": 1, "until": until}))
    assert "at until" in told
    assert "Uncaught" not in told


def test_a_composite_key_that_is_taken_is_refused_at_once() -> None:
    desk = Desk()
    assert desk.do("slip", {"pad": "p", "line": 1}).ok
    told = desk.do("slip", {"pad": "p", "line": 1})
    assert told.error is not None
    assert told.error.tag == "AlreadyExists"
    assert desk.do("slip", {"pad": "p", "line": 2}).ok
