"""The tables that the store tests use, a store of each kind over them, and a store to wrap any with."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chalicelib.data.store import IndexSpec, Store, TableSpec
from infra.local.faults.wrapper import StoreWrapper
from infra.local.sqlite.store import SqliteStore
from tests.support import engine

SPECS = (
    TableSpec(
        "notes", indexes=(IndexSpec("by_owner", "by_owner#p", "by_owner#o"), IndexSpec("by_rank", "by_rank#p", "by_rank#o"))
    ),
    TableSpec("log", sorted=True, stream=True, indexes=(IndexSpec("by_author", "by_author#p", "by_author#o"),)),
    TableSpec("fences", sorted=True, ttl=True),
    TableSpec("commits", stream=True, ttl=True),
)
KINDS = ("sqlite-memory", "sqlite-file", "moto", "dynoxide")
Fresh = Callable[[], Store]


class Around(StoreWrapper):
    """A store around another one; what the inner one has beside the port (a log of changes, say) is there too."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@contextmanager
def stores(kind: str, folder: Path) -> Iterator[Fresh]:
    """A way to make empty stores of this kind, as long as the context is open."""
    match kind:
        case "sqlite-memory":
            yield lambda: SqliteStore(":memory:", SPECS)
        case "sqlite-file":
            numbers = itertools.count()
            yield lambda: SqliteStore(folder / f"{next(numbers)}.db", SPECS)
        case "moto":
            with _moto():
                yield dynamo_stores(None)
        case _:
            running = engine.Engine()
            try:
                yield dynamo_stores(running.url)
            finally:
                running.kill()


def dynamo_stores(url: str | None) -> Fresh:
    """Stores on one DynamoDB engine, each with tables of its own under a new prefix."""
    from chalicelib.aws.models import ensure_tables, models
    from chalicelib.aws.store import DynamoStore, connect

    client, numbers = connect(url), itertools.count()

    def fresh() -> Store:
        prefix = f"t{next(numbers)}-"
        ensure_tables(client, models(SPECS, prefix).values())
        return DynamoStore(SPECS, prefix, client=client)

    return fresh


@contextmanager
def _moto() -> Iterator[None]:
    """moto in this process, for one thread at a time; its streams need the endpoints without account ids."""
    from moto import mock_aws

    before = dict(os.environ)
    os.environ["AWS_ACCOUNT_ID_ENDPOINT_MODE"] = "disabled"
    try:
        with mock_aws():
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
