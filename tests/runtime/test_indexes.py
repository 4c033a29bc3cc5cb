"""An index that is declared on old documents: built while writers go on, audited, refused until it is ready."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Index, MutationCtx, QueryCtx, Table, mutation, query
from chalicelib.data.building import Building
from chalicelib.data.receipts import from_row
from chalicelib.data.store import Delete, Key, Put, Store, Update
from chalicelib.data.tables import SYSTEM_SPECS, TABLES, spec
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.identity import User
from chalicelib.runtime.indexes import PAGE, Indexes
from chalicelib.runtime.registry import Registry
from chalicelib.wiring import SystemClock
from infra.local.faults.counting import CountingStore
from infra.local.sqlite.store import SqliteStore
from tests.support.engine import Engine, require_engine

ALICE = User("alice", "https://issuer.test", "acme")


class Card(Table, name="indexCards"):
    owner: str
    code: str | None = None
    rank: int = 0

    by_owner = Index("owner", order="rank")
    by_code = Index("code", unique=True)


@mutation
def add(ctx: MutationCtx, name: str, owner: str, rank: int = 0, code: str | None = None) -> str:
    return ctx.db.insert(Card(id=name, owner=owner, rank=rank, code=code))


@mutation
def change(ctx: MutationCtx, name: str, owner: str) -> None:
    card = ctx.db.get(Card, name)
    assert card is not None
    ctx.db.patch(card, owner=owner)


@mutation
def remove(ctx: MutationCtx, name: str) -> None:
    card = ctx.db.get(Card, name)
    assert card is not None
    ctx.db.delete(card)


@query
def cards_of(ctx: QueryCtx, owner: str) -> list[str]:
    return [card.id for card in ctx.db.query(Card.by_owner(owner)).collect()]


@query
def count_of(ctx: QueryCtx, owner: str) -> int:
    return ctx.db.count(Card.by_owner(owner))


SPECS = [*SYSTEM_SPECS, spec(Card)]


class Desk:
    """A backend without doors, on one store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        registry = Registry()
        for function in (add, change, remove, cards_of, count_of):
            registry.add(function, "cards")
        self.executor = Executor(store, registry, SystemClock(), development=True)
        self.indexes = Indexes(self.executor)

    def call(self, name: str, /, **args: Any) -> Any:
        outcome = self.executor.mutation(f"cards:{name}", args, ALICE)
        assert outcome.ok, outcome.error
        return outcome.value

    def ask(self, name: str, /, owner: str) -> Any:
        found = self.executor.query(f"cards:{name}", {"owner": owner}, ALICE)
        return found.value if found.ok else found.error and found.error.tag

    def forget(self, index: str = "by_owner") -> None:
        """Make the documents what they were before the index was declared: without its attributes, fences, claims."""
        for item in self.store.scan("indexCards", limit=10_000).items:
            gone = ((f"{index}#p",), (f"{index}#o",))
            self.store.write(Update(Key("indexCards", item["pk"]), remove=gone))
        for table in ("fences", "claims"):
            for item in self.store.scan(table, limit=10_000).items:
                if f"indexCards.{index}" in item["pk"]:
                    self.store.write(Delete(Key(table, item["pk"], item.get("sk"))))
        for item in self.store.scan("indexStates").items:
            self.store.write(Update(Key("indexStates", item["pk"]), remove=(("definitions", f"indexCards.{index}"),)))
        self.executor.building = Building(self.store, SystemClock())


@pytest.fixture
def desk() -> Desk:
    made = Desk(SqliteStore(":memory:", SPECS))
    assert made.indexes.reconcile([Card]) == []
    return made


def test_an_index_of_an_empty_table_is_ready_at_once(desk: Desk) -> None:
    desk.call("add", name="a", owner="x")
    assert desk.indexes.reconcile([Card]) == []
    assert desk.ask("cardsOf", "x") == ["a"]


def test_a_new_index_is_refused_until_every_old_document_is_in_it(desk: Desk) -> None:
    for number in range(12):
        desk.call("add", name=f"card-{number:02}", owner="xy"[number % 2], rank=number)
    desk.forget()
    assert desk.indexes.reconcile([Card]) == ["indexCards.by_owner"]
    assert (desk.ask("cardsOf", "x"), desk.ask("countOf", "x")) == ("IndexBuilding", "IndexBuilding")
    audit = desk.indexes.build("indexCards.by_owner")
    assert (audit.clean, audit.documents) == (True, 12)
    desk.executor.building = Building(desk.store, SystemClock())
    assert desk.ask("cardsOf", "x") == [f"card-{number:02}" for number in range(0, 12, 2)]
    assert desk.ask("countOf", "y") == 6
    assert desk.indexes.building() == {}
    assert desk.indexes.reconcile([Card]) == []


def test_a_query_that_was_refused_is_touched_when_the_index_is_ready(desk: Desk) -> None:
    """So a subscriber is told by itself."""
    desk.call("add", name="a", owner="x")
    desk.forget()
    desk.indexes.reconcile([Card])
    refused = desk.executor.evaluate("cards:cardsOf", {"owner": "x"}, ALICE)
    desk.indexes.build("indexCards.by_owner")
    touched = {tuple(place) for row in desk.store.scan("commits", limit=1000).items for place in from_row(row).touched}
    assert any(place[0] == watch[0] for watch in refused.reads.watches for place in touched if "indexStates" in place[0])


def test_an_old_document_enters_the_index_when_it_is_written_and_leaves_no_count_when_it_is_deleted(desk: Desk) -> None:
    desk.call("add", name="written", owner="x")
    desk.call("add", name="deleted", owner="x")
    desk.forget()
    desk.call("change", name="written", owner="x")
    desk.call("remove", name="deleted")
    assert desk.ask("cardsOf", "x") == ["written"]
    assert desk.ask("countOf", "x") == 1
    assert desk.indexes.audit("indexCards.by_owner").clean


def test_a_building_that_was_interrupted_goes_on_where_it_was(desk: Desk) -> None:
    for number in range(PAGE * 2 + 10):
        desk.call("add", name=f"card-{number:03}", owner="x")
    desk.forget()
    desk.indexes.reconcile([Card])

    class Ended(Exception):
        """The process that builds dies."""

    class Dies(CountingStore):
        def scan(self, table: str, after: Key | None = None, limit: int = 200) -> Any:
            if after is not None and limit == PAGE:
                raise Ended
            return super().scan(table, after, limit)

    with pytest.raises(Ended):
        Desk(Dies(desk.store, SPECS)).indexes.build("indexCards.by_owner")
    assert desk.indexes.building()["indexCards.by_owner"]["done"] == PAGE
    counting = CountingStore(desk.store, SPECS)
    again = Desk(counting)
    assert again.indexes.build("indexCards.by_owner").clean
    assert counting.requests["transact"] < PAGE + 10 + 10
    assert again.ask("countOf", "x") == PAGE * 2 + 10


def test_a_value_that_two_old_documents_hold_keeps_a_unique_index_from_being_ready(desk: Desk) -> None:
    desk.call("add", name="a", owner="x", code="one")
    desk.call("add", name="b", owner="x", code="two")
    desk.forget("by_code")
    item = next(each for each in desk.store.scan("indexCards").items if each["_id"] == "b")
    desk.store.write(Put("indexCards", {**item, "code": "one"}))
    assert desk.indexes.reconcile([Card]) == ["indexCards.by_code"]
    audit = desk.indexes.build("indexCards.by_code")
    assert not audit.clean
    assert "b" in audit.examples[0]
    assert "indexCards.by_code" in desk.indexes.building()
    desk.store.write(Put("indexCards", {**item, "code": "two"}))
    assert desk.indexes.build("indexCards.by_code").clean


def test_an_index_whose_declaration_changed_is_built_again(desk: Desk) -> None:
    desk.call("add", name="a", owner="x", rank=2)
    desk.call("add", name="b", owner="x", rank=1)
    assert desk.ask("cardsOf", "x") == ["b", "a"]
    before = Card.by_owner.order
    Card.by_owner.order = ()
    try:
        assert desk.indexes.reconcile([Card]) == ["indexCards.by_owner"]
        assert desk.indexes.build("indexCards.by_owner").clean
        assert desk.ask("cardsOf", "x") == ["a", "b"]
        assert desk.ask("countOf", "x") == 2
    finally:
        Card.by_owner.order = before


def test_an_index_that_code_forgot_for_a_while_is_built_again(desk: Desk) -> None:
    """A rollback: what old code wrote is not in the index."""
    desk.call("add", name="a", owner="x")
    taken = Card.indexes.pop("by_owner")
    try:
        assert desk.indexes.reconcile([Card]) == []
        desk.call("change", name="a", owner="y")
    finally:
        Card.indexes["by_owner"] = taken
    assert desk.indexes.reconcile([Card]) == ["indexCards.by_owner"]
    assert desk.indexes.build("indexCards.by_owner").clean
    assert (desk.ask("cardsOf", "x"), desk.ask("cardsOf", "y")) == ([], ["a"])


def test_the_audit_finds_a_fence_that_counts_wrong(desk: Desk) -> None:
    desk.call("add", name="a", owner="x")
    assert desk.indexes.audit("indexCards.by_owner").clean
    fence = next(row for row in desk.store.scan("fences").items if row["sk"] == "!")
    desk.store.write(Update(Key("fences", fence["pk"], "!"), {("size",): 7}))
    assert "counts 7, holds 1" in desk.indexes.audit("indexCards.by_owner").examples[0]


@pytest.fixture(params=["sqlite", "dynoxide"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store for several threads."""
    if request.param == "sqlite":
        yield SqliteStore(tmp_path / "cards.db", SPECS)
        return
    require_engine()
    from chalicelib.aws.models import ensure_tables, models
    from chalicelib.aws.store import DynamoStore, connect

    engine = Engine()
    try:
        client = connect(engine.url)
        ensure_tables(client, models(SPECS, "t-").values())
        yield DynamoStore(SPECS, "t-", client=client)
    finally:
        engine.kill()


def test_a_thousand_documents_are_built_in_while_writers_go_on(shared: Store) -> None:
    """Issue of safe schema changes: two steps (declare and build, then read) under load, on both stores."""
    desk = Desk(shared)
    desk.indexes.reconcile([Card])
    # Written as old code would: whole items without the index.
    desk.call("add", name="model", owner="x")
    item = shared.scan("indexCards").items[0]
    for number in range(1000):
        plain = {name: part for name, part in item.items() if "#" not in name}
        name = f"card-{number:04}"
        shared.write(Put("indexCards", {**plain, "pk": item["pk"].replace("model", name), "_id": name, "_c": name}))
    desk.forget()
    assert desk.indexes.reconcile([Card]) == ["indexCards.by_owner"]
    stop = threading.Event()

    def write(worker: int) -> None:
        number = worker
        while not stop.is_set():
            desk.call("change", name=f"card-{number % 1000:04}", owner="xyz"[number % 3])
            number += 137

    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(2)]
    for writer in writers:
        writer.start()
    try:
        desk.indexes.build("indexCards.by_owner")
    finally:
        stop.set()
        for writer in writers:
            writer.join(30)
    audit = desk.indexes.build("indexCards.by_owner")
    assert (audit.clean, audit.documents) == (True, 1001), audit.examples
    desk.executor.building = Building(shared, SystemClock())
    assert sum(desk.ask("countOf", owner) for owner in "xyz") == 1001


def test_every_declared_index_has_a_declaration_that_can_be_compared() -> None:
    from chalicelib.data.building import definition

    told = {definition(index) for table in TABLES.values() for index in table.indexes.values()}
    assert all(" / " in each for each in told)
