"""Many callers, one document, on a DynamoDB engine: each takes effect once, in groups, beside another process that races."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.data.store import Key, Put
from chalicelib.data.tables import SYSTEM_SPECS, spec
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.lines import Lines
from chalicelib.runtime.registry import Registry
from chalicelib.runtime.scheduling import Run
from chalicelib.wiring import SystemClock
from tests.data.sea import Boat
from tests.support import engine
from tests.support.stores import Around

THREADS, CALLS = 8, 12


class Watched(Around):
    """Counts how many calls each transaction committed."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.groups: list[int] = []

    def transact(self, actions: Any) -> None:
        super().transact(actions)
        self.groups.append(sum(isinstance(each, Put) and each.table == "commits" for each in actions))


@pytest.fixture
def dynamo() -> Iterator[Watched]:
    engine.require_engine()
    from chalicelib.aws.models import ensure_tables, models
    from chalicelib.aws.store import DynamoStore, connect

    running = engine.Engine()
    try:
        specs = [*SYSTEM_SPECS, spec(Boat)]
        client = connect(running.url)
        ensure_tables(client, models(specs, "g-").values())
        yield Watched(DynamoStore(specs, "g-", client=client))
    finally:
        running.kill()


def board(run: Run) -> str:
    boat = run.db.get(Boat, "x")
    assert boat is not None
    return str(run.db.patch(boat, crew=boat.crew + 1).crew)


def test_every_call_counts_once_although_two_processes_write(dynamo: Watched) -> None:
    """Each process has its own lines; between the two of them transactions race."""
    first, second = (Executor(dynamo, Registry(), SystemClock(), lines=Lines()) for _ in range(2))
    first.transact("acme", "test", lambda run: run.db.insert(Boat(id="x", harbour="h")))
    told: list[int] = []

    def write(executor: Executor) -> None:
        for number in range(CALLS):
            key = f"{threading.get_ident()}-{number}"
            mine = executor.transact("acme", "test", board, key=key, call="board")
            again = executor.transact("acme", "test", board, key=key, call="board")
            assert (again.value, again.receipt is not None and again.receipt.repeated) == (mine.value, True)
            told.append(mine.value)

    threads = [threading.Thread(target=write, args=(executor,)) for executor in [first] * THREADS + [second] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    boat = dynamo.get(Key("seaBoats", "acme|seaBoats|x"))
    assert boat is not None
    assert boat["crew"] == len(told) == CALLS * (THREADS + 2)
    assert sorted(told) == list(range(1, len(told) + 1))
    assert sum(dynamo.groups) == len(told) + 1
    assert max(dynamo.groups) > 1
