"""What a client sends when its socket opens, in every order: each call runs as the user, once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import pytest

from tests.live import counters
from tests.support.person import Person
from tests.support.sim import SETTINGS, Sim
from tests.support.verdict import check, commit_of_alice, leftovers, rows

FIRST = ("Connect", "Authenticate", "ModifyQuerySet", "Mutation")
ORDERS = list(itertools.permutations(FIRST))
WAIT = SETTINGS.identity_wait_ms


def in_order(order: tuple[str, ...], gap_ms: float) -> Callable[[str], float | None]:
    """Frames that travel so that they arrive in this order."""
    return lambda frame: order.index(json.loads(frame)["type"]) * gap_ms if json.loads(frame)["type"] in order else 0.0


def opened(sim: Sim, order: tuple[str, ...], gap_ms: float, *, observed: int = 0) -> Person:
    """Somebody who asks for a query and a mutation before the socket is open."""
    person = Person(sim, "alice", "alice@acme")
    person.travel = in_order(order, gap_ms)
    person.client.observed = observed
    person.client.subscribe("counters:get", {"name": "a"})
    person.client.subscribe("counters:mine")
    person.call("counters:visit", op="seen")
    sim.people.append(person)
    person.connect()
    return person


@pytest.mark.parametrize("gap_ms", [0.0, 4.0, 120.0])
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_the_first_four_frames_in_any_order_come_to_the_same(order: tuple[str, ...], gap_ms: float) -> None:
    with Sim(ORDERS.index(order), counters) as sim:
        person = opened(sim, order, gap_ms)
        assert sim.until(lambda: not person.client.waiting and person.client.in_step, 2 * WAIT)
        (call,) = person.client.requests.values()
        assert (call.state, call.result) == ("resolved", "alice")
        assert person.client.value(1) == {"who": "alice", "ops": ["seen"]}
        assert [row["who"] for row in rows(sim, "simVisits")] == ["alice"]
        assert [row["pk"] for row in rows(sim, "commits")] == [commit_of_alice("sync:session-alice:0")]
        sim.run(1000)
        check(sim)
        assert rows(sim, "inbox") == []


@pytest.mark.parametrize("order", ORDERS[::5], ids="-".join)
def test_a_client_that_has_seen_more_than_our_clock_is_brought_past_it(order: tuple[str, ...]) -> None:
    with Sim(5, counters) as sim:
        ahead = (1_700_000_000_000 + 3_600_000) * 1_000_000
        person = opened(sim, order, 40.0, observed=ahead)
        assert sim.until(lambda: not person.client.waiting and person.client.version.ts >= ahead, 2 * WAIT)


def test_a_promise_of_the_last_connection_resolves_on_the_next(sim: Sim) -> None:
    """Answered, but the Transition got lost with the socket: the client waits for its old ts, and says so only in Connect."""
    person = sim.person("alice", "alice@acme")
    query = person.watch("counters:get", name="a")
    sim.until(lambda: person.client.in_step)
    call = person.call("counters:add", name="a", op="one")
    sim.until(lambda: call.state == "completed", 500, 0.2)
    assert call.state == "completed"
    person.drop()
    person.travel = in_order(("ModifyQuerySet", "Mutation", "Authenticate", "Connect"), 100.0)
    assert sim.until(lambda: call.state == "resolved", 5000)
    assert person.client.value(query)["ops"] == ["one"]
    sim.run(3000)
    check(sim)


def test_a_connect_that_is_missing_sends_calls_to_the_next_connection() -> None:
    """npm with `expectAuth` may never send it on its first one."""
    with Sim(1, counters) as sim:
        person = opened(sim, FIRST, 5.0)
        person.travel = lambda frame: None if "Connect" in frame[:20] and person.client.connections == 1 else 1.0
        assert sim.until(lambda: not person.client.waiting, 3 * WAIT)
        assert person.client.connections == 2
        assert [row["pk"] for row in rows(sim, "commits")] == [commit_of_alice("sync:session-alice:0")]


def test_nobody_is_asked_for_a_token_for_ever() -> None:
    with Sim(1, counters) as sim:
        person = Person(sim, "nobody")
        sim.people.append(person)
        query = person.client.subscribe("counters:mine")
        person.connect()
        began = sim.schedule.now
        assert sim.until(lambda: query in person.client.results, 3 * WAIT)
        assert person.client.value(query)["who"] == "nobody"
        assert WAIT <= sim.schedule.now - began < WAIT + 300


def test_where_no_issuer_is_configured_nobody_waits() -> None:
    from dataclasses import replace

    with Sim(1, counters, settings=replace(SETTINGS, auth=())) as sim:
        person = sim.person("nobody")
        query = person.watch("counters:mine")
        assert sim.until(lambda: query in person.client.results, 200)


def test_a_socket_on_which_nothing_is_asked_costs_nothing(sim: Sim) -> None:
    """A client may take minutes to fetch its token. Nobody may run in circles meanwhile."""
    person = Person(sim, "slow", "alice@acme")
    person.travel = lambda frame: 0.0 if "Connect" in frame[:20] else None
    sim.people.append(person)
    person.connect()
    sim.run(30_000)
    assert sim.invocations.get("serve", 0) == 0
    assert person.client.connected


def test_frames_that_come_twice_change_nothing(sim: Sim) -> None:
    from chalicelib.doors import sync

    person = sim.person("alice", "alice@acme")
    sent: list[str] = []
    person.travel = lambda frame: sent.append(frame) or 1.0  # type: ignore[func-returns-value]
    person.watch("counters:get", name="a")
    person.call("counters:add", name="a", op="one")
    sim.until(lambda: not person.client.waiting)
    link = person.link
    assert link is not None
    for frame in [*sent, *reversed(sent)]:
        sim.invoke("message", lambda frame=frame: sync.message(sim.backend, link.id, frame))  # type: ignore[misc]
    sim.run(3000)
    check(sim)
    assert person.link is link
    assert len(rows(sim, "commits")) == 1
    assert rows(sim, "inbox") == []
    assert leftovers(sim) == []


def test_a_gap_in_the_query_set_closes_the_connection_and_the_client_recovers(sim: Sim) -> None:
    person = sim.person("alice", "alice@acme")
    person.watch("counters:get", name="a")
    sim.until(lambda: person.client.in_step)
    link = person.link
    person.travel = lambda frame: None
    person.watch("counters:get", name="b")
    person.travel = lambda frame: 1.0
    query = person.watch("counters:total", group="g")
    assert sim.until(lambda: person.link is not link, 6000)
    assert 5000 < sim.schedule.now < 6500
    assert sim.until(lambda: query in person.client.results, 2000)
    check(sim)


def test_a_changed_identity_runs_everything_again(sim: Sim) -> None:
    person = sim.person("changing", "alice@acme")
    mine = person.watch("counters:mine")
    other = person.watch("counters:total", group="g")
    call = person.call("counters:visit", op="a")
    sim.until(lambda: not person.client.waiting)
    assert call.result == "alice"
    person.do(lambda client: client.authenticate("bob@acme"))
    sim.run(20)
    call = person.call("counters:visit", op="b")
    sim.until(lambda: not person.client.waiting and person.client.in_step)
    assert call.result == "bob"
    assert person.client.value(mine) == {"who": "bob", "ops": ["b"]}
    person.do(lambda client: client.authenticate(None))
    assert sim.until(lambda: person.client.in_step)
    assert person.client.value(mine) == {"who": "nobody", "ops": []}
    assert person.client.value(other) == 0
    check(sim)


def test_a_call_after_a_change_of_identity_never_runs_as_the_one_before() -> None:
    """The Authenticate frame is here, whoever is slow to take it in: the lane looks for it first."""
    for seed in range(25):
        with Sim(seed, counters) as sim:
            person = sim.person("changing", "alice@acme")
            sim.until(lambda: person.client.in_step)  # noqa: B023
            person.travel = lambda frame: 1.0 if "Authenticate" in frame[:30] else 1.0 + sim.rng.uniform(6.0, 40.0)
            person.do(lambda client: client.authenticate("bob@acme"))
            call = person.call("counters:visit", op="b")
            sim.until(lambda: not person.client.waiting)  # noqa: B023
            assert call.result == "bob", seed
