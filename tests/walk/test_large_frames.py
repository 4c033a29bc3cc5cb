"""What does not fit a frame of API Gateway (32 KB), over our transport for the official npm clients (sdk/js/concave-transport)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.official import npm
from tests.walk.conftest import Backend
from tests.walk.test_clients_core import BASICS, IDENTITY, TROUBLE

OVER_HTTP_TOO = [name for name in (*BASICS, *IDENTITY, *TROUBLE) if name != "overHttp"]


def test_large_arguments_arrive_in_order_and_are_shown_with_their_answers(shared: Backend) -> None:
    assert npm(shared.url, "largeArguments").found() == {"connections": 1}


def test_what_is_refused_is_told_and_the_connection_stays(shared: Backend) -> None:
    assert npm(shared.url, "largeAndRefused").found() == {"connections": 1}


@pytest.mark.parametrize("scenario", ["largeAndOptimistic", "largeAndLost", "largeAndCut"])
def test_a_large_mutation_takes_effect_once_and_is_seen_once(shared: Backend, scenario: str) -> None:
    """Beside optimistic updates, with its answer lost, and with its connection cut at any moment."""
    npm(shared.url, scenario).found()


def test_a_large_mutation_with_a_token_that_is_over_signs_in_anew(shared: Backend) -> None:
    npm(shared.url, "largeAndExpired", tokens=[shared.token("alice") for _ in range(4)]).found()


def test_400_subscriptions_survive_and_reconnect(shared: Backend) -> None:
    told: Any = npm(shared.url, "manyMore", count=400).found()
    assert told["connections"] == 3


def test_versions_agree_whatever_is_split(shared: Backend) -> None:
    for seed in (1, 2, 3):
        npm(shared.url, "versions", seed=seed).found()


@pytest.mark.parametrize("scenario", OVER_HTTP_TOO)
@pytest.mark.parametrize("calls", ["by the socket", "by HTTP"])
def test_everything_else_works_as_without_it(shared: Backend, scenario: str, calls: str) -> None:
    """The scenarios of the bare clients, over the transport, as they are and with every call by HTTP."""
    transport = {"callBytes": 0} if calls == "by HTTP" else {}
    npm(shared.url, scenario, folder=str(shared.folder), transport=transport).found()
