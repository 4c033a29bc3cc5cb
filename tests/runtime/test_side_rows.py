"""Indexes of words and vectors over old documents, lost and made again, moved by sweeps, and erased on demand."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib import ActionCtx, MutationCtx, QueryCtx, Search, Table, Vector, action, mutation, query
from chalicelib.data.building import Building
from chalicelib.data.entries import DUE, ROWS
from chalicelib.data.store import Delete, Key, Put, Update
from chalicelib.data.tables import SYSTEM_SPECS, spec
from chalicelib.runtime import side_rows
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.identity import User
from chalicelib.runtime.indexes import Indexes
from chalicelib.runtime.registry import Registry
from chalicelib.wiring import SystemClock
from infra.local.sqlite.store import SqliteStore

ALICE, BOB = User("alice", "https://issuer.test", "acme"), User("bob", "https://issuer.test", "rival")


class Clipping(Table, name="clippings"):
    text: str
    topic: str = "news"
    angle: list[float] | None = None

    by_text = Search("text", partition=("topic",))
    by_angle = Vector("angle", dimensions=2, partition=("topic",))


@mutation
def add(ctx: MutationCtx, name: str, text: str, angle: list[float] | None = None) -> str:
    return ctx.db.insert(Clipping(id=name, text=text, angle=angle))


@mutation
def remove(ctx: MutationCtx, name: str) -> None:
    ctx.db.delete(Clipping, name)


@query
def find(ctx: QueryCtx, words: str) -> list[str]:
    return sorted(hit.document.id for hit in ctx.db.search(Clipping.by_text(words, topic="news")))


@query
def near(ctx: QueryCtx, angle: list[float]) -> list[str]:
    return [hit.document.id for hit in ctx.vector_search(Clipping.by_angle, angle, topic="news")]


@action
def near_too(ctx: ActionCtx, angle: list[float]) -> list[str]:
    return [hit.document.id for hit in ctx.vector_search(Clipping.by_angle, angle, topic="news")]


@action
def settle(ctx: ActionCtx) -> None:
    ctx.settle(Clipping.by_text, topic="news")
    ctx.settle(Clipping.by_angle, topic="news")


class Desk:
    """A backend without doors."""

    def __init__(self) -> None:
        self.store = SqliteStore(":memory:", [*SYSTEM_SPECS, spec(Clipping)])
        registry = Registry()
        for function in (add, remove, find, near, near_too, settle):
            registry.add(function, "desk")
        self.executor = Executor(self.store, registry, SystemClock(), development=True)
        self.indexes = Indexes(self.executor)

    def call(self, name: str, /, user: User = ALICE, **args: Any) -> Any:
        kind = {"add": "mutation", "remove": "mutation", "find": "query", "near": "query"}.get(name, "action")
        done = getattr(self.executor, kind)(f"desk:{name}", args, user)
        assert done.ok, done.error
        return done.value

    def rows(self) -> list[dict[str, Any]]:
        return self.store.scan(ROWS, limit=10_000).items


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.call("add", name="a", text="early bird", angle=[1.0, 0.0])
    desk.call("add", name="b", text="late owl", angle=[0.0, 1.0])
    desk.call("add", user=BOB, name="c", text="early riser", angle=[1.0, 0.0])
    return desk


def as_if_older(desk: Desk) -> None:
    """The documents as code wrote them that did not declare the indexes."""
    for item in desk.store.scan("clippings").items:
        gone = tuple((name,) for name in item if name.endswith("#s"))
        desk.store.write(Update(Key("clippings", item["pk"]), remove=gone))
    for row in desk.rows():
        desk.store.write(Delete(Key(ROWS, row["pk"], row["sk"])))


def test_documents_that_are_older_than_the_indexes_are_entered_by_building_them(desk: Desk) -> None:
    as_if_older(desk)
    assert desk.call("find", words="early") == []
    assert desk.indexes.reconcile([Clipping]) == ["clippings.by_angle", "clippings.by_text"]
    desk.executor.building = Building(desk.store, desk.executor.clock)
    refused = desk.executor.query("desk:find", {"words": "early"}, ALICE)
    assert refused.error is not None
    assert "is being built" in refused.error.message
    for name in ("clippings.by_angle", "clippings.by_text"):
        assert desk.indexes.build(name).clean
    desk.executor.building = Building(desk.store, desk.executor.clock)
    assert desk.call("find", words="early") == ["a"]
    assert desk.call("find", user=BOB, words="early") == ["c"]
    assert desk.call("near", angle=[1.0, 0.1]) == desk.call("nearToo", angle=[1.0, 0.1]) == ["a", "b"]


@pytest.mark.parametrize("moved", [False, True])
def test_an_index_that_was_lost_is_missed_by_the_audit_and_made_again_with_the_same_answers(desk: Desk, moved: bool) -> None:
    if moved:
        desk.call("settle")
    before = desk.call("find", words="early late"), desk.call("near", angle=[1.0, 0.1])
    for row in desk.rows():
        desk.store.write(Delete(Key(ROWS, row["pk"], row["sk"])))
    assert desk.call("find", words="early late") == []
    assert not desk.indexes.audit("clippings.by_text").clean
    assert not desk.indexes.audit("clippings.by_angle").clean
    desk.indexes.begin(["clippings.by_text", "clippings.by_angle"])
    assert desk.indexes.build("clippings.by_text").clean
    assert desk.indexes.build("clippings.by_angle").clean
    assert (desk.call("find", words="early late"), desk.call("near", angle=[1.0, 0.1])) == before


def test_building_an_index_again_removes_what_stands_there_wrongly(desk: Desk) -> None:
    desk.call("settle")
    wrong = next(row for row in desk.rows() if row["sk"].startswith("w|bird|") and row["pk"].startswith("acme|"))
    desk.store.write(Put(ROWS, {**wrong, "sk": "w|slander|x"}))
    desk.indexes.begin(["clippings.by_text"])
    assert desk.indexes.build("clippings.by_text").clean
    assert not [row for row in desk.rows() if "slander" in row["sk"]]
    assert desk.call("find", words="bird") == ["a"]


def test_a_sweep_moves_long_tails_leaves_short_ones_and_takes_out_what_is_gone(desk: Desk) -> None:
    for number in range(100):
        desk.call("add", user=BOB, name=f"n{number}", text=f"word{number} common")
    side_rows.sweep(desk.store, desk.executor.clock)
    tails = [row["pk"].split("|")[0] for row in desk.rows() if row["sk"].startswith("t|") and ".by_text" in row["pk"]]
    assert tails == ["acme", "acme"]
    assert len(desk.call("find", user=BOB, words="common")) == 20
    assert desk.call("find", user=BOB, words="word77") == ["n77"]
    desk.call("remove", user=BOB, name="n77")
    side_rows.sweep(desk.store, desk.executor.clock)
    assert not [row for row in desk.rows() if "n77" in f"{row['sk']}{bytes(row.get('e', b''))!r}"]
    assert desk.store.query(ROWS, DUE, index="by_due").items == []


def test_when_settling_returns_no_row_holds_what_was_deleted(desk: Desk) -> None:
    desk.call("settle")
    assert [row for row in desk.rows() if "w|bird" in row["sk"]]
    desk.call("remove", name="a")
    assert desk.call("find", words="bird") == []
    desk.call("settle")
    mine = [row for row in desk.rows() if row["pk"].startswith("acme|")]
    assert not [row for row in mine if "bird" in row["sk"] or row["sk"].endswith("|a")]
    assert desk.call("near", angle=[1.0, 0.0]) == ["b"]
