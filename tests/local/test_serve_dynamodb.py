"""Two servers of `make serve` on one DynamoDB engine, as docs/self-hosting.md has them: started at once, and either is killed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.local.test_serve import Serving
from tests.local.test_stack import Watcher
from tests.support import engine

pytestmark = engine.needs_engine


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[Serving]]:
    """Both find no tables, and make them at the same time."""
    dynamo = engine.Engine(tmp_path / "dynamo.db")
    env = {"STORE": "dynamodb", "DYNAMODB_ENDPOINT_URL": dynamo.url, "AWS_REGION": "us-east-1", "SWEEP_SECONDS": "1"}
    env |= {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    with ThreadPoolExecutor() as pool:
        made = list(pool.map(partial(_serving, env), (tmp_path / "one", tmp_path / "two")))
    yield made
    for each in made:
        if each.process.poll() is None:
            each.end(signal.SIGKILL)
    dynamo.stop()


def _serving(env: dict[str, str], folder: Path) -> Serving:
    return Serving(folder, **env)


def test_each_tells_its_clients_what_the_other_commits_and_goes_on_when_it_is_killed(pair: list[Serving]) -> None:
    watchers = [Watcher(each, "a") for each in pair]
    for each in watchers:
        each.until(0)
    for killed in (0, 1):
        lives = 1 - killed
        count = pair[killed].call("mutation", "stack_app:add", name="a")
        pair[killed].end(signal.SIGKILL)
        watchers[lives].until(count)
        count = pair[lives].call("mutation", "stack_app:add", name="a")
        watchers[lives].until(count)
        watchers[killed].client.close()
        pair[killed].start()
        watchers[killed] = Watcher(pair[killed], "a")
        watchers[killed].until(count)
    for each in watchers:
        each.client.close()
    assert count == 4


def test_a_server_says_which_store_it_has_and_which_keys_are_its_own_alone(pair: list[Serving]) -> None:
    said = pair[0].said()
    assert "store     DynamoDB, http://127.0.0.1:" in said
    assert "WARNING   SIGNING_KEY, OPERATOR_KEY, PUSH_PRIVATE_KEY: made by this server for itself" in said
    assert "Traceback" not in said
    assert pair[0].end(signal.SIGTERM) == 0
