"""A rollback eats no data: code of an old schema patches what newer code wrote, and what it does not know survives (check 30)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib import Index, Table
from chalicelib.data.store import Item, Key, Store
from chalicelib.data.tables import SYSTEM_SPECS, spec
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.registry import Registry
from chalicelib.runtime.scheduling import Run
from chalicelib.wiring import SystemClock
from infra.local.sqlite.store import SqliteStore
from tests.support import engine

Deployed = Callable[[type[Table]], Store]


def letters(*, newer: bool) -> Any:
    """The table of letters, as one release or the next declares it."""

    class Letter(Table, name="rollbackLetters"):
        owner: str
        text: str
        note: str | None = None
        by_owner = Index("owner")
        if newer:
            priority: int = 0
            labels: list[str] = []
            origin: dict[str, Any] = {}
            by_priority = Index("priority")

    return Letter


@pytest.fixture(params=["sqlite", "dynamodb"])
def deployed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployed]:
    """One database; each call is a release of the code on it, with the tables that this code knows."""
    if request.param == "sqlite":
        opened: list[SqliteStore] = []

        def release(table: type[Table]) -> Store:
            for before in opened:
                before.close()
            opened.append(SqliteStore(tmp_path / "data.db", [*SYSTEM_SPECS, spec(table)]))
            return opened[-1]

        yield release
        opened[-1].close()
        return
    engine.require_engine()
    from chalicelib.aws.models import ensure_tables, models
    from chalicelib.aws.store import DynamoStore, connect

    running = engine.Engine()
    client = connect(running.url)

    def release_to_engine(table: type[Table]) -> Store:
        specs = [*SYSTEM_SPECS, spec(table)]
        ensure_tables(client, models(specs, "rollback-").values())
        return DynamoStore(specs, "rollback-", client=client)

    yield release_to_engine
    running.kill()


def did(store: Store, work: Callable[[Run], Any]) -> None:
    """Commit some work."""

    def body(run: Run) -> str:
        work(run)
        return "null"

    Executor(store, Registry(), SystemClock()).transact("acme", "test", body)


def stored(store: Store) -> Item:
    """The letter as it lies there."""
    found = store.get(Key("rollbackLetters", "acme|rollbackLetters|one"))
    assert found is not None
    return found


def test_what_old_code_does_not_know_survives_its_patches(deployed: Deployed) -> None:
    new = letters(newer=True)
    after = deployed(new)
    told = {"priority": 7, "labels": ["a", "b"], "origin": {"by": "post", "tries": [1, 2.5, None]}}
    did(after, lambda run: run.db.insert(new(id="one", owner="alice", text="hello", note="x", **told)))
    before_it = stored(after)

    old = letters(newer=False)
    before = deployed(old)

    def patch(run: Run) -> None:
        letter = run.db.get(old, "one")
        letter = run.db.patch(letter, text="changed", note=None)
        run.db.patch(letter, owner="bob")  # moves in the index that old code knows

    did(before, patch)
    did(before, lambda run: run.db.patch(run.db.query(old.by_owner("bob")).first(), text="changed again"))
    kept = stored(before)
    changed = {name for name in kept.keys() | before_it.keys() if kept.get(name) != before_it.get(name)}
    assert changed == {"text", "note", "owner", "by_owner#p", "_c", "_v"}

    new = letters(newer=True)
    found: list[Any] = []
    did(deployed(new), lambda run: found.append(run.db.query(new.by_priority(7)).first()))
    assert (found[0].text, found[0].owner, found[0].note) == ("changed again", "bob", None)
    assert {name: getattr(found[0], name) for name in told} == told
