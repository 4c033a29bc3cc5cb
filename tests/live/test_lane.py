"""Mutations of a connection: in order, one at a time, beside everything else, once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.backend import Backend
from chalicelib.data.store import Absent, Item, Put
from chalicelib.live import messages
from chalicelib.live import rows as keys
from chalicelib.live.lane import PREDECESSOR_MS, SIGN_IN_MS, Lane
from chalicelib.live.mailbox import Held
from tests.live import counters
from tests.live.mutants import Stored
from tests.support.person import Person
from tests.support.sim import SETTINGS, Sim
from tests.support.threads import Crashed
from tests.support.verdict import check, commit_of_alice, leftovers, rows


def ready(sim: Sim, name: str = "alice", token: str | None = "alice@acme") -> Person:
    person = sim.person(name, token)
    person.watch("counters:get", name="a")
    assert sim.until(lambda: person.client.in_step, 5000)
    sim.run(50)
    return person


def with_lane(kind: type[Lane]) -> type[Backend]:
    return type(kind.__name__, (Stored,), {"lane_type": kind})


def test_calls_run_in_the_order_of_the_client_whatever_overtakes_what() -> None:
    for seed in range(10):
        with Sim(seed, counters) as sim:
            person = ready(sim)
            person.travel = lambda frame: sim.rng.uniform(0.0, 120.0)
            for number in range(6):
                person.call("counters:add", name="a", op=f"op{number}")
            sim.until(lambda: not person.client.waiting)  # noqa: B023
            assert person.client.value(0)["ops"] == [f"op{number}" for number in range(6)], seed
            check(sim)


def test_a_call_waits_a_moment_for_one_before_it_that_was_never_seen(sim: Sim) -> None:
    person = ready(sim)
    person.travel = lambda frame: None if '"lost"' in frame else 0.0
    person.call("counters:add", name="a", op="lost")
    began = sim.schedule.now
    call = person.call("counters:add", name="a", op="next")
    assert sim.until(lambda: call.settled, 2000, 2.0)
    assert PREDECESSOR_MS <= sim.schedule.now - began < PREDECESSOR_MS + 150


def test_an_answered_action_is_no_hole(sim: Sim) -> None:
    person = ready(sim)
    act = person.do(lambda client: client.act("counters:addTwice", {"name": "b", "op": "x"}))
    sim.until(lambda: act.settled)
    sim.run(200)
    began = sim.schedule.now
    call = person.call("counters:add", name="a", op="next")
    assert sim.until(lambda: call.settled, 2000, 2.0)
    assert sim.schedule.now - began < PREDECESSOR_MS


class Slow(Backend):
    """Its mutations take three seconds."""

    def _mutate(self, *args: Any) -> Any:
        self.clock.sleep(3.0)
        return super()._mutate(*args)


def test_a_slow_mutation_holds_up_nothing_but_the_next_one() -> None:
    with Sim(1, counters, backend=Slow) as sim:
        alice = ready(sim)
        slow = alice.call("counters:add", name="b", op="slow")
        sim.run(200)
        sim.invoke(
            "other",
            lambda: sim.executor.mutation("counters:add", {"name": "a", "op": "fast"}, sim.backend.verifier.verify("b@acme")),
        )
        query = alice.watch("counters:total", group="g")
        act = alice.do(lambda client: client.act("counters:addTwice", {"name": "c", "op": "x"}))
        assert sim.until(lambda: act.settled and alice.client.value(0)["ops"] == ["fast"] and query in alice.client.results, 1000)
        assert not slow.settled
        assert sim.until(lambda: slow.settled, 4000)


def test_a_failure_is_told_once_and_leaves_nothing(sim: Sim) -> None:
    person = ready(sim)
    call = person.call("counters:refuse", op="x")
    sim.until(lambda: call.settled)
    assert call.error is not None
    assert call.error.data == {"code": "No", "message": "Never.", "op": "x"}
    sim.run(3000)
    assert rows(sim, "inbox") == rows(sim, "simVisits") == []


@pytest.mark.parametrize("behind_ms", [0.0, 5.0, 60.0, 200.0])
def test_a_call_that_overtakes_the_sign_in_before_it_is_not_refused(behind_ms: float) -> None:
    """A socket that is settled as nobody's; each frame is an invocation of its own."""
    for seed in range(5):
        with Sim(seed, counters) as sim:
            person = ready(sim, token=None)
            person.travel = lambda frame: behind_ms if "Authenticate" in frame else 0.0
            person.do(lambda client: client.authenticate("alice@acme"))
            call = person.call("counters:sign", op="x")
            assert sim.until(lambda: call.settled, 5000)  # noqa: B023
            assert (call.error, call.result) == (None, "alice"), seed
            assert len(rows(sim, "simVisits")) == 1
            sim.run(3000)
            assert rows(sim, "inbox") == []
            check(sim)


def test_a_refusal_of_a_call_that_nobody_signs_in_for_waits_a_moment(sim: Sim) -> None:
    person = ready(sim, token=None)
    began = sim.schedule.now
    call = person.call("counters:sign", op="x")
    assert sim.until(lambda: call.settled, 2000, 2.0)
    assert call.error is not None
    assert sim.schedule.now - began < SIGN_IN_MS + 150


class DiesOnce(Lane):
    """Its first process dies where a test says."""

    def _at(self, point: str) -> None:
        if deaths and deaths[0] == point:
            deaths.pop(0)
            raise Crashed

    def _one(self, connection: str, held: Held, mailbox: Item, row: Item) -> None:
        mutate = self.mutate

        def dying(frame: messages.Mutation, identity: str | None, key: str, connection: str) -> Any:
            self._at("before the call")
            answer = mutate(frame, identity, key, connection)
            self._at("after the call")
            return answer

        lane = replace(self, mutate=dying)
        Lane._one(lane, connection, held, mailbox, row)

    def _tell(self, *args: Any, **more: Any) -> None:
        self._at("after the answer")
        super()._tell(*args, **more)


deaths: list[str] = []


def dying(point: str, call: Callable[[Person], Any]) -> Sim:
    """A run in which the lane's process dies once at this point."""
    deaths[:] = [point]
    with Sim(3, counters, backend=with_lane(DiesOnce)) as sim:
        person = ready(sim)
        request = call(person)
        assert sim.until(lambda: request.settled, 40_000), point
        assert deaths == []
        sim.run(15_000)
        check(sim)
        assert leftovers(sim) == []
    return sim


def test_a_lane_that_dies_anywhere_is_taken_over_and_the_call_runs_once() -> None:
    for point in ("before the call", "after the call", "after the answer"):
        dying(point, lambda person: person.call("counters:add", name="a", op="once"))


def test_a_failure_that_may_have_been_told_is_not_run_again() -> None:
    for point in ("after the call", "after the answer"):
        sim = dying(point, lambda person: person.call("counters:refuse", op="once"))
        assert sim.people[0].client.requests[0].state == "failed"


def test_a_lane_that_takes_over_calls_as_the_one_who_called() -> None:
    deaths[:] = ["before the call"]
    with Sim(1, counters, backend=with_lane(DiesOnce)) as sim:
        person = ready(sim)
        call = person.call("counters:visit", op="x")
        sim.until(lambda: deaths == [])
        person.do(lambda client: client.authenticate("bob@other"))
        assert sim.until(lambda: call.settled, 40_000)
        assert call.result == "alice"
        assert [row["pk"] for row in rows(sim, "commits")] == [commit_of_alice("sync:session-alice:0")]


class Frozen(Backend):
    """The first mutation stands still for longer than the lane's lease, and goes on then."""

    frozen = False

    def _mutate(self, *args: Any) -> Any:
        if not self.frozen:
            self.frozen = True
            self.clock.sleep(2.5 * SETTINGS.lane_lease_s)
        return super()._mutate(*args)


def test_a_lane_that_wakes_up_late_finds_its_call_done() -> None:
    with Sim(1, counters, backend=Frozen) as sim:
        person = ready(sim)
        call = person.call("counters:add", name="a", op="once")
        assert sim.until(lambda: call.settled, 40_000)
        sim.run(30_000)
        check(sim)
        assert person.client.value(0)["ops"] == ["once"]
        assert rows(sim, "inbox") == []


def test_a_frame_that_comes_back_after_its_answer_is_not_answered_again(sim: Sim) -> None:
    """Its writer's first try was stored and answered, the answer of the store got lost, and the second try was stored."""
    person = ready(sim)
    sent: list[str] = []
    person.travel = lambda frame: sent.append(frame) or 0.0  # type: ignore[func-returns-value]
    person.call("counters:add", name="a", op="x")
    sim.until(lambda: not person.client.waiting)
    person.call("counters:refuse", op="y")
    sim.until(lambda: not person.client.waiting)
    sim.run(300)
    for number, frame in enumerate(sent):
        row = keys.frame_row("conn-1", keys.MUTATION, number, frame, sim.clock.now_ms())
        sim.base.write(Put("inbox", row, Absent()))
        assert json.loads(frame)["requestId"] == number
    sim.invoke("lane", lambda: sim.backend.lane.wake("conn-1"))
    sim.run(3000)
    assert rows(sim, "inbox") == []
    assert person.client.connections == 1
    check(sim)


def test_many_calls_are_handed_over_and_none_is_lost() -> None:
    with Sim(1, counters) as sim:
        person = ready(sim)
        for number in range(60):
            person.call("counters:add", name="a", op=f"op{number:02}")
        assert sim.until(lambda: not person.client.waiting, 60_000)
        assert person.client.value(0)["ops"] == [f"op{number:02}" for number in range(60)]
        sim.run(2000)
        check(sim)
