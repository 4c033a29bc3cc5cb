"""Nobody acts for a caller who is not known: with frames that are late by ten seconds, or lost before anybody saw them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.backend import Backend
from tests.live import counters, mutants
from tests.live.mutants import with_turns
from tests.support.client import Broken, Request
from tests.support.person import Person
from tests.support.sim import SETTINGS, Sim
from tests.support.verdict import check, commit_of_alice, rows

KNOWN = replace(SETTINGS, anonymous=False)
"""Who says no name is refused, but by functions that are open to nobody."""
LATE_MS = 10_000.0


def world(seed: int = 1, backend: type[Backend] = Backend, **settings: Any) -> Sim:
    return Sim(seed, counters, backend=backend, settings=replace(KNOWN, **settings))


def held_up(kind: str, delay: float | None, connections: int = 1) -> Any:
    """Frames of a kind are late by so much, or lost, on the first connections."""

    def travels(person: Person, frame: str) -> float | None:
        return delay if f'"{kind}"' in frame[:30] and person.client.connections <= connections else 1.0

    return travels


def arriving(sim: Sim, travels: Any, token: str | None = "alice@acme") -> Person:
    person = Person(sim, "alice", token)
    person.travel = lambda frame: travels(person, frame)
    sim.people.append(person)
    return person


def answered(sim: Sim, call: Request, most_ms: float = 30_000) -> Request:
    assert sim.until(lambda: call.settled, most_ms)
    return call


def people_seen(sim: Sim) -> set[str]:
    return {row["who"] for row in rows(sim, "simVisits")}


# The session ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [LATE_MS, None], ids=["late", "lost"])
def test_a_call_runs_once_though_its_first_connections_session_was_not_known(delay: float | None) -> None:
    def run(backend: type[Backend]) -> None:
        with world(2, backend) as sim:
            person = arriving(sim, held_up("Connect", delay))
            person.client.subscribe("counters:get", {"name": "a"})
            call = person.call("counters:add", name="a", op="one")
            person.connect()
            sim.until(lambda: bool(rows(sim, "commits")) or person.client.connections > 1, 8000, 2.0)
            person.drop()
            answered(sim, call)
            sim.run(2 * LATE_MS)
            check(sim)
            if [row["pk"] for row in rows(sim, "commits")] != [commit_of_alice("sync:session-alice:0")]:
                raise Broken("a call ran under another session than its own")

    run(Backend)
    with pytest.raises(Broken):
        run(with_turns(mutants.InventsSession))


def test_a_connection_without_a_session_is_closed_only_for_a_call() -> None:
    with world() as sim:
        person = arriving(sim, held_up("Connect", None, 99))
        query = person.client.subscribe("counters:get", {"name": "a"})
        person.connect()
        assert sim.until(lambda: query in person.client.results, 2000)
        sim.run(LATE_MS)
        assert person.client.connections == 1
        person.call("counters:add", name="a", op="one")
        assert sim.until(lambda: person.client.connections > 1, 2000)
        assert rows(sim, "commits") == []


# The identity ---------------------------------------------------------------------------------------------------------


def first_words(sim: Sim, delay: float | None, connections: int) -> tuple[Person, Request]:
    person = arriving(sim, held_up("Authenticate", delay, connections))
    person.client.subscribe("counters:mine")
    call = person.call("counters:visit", op="seen")
    person.connect()
    return person, call


@pytest.mark.parametrize("connections", [1, 9], ids=["once", "always"])
@pytest.mark.parametrize("delay", [400.0, LATE_MS, None], ids=["a little late", "late", "lost"])
def test_a_call_never_runs_as_nobody_for_somebody(delay: float | None, connections: int) -> None:
    def run(backend: type[Backend]) -> None:
        with world(3, backend) as sim:
            person, call = first_words(sim, delay, connections)
            answered(sim, call)
            sim.run(2 * LATE_MS)
            if people_seen(sim) - {"alice"}:
                raise Broken("somebody's call ran as nobody's")
            if call.state == "failed":
                assert connections > 1
                assert call.error is not None
                assert call.error.data["code"] == "Unauthenticated"
            assert not person.client.auth_errors
            if connections == 1:
                check(sim)
                assert (call.state, call.result) == ("resolved", "alice")

    run(Backend)
    if delay is None or delay > 1000:
        with pytest.raises(Broken):
            run(mutants.NobodyActsForAnybody)


@pytest.mark.parametrize("delay", [400.0, LATE_MS, None], ids=["a little late", "late", "lost"])
def test_somebody_is_never_shown_what_nobody_would_see(delay: float | None) -> None:
    def run(backend: type[Backend]) -> None:
        with world(4, backend) as sim:
            person = arriving(sim, held_up("Authenticate", delay))
            query = person.client.subscribe("counters:mine")
            person.connect()
            sim.run(2 * LATE_MS)
            if any('"nobody"' in told for told in person.log) or any("QueryFailed" in told for told in person.log):
                raise Broken("somebody was shown what nobody would see")
            assert person.client.value(query) == {"who": "alice", "ops": []}
            assert person.client.connections <= 2

    run(Backend)
    if delay is None or delay > 1000:
        with pytest.raises(Broken):
            run(mutants.NobodyActsForAnybody)


def test_nobodys_call_is_refused_on_the_second_connection_and_the_query_stays_loading() -> None:
    with world(5) as sim:
        person = arriving(sim, held_up("Connect", 1.0), token=None)
        query = person.client.subscribe("counters:mine")
        call = person.call("counters:visit", op="x")
        person.connect()
        answered(sim, call)
        assert (call.state, call.error.data["code"]) == ("failed", "Unauthenticated")  # type: ignore[union-attr]
        sim.run(LATE_MS)
        assert person.client.connections == 2
        assert query not in person.client.results
        assert person.client.in_step
        assert not person.client.auth_errors
        assert rows(sim, "simVisits") == []
        person.do(lambda client: client.authenticate("alice@acme"))
        assert sim.until(lambda: query in person.client.results, 2000)
        assert person.client.value(query)["who"] == "alice"


def test_functions_that_are_open_to_nobody_run_for_nobody_without_a_second_connection() -> None:
    with world(6) as sim:
        person = arriving(sim, held_up("Connect", 1.0), token=None)
        query = person.client.subscribe("counters:lobby")
        call = person.call("counters:knock", op="x")
        ask = person.do(lambda client: client.act("counters:ring", {"op": "y"}))
        person.connect()
        assert answered(sim, call).result == "nobody"
        sim.until(lambda: not person.client.waiting)
        assert person.client.connections == 1
        assert ask.state in ("resolved", "failed")
        assert person.client.value(query) == 1


def test_who_says_to_be_nobody_is_refused_at_once() -> None:
    with world(5) as sim:
        person = sim.person("alice", "alice@acme")
        query = person.watch("counters:mine")
        assert sim.until(lambda: query in person.client.results, 3000)
        person.do(lambda client: client.authenticate(None))
        call = person.call("counters:visit", op="x")
        began = sim.schedule.now
        answered(sim, call)
        assert sim.schedule.now - began < 1000
        assert (call.state, call.error.data["code"]) == ("failed", "Unauthenticated")  # type: ignore[union-attr]
        assert sim.until(lambda: person.client.results[query].error is not None, 2000)
        assert person.client.results[query].data["code"] == "Unauthenticated"
        assert person.client.connections == 1


def test_nobodys_action_is_refused_and_somebodys_waits_for_the_name() -> None:
    with world(8) as sim:
        nobody = sim.person("nobody", None)
        sim.until(lambda: nobody.client.connected)
        ask = nobody.do(lambda client: client.act("counters:whose", {}))
        answered(sim, ask)
        assert (ask.state, ask.error.data["code"]) == ("failed", "Unauthenticated")  # type: ignore[union-attr]
    with world(8) as sim:
        person = arriving(sim, held_up("Authenticate", 900.0))
        person.connect()
        sim.until(lambda: person.client.connected)
        ask = person.do(lambda client: client.act("counters:whose", {}))
        assert answered(sim, ask).result == "alice"


def comes_back_without_its_name(backend: type[Backend], anonymous: bool) -> None:
    """A call is committed, its answer lost with the socket; on the next connection the Authenticate frame is lost."""
    with world(10, backend, anonymous=anonymous) as sim:
        person = sim.person("alice", "alice@acme")
        person.watch("counters:mine")
        assert sim.until(lambda: person.client.in_step and person.client.version.identity == 1, 9000)
        call = person.call("counters:visit", op="seen")
        sim.until(lambda: bool(rows(sim, "commits")), 2000, 1.0)
        person.drop()
        person.travel = lambda frame: held_up("Authenticate", None, 2)(person, frame)
        answered(sim, call)
        sim.run(3000)
        check(sim)
        if [row["who"] for row in rows(sim, "simVisits")] != ["alice"] or call.state != "resolved":
            raise Broken("who had signed in was taken for nobody")


@pytest.mark.parametrize("anonymous", [False, True], ids=["closed to nobody", "open to nobody"])
def test_a_session_that_has_signed_in_is_never_taken_for_nobody(anonymous: bool) -> None:
    comes_back_without_its_name(Backend, anonymous)
    with pytest.raises(Broken):
        comes_back_without_its_name(with_turns(mutants.ForgetsSessions), anonymous)


def test_who_has_signed_out_is_nobody_on_the_next_connection() -> None:
    with world(11) as sim:
        person = sim.person("alice", "alice@acme")
        person.watch("counters:lobby")
        assert sim.until(lambda: person.client.in_step and person.client.version.identity == 1, 9000)
        person.do(lambda client: client.authenticate(None))
        assert sim.until(lambda: person.client.in_step, 3000)
        person.drop()
        call = person.call("counters:knock", op="x")
        assert answered(sim, call).result == "nobody"
        assert person.client.connections == 2


# A change of identity ---------------------------------------------------------------------------------------------------


def taken_in_slowly(backend: type[Backend]) -> None:
    """The holder that takes in a change of identity stands still before it; a call and an action come meanwhile."""

    class Slow(backend):  # type: ignore[misc, valid-type]
        def _identify(self, frame: Any) -> Any:
            self.clock.sleep(2.0)
            return super()._identify(frame)

    with world(9, Slow) as sim:
        person = sim.person("changing", "alice@acme")
        assert sim.until(lambda: person.client.in_step and person.client.version.identity == 1, 9000)
        person.travel = lambda frame: 1.0 if '"Authenticate"' in frame[:30] else 100.0
        person.do(lambda client: client.authenticate("bob@acme"))
        call = person.call("counters:visit", op="b")
        ask = person.do(lambda client: client.act("counters:whose", {}))
        answered(sim, call)
        answered(sim, ask)
        if (call.result, ask.result) != ("bob", "bob"):
            raise Broken(f"after the change it ran as {call.result} and {ask.result}")


def test_calls_and_actions_wait_while_an_identity_is_known_to_be_changing() -> None:
    taken_in_slowly(Backend)
    with pytest.raises(Broken):
        taken_in_slowly(mutants.with_mailboxes(mutants.WithoutAuthMark))
