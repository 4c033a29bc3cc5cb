"""A query that cannot be evaluated holds up nobody: not the other queries, not the answers, not the connection."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from chalicelib.backend import Backend
from chalicelib.data.errors import Conflict
from tests.live import call_mutants, counters
from tests.live.mutants import with_turns
from tests.support.client import Broken
from tests.support.person import Person
from tests.support.sim import Sim
from tests.support.sim_parts import CALM
from tests.support.verdict import check

STUCK = "counters:pair"


def failing(backend: type[Backend]) -> type[Backend]:
    """A backend that cannot evaluate one query as long as `stuck` is true."""

    class Failing(backend):  # type: ignore[misc, valid-type]
        stuck = False
        tries = 0

        def _evaluate(self, path: str, *rest: Any) -> Any:
            if path == STUCK and type(self).stuck:
                type(self).tries += 1
                self.clock.sleep(0.05)
                raise Conflict("simCounters")
            return super()._evaluate(path, *rest)

    return Failing


def ready(sim: Sim) -> tuple[Person, int, int]:
    person = sim.person("alice", "alice@acme")
    pair = person.watch(STUCK, first="x", second="y")
    other = person.watch("counters:get", name="a")
    assert sim.until(lambda: {pair, other} <= person.client.results.keys(), 5000)
    return person, pair, other


def answered_beside_it(backend: type[Backend]) -> None:
    kind = failing(backend)
    with Sim(1, counters, backend=kind) as sim:
        person, pair, other = ready(sim)
        kind.stuck = True
        sim.executor.mutation("counters:add", {"name": "x", "op": "theirs"}, sim.backend.verifier.verify("bob@acme"))
        sim.run(500)
        for number in range(20):
            call = person.call("counters:add", name="a", op=f"op{number}")
            if not sim.until(lambda: call.settled, 1500):  # noqa: B023
                raise Broken("an answer waits behind a query that it did not touch")
        sim.run(12_000)
        assert person.client.value(pair) == 0
        assert person.client.value(other)["value"] == 20
        if person.client.connections > 1:
            raise Broken("closed for a query that could not be evaluated")
        if kind.tries > 30:
            raise Broken(f"{kind.tries} tries in fifteen seconds")
        kind.stuck = False
        sim.run(8_000)
        assert sim.store.inner.query("inbox", "conn-1").items == []
        if person.client.value(pair) != 1:
            raise Broken("it is never tried again")
        check(sim)


@pytest.mark.parametrize("mutant", [call_mutants.ClosesForOne, call_mutants.ForgetsTheKept, call_mutants.TriesWithoutPause])
def test_others_are_told_while_one_cannot_be_evaluated_and_it_is_tried_again_with_growing_pauses(mutant: Any) -> None:
    answered_beside_it(Backend)
    with pytest.raises(Broken):
        answered_beside_it(with_turns(mutant))


def promised(backend: type[Backend]) -> None:
    """A call touches what cannot be evaluated: answered, others told, and its promise resolves over its own effect."""
    kind = failing(backend)
    with Sim(2, counters, backend=kind) as sim:
        person, pair, other = ready(sim)
        kind.stuck = True
        call = person.call("counters:add", name="x", op="mine")
        assert sim.until(lambda: call.state in ("completed", "resolved"), 1500)
        later = person.call("counters:add", name="a", op="next")
        assert sim.until(lambda: later.settled, 1500)
        assert person.client.value(other)["value"] == 1
        sim.run(4000)
        if call.settled:
            raise Broken("a promise has resolved over an old value")
        kind.stuck = False
        assert sim.until(lambda: call.settled, 6000)
        assert person.client.value(pair) == 1
        assert person.client.connections == 1
        check(sim)


def test_a_call_that_touched_it_is_answered_and_resolves_when_its_effect_is_shown() -> None:
    promised(Backend)
    with pytest.raises(Broken):
        promised(with_turns(call_mutants.ReachesTooEarly))


def test_a_promise_that_cannot_be_kept_closes_the_connection_after_ten_seconds() -> None:
    kind = failing(Backend)
    with Sim(3, counters, backend=kind) as sim:
        person, _, _ = ready(sim)
        kind.stuck = True
        call = person.call("counters:add", name="x", op="mine")
        began = sim.schedule.now
        assert sim.until(lambda: person.client.connections > 1, 20_000)
        assert 9_500 < sim.schedule.now - began < 17_000
        kind.stuck = False
        assert sim.until(lambda: call.settled, 10_000)
        check(sim)


def comes_back(backend: type[Backend]) -> None:
    """Two calls are answered, the first with a T that lies ahead; then the connection is lost, and on the next one the query that
    would show the second cannot be evaluated."""

    class Failing(backend):  # type: ignore[misc, valid-type]
        stuck: ClassVar[set[str]] = set()

        def _evaluate(self, path: str, *rest: Any) -> Any:
            if path in self.stuck:
                self.clock.sleep(0.05)
                raise Conflict("simCounters")
            return super()._evaluate(path, *rest)

    with Sim(8, counters, replace(CALM, latency=(4.0, 12.0)), backend=Failing) as sim:
        person, pair, other = ready(sim)
        Failing.stuck |= {STUCK}
        ahead = person.call("counters:add", name="x", op="first")
        assert sim.until(lambda: ahead.state == "completed", 1500)
        shown = person.call("counters:add", name="a", op="second")
        # Not in every world: where its effect is shown at once, it is kept before the connection is lost.
        assert sim.until(lambda: shown.state == "completed", 1500)
        person.drop()
        Failing.stuck.clear()
        Failing.stuck.add("counters:get")
        sim.run(4000)  # a promise that resolves over an old value is `Broken` where it is heard
        assert not shown.settled
        assert person.client.value(pair) == 1
        Failing.stuck.clear()
        assert sim.until(lambda: ahead.settled and shown.settled, 8000)
        assert person.client.value(other)["value"] == 1
        check(sim)


def test_who_comes_back_is_told_nothing_beyond_what_was_promised_before_all_is_evaluated() -> None:
    comes_back(Backend)
    with pytest.raises(Broken):
        comes_back(with_turns(call_mutants.TicksAfterAReturn))


def test_a_new_query_that_cannot_be_evaluated_loads_while_the_others_are_shown() -> None:
    kind = failing(Backend)
    kind.stuck = True
    with Sim(4, counters, backend=kind) as sim:
        person = sim.person("alice", "alice@acme")
        pair = person.watch(STUCK, first="x", second="y")
        other = person.watch("counters:get", name="a")
        assert sim.until(lambda: other in person.client.results, 3000)
        sim.run(3000)
        assert pair not in person.client.results
        kind.stuck = False
        assert sim.until(lambda: pair in person.client.results, 6000)
        assert person.client.connections == 1
        check(sim)


def test_somebody_elses_value_does_not_stay_on_the_screen_of_who_signs_in() -> None:
    kind = failing(Backend)
    with Sim(5, counters, backend=kind) as sim:
        person, _, _ = ready(sim)
        kind.stuck = True
        person.do(lambda client: client.authenticate("bob@acme"))
        assert sim.until(lambda: person.client.connections > 1, 3000)
        kind.stuck = False
        assert sim.until(lambda: person.client.in_step, 6000)
        check(sim)


def slow_and_busy(backend: type[Backend]) -> None:
    """A range changes faster than a slow engine can read it; the other one changes now and then."""
    with Sim(6, counters, replace(CALM, latency=(4.0, 12.0)), backend=backend) as sim:
        person = sim.person("alice", "alice@acme")
        person.watch("counters:listing", group="pairs")
        quiet = person.watch("counters:get", name="a")
        assert sim.until(lambda: len(person.client.results) == 2, 20_000)
        bob = sim.backend.verifier.verify("bob@acme")

        def commit(path: str, **args: Any) -> None:
            sim.invoke("bob", lambda: sim.executor.mutation(path, args, bob))

        for number in range(1600):
            sim.schedule.at(
                number * 16.0, lambda n=number: commit("counters:transfer", first=f"x{n % 4}", second=f"y{n % 4}", op=f"t{n}")
            )  # type: ignore[misc]
        for number in range(5):
            sim.schedule.at(1.0, lambda n=number: commit("counters:add", name="a", op=f"a{n}"))  # type: ignore[misc]
            sim.run(6000.0)
            if quiet in person.client.results and person.client.value(quiet)["value"] <= number:
                raise Broken("a quiet query waits for a busy one")
        if person.client.connections > 1:
            raise Broken("closed for a busy query")
        sim.calm(40_000)
        check(sim)


def test_a_range_that_changes_faster_than_it_can_be_read_keeps_nobody_from_being_told() -> None:
    slow_and_busy(Backend)
    with pytest.raises(Broken):
        slow_and_busy(with_turns(call_mutants.ClosesForOne))
