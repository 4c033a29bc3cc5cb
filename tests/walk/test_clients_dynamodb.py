"""The core scenarios once more on a real DynamoDB engine: the whole cloud path, with the official clients."""

from __future__ import annotations

import pytest

from tests.support.official import npm, pypi
from tests.walk.conftest import Backend

CORE = ["pushed", "errors", "values", "optimistic", "cut", "lostAnswer", "pages", "hooks"]


@pytest.mark.parametrize("scenario", CORE)
def test_the_npm_clients_pass_on_dynamodb(shared_dynamodb: Backend, scenario: str) -> None:
    """The same scenarios as on SQLite."""
    npm(shared_dynamodb.url, scenario).found()


def test_a_page_of_an_open_tab_grows_on_dynamodb(shared_dynamodb: Backend) -> None:
    """Fewer inserts than on SQLite: the engine is slower."""
    assert npm(shared_dynamodb.url, "growingPage", inserts=300, chars=200).found(120)["rows"] >= 300


def test_a_socket_cut_at_a_send_runs_it_once_on_dynamodb(shared_dynamodb: Backend) -> None:
    """Fewer times than on SQLite: the client waits longer after each cut."""
    npm(shared_dynamodb.url, "cutAtSend", times=3).found()


def test_tabs_under_a_bad_network_agree_on_dynamodb(shared_dynamodb: Backend) -> None:
    """Fewer of them than on SQLite: the engine takes longer for a commit."""
    npm(shared_dynamodb.url, "tabs", count=6, ms=3000).found(100)


@pytest.mark.parametrize("scenario", ["errors", "heals", "values", "bare", "iterators"])
def test_the_pypi_client_passes_on_dynamodb(shared_dynamodb: Backend, scenario: str) -> None:
    """The same scenarios as on SQLite."""
    assert pypi(shared_dynamodb.url, scenario).found() == "fine"
