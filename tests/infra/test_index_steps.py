"""Two new indexes of a table that holds a thousand documents: the numbered steps, on the DynamoDB engine, while writers go on.

The part of CloudFormation is played here: each step's template is compared with the table, and the one index that differs is
made by UpdateTable. The rest is the product's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib import Index, MutationCtx, QueryCtx, Table, mutation, query
from chalicelib.aws.models import create_input, ensure_tables, model_of, models
from chalicelib.aws.store import DynamoStore, connect
from chalicelib.data.building import Building
from chalicelib.data.store import Put, TableSpec
from chalicelib.data.tables import SYSTEM_SPECS, spec
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.identity import User
from chalicelib.runtime.indexes import Indexes
from chalicelib.runtime.registry import Registry
from chalicelib.wiring import SystemClock
from infra.indexes import Step, declared, plan
from tests.support.engine import Engine, needs_engine

ALICE = User("alice", "https://issuer.test", "acme")
DOCUMENTS = 1000


class Sheet(Table, name="indexSheets"):
    owner: str
    rank: int = 0

    by_owner = Index("owner", order="rank")
    by_rank = Index("rank")


@mutation
def add(ctx: MutationCtx, name: str, owner: str, rank: int) -> str:
    return ctx.db.insert(Sheet(id=name, owner=owner, rank=rank))


@mutation
def change(ctx: MutationCtx, name: str, owner: str, rank: int) -> None:
    sheet = ctx.db.get(Sheet, name)
    assert sheet is not None
    ctx.db.patch(sheet, owner=owner, rank=rank)


@query
def of_owner(ctx: QueryCtx, owner: str) -> int:
    return len(ctx.db.query(Sheet.by_owner(owner)).take(2000))


@query
def names_of(ctx: QueryCtx, rank: int) -> list[str]:
    return [sheet.id for sheet in ctx.db.query(Sheet.by_rank(rank)).take(50)]


@query
def of_rank(ctx: QueryCtx, rank: int) -> int:
    return len(ctx.db.query(Sheet.by_rank(rank)).take(2000))


NEW = spec(Sheet)
OLD = TableSpec(NEW.name, sorted=NEW.sorted, indexes=(), stream=NEW.stream, ttl=NEW.ttl)


def executor(store: DynamoStore) -> Executor:
    """The new code on a store."""
    registry = Registry()
    for function in (add, change, of_owner, of_rank, names_of):
        registry.add(function, "sheets")
    return Executor(store, registry, SystemClock(), development=True)


@contextmanager
def writing(running: Executor) -> Iterator[None]:
    """Writers, who never stop."""
    stop, failed = threading.Event(), list[Any]()

    def write(worker: int) -> None:
        number = worker
        while not stop.wait(0.03):  # some thirty changes a second each: more would only starve the one that builds
            args = {"name": f"sheet-{number % DOCUMENTS:04}", "owner": "xyz"[number % 3], "rank": number % 2}
            done = running.mutation("sheets:change", args, ALICE)
            if not done.ok:
                failed.append(done.error)
            number += 137

    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(2)]
    for writer in writers:
        writer.start()
    try:
        yield
    finally:
        stop.set()
        for writer in writers:
            writer.join(30)
    assert failed == []


def taken(client: Any, step: Step) -> list[str]:
    """Do what CloudFormation does with a step. Returns the indexes that it made: AWS takes one at a time."""
    properties = step.template["Resources"]["TableSheets"]["Properties"]
    there = client.describe_table(TableName=properties["TableName"])["Table"].get("GlobalSecondaryIndexes") or []
    known = {each["IndexName"] for each in there}
    missing = [each for each in properties.get("GlobalSecondaryIndexes", ()) if each["IndexName"] not in known]
    client.update_table(
        TableName=properties["TableName"],
        AttributeDefinitions=properties["AttributeDefinitions"],
        GlobalSecondaryIndexUpdates=[{"Create": each} for each in missing],
    )
    return [each["IndexName"] for each in missing]


@needs_engine
def test_two_new_indexes_of_a_thousand_documents_are_two_steps_and_each_is_refused_until_it_is_ready() -> None:
    engine = Engine()
    try:
        client = connect(engine.url)
        ensure_tables(client, models([*SYSTEM_SPECS, OLD], "t-").values())
        store = DynamoStore([*SYSTEM_SPECS, NEW], "t-", client=client)
        for number in range(DOCUMENTS):  # as code wrote them that knew no index
            name = f"sheet-{number:04}"
            about = {"_id": name, "_c": name, "_v": 1, "_creationTime": float(number), "owner": "x", "rank": 0}
            store.write(Put(NEW.name, {"pk": f"acme|indexSheets|{name}", **about}))
        resources = {"TableSheets": {"Type": "AWS::DynamoDB::Table", "Properties": create_input(model_of(NEW, "t-"))}}
        steps = plan(client, {"Resources": resources}, new=False)
        assert [step.what for step in steps] == [["t-indexSheets: +by_owner"], ["t-indexSheets: +by_rank"]]
        running = executor(store)
        indexes = Indexes(running)
        assert indexes.reconcile([Sheet]) == ["indexSheets.by_owner", "indexSheets.by_rank"]

        def asked(path: str, **args: Any) -> Any:
            running.building = Building(store, SystemClock())
            done = running.query(path, args, ALICE)
            return done.value if done.ok else done.error and done.error.tag

        with writing(running):
            for step, name in zip(steps, ("by_owner", "by_rank"), strict=True):
                assert asked("sheets:ofOwner", owner="x") == asked("sheets:ofRank", rank=0) == "IndexBuilding"
                assert taken(client, step) == [name]
            assert indexes.build("indexSheets.by_owner").documents == DOCUMENTS
            assert isinstance(asked("sheets:ofOwner", owner="x"), int), "one is ready"
            assert asked("sheets:ofRank", rank=0) == "IndexBuilding", "the other is not"
            indexes.build("indexSheets.by_rank")
        for name in ("by_owner", "by_rank"):
            audit = indexes.build(f"indexSheets.{name}")
            assert (audit.clean, audit.documents, audit.undecided) == (True, DOCUMENTS, []), audit.examples
        assert sum(asked("sheets:ofOwner", owner=owner) for owner in "xyz") == DOCUMENTS
        assert asked("sheets:ofRank", rank=0) + asked("sheets:ofRank", rank=1) == DOCUMENTS
        stored = store.scan(NEW.name, limit=DOCUMENTS + 1).items
        for rank in (0, 1):
            oldest = sorted((each["_creationTime"], each["_id"]) for each in stored if each["rank"] == rank)[:50]
            assert asked("sheets:namesOf", rank=rank) == [name for _, name in oldest], "the index says what the table says"
        assert [step.what for step in plan(client, {"Resources": resources}, new=False)] == [[]], "nothing is left to be done"
        assert sorted(declared(steps[-1].template["Resources"]["TableSheets"]["Properties"])) == ["by_owner", "by_rank"]
    finally:
        engine.kill()
