"""Processes that die or stand still at any step of their work: clients recover, nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.live import counters
from tests.support.person import Person
from tests.support.sim import SETTINGS, TICK_MS, Sim
from tests.support.threads import Task
from tests.support.verdict import check, leftovers, of_connections

RECOVERY_MS = SETTINGS.mailbox_lease_s * 1000 + 2 * TICK_MS + 2000
"""Lease, ticker, and the time to come back. A lane's lease is longer."""


def ready(sim: Sim, name: str) -> Person:
    person = sim.person(name, "alice@acme")
    for query, args in (
        ("counters:get", {"name": "a"}),
        ("counters:listing", {"group": "g"}),
        ("counters:follow", {"pointer": "p"}),
    ):
        person.watch(query, **args)
    assert sim.until(lambda: person.client.in_step, 5000)
    sim.run(100)
    return person


def struck(sim: Sim, name: str, strike: Callable[[Task], None]) -> list[Task]:
    """The next invocation of this name is struck; returns it when it has begun."""
    found: list[Task] = []
    spawn = sim.schedule.spawn

    def watching(task: Task, delay_ms: float = 0.0) -> None:
        if task.name == name and not found:
            found.append(task)
            strike(task)
        spawn(task, delay_ms)

    sim.schedule.spawn = watching  # type: ignore[method-assign]
    return found


def calls(sim: Sim) -> list[Person]:
    """Two people who watch the same; one of them makes two calls at once: two answers, one Transition, one fan-out."""
    return [ready(sim, "alice"), ready(sim, "bob")]


def after(sim: Sim, people: list[Person], wait_ms: float) -> None:
    people[0].call("counters:add", name="a", op="one")
    people[0].call("counters:add", name="a", op="two")
    sim.run(wait_ms)
    check(sim)
    assert [person.client.value(0)["ops"] for person in people] == [["one", "two"]] * 2
    sim.run(2 * RECOVERY_MS)
    assert leftovers(sim) == []


@pytest.mark.parametrize("name", ["message", "on_change"])
@pytest.mark.parametrize("portion", [0, 4])
def test_whoever_serves_may_die_at_any_step(name: str, portion: int) -> None:
    lane_ms = SETTINGS.lane_lease_s * 1000 + SETTINGS.ping_s * 1000 + TICK_MS
    for step in range(1 + portion, 80, 8):
        with Sim(step, counters) as sim:
            people = calls(sim)
            found = struck(sim, name, lambda task: setattr(task, "crash_at", step))  # noqa: B023
            after(sim, people, max(RECOVERY_MS, lane_ms))
            assert found


@pytest.mark.parametrize("name", ["message", "on_change"])
@pytest.mark.parametrize("portion", [0, 4])
def test_whoever_serves_may_stand_still_at_any_step_for_longer_than_its_lease(name: str, portion: int) -> None:
    for step in range(3 + portion, 80, 8):
        with Sim(step, counters) as sim:
            people = calls(sim)
            struck(sim, name, lambda task: setattr(task, "freeze", (step, 2.5 * SETTINGS.lane_lease_s * 1000)))  # noqa: B023
            after(sim, people, 25_000)


def test_the_clients_of_a_dead_holder_are_well_within_its_lease_and_a_little() -> None:
    slowest = 0.0
    for step in range(1, 60, 3):
        with Sim(step, counters) as sim:
            people = calls(sim)
            struck(sim, "on_change", lambda task: setattr(task, "crash_at", step))  # noqa: B023
            sim.invoke(
                "elsewhere",
                lambda: sim.executor.mutation("counters:add", {"name": "a", "op": "x"}, sim.backend.verifier.verify("b@acme")),
            )
            began = sim.schedule.now
            shown = lambda: all(one.client.in_step and one.client.value(0)["ops"] == ["x"] for one in people)  # noqa: E731, B023
            assert sim.until(shown, 20_000), step
            slowest = max(slowest, sim.schedule.now - began)
    assert slowest < RECOVERY_MS


def test_nothing_is_left_of_forty_clients_that_come_and_go() -> None:
    with Sim(1, counters) as sim:
        people = [sim.person(f"p{number}", "alice@acme") for number in range(40)]
        for person in people:
            person.watch("counters:get", name="a")
            person.watch("counters:listing", group="g")
        for number in range(80):
            sim.schedule.at(sim.rng.uniform(0, 15_000), sim.rng.choice(people).drop)
            if number < 12:
                caller = sim.rng.choice(people)
                sim.schedule.at(number * 1000.0, partial(caller.call, "counters:add", name="a", op=f"op{number}"))
        sim.run(30_000)
        check(sim)
        for person in people:
            person.leave()
        sim.run(30_000)
        for table in ("mailboxes", "subscriptions", "watches", "inbox"):
            assert of_connections(sim, table) == [], table
