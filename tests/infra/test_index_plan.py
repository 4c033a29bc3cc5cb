"""Two new indexes on one table of a thousand documents: planned in numbered steps, each built while writers go on (check 31)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from chalicelib import Index, MutationCtx, QueryCtx, Table, mutation, query
from chalicelib.aws.models import create_input, ensure_tables, model_of, models
from chalicelib.aws.store import DynamoStore, connect
from chalicelib.data.building import Building
from chalicelib.data.store import Put
from chalicelib.data.tables import SYSTEM_SPECS, spec
from chalicelib.run.executor import Executor
from chalicelib.run.identity import User
from chalicelib.run.indexes import Indexes
from chalicelib.run.registry import Registry
from chalicelib.wiring import SystemClock
from infra.indexes import Step, declared, plan
from tests.support.engine import Engine, available

ALICE = User("alice", "https://issuer.test", "acme")
PREFIX, DOCUMENTS = "concave-plan-", 1000


def parcels(*, newer: bool) -> Any:
    """The table, as it is deployed or as it is declared now."""

    class Parcel(Table, name="planParcels"):
        owner: str
        rank: int = 0
        if newer:
            by_owner = Index("owner", order="rank")
            by_rank = Index("rank")

    return Parcel


Old = parcels(newer=False)
Parcel = parcels(newer=True)


@mutation
def insert_old(ctx: MutationCtx, name: str) -> None:
    ctx.db.insert(Old(id=name, owner="quiet", rank=50))


@mutation
def move(ctx: MutationCtx, name: str, owner: str, rank: int) -> None:
    parcel = ctx.db.get(Parcel, name)
    assert parcel is not None
    ctx.db.patch(parcel, owner=owner, rank=rank)


@query
def owned(ctx: QueryCtx, owner: str) -> list[str]:
    return [each.id for each in ctx.db.query(Parcel.by_owner(owner)).take(5)]


@query
def ranked(ctx: QueryCtx, rank: int) -> list[str]:
    return [each.id for each in ctx.db.query(Parcel.by_rank(rank)).take(5)]


@query
def how_many(ctx: QueryCtx, owner: str) -> int:
    return ctx.db.count(Parcel.by_owner(owner))


class Stage:
    """A deployed table in a real DynamoDB engine, and the code of a release."""

    def __init__(self, url: str) -> None:
        self.client = connect(url)
        ensure_tables(self.client, models([*SYSTEM_SPECS, spec(Old)], PREFIX).values())
        self.release(Old)
        self.call("insertOld", name="first")
        (first,) = self.store.scan("planParcels").items
        for number in range(1, DOCUMENTS):
            name = f"parcel-{number:03}"
            itself = {"pk": first["pk"].replace("first", name), "_id": name, "_c": name}
            self.store.write(Put("planParcels", {**first, **itself, "owner": "x", "rank": 0}))

    def release(self, table: Any) -> None:
        """New code starts, with the tables that it knows."""
        self.store = DynamoStore([*SYSTEM_SPECS, spec(table)], PREFIX, client=self.client)
        registry = Registry()
        for function in (insert_old, move, owned, ranked, how_many):
            registry.add(function, "plan")
        self.executor = Executor(self.store, registry, SystemClock(), development=True)
        self.indexes = Indexes(self.executor)

    def call(self, name: str, /, **args: Any) -> None:
        outcome = self.executor.mutation(f"plan:{name}", args, ALICE)
        assert outcome.ok, outcome.error

    def ask(self, name: str, /, **args: Any) -> Any:
        """A query's value, or the tag of its refusal, as a process that has just started finds it."""
        self.executor.building = Building(self.store, SystemClock())
        found = self.executor.query(f"plan:{name}", args, ALICE)
        return found.value if found.ok else found.error and found.error.tag

    def plan(self) -> list[Step]:
        """What a deployment of the new declarations would do."""
        wanted = {"Type": "AWS::DynamoDB::Table", "Properties": create_input(model_of(spec(Parcel), PREFIX))}
        return plan(self.client, {"Resources": {"Parcels": wanted}}, new=False)

    def update(self, step: Step) -> None:
        """What CloudFormation makes of one step: DynamoDB takes one new index at a time, and so the step may have no more."""
        wanted = step.template["Resources"]["Parcels"]["Properties"]
        table = self.client.describe_table(TableName=wanted["TableName"])["Table"]
        there = {each["IndexName"] for each in table.get("GlobalSecondaryIndexes") or ()}
        (new,) = [each for each in wanted["GlobalSecondaryIndexes"] if each["IndexName"] not in there]
        self.client.update_table(
            TableName=wanted["TableName"],
            AttributeDefinitions=wanted["AttributeDefinitions"],
            GlobalSecondaryIndexUpdates=[{"Create": new}],
        )
        self.client.get_waiter("table_exists").wait(TableName=wanted["TableName"], WaiterConfig={"Delay": 1})


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A thousand documents of the old declaration."""
    if not available():
        pytest.skip("the DynamoDB engine comes with `npm ci` in tests/clients, which needs Node")
    engine = Engine()
    try:
        yield Stage(engine.url)
    finally:
        engine.kill()


class Writers:
    """People who go on moving parcels; what they met is raised when they stop."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.wrote, self.errors = stage, 0, list[BaseException]()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(first,)) for first in (1, 500)]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)
        assert self.errors == []

    def _write(self, first: int) -> None:
        try:
            for number in count(first, 137):
                if self._over.is_set():
                    return
                self.stage.call(
                    "move", name=f"parcel-{1 + number % (DOCUMENTS - 1):03}", owner="xyz"[number % 3], rank=number % 7
                )
                self.wrote += 1
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.errors.append(error)


@pytest.mark.timeout(240)
def test_two_new_indexes_are_two_steps_and_each_is_read_only_when_every_document_is_in_it(stage: Stage) -> None:
    stage.release(Parcel)
    assert stage.indexes.reconcile([Parcel]) == ["planParcels.by_owner", "planParcels.by_rank"]
    steps = stage.plan()
    assert [step.what for step in steps] == [[f"{PREFIX}planParcels: +by_owner"], [f"{PREFIX}planParcels: +by_rank"]]
    assert [sorted(declared(step.template["Resources"]["Parcels"]["Properties"])) for step in steps] == [
        ["by_owner"],
        ["by_owner", "by_rank"],
    ]
    read_by = {"by_owner": ("owned", {"owner": "quiet"}), "by_rank": ("ranked", {"rank": 50})}  # which nobody writes to
    ready: list[str] = []
    with Writers(stage) as writers:
        for step, name in zip(steps, read_by, strict=True):
            told = {each: stage.ask(how, **args) for each, (how, args) in read_by.items()}
            assert told == {each: ["first"] if each in ready else "IndexBuilding" for each in read_by}
            stage.update(step)
            before = writers.wrote
            built = stage.indexes.build(f"planParcels.{name}")
            assert (built.clean, built.documents) == (True, DOCUMENTS), built.examples
            assert writers.wrote > before
            ready.append(name)
    assert stage.indexes.building() == {}
    for name in ready:
        audit = stage.indexes.audit(f"planParcels.{name}")
        assert (audit.clean, audit.documents, audit.undecided) == (True, DOCUMENTS, []), audit.examples
    stored = stage.store.scan("planParcels", limit=DOCUMENTS + 1).items
    for owner in "xyz":
        assert stage.ask("howMany", owner=owner) == sum(item["owner"] == owner for item in stored)
    for rank in range(7):
        first = sorted((item["_creationTime"], item["_id"]) for item in stored if item["rank"] == rank)[:5]
        assert stage.ask("ranked", rank=rank) == [name for _, name in first]
    assert [step.what for step in stage.plan()] == [[]]
