"""Unique values in one transaction, as in a plain database: a model of dicts says what must happen, on SQLite and DynamoDB."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib import Index, MutationCtx, Table, mutation
from chalicelib.data.errors import BadRequest
from chalicelib.data.store import Store
from chalicelib.data.tables import SYSTEM_SPECS, spec
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.indexes import Indexes
from chalicelib.runtime.outcome import Outcome
from chalicelib.runtime.registry import Registry
from chalicelib.wiring import SystemClock
from infra.local.sqlite.store import SqliteStore
from tests.support.engine import Engine, require_engine


class Seat(Table, name="uniqueSeats"):
    person: str | None = None
    row: str = "a"
    number: int = 0

    by_person = Index("person", unique=True)
    by_place = Index("row", "number", unique=True)


Step = tuple[str, str, dict[str, Any]]
"""What to do (insert, patch, replace, delete), with which seat, with which fields."""
SPECS = [*SYSTEM_SPECS, spec(Seat)]
RUNS: dict[str, Any] = {}


@mutation
def steps(ctx: MutationCtx) -> list[str]:
    """Each step of a transaction, and what came of it; a refusal is caught, and the function goes on."""
    told = []
    for kind, id, fields in RUNS["steps"]:
        try:
            if kind == "insert":
                ctx.db.insert(Seat(id=id, **fields))
            elif kind == "replace":
                ctx.db.replace(Seat(id=id, **fields))
            elif kind == "patch":
                ctx.db.patch(Seat, id, **fields)
            else:
                ctx.db.delete(Seat, id)
            told.append("done")
        except BadRequest as error:
            told.append(error.tag)
        told.append(_seen(ctx, fields))
    return told


def _seen(ctx: MutationCtx, fields: dict[str, Any]) -> str:
    """Who holds the person of a step, as the run itself sees it."""
    if fields.get("person") is None:
        return ""
    found = ctx.db.query(Seat.by_person(fields["person"])).unique()
    return "" if found is None else found.id


class Model:
    """A table with two unique keys, as plain as can be."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}

    def step(self, kind: str, id: str, fields: dict[str, Any]) -> str:
        there = id in self.rows
        if kind == "insert" and there:
            return "AlreadyExists"
        if kind != "insert" and not there:
            return "DocumentNotFound"
        if kind == "delete":
            del self.rows[id]
            return "done"
        base = self.rows[id] if kind == "patch" else {"person": None, "row": "a", "number": 0}
        new = {**base, **fields}
        for other, row in self.rows.items():
            same_person = new["person"] is not None and row["person"] == new["person"]
            if other != id and (same_person or (row["row"], row["number"]) == (new["row"], new["number"])):
                return "NotUnique"
        self.rows[id] = new
        return "done"

    def holder(self, fields: dict[str, Any]) -> str:
        person = fields.get("person")
        return next((id for id, row in self.rows.items() if person is not None and row["person"] == person), "")


class World:
    """The product on a store, beside the model."""

    def __init__(self, store: Store) -> None:
        self.store, self.model = store, Model()
        registry = Registry()
        registry.add(steps, "seats")
        self.executor = Executor(store, registry, SystemClock(), development=True)

    def run(self, wanted: list[Step]) -> Outcome:
        RUNS["steps"] = wanted
        return self.executor.mutation("seats:steps", {}, None, retry_ms=500)

    def agrees(self, wanted: list[Step]) -> None:
        expected: list[str] = []
        for kind, id, fields in wanted:
            expected += [self.model.step(kind, id, fields), self.model.holder(fields)]
        outcome = self.run(wanted)
        assert outcome.ok, (wanted, outcome.error)
        assert outcome.value == expected, wanted

    def is_whole(self) -> None:
        """Documents and claims are what the model says."""
        items = {item["_id"]: item for item in self.store.scan("uniqueSeats", limit=1000).items}
        found = {id: {name: item.get(name) for name in ("person", "row", "number")} for id, item in items.items()}
        assert found == self.model.rows
        claims = {row["pk"]: row["dpk"].rpartition("|")[2] for row in self.store.scan("claims", limit=1000).items}
        wanted = {item[f"{name}#p"]: id for id, item in items.items() for name in Seat.indexes if f"{name}#p" in item}
        assert claims == wanted
        for name in Seat.indexes:
            assert Indexes(self.executor).audit(f"uniqueSeats.{name}").clean


@pytest.fixture(scope="module", params=["sqlite", "dynoxide"])
def fresh(request: pytest.FixtureRequest) -> Iterator[Callable[[], World]]:
    if request.param == "sqlite":
        yield lambda: World(SqliteStore(":memory:", SPECS))
        return
    require_engine()
    from chalicelib.aws.models import ensure_tables, models
    from chalicelib.aws.store import DynamoStore, connect

    engine, numbers = Engine(), itertools.count()
    client = connect(engine.url)

    def made() -> World:
        prefix = f"u{next(numbers)}-"
        ensure_tables(client, models(SPECS, prefix).values())
        return World(DynamoStore(SPECS, prefix, client=client))

    yield made
    engine.kill()


PEOPLE = st.none() | st.sampled_from("xyz")
whole = st.fixed_dictionaries({"person": PEOPLE, "row": st.sampled_from("ab"), "number": st.integers(0, 1)})
part = st.fixed_dictionaries({}, optional={"person": PEOPLE, "row": st.sampled_from("ab"), "number": st.integers(0, 1)})
ids = st.sampled_from("ABCD")
step: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("insert"), ids, whole),
    st.tuples(st.just("replace"), ids, whole),
    st.tuples(st.just("patch"), ids, part),
    st.tuples(st.just("delete"), ids, st.just({})),
)


@settings(max_examples=120, deadline=None, database=None)
@given(history=st.lists(st.lists(step, min_size=1, max_size=6), min_size=1, max_size=6))
def test_any_transactions_do_what_a_plain_database_does(fresh: Callable[[], World], history: list[list[Step]]) -> None:
    world = fresh()
    for wanted in history:
        world.agrees(wanted)
    world.is_whole()


def seat(person: str | None, number: int = 0, row: str = "a") -> dict[str, Any]:
    return {"person": person, "row": row, "number": number}


def with_two(fresh: Callable[[], World]) -> World:
    world = fresh()
    world.agrees([("insert", "A", seat("x", 0)), ("insert", "B", seat("y", 1))])
    return world


def test_a_swap_with_a_delete_and_a_reinsert_succeeds(fresh: Callable[[], World]) -> None:
    world = with_two(fresh)
    world.agrees([("delete", "A", {}), ("patch", "B", {"person": "x"}), ("insert", "A", seat("y", 0))])
    world.is_whole()


def test_a_swap_over_a_value_that_nobody_has_succeeds(fresh: Callable[[], World]) -> None:
    world = with_two(fresh)
    world.agrees([("patch", "A", {"person": None}), ("patch", "B", {"person": "x"}), ("patch", "A", {"person": "y"})])
    world.is_whole()


def test_a_reinsert_with_a_value_that_another_has_is_refused_at_the_insert(fresh: Callable[[], World]) -> None:
    world = with_two(fresh)
    world.agrees([("delete", "A", {}), ("insert", "A", seat("y", 0)), ("insert", "A", seat("z", 0))])
    world.is_whole()


def test_two_inserts_of_one_value_are_refused_at_the_second(fresh: Callable[[], World]) -> None:
    world = fresh()
    world.agrees([("insert", "A", seat("x", 0)), ("insert", "B", seat("x", 1)), ("insert", "B", seat("y", 1))])
    world.is_whole()


def test_values_move_round_in_a_ring(fresh: Callable[[], World]) -> None:
    world = fresh()
    world.agrees(
        [("insert", id, seat(person, number)) for number, (id, person) in enumerate([("A", "x"), ("B", "y"), ("C", "z")])]
    )
    world.agrees(
        [
            ("patch", "A", {"person": None}),
            ("patch", "B", {"person": "x"}),
            ("patch", "C", {"person": "y"}),
            ("patch", "A", {"person": "z"}),
        ]
    )
    world.is_whole()


def test_a_value_that_was_taken_and_given_back_is_free(fresh: Callable[[], World]) -> None:
    world = with_two(fresh)
    world.agrees(
        [("insert", "C", seat("z", 2)), ("delete", "C", {}), ("patch", "A", {"person": "z"}), ("patch", "A", {"person": "x"})]
    )
    world.agrees([("insert", "C", seat("z", 2))])
    world.is_whole()


def test_a_refusal_that_is_not_caught_names_table_and_fields_and_is_no_conflict(fresh: Callable[[], World]) -> None:
    from chalicelib.data.database import Writer
    from chalicelib.data.errors import NotUnique
    from chalicelib.data.transaction import Transaction

    world = with_two(fresh)
    db = Writer(Transaction(world.store, "_public", writable=True), lambda: "new")
    taken = Seat(person="x", row="c")
    with pytest.raises(NotUnique) as refused:
        db.insert(taken)
    assert (refused.value.table, refused.value.fields, taken.id) == ("uniqueSeats", ("person",), "")
    with pytest.raises(NotUnique) as refused:
        db.insert(Seat(row="a", number=1))
    assert refused.value.fields == ("row", "number")
