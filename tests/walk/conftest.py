"""Servers for the walk, on both stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import Engine, available
from tests.walk.server import Served


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A DynamoDB engine with its data in a file."""
    if not available():
        pytest.skip("the DynamoDB engine comes with `npm ci` in tests/clients, which needs Node")
    running = Engine(tmp_path / "engine.db")
    yield running
    running.stop()


def on(engine: Engine) -> dict[str, str]:
    """The settings of a server on a DynamoDB engine."""
    return {
        "STORE": "dynamodb",
        "DYNAMODB_ENDPOINT_URL": engine.url,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "us-east-1",
    }


@pytest.fixture(params=["sqlite", "dynamodb"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """A server process: on SQLite, then on the DynamoDB engine."""
    env = on(request.getfixturevalue("engine")) if request.param == "dynamodb" else {}
    server = Served(tmp_path / "data", **env)
    yield server
    server.stop()
