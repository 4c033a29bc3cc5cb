"""What one connection may hold and one caller may call: the rest goes on, and nothing is stored of what is too much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.live import counters
from tests.live.test_connection import ready, settled
from tests.support.sim import SETTINGS, Sim
from tests.support.verdict import rows

FEW = replace(SETTINGS, subscriptions_per_connection=5, watches_per_connection=12, calls_per_second=1)


@pytest.fixture
def narrow() -> Iterator[Sim]:
    with Sim(3, counters, settings=FEW) as sim:
        yield sim


def test_queries_beyond_what_a_connection_may_hold_fail_and_leave_no_row(narrow: Sim) -> None:
    alice = ready(narrow)
    queries = [alice.watch("counters:get", name=f"n{number}") for number in range(8)]
    assert narrow.until(lambda: alice.client.in_step, 20_000)
    narrow.run(1000)
    failed = [query for query in queries if alice.client.results[query].error is not None]
    assert len(failed) == 4
    assert {alice.client.results[query].data["code"] for query in failed} == {"TooManySubscriptions"}
    assert len(rows(narrow, "subscriptions")) == 5
    for query in queries:
        alice.do(lambda client, query=query: client.unsubscribe(query))
    assert narrow.until(lambda: alice.client.in_step, 20_000)
    again = alice.watch("counters:get", name="again")
    narrow.run(1000)
    assert alice.client.value(again) == {"value": 0, "ops": []}
    assert alice.client.connections == 1


def test_a_query_that_would_watch_more_than_a_connection_may_fails_and_the_others_are_told(narrow: Sim) -> None:
    alice = ready(narrow)
    wide = alice.watch("counters:many", names=[f"n{number}" for number in range(40)])
    narrow.run(1500)
    assert alice.client.results[wide].data["code"] == "TooManyWatches"
    assert len(rows(narrow, "watches")) <= 12
    settled(alice, alice.call("counters:add", name="a", op="one"))
    assert alice.client.value(0) == {"value": 1, "ops": ["one"]}


def test_calls_beyond_the_rate_are_refused_with_when_to_come_again(narrow: Sim) -> None:
    alice, bob = ready(narrow), ready(narrow, "bob", "bob@acme")
    calls = [alice.call("counters:visit", op=f"op{number}") for number in range(12)]
    for call in calls:
        settled(alice, call, 60_000)
    refused = [call.error.data for call in calls if call.state == "failed"]
    assert refused
    assert {data["code"] for data in refused} == {"RateLimited"}
    assert all(0 < data["retryAfter"] <= 1000 for data in refused)
    assert settled(bob, bob.call("counters:visit", op="bobs")).state == "resolved"
    assert len(rows(narrow, "simVisits")) == 13 - len(refused)


def test_who_says_no_name_is_refused_where_that_is_the_rule() -> None:
    with Sim(3, counters, settings=replace(SETTINGS, anonymous=False, auth=())) as sim:
        nobody = sim.person("nobody", None)
        query = nobody.watch("counters:get", name="a")
        call = nobody.call("counters:visit", op="x")
        settled(nobody, call, 20_000)
        assert (call.state, call.error.data["code"]) == ("failed", "Unauthenticated")  # type: ignore[union-attr]
        assert query not in nobody.client.results
        assert rows(sim, "simVisits") == []
