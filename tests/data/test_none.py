"""None, absent and default mean one thing on every road: a client's argument, run_mutation, run_after, a document, an answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.data import values
from chalicelib.runtime.job_runner import JobRunner
from tests.data.desk import HELD, ORG, Desk, said


class Nobody:
    """Takes hand-overs and forgets them: the test runs the jobs itself."""

    def later(self, function: str, payload: dict[str, Any], delay_ms: int) -> None:
        pass

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        pass


def by(road: str, desk: Desk, args: dict[str, Any]) -> Any:
    """What the function got, by this road; a complaint where it was refused."""
    HELD["args"] = args
    if road == "run_mutation":
        outcome = desk.do("now")
        return outcome.value if outcome.ok else said(outcome)
    outcome = desk.do("later")
    if not outcome.ok:
        return said(outcome)
    job = outcome.value
    JobRunner(desk.executor, Nobody(), lease_s=60).run({"jobId": job, "org": ORG})
    (row,) = [item for item in desk.store.scan("jobs", limit=10).items if item["_id"] == job]
    if row["state"] != "success":
        return row["error"]
    (found,) = desk.do("listed").value
    return [found["owner"], found["meta"]["text"], found["meta"]["hint"]]


ROADS = ("run_mutation", "run_after")


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize(
    ("args", "got"),
    [
        ({"owner": None}, [None, "nothing said", None]),
        ({"owner": None, "text": None}, [None, None, None]),
        ({"owner": "ann", "text": None, "hint": None}, ["ann", None, None]),
        ({"owner": "ann", "text": msgspec.UNSET}, ["ann", "nothing said", None]),
        ({"owner": "ann", "hint": "h"}, ["ann", "nothing said", "h"]),
    ],
)
def test_an_argument_reaches_the_function_as_it_was_given(road: str, args: dict[str, Any], got: list[Any]) -> None:
    assert by(road, Desk(), args) == got


@pytest.mark.parametrize("road", ROADS)
def test_what_the_function_would_refuse_is_refused_to_its_caller(road: str) -> None:
    for args in ({}, {"owner": 5}, {"owner": "a", "text": {1}}, {"owner": "\ud83d"}, {"owner": "a", "text": {"": 1}}):
        desk = Desk()
        told = by(road, desk, args)
        assert isinstance(told, str), (args, told)
        assert "at /" not in told, told
        assert desk.do("listed").value == []


@pytest.mark.parametrize("road", ROADS)
@settings(max_examples=40, deadline=None, database=None)
@given(owner=st.none() | st.text(max_size=3), text=st.none() | st.text(max_size=3), hint=st.none() | st.text(max_size=3))
def test_any_arguments_reach_the_function_as_they_were_given(
    road: str, owner: str | None, text: str | None, hint: str | None
) -> None:
    assert by(road, Desk(), {"owner": owner, "text": text, "hint": hint}) == [owner, text, hint]


def test_a_nullable_field_without_a_default_is_null_everywhere() -> None:
    desk = Desk()
    assert desk.do("put", {"id": "n", "owner": None, "corner": {"fromLeft": 1.0, "label": None}}).ok
    found = desk.do("read", id="n").value
    assert (found["owner"], found["corner"]) == (None, {"fromLeft": 1, "label": None})
    (item,) = desk.store.scan("deskNotes").items
    assert item["owner"] is None
    assert item["corner"] == {"fromLeft": 1, "label": None}
    assert desk.do("corner", label=None).value == {"fromLeft": 1, "label": None}
    assert desk.do("change", {"owner": "ann"}, id="n").value["owner"] == "ann"
    assert desk.do("change", {"owner": None}, id="n").value["owner"] is None
    assert desk.do("read", id="n").value["owner"] is None


def test_none_of_an_optional_field_is_absence_in_the_store_and_on_the_wire() -> None:
    desk = Desk()
    assert desk.do("put", {"id": "n", "about": "m"}).ok
    assert "about" not in desk.do("change", {"about": None}, id="n").value
    (item,) = desk.store.scan("deskNotes").items
    assert "about" not in item
    assert "about" not in desk.do("read", id="n").value


def test_none_is_a_value_where_the_default_is_another_one() -> None:
    desk = Desk()
    assert desk.do("put", {"id": "n", "limit": None}).ok
    assert desk.do("read", id="n").value["limit"] is None
    assert desk.do("change", {"limit": msgspec.UNSET}, id="n").value["limit"] == 5
    assert desk.do("change", {"limit": None}, id="n").value["limit"] is None


def test_a_field_with_a_default_that_is_no_none_goes_back_to_it_by_unset_and_refuses_none() -> None:
    desk = Desk()
    assert desk.do("put", {"id": "n", "text": "x"}).ok
    assert "at text" in said(desk.do("change", {"text": None}, id="n"))
    assert desk.do("change", {"text": msgspec.UNSET}, id="n").value["text"] == ""
    assert "owner" in said(desk.do("change", {"owner": msgspec.UNSET}, id="n"))


def test_a_client_may_send_null_or_nothing_for_an_optional_argument() -> None:
    desk = Desk()
    for args in ({"owner": "a"}, {"owner": "a", "hint": None}):
        outcome = desk.executor.commit(desk.executor.registry.get("desk:take"), args, _anybody())
        assert outcome.value == ["a", "nothing said", None]
        desk = Desk()
    assert "required" in said(desk.do("of"))


def _anybody() -> Any:
    from chalicelib.runtime.contexts import caller_of

    return caller_of(None)


def test_an_index_is_not_asked_for_none() -> None:
    desk = Desk()
    assert desk.do("put", {"id": "n", "owner": None}).ok
    assert "owner is None" in said(desk.do("of", owner=None))
    assert desk.do("of", owner="ann").value == []


class Shape(msgspec.Struct, rename="camel"):
    must: int | None
    may: int | None = None
    usual: int | None = 3
    unset: int | msgspec.UnsetType = msgspec.UNSET


@settings(deadline=None, database=None)
@given(st.none() | st.integers(0, 5), st.none() | st.integers(0, 5), st.none() | st.integers(0, 5))
def test_a_struct_is_the_same_after_the_wire(must: int | None, may: int | None, usual: int | None) -> None:
    shape = Shape(must=must, may=may, usual=usual)
    wire = values.encode(shape)
    assert msgspec.convert(values.decode(wire), Shape, strict=True) == shape
    assert ("may" in wire) == (may is not None)
    assert {"must", "usual"} <= wire.keys()
    assert "unset" not in wire
