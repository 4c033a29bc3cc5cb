"""Servers for the walk, on both stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import Engine, require_engine
from tests.support.official import add, post
from tests.walk.server import Served


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A DynamoDB engine with its data in a file."""
    require_engine()
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


@pytest.fixture(params=["sqlite-owner", "sqlite-rows", "dynamodb-owner", "dynamodb-rows"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """A server process: on SQLite, then on the DynamoDB engine; with its sockets in memory, then in rows."""
    store, _, live = request.param.partition("-")
    env = on(request.getfixturevalue("engine")) if store == "dynamodb" else {}
    server = Served(tmp_path / "data", LIVE=live, **env)
    yield server
    server.stop()


SCENARIOS = {"CONCAVE_APPS": "chalicelib.functions,tests.apps.scenarios", "ALLOWED_HOSTS": "127.0.0.2"}
"""The app of the client scenarios; the second address is their proxy's."""


class Backend(Served):
    """A served backend with the scenarios' app, and what somebody else does to it over HTTP."""

    def add(self, name: str, amount: int = 1) -> int:
        """Count."""
        return add(self.url, name, amount)

    def token(self, subject: str) -> str:
        """A token of the development issuer."""
        return str(post(self.url, "/dev/token", {"subject": subject, "org": "acme"})["token"])


@pytest.fixture(scope="module", params=["owner", "rows"])
def live(request: pytest.FixtureRequest) -> str:
    """Where the server of a file keeps its sockets: in memory, then in rows."""
    return str(request.param)


@pytest.fixture(scope="module")
def shared(live: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """One server on SQLite for all scenarios of a file: each uses names of its own."""
    server = Backend(tmp_path_factory.mktemp("shared") / "data", LIVE=live, **SCENARIOS)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def shared_dynamodb(live: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """One server on a DynamoDB engine for all scenarios of a file."""
    require_engine()
    folder = tmp_path_factory.mktemp("shared")
    running = Engine(folder / "engine.db")
    server = Backend(folder / "data", LIVE=live, **on(running), **SCENARIOS)
    yield server
    server.stop()
    running.stop()


@pytest.fixture(params=["sqlite", "dynamodb"])
def patient(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A server of this test's own, with the leases of a real one: on SQLite, then on the DynamoDB engine."""
    env = on(request.getfixturevalue("engine")) if request.param == "dynamodb" else {}
    server = Backend(tmp_path / "data", **env, **SCENARIOS)
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "dynamodb"])
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A server of this test's own, to be killed: on SQLite, then on the DynamoDB engine."""
    env = on(request.getfixturevalue("engine")) if request.param == "dynamodb" else {}
    server = Backend(tmp_path / "data", MAILBOX_LEASE="3", RUN_LEASE="5", SWEEP_SECONDS="0.5", **env, **SCENARIOS)
    yield server
    server.stop()
