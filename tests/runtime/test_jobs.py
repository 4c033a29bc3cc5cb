"""Scheduled calls: with the commit or not at all, mutations exactly once, actions at most once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib import (
    ActionCtx,
    MutationCtx,
    QueryCtx,
    Refused,
    Table,
    action,
    internal_action,
    internal_mutation,
    mutation,
    query,
)
from chalicelib.data.tables import all_specs
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.job_runner import JobRunner
from chalicelib.runtime.jobs import Job
from chalicelib.runtime.paths import camel
from chalicelib.runtime.registry import Registry
from infra.local.sqlite.store import SqliteStore
from tests.functions.conftest import Later, MovingClock


class Bell(Table, name="jobBells"):
    rung: int = 0


RAN: list[str] = []


@internal_mutation
def ring(ctx: MutationCtx, name: str) -> int:
    bell = ctx.db.get(Bell, name)
    if bell is None:
        ctx.db.insert(Bell(id=name, rung=1))
        return 1
    return ctx.db.patch(bell, rung=bell.rung + 1).rung


@internal_action
def shout(ctx: ActionCtx, name: str) -> None:
    RAN.append(name)
    ctx.run_mutation(ring, name=name)


@internal_action
def fail(ctx: ActionCtx) -> None:
    raise ValueError("boom")


@mutation
def order(ctx: MutationCtx, name: str, delay: float = 0, refuse: bool = False, kind: str = "ring") -> str:
    job = (
        ctx.scheduler.run_after(delay, {"ring": ring, "shout": shout}[kind], name=name)
        if kind != "fail"
        else ctx.scheduler.run_after(0, fail)
    )
    if refuse:
        raise Refused("Changed", "I changed my mind.")
    return job


@internal_action
def claim_and_ring(ctx: ActionCtx, name: str) -> None:
    if ctx.run_mutation(claim, name=name):
        RAN.append(name)


@internal_mutation
def claim(ctx: MutationCtx, name: str) -> bool:
    if ctx.db.get(Bell, name) is not None:
        return False
    ctx.db.insert(Bell(id=name, rung=1))
    return True


@mutation
def begin(ctx: MutationCtx, name: str, refuse: bool = False, kind: str = "claim_and_ring") -> None:
    if kind == "fail":
        ctx.scheduler.start(fail)
    elif kind == "ring":
        ctx.scheduler.start(ring, name=name)
    else:
        ctx.scheduler.start(claim_and_ring, name=name)
    if refuse:
        raise Refused("Changed", "I changed my mind.")


@action
def begin_from_action(ctx: ActionCtx, name: str) -> None:
    ctx.scheduler.start(claim_and_ring, name=name)


@mutation
def take_back(ctx: MutationCtx, job: str) -> None:
    ctx.scheduler.cancel(job)


@action
def order_from_action(ctx: ActionCtx, name: str) -> str:
    return ctx.scheduler.run_after(0, ring, name=name)


@query
def rung(ctx: QueryCtx, name: str) -> int:
    bell = ctx.db.get(Bell, name)
    return bell.rung if bell else 0


@query
def state(ctx: QueryCtx, job: str) -> str | None:
    found = ctx.db.get(Job, job)
    return f"{found.state} {found.error or ''}".strip() if found else None


class Tower:
    def __init__(self) -> None:
        self.clock, self.later = MovingClock(), Later()
        registry = Registry()
        ordered = (ring, shout, fail, order, take_back, order_from_action, rung, state)
        for function in (*ordered, claim_and_ring, claim, begin, begin_from_action):
            registry.add(function, "bells")
        runners: list[JobRunner] = []
        self.executor = Executor(
            SqliteStore(":memory:", all_specs()),
            registry,
            self.clock,
            development=True,
            committed=lambda receipt, org: runners[0].handed_over(receipt, org),
        )
        self.jobs = JobRunner(self.executor, self.later, lease_s=60)
        runners.append(self.jobs)

    def call(self, name: str, /, **args: Any) -> Any:
        outcome = self.executor.mutation(f"bells:{camel(name)}", args, None)
        return outcome.value if outcome.ok else outcome.error

    def ask(self, name: str, /, **args: Any) -> Any:
        return self.executor.query(f"bells:{camel(name)}", args, None).value

    def work(self, times: int = 1) -> None:
        asked, self.later.asked = self.later.asked, []
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self.jobs.run, [payload for _, payload in asked] * times))


@pytest.fixture
def tower() -> Tower:
    RAN.clear()
    return Tower()


def test_a_job_commits_with_its_mutation_or_not_at_all(tower: Tower) -> None:
    tower.call("order", name="a", refuse=True)
    assert tower.later.asked == []
    tower.jobs.sweep()
    assert tower.later.asked == []
    job = tower.call("order", name="a")
    tower.work()
    assert tower.ask("rung", name="a") == 1
    assert tower.ask("state", job=job) == "success"


def test_a_mutation_takes_effect_once_however_often_it_is_started(tower: Tower) -> None:
    tower.call("order", name="a")
    asked = list(tower.later.asked)
    tower.work(times=6)
    tower.later.asked = asked
    tower.work()
    assert tower.ask("rung", name="a") == 1


def test_an_action_starts_once_however_often_it_is_started(tower: Tower) -> None:
    job = tower.call("order", name="a", kind="shout")
    tower.work(times=6)
    assert RAN == ["a"]
    assert tower.ask("rung", name="a") == 1
    assert tower.ask("state", job=job) == "success"


def test_an_action_that_fails_says_why_and_where(tower: Tower) -> None:
    job = tower.call("order", name="a", kind="fail")
    tower.work()
    told = tower.ask("state", job=job)
    assert told.startswith("failed Uncaught ValueError: boom")
    assert "test_jobs.py" in told


def test_a_job_waits_for_its_time(tower: Tower) -> None:
    tower.call("order", name="a", delay=5_000)
    tower.work()
    assert tower.ask("rung", name="a") == 0
    assert len(tower.later.asked) == 1  # asked to come back
    tower.clock.ahead += 5_000
    tower.work()
    assert tower.ask("rung", name="a") == 1


def test_a_job_can_be_taken_back_until_it_starts(tower: Tower) -> None:
    job = tower.call("order", name="a", delay=5_000)
    tower.call("take_back", job=job)
    tower.clock.ahead += 6_000
    tower.work()
    assert tower.ask("rung", name="a") == 0
    assert tower.ask("state", job=job) == "canceled"


def test_the_sweep_starts_a_job_whose_hand_over_was_lost(tower: Tower) -> None:
    tower.call("order", name="a")
    tower.later.asked.clear()
    tower.jobs.sweep()
    tower.work()
    assert tower.ask("rung", name="a") == 1


def test_an_action_whose_runner_died_is_failed_and_not_repeated(tower: Tower) -> None:
    """At most once."""
    job = tower.call("order", name="a", kind="shout")
    assert tower.executor.transact("_public", "jobs:claim", lambda run: tower.jobs._claim(run, job)).value is True
    tower.clock.ahead += 1_000_000
    tower.jobs.sweep()
    tower.work()
    assert RAN == []
    assert tower.ask("state", job=job).startswith("failed The job's runner died")


def test_a_job_whose_function_is_gone_stays_visible(tower: Tower) -> None:
    job = tower.call("order", name="a")
    del tower.executor.registry._functions["bells:ring"]
    tower.work()
    assert tower.ask("state", job=job).startswith("failed Could not find function")


def test_an_action_schedules_by_a_commit_of_its_own(tower: Tower) -> None:
    assert tower.executor.action("bells:orderFromAction", {"name": "a"}, None).ok
    tower.work()
    assert tower.ask("rung", name="a") == 1


def test_what_is_started_without_a_job_commits_with_its_mutation_and_has_no_row(tower: Tower) -> None:
    tower.call("begin", name="a", refuse=True)
    assert tower.later.asked == []
    tower.call("begin", name="a")
    tower.work(times=6)
    assert RAN == ["a"]
    assert tower.executor.store.scan("jobs").items == []


def test_an_action_starts_another_by_a_commit_of_its_own(tower: Tower) -> None:
    assert tower.executor.action("bells:beginFromAction", {"name": "a"}, None).ok
    tower.work()
    assert RAN == ["a"]


def test_only_an_action_is_started_without_a_job(tower: Tower) -> None:
    assert "only actions are started" in str(tower.call("begin", name="a", kind="ring"))


def test_the_failure_of_what_has_no_job_is_told_to_the_operator(tower: Tower, caplog: pytest.LogCaptureFixture) -> None:
    tower.call("begin", name="a", kind="fail")
    tower.work()
    assert "boom" in caplog.text
