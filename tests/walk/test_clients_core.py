"""The official clients, unmodified, over real sockets: every scenario of the protocol's sections 4, 5, 6, 7 and 9, on SQLite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.official import Client, npm, pypi
from tests.walk.conftest import SCENARIOS, Backend

BASICS = [
    "pushed",
    "errors",
    "heals",
    "values",
    "actions",
    "optimistic",
    "bare",
    "ownWritesFirst",
    "overHttp",
    "unreadable",
    "consistent",
]
IDENTITY = ["signsIn", "tenants", "refreshes", "expired", "alwaysBad", "expectsAuth"]
TROUBLE = ["cut", "lostAnswer", "cutAtSend", "actionInFlight"]


@pytest.mark.parametrize("scenario", [*BASICS, *IDENTITY, *TROUBLE, "hooks", "pages"])
def test_the_npm_clients_pass(shared: Backend, scenario: str) -> None:
    """ConvexClient, ConvexHttpClient and ConvexReactClient; what each scenario claims stands in tests/clients."""
    npm(shared.url, scenario, folder=str(shared.folder)).found()


def test_a_page_of_an_open_tab_grows_by_a_thousand_inserts(shared: Backend) -> None:
    """ConvexReactClient's `usePaginatedQuery`: the page is split, and nothing is lost, doubled or thrown."""
    assert npm(shared.url, "growingPage", inserts=1000, chars=200).found(120)["rows"] >= 1000


def test_a_page_of_a_few_large_documents_is_split_by_their_bytes(shared: Backend) -> None:
    """Each of 29.7 KB: three of them are more than a page may hold, and ten more than a message."""
    npm(shared.url, "growingPage", inserts=12, chars=9900, at=1).found(60)


@pytest.mark.parametrize("scenario", ["errors", "heals", "values", "actions", "bare", "iterators", "over_http", "unreadable"])
def test_the_pypi_client_passes(shared: Backend, scenario: str) -> None:
    """The Rust-based client: what it accepts is narrower than what npm does."""
    assert pypi(shared.url, scenario).found() == "fine"


def test_the_pypi_client_signs_in_and_out(shared: Backend) -> None:
    """With a token from `POST /dev/token`, on the socket and over HTTP."""
    assert pypi(shared.url, "signs_in", shared.token("alice")).found() == "fine"


def test_npm_and_python_see_the_same_counter_at_once(shared: Backend) -> None:
    """Scenario 1: a change by anyone reaches both kinds of client."""
    watchers: list[Client] = [pypi(shared.url, "follow", "both"), npm(shared.url, "follow", name="both")]
    try:
        for value in range(4):
            assert [each.hear() for each in watchers] == [value, value]
            if value < 3:
                shared.add("both")
        assert [each.found() for each in watchers] == ["fine", "fine"]
    finally:
        for each in watchers:
            each.stop()


def test_150_subscriptions_fit_one_frame_and_survive_a_reconnect(shared: Backend) -> None:
    """On a reconnect npm sends all of them in one ModifyQuerySet."""
    told: Any = npm(shared.url, "many", count=150).found()
    assert told == {"connections": 2}


def test_more_subscriptions_than_a_frame_holds_meet_the_published_wall(tmp_path: Path) -> None:
    """API Gateway's limit for a frame is 32 KB: it closes with 1009, and the client tries again without end."""
    served = Backend(tmp_path / "data", **SCENARIOS, GATEWAY_LIMITS="on")
    try:
        told = npm(served.url, "tooMany", count=450).found()
        assert told["up"] > 32 * 1024
    finally:
        served.stop()


def test_where_no_gateway_stands_in_front_they_fit_one_frame(tmp_path: Path) -> None:
    served = Backend(tmp_path / "data", **SCENARIOS, GATEWAY_LIMITS="off", LIVE="owner")
    try:
        assert npm(served.url, "many", count=450).found() == {"connections": 2}
    finally:
        served.stop()
