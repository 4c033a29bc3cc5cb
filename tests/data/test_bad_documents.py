"""A document that is stored and that its table does not allow is named, and can be deleted and replaced by its id."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.data.store import Key, Put, Update
from tests.data.desk import ORG, Desk, said

SPOILED: dict[str, tuple[dict[str, Any], tuple[str, ...], str, str]] = {
    "a wrong type": ({"text": 5}, (), "text", "expected `str`, got `int`"),
    "an unknown literal": ({"state": "open", "limit": "no"}, (), "limit", "expected"),
    "a required field that an older schema did not have": ({}, ("owner",), "owner", "the required field is missing"),
    "a key that no client can be sent": ({"meta": {"日本": 1}}, (), "meta", "is no key"),
    "a special form that is none": ({"meta": {"$gt": 1}}, (), "meta", "special form"),
    "a broken number": ({"rank": {"$float": "?"}}, (), "rank", "Base64"),
    "a list that is too long": ({"anything": [1] * 9000}, (), "anything", "8192"),
    "no creation time": ({}, ("_creationTime",), "_creationTime", "missing"),
    "a creation time that is none": ({"_creationTime": "yesterday"}, (), "_creationTime", "none of the engine's"),
    "no id": ({}, ("_id",), "_id", "missing"),
    "the id of another": ({"_id": "other"}, (), "_id", "none of the engine's"),
    "no version": ({"text": 5}, ("_c", "_v"), "text", "expected"),
}


def spoiled(case: str) -> Desk:
    """A good document, and after it one that was made bad by hand."""
    desk = Desk()
    assert desk.do("put", {"id": "good"}).ok
    assert desk.do("put", {"id": "bad"}).ok
    sets, gone, _, _ = SPOILED[case]
    key = Key("deskNotes", f"{ORG}|deskNotes|bad")
    desk.store.write(Update(key, {(name,): part for name, part in sets.items()}, {}, tuple((name,) for name in gone)))
    return desk


@pytest.mark.parametrize("case", SPOILED)
def test_it_is_named_by_table_id_field_and_rule_to_whoever_reads_it_or_lists_it(case: str) -> None:
    desk = spoiled(case)
    _, _, field, rule = SPOILED[case]
    for told in (
        said(desk.do("read", id="bad")),
        said(desk.do("listed")),
        said(desk.do("paged", paginationOpts={"numItems": 5, "cursor": None})),
        said(desk.do("change", {"count": 1}, id="bad")),
    ):
        assert "BadDocument" in told, told
        assert "'bad' of deskNotes" in told, told
        assert f"at {field}" in told, told
        assert rule in told, told
    assert desk.do("read", id="good").ok


@pytest.mark.parametrize("case", SPOILED)
def test_a_function_deletes_it_by_its_id(case: str) -> None:
    desk = spoiled(case)
    assert said(desk.do("drop", id="bad")) == ""
    assert [note["_id"] for note in desk.do("listed").value] == ["good"]
    assert desk.do("put", {"id": "bad"}).ok


@pytest.mark.parametrize("case", SPOILED)
def test_a_function_replaces_it_by_its_id(case: str) -> None:
    desk = spoiled(case)
    assert said(desk.do("overwrite", {"text": "mended"}, id="bad")) == ""
    found = desk.do("read", id="bad").value
    assert (found["text"], found["owner"]) == ("mended", "ann")
    assert {note["_id"] for note in desk.do("listed").value} == {"good", "bad"}
    assert {note["_id"] for note in desk.do("of", owner="ann").value} == {"good", "bad"}


@pytest.mark.parametrize("case", SPOILED)
def test_a_patch_by_its_id_is_taken_when_it_makes_it_right_and_refused_when_not(case: str) -> None:
    desk = spoiled(case)
    _, _, field, _ = SPOILED[case]
    before = desk.everything()
    outcome = desk.do("mend", id="bad", text="mended")
    if field in ("text", "_creationTime", "_id"):
        assert said(outcome) == ""
        assert desk.do("read", id="bad").value["text"] == "mended"
    else:
        assert f"at {field}" in said(outcome)
        assert desk.everything() == before


def test_an_item_that_was_made_by_hand_altogether_can_be_replaced() -> None:
    desk = Desk()
    desk.store.write(Put("deskNotes", {"pk": f"{ORG}|deskNotes|hand", "text": "by hand"}))
    assert "'hand' of deskNotes" in said(desk.do("read", id="hand"))
    assert said(desk.do("overwrite", {"text": "mine"}, id="hand")) == ""
    assert [note["text"] for note in desk.do("of", owner="ann").value] == ["mine"]
    assert desk.do("read", id="hand").value["_creationTime"] > 1.7e12


def test_replacing_keeps_the_creation_time_and_removes_what_is_not_in_the_new_one() -> None:
    desk = Desk()
    assert desk.do("put", {"id": "n", "about": "m", "text": "x"}).ok
    before = desk.do("read", id="n").value
    assert desk.do("overwrite", {}, id="n").ok
    after = desk.do("read", id="n").value
    assert after["_creationTime"] == before["_creationTime"]
    assert (after["text"], "about" in after) == ("", False)
    assert "no document" in said(desk.do("overwrite", {}, id="nobody"))
    assert "at count" in said(desk.do("overwrite", {"count": "x"}, id="n"))
