"""What nobody is told of, because nobody can have looked for it; and what is read in one request because it will be asked for."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib import Index, MutationCtx, QueryCtx, Table, mutation, query
from chalicelib.data.receipts import from_row
from chalicelib.data.store import Delete, Key
from chalicelib.data.tables import MARK, all_specs
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.registry import Registry
from chalicelib.wiring import SystemClock
from infra.local.faults.counting import CountingStore
from infra.local.sqlite.store import SqliteStore


class Parcel(Table, name="untoldParcels"):
    weight: int = 0


class Tally(Table, name="untoldTallies", watched=False):
    number: int = 0


@mutation
def post(ctx: MutationCtx, given: str = "") -> str:
    return ctx.db.insert(Parcel(id=given))


@mutation
def post_drawn(ctx: MutationCtx) -> str:
    return ctx.db.insert(Parcel(id=ctx.new_id("p-")), fresh=True)


@mutation
def weigh(ctx: MutationCtx, name: str, weight: int) -> None:
    ctx.db.patch(Parcel, name, weight=weight)


class Desk(Table, name="untoldDesks", silent=("kept_until",)):
    hall: str
    open: bool = False
    kept_until: int = 0
    by_hall = Index("hall")
    by_kept = Index("open", order="kept_until", eventual=True, everywhere=True)


@mutation
def furnish(ctx: MutationCtx) -> None:
    ctx.db.insert(Desk(id="d", hall="h"))


@mutation
def keep(ctx: MutationCtx, until: int, opens: bool | None = None, hall: str = "h") -> None:
    desk = ctx.db.patch(Desk, "d", kept_until=until, hall=hall)
    if opens is not None:
        ctx.db.patch(desk, open=opens)


@mutation
def tally(ctx: MutationCtx) -> int:
    row = ctx.db.get(Tally, "t")
    if row is None:
        ctx.db.insert(Tally(id="t", number=1))
        return 1
    return ctx.db.patch(row, number=row.number + 1).number


@query
def tallied(ctx: QueryCtx) -> int:
    row = ctx.db.get(Tally, "t")
    return 0 if row is None else row.number


@query
def two(ctx: QueryCtx, ahead: bool) -> list[int]:
    ctx.db.load((Parcel, "a"), (Parcel, "b"), *[(Parcel, "c")] * ahead)
    return [row.weight for name in ("a", "b") if (row := ctx.db.get(Parcel, name)) is not None]


FUNCTIONS = (furnish, keep, post, post_drawn, weigh, tally, tallied, two)


@pytest.fixture
def office() -> tuple[CountingStore, Executor]:
    """A counted store, and what runs functions in it."""
    store = CountingStore(SqliteStore(":memory:", all_specs()), all_specs())
    registry = Registry()
    for function in FUNCTIONS:
        registry.add(function, "untold")
    return store, Executor(store, registry, SystemClock(), development=True)


def touched(office: tuple[CountingStore, Executor], path: str, **args: Any) -> tuple[Any, set[tuple[str, str]]]:
    """What a mutation answered, and the places that its commit says it has written."""
    store, executor = office
    done = executor.mutation(path, args, None, "k")
    assert done.error is None
    row = next(row for row in store.inner.scan("commits").items if row["pk"].endswith("|k"))
    store.inner.write(Delete(Key("commits", row["pk"])))
    return done.value, set(from_row(row).touched)


def test_a_document_under_an_id_that_somebody_chose_is_told_to_who_waits_for_it(office: Any) -> None:
    _, places = touched(office, "untold:post", given="a")
    assert [place for place, mark in places if mark == MARK and place.endswith("|a")]


@pytest.mark.parametrize("path", ["untold:post", "untold:postDrawn"])
def test_a_document_under_an_id_that_was_drawn_is_told_to_nobody_and_its_changes_are(office: Any, path: str) -> None:
    name, places = touched(office, path)
    assert not places
    _, places = touched(office, "untold:weigh", name=name, weight=3)
    assert [place for place, _ in places if place.endswith(name)]


def test_a_table_that_only_mutations_read_is_told_to_nobody_and_a_query_is_refused(office: Any) -> None:
    for number in (1, 2):
        value, places = touched(office, "untold:tally")
        assert (value, places) == (number, set())
    refused = office[1].query("untold:tallied", {}, None)
    assert "watched=False" in refused.error.detail


@pytest.mark.parametrize("ahead", [False, True])
def test_documents_that_are_read_ahead_are_one_request_and_seen_only_when_they_are_asked_for(office: Any, ahead: bool) -> None:
    store, executor = office
    for name in "abc":
        executor.mutation("untold:post", {"given": name}, None)
    store.reset()
    found = executor.evaluate("untold:two", {"ahead": ahead}, None)
    assert found.value == [0, 0]
    assert store.requests["get"] == 0
    assert {watch[0][-1] for watch in found.reads.watches} == {"a", "b"}
    assert {key.pk[-1] for key in found.reads.versions} == {"a", "b"}


def test_a_write_that_changes_silent_fields_alone_is_told_to_nobody(office: Any) -> None:
    _, made = touched(office, "untold:furnish")
    assert made
    assert touched(office, "untold:keep", until=1) == (None, set())
    for more in ({"opens": True}, {"hall": "other"}):
        _, places = touched(office, "untold:keep", until=2, **more)
        assert {place.split("|")[1] for place, _ in places} == {"untoldDesks", "untoldDesks.by_hall"}
    _, places = touched(office, "untold:keep", until=2, hall="other")
    assert places, "a write that changes nothing is told, as it always was: it may build an index"
