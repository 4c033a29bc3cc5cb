"""How a connection is kept and how it ends: tokens, pings, failures, actions, and what is left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.backend import Backend
from chalicelib.data.errors import StoreFailed
from chalicelib.doors import sync
from chalicelib.live.turn import ACTION_MS
from tests.live import counters
from tests.live.test_connection import raw, ready, settled
from tests.support.client import Broken
from tests.support.person import Person
from tests.support.sim import SETTINGS, Sim
from tests.support.sim_parts import CALM
from tests.support.verdict import check, leftovers, of_connections, rows

# Tokens ---------------------------------------------------------------------------------------------------------------------


def test_a_bad_token_is_refused_and_the_connection_closed_a_second_later(sim: Sim) -> None:
    person = Person(sim, "mallory", "nonsense")
    sim.people.append(person)
    person.connect()
    assert sim.until(lambda: bool(person.client.auth_errors), 1000)
    refused, link, when = person.client.auth_errors[0], person.link, sim.schedule.now
    assert (refused["baseVersion"], refused["authUpdateAttempted"]) == (0, True)
    assert link is not None
    assert sim.until(lambda: not link.known, 3000)
    assert 900 < sim.schedule.now - when < 1500
    person.client.token = "alice@acme"
    person.watch("counters:mine")
    assert sim.until(lambda: person.client.in_step, 3000)
    check(sim)


def test_a_token_that_is_over_ends_a_live_connection_and_calls_under_it_do_not_run(sim: Sim) -> None:
    person = ready(sim, "alice", "alice@acme!3000")
    link = person.link
    assert link is not None
    sim.run(9000 - sim.schedule.now)  # past the leeway of five seconds; nothing was evaluated meanwhile
    assert link.known
    person.client.token = "alice@acme"
    call = person.call("counters:visit", op="late")
    assert sim.until(lambda: bool(person.client.auth_errors), 2000)
    refused = person.client.auth_errors[0]
    assert (refused["baseVersion"], refused["authUpdateAttempted"]) == (1, False)
    assert rows(sim, "simVisits") == []
    assert sim.until(lambda: not link.known, 3000)
    settled(person, call)
    assert call.result == "alice"
    sim.run(2000)
    check(sim)


def test_an_action_under_a_token_that_is_over_does_not_run(sim: Sim) -> None:
    person = ready(sim, "alice", "alice@acme!3000")
    sim.run(9000 - sim.schedule.now)
    person.client.token = "alice@acme"
    person.do(lambda client: client.act("counters:addTwice", {"name": "a", "op": "x"}))
    assert sim.until(lambda: bool(person.client.auth_errors), 2000)
    assert rows(sim, "simCounters") == []


def test_a_refreshed_token_keeps_the_connection(sim: Sim) -> None:
    person = ready(sim, "alice", "alice@acme!3000")
    person.do(lambda client: client.authenticate("alice@acme!60000"))
    sim.run(20_000)
    assert person.client.auth_errors == []
    assert person.client.connections == 1


# Keeping alive --------------------------------------------------------------------------------------------------------------


def test_only_quiet_connections_are_pinged(sim: Sim) -> None:
    quiet, busy = ready(sim), ready(sim, "bob", "bob@acme")
    busy.watch("counters:get", name="b")
    for number in range(60):
        busy.call("counters:add", name="b", op=f"op{number}")
        sim.run(600)
    pings = sum('"Ping"' in text for text in quiet.log)
    assert 3 <= pings <= 6  # one in eight seconds, give or take a tick
    assert sum('"Ping"' in text for text in busy.log) == 0


def test_rust_based_clients_are_pinged_sooner(sim: Sim) -> None:
    answers: list[int] = []
    for client, header in (("c-rust", "python-0.8.1"), ("c-npm", "npm-1.48.0")):
        headers = {"convex-client": header}
        sim.invoke("connect", lambda c=client, h=headers: answers.append(sync.connect(sim.backend, c, "/api/sync", h)))  # type: ignore[misc]
    sim.run(100)
    kinds = {row["pk"]: row["kind"] for row in rows(sim, "mailboxes") if "kind" in row}
    assert kinds == {"c-rust": "rust", "c-npm": "npm"}
    assert sim.backend.world.ping_ms({"kind": "rust"}) < sim.backend.world.ping_ms({"kind": "npm"})


# The end --------------------------------------------------------------------------------------------------------------------


def test_a_client_that_leaves_leaves_nothing(sim: Sim) -> None:
    person = ready(sim)
    person.watch("counters:listing", group="g")
    settled(person, person.call("counters:add", name="a", op="one"))
    person.leave()
    sim.run(20_000)
    assert leftovers(sim) == []
    for table in ("mailboxes", "subscriptions", "inbox", "watches"):
        assert of_connections(sim, table) == []


def test_a_close_that_is_not_certain_is_tried_again_and_the_mailbox_goes_last(sim: Sim) -> None:
    person = ready(sim)
    person.watch("counters:listing", group="g")
    sim.run(300)
    person.stays_away = True
    sim.set(replace(CALM, failed_closes=1.0))
    sim.gateway.cut(sim.gateway.links["conn-1"])
    sim.run(8000)
    assert {row["pk"] for row in rows(sim, "mailboxes") if row.get("closing")} == {"conn-1"}
    assert rows(sim, "watches") != []
    sim.set(CALM)
    sim.run(4000)
    assert leftovers(sim) == []


FRAMES = [
    '{"type":"Connect","sessionId":"s","connectionCount":0,"lastCloseReason":null,"clientTs":0}',
    '{"type":"Authenticate","baseVersion":5,"tokenType":"None"}',
    '{"type":"ModifyQuerySet","baseVersion":5,"newVersion":6,"modifications":[]}',
    '{"type":"Mutation","requestId":5,"udfPath":"counters:visit","args":[{"op":"x"}]}',
    '{"type":"Action","requestId":5,"udfPath":"counters:addTwice","args":[{"name":"a","op":"x"}]}',
]


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: str(json.loads(frame)["type"]))
def test_a_frame_that_finds_no_mailbox_closes_its_connection(sim: Sim, frame: str) -> None:
    person = ready(sim)
    link = person.link
    assert link is not None
    person.stays_away = True
    sim.invoke("forget", lambda: sim.backend.closer.forget(link.id))
    sim.run(200)
    assert sim.gateway.links[link.id].known
    raw(sim, link.id, frame)
    sim.run(2000)
    assert not sim.gateway.links[link.id].known
    assert leftovers(sim) == []
    assert rows(sim, "simVisits") == rows(sim, "simCounters") == []


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: str(json.loads(frame)["type"]))
def test_a_frame_that_finds_a_closing_mailbox_closes_its_connection(sim: Sim, frame: str) -> None:
    person = ready(sim)
    link = person.link
    assert link is not None
    sim.ticker = False
    person.stays_away = True
    sim.invoke("mark closing", lambda: sim.backend.mailboxes.mark_closing(link.id))
    sim.run(200)
    raw(sim, link.id, frame)
    sim.run(2000)
    assert not link.known
    assert leftovers(sim) == []


def test_a_client_may_leave_at_any_moment_of_a_turn() -> None:
    for seed in range(40):
        with Sim(seed, counters) as sim:
            alice, bob = ready(sim), ready(sim, "bob", "bob@acme")
            alice.watch("counters:listing", group="g")
            bob.call("counters:add", name="a", op="one")
            alice.call("counters:add", name="a", op="two")
            sim.run(sim.rng.uniform(0, 80))
            alice.stays_away = True
            assert alice.link is not None
            sim.gateway.cut(alice.link)
            sim.run(12_000)
            assert leftovers(sim) == [], seed
            check(sim)


def failing(times: int, error: Callable[[], Exception]) -> type[Backend]:
    """A backend whose evaluations fail in a way that nobody has thought of."""
    left = [times]

    class Failing(Backend):
        def _evaluate(self, *args: Any) -> Any:
            if left[0] > 0 and self.clock.now_ms() % 1_000_000 > 300:
                left[0] -= 1
                raise error()
            return super()._evaluate(*args)

    return Failing


@pytest.mark.parametrize(
    ("times", "error", "closes"),
    [(12, lambda: ZeroDivisionError("bug"), True), (12, lambda: StoreFailed("down"), False)],
    ids=["bug", "store"],
)
def test_a_turn_that_fails_touches_no_other(times: int, error: Callable[[], Exception], closes: bool) -> None:
    """Its connection is closed, but for a store that will answer again: then the query is tried later."""
    with Sim(1, counters, backend=failing(times, error)) as sim:
        people = [ready(sim, f"p{number}", "alice@acme") for number in range(3)]
        people[1].watch("counters:total", group="g")
        sim.run(4000)
        settled(people[0], people[0].call("counters:add", name="a", op="one"), 20_000)
        sim.run(6000)
        check(sim)
        assert (sum(person.client.connections for person in people) > 3) is closes
        assert sim.raised == []


def test_a_store_that_fails_for_a_moment_is_asked_again() -> None:
    with Sim(1, counters, backend=failing(3, lambda: StoreFailed("down"))) as sim:
        person = ready(sim)
        sim.run(1000)
        settled(person, person.call("counters:add", name="a", op="one"))
        assert person.client.connections == 1


# Actions --------------------------------------------------------------------------------------------------------------------


def test_an_action_is_answered_and_its_effects_are_shown(sim: Sim) -> None:
    person = ready(sim)
    act = settled(person, person.do(lambda client: client.act("counters:addTwice", {"name": "a", "op": "x"})))
    assert (act.state, act.result) == ("resolved", 2)
    sim.run(500)
    assert person.client.value(0)["ops"] == ["xa", "xb"]
    assert rows(sim, "inbox") == []


def test_an_action_runs_once_however_often_its_frame_comes(sim: Sim) -> None:
    person = ready(sim)
    sent: list[str] = []
    person.travel = lambda frame: sent.append(frame) or 1.0  # type: ignore[func-returns-value]
    act = person.do(lambda client: client.act("counters:addTwice", {"name": "a", "op": "x"}))
    assert person.link is not None
    for _ in range(3):
        raw(sim, person.link.id, sent[0])
    settled(person, act)
    sim.run(1000)
    assert person.client.value(0)["ops"] == ["xa", "xb"]


def test_an_action_runs_once_however_often_lambda_starts_it() -> None:
    """Asynchronous invocations come at least once."""
    with Sim(3, counters, mishaps=replace(CALM, twice=1.0)) as sim:
        person = ready(sim)
        settled(person, person.do(lambda client: client.act("counters:addTwice", {"name": "a", "op": "x"})))
        sim.run(1000)
        assert sim.invocations["act"] == 2
        assert person.client.value(0)["ops"] == ["xa", "xb"]


def test_an_action_whose_process_died_is_answered_in_the_end(sim: Sim) -> None:
    person = ready(sim)
    sim.run(300)
    act = person.do(lambda client: client.act("counters:addTwice", {"name": "a", "op": "x"}))
    sim.run(14.0)
    for _, _, what in sim.schedule._heap:
        if getattr(what, "name", "") == "act":
            what.crash_at = 0  # type: ignore[union-attr]
    sim.run(60_000)
    assert not act.settled
    sim.run(ACTION_MS)
    assert act.state == "failed"
    assert "ended before it answered" in act.error.error
    assert person.client.connections == 1


# The model of the client ----------------------------------------------------------------------------------------------------


def test_the_client_refuses_what_the_real_one_could_not_live_with(sim: Sim) -> None:
    person = ready(sim)
    told = person.log[0]
    for wrong in (
        told,
        '{"type":"FatalError","error":"x"}',
        '{"type":"MutationResponse","requestId":9,"success":true,"result":1,"ts":"AQAAAAAAAAA=","logLines":[]}',
        '{"type":"ActionResponse","requestId":0,"success":true,"result":NaN,"logLines":[]}',
    ):
        with pytest.raises(Broken):
            person.client.receive(wrong)
    person.call("counters:add", name="a", op="one")
    with pytest.raises(Broken, match="comes after a Transition"):
        person.client.receive(
            '{"type":"MutationResponse","requestId":0,"success":true,"result":1,"ts":"AQAAAAAAAAA=","logLines":[]}'
        )


def test_settings_of_the_simulation_are_those_of_a_deployment_in_small() -> None:
    assert SETTINGS.identity_wait_ms < SETTINGS.mailbox_lease_s * 1000 < SETTINGS.lane_lease_s * 1000 < SETTINGS.ping_s * 1000
