"""What does not fit a frame of API Gateway (32 KB), over our transport for the npm clients (sdk/js/concave-transport)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.official import npm
from tests.walk.conftest import Backend
from tests.walk.test_clients_core import BASICS, IDENTITY, TROUBLE

AS_EVER = [
    (name, way)
    for name in (*BASICS, *IDENTITY, *TROUBLE, "hooks", "pages")
    for way in ("the socket", "HTTP")
    if name != "overHttp"
]
AS_EVER.remove(("unreadable", "HTTP"))  # half a surrogate is refused by HTTP, too, in other words
AS_EVER.remove(("lostAnswer", "HTTP"))  # it calls three times at once; by HTTP the second call waits for the first one's answer


def test_large_arguments_arrive_in_order_and_are_shown_with_their_answers(shared: Backend) -> None:
    assert npm(shared.url, "largeArguments").found() == {"connections": 1}


def test_what_is_refused_is_told_and_the_connection_stays(shared: Backend) -> None:
    assert npm(shared.url, "largeAndRefused").found() == {"connections": 1}


@pytest.mark.parametrize("scenario", ["largeAndOptimistic", "largeAndLost", "largeAndCut"])
def test_a_large_mutation_takes_effect_once_and_is_seen_once(shared: Backend, scenario: str) -> None:
    """Beside optimistic updates, with its answer lost, and with its connection cut at any moment."""
    npm(shared.url, scenario).found()


@pytest.mark.parametrize("scenario", ["largeArguments", "largeAndOptimistic", "largeAndLost", "largeAndCut"])
def test_the_same_holds_on_dynamodb(shared_dynamodb: Backend, scenario: str) -> None:
    """Where what others commit is heard a moment later, through a stream."""
    npm(shared_dynamodb.url, scenario).found()


def test_a_large_mutation_with_a_token_that_is_over_signs_in_anew(shared: Backend) -> None:
    npm(shared.url, "largeAndExpired", tokens=[shared.token("alice") for _ in range(4)]).found()


def test_400_subscriptions_survive_and_reconnect(shared: Backend) -> None:
    told: Any = npm(shared.url, "manyMore", count=400).found()
    assert told["connections"] == 3


@pytest.mark.parametrize("way", ["the socket", "HTTP"])
def test_twenty_tabs_under_a_bad_network_agree(shared: Backend, way: str) -> None:
    """Each mutation ran once and is shown when its promise resolves; no value goes backwards; all end with the same."""
    transport = {"callBytes": 0} if way == "HTTP" else {"frameBytes": 600}
    assert npm(shared.url, "tabs", transport=transport).found(100)["ran"] > 20


def test_versions_agree_whatever_is_split(shared: Backend) -> None:
    for seed in (1, 2, 3):
        npm(shared.url, "versions", seed=seed).found()


@pytest.mark.parametrize(("scenario", "way"), AS_EVER)
def test_everything_else_works_as_without_it(shared: Backend, scenario: str, way: str) -> None:
    """The scenarios of the bare clients, over the transport, as they are and with every call by HTTP."""
    transport = {"callBytes": 0} if way == "HTTP" else {}
    npm(shared.url, scenario, folder=str(shared.folder), transport=transport).found()
