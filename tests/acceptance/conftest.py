"""The requirements of `requirements.py`, row by row (`rows.py`). What matters most is asked of both stores."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib.data.store import Store
from chalicelib.data.tables import all_specs
from chalicelib.runtime.registry import load
from infra.local.model.server import ScriptedModel
from infra.local.sqlite.store import SqliteStore
from tests.doors.conftest import house as behind_doors
from tests.doors.conftest import rest
from tests.doors.test_events import Chat, chat
from tests.functions.conftest import House, model, pass_by
from tests.functions.conftest import patient as waiting_house
from tests.support import engine
from tests.support.rest import Names

__all__ = ["Chat", "behind_doors", "chat", "model", "pass_by", "rest"]

Fresh = Callable[[], Store]


def patient(model: ScriptedModel, store: Store, **settings: Any) -> House:
    """A house where what is to happen in a second does not happen at once. A token is `subject@org`."""
    made = waiting_house(model, store, **settings)
    made.backend.verifier = Names(made.backend.verifier)  # type: ignore[assignment]
    return made


@pytest.fixture(scope="session")
def tables() -> Iterator[Fresh]:
    """Stores on one DynamoDB engine, each with tables of its own."""
    engine.require_engine()
    from chalicelib.aws.models import ensure_tables, models
    from chalicelib.aws.store import DynamoStore, connect

    load(("chalicelib.functions",))  # which declares the tables
    running = engine.Engine()
    client, numbers = connect(running.url), itertools.count()

    def fresh() -> Store:
        prefix = f"t{next(numbers)}-"
        ensure_tables(client, models(all_specs(), prefix).values())
        return DynamoStore(all_specs(), prefix, client=client)

    yield fresh
    running.kill()


@pytest.fixture(params=["sqlite", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Store:
    """An empty store: SQLite, then DynamoDB."""
    if request.param == "dynamodb":
        fresh: Fresh = request.getfixturevalue("tables")
        return fresh()
    load(("chalicelib.functions",))
    return SqliteStore(":memory:", all_specs())


@pytest.fixture
def house(model: ScriptedModel, store: Store) -> House:
    """A patient house on each store."""
    return patient(model, store)
