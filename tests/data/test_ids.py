"""Ids of the right table, and values of the right kind for an index: a wrong one is refused where it is given."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from chalicelib import Index, MutationCtx, QueryCtx, Table, mutation, query
from chalicelib.data.errors import BadRequest
from chalicelib.data.ids import look_at_ids, of_table
from chalicelib.data.plain import Fault
from chalicelib.data.store import Key
from chalicelib.runtime.contexts import new_id
from tests.data.desk import Desk, DeskNote, said

NoteId = Annotated[str, Meta(extra={"table": "deskNotes"})]


class Place(msgspec.Struct, rename="camel"):
    note_id: NoteId
    others: list[NoteId] = []
    by_name: dict[str, NoteId | None] = {}


class Pinned(Table, name="pinned"):
    note: NoteId
    places: list[Place] = msgspec.field(default_factory=list)
    size: float = 0
    done: bool = False
    by_note = Index("note", order="size")
    by_done = Index("done")


@mutation
def pin(ctx: MutationCtx, note_id: NoteId, places: list[Place] | None = None) -> str:
    return ctx.db.insert(Pinned(note=note_id, places=places or []))


@mutation
def pin_unseen(ctx: MutationCtx, note_id: str) -> str:
    return ctx.db.insert(Pinned(note=note_id))


@query
def pins(ctx: QueryCtx, note: Any = None, done: Any = None, above: Any = None) -> int:
    if done is not None:
        return len(ctx.db.query(Pinned.by_done(done)).take(10))
    wanted = Pinned.by_note(note)
    return len(ctx.db.query(wanted if above is None else wanted.after(above)).take(10))


@pytest.fixture
def desk() -> Desk:
    found = Desk()
    for function in (pin, pin_unseen, pins):
        found.executor.registry.add(function, "desk")
    return found


def test_an_id_of_another_table_is_refused_as_an_argument_at_every_depth(desk: Desk) -> None:
    note = str(desk.do("put", {}).value)
    pinned = str(desk.do("pin", noteId=note).value)
    good = {"noteId": note, "others": [note, "a-chosen-id"], "byName": {"x": note, "y": None}}
    assert desk.do("pin", noteId=note, places=[good]).ok
    assert "this is an id of pinned, not of desknotes" in said(desk.do("pin", noteId=pinned)).lower()
    for where, wrong in {
        ".places[0].noteId": {**good, "noteId": pinned},
        ".places[0].others[1]": {**good, "others": [note, pinned]},
        ".places[0].byName.y": {**good, "byName": {"y": pinned}},
    }.items():
        told = said(desk.do("pin", noteId=note, places=[wrong]))
        assert "ArgumentValidationError: " in told
        assert told.endswith(f"Path: {where}")


def test_an_id_of_another_table_is_refused_in_a_document_and_nothing_is_written(desk: Desk) -> None:
    note = str(desk.do("put", {}).value)
    pinned = str(desk.do("pin", noteId=note).value)
    before = desk.everything()
    told = said(desk.do("pin_unseen", noteId=pinned))
    assert "pinned" in told
    assert "note: this is an id of pinned, not of deskNotes" in told
    assert desk.everything() == before
    assert "an id is not empty" in said(desk.do("pin_unseen", noteId=""))


def test_ids_that_were_chosen_or_made_before_pass(desk: Desk) -> None:
    for name in ("note-7", new_id(), new_id("note-"), "x" * 24):
        assert desk.do("pin", noteId=name).ok


def test_an_inserted_document_is_found_under_its_id_and_says_its_table(desk: Desk) -> None:
    note = str(desk.do("put", {}).value)
    assert desk.store.get(Key("deskNotes", f"_public|deskNotes|{note}")) is not None
    look = look_at_ids(Place, lambda: ["deskNotes", "pinned"])
    assert look is not None
    look({"noteId": note})


@given(st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=20, max_size=20), st.sampled_from(["pinned", "deskSlips"]))
def test_an_id_that_was_made_for_one_table_is_taken_there_and_refused_elsewhere(fresh: str, other: str) -> None:
    look = look_at_ids(Place, lambda: ["deskNotes", "pinned", "deskSlips"])
    assert look is not None
    look({"noteId": of_table("deskNotes", fresh)})
    wrong = of_table(other, fresh)
    if wrong != of_table("deskNotes", fresh):
        with pytest.raises(Fault):
            look({"noteId": wrong})


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"note": 5}, "pinned.by_note: note is a string, not a number"),
        ({"note": True}, "pinned.by_note: note is a string, not a boolean"),
        ({"note": ["x"]}, "pinned.by_note: note is a string, not list"),
        ({"done": "yes"}, "pinned.by_done: done is a boolean, not a string"),
        ({"done": 1}, "pinned.by_done: done is a boolean, not a number"),
        ({"note": "n", "above": "3"}, "pinned.by_note: size is a number, not a string"),
        ({"note": "n", "above": True}, "pinned.by_note: size is a number, not a boolean"),
    ],
)
def test_a_value_that_no_document_can_have_in_an_index_is_refused_by_name(desk: Desk, asked: Any, sentence: str) -> None:
    assert sentence in said(desk.do("pins", **asked))


def test_the_values_that_documents_have_are_taken(desk: Desk) -> None:
    assert desk.do("pins", note="n", above=3).value == 0
    assert desk.do("pins", note="n", above=3.5).value == 0
    assert desk.do("pins", done=False).value == 0
    for wanted in (DeskNote.by_owner("ann").after(1), DeskNote.by_state("open").before(5.0)):
        assert wanted.bounds()
    with pytest.raises(BadRequest):
        DeskNote.by_state(1)
