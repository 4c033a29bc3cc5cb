"""What the engine measures while it happens, each where it happens (`data/meters.py`; issue of the cloud path)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.aws.watch import overdue
from chalicelib.data.meters import LISTENED
from chalicelib.live.mailbox import Mailboxes
from chalicelib.runtime.scheduling import Run as Work
from chalicelib.schema import Domain, Run
from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House

Heard = list[tuple[str, float, str, dict[str, str]]]


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Name, value, org and dimension of each measurement."""
    found: Heard = []

    class Ear(logging.Handler):
        def emit(self, record: Any) -> None:
            name, value, _, org, by = record.meter
            found.append((name, value, org, by))

    ear, before = Ear(), LISTENED.level
    LISTENED.addHandler(ear)
    LISTENED.setLevel(logging.DEBUG)
    yield found
    LISTENED.removeHandler(ear)
    LISTENED.setLevel(before)


def _values(heard: Heard, name: str) -> list[float]:
    return [value for each, value, _, _ in heard if each == name]


def test_a_commit_that_was_overtaken_is_a_retry_of_its_table(model: ScriptedModel, heard: Heard) -> None:
    executor, runs = House(model).backend.executor, 0

    def rename(work: Work, name: str) -> str:
        domain = work.db.get(Domain, "d")
        assert domain is not None
        work.db.patch(domain, name=name)
        return "null"

    def overtaken(work: Work) -> str:
        nonlocal runs
        runs += 1
        told = rename(work, "mine")
        if runs == 1:
            executor.transact("acme", "other", lambda other: rename(other, "theirs"))
        return told

    def make(work: Work) -> str:
        work.db.insert(Domain(id="d", owner="alice", name="first"))
        return "null"

    executor.transact("acme", "make", make)
    assert _values(heard, "CommitRetries") == []
    executor.transact("acme", "mine", overtaken)
    assert [(value, by) for name, value, _, by in heard if name == "CommitRetries"] == [(1, {"table": "domains"})]


def test_a_reply_tells_when_it_began_and_whose_tokens_it_took(model: ScriptedModel, heard: Heard) -> None:
    house = House(model)
    alice = house.person("alice")
    session = alice.mutation("chat:startSession")
    alice.mutation("chat:sendMessage", sessionId=session, content="/say hello")
    house.work()
    (first,) = [(value, by) for name, value, _, by in heard if name == "FirstToken"]
    assert first[0] > 0
    assert list(first[1]) == ["model"]
    (tokens,) = [(value, org) for name, value, org, _ in heard if name == "ReplyTokens"]
    assert tokens[0] > 0
    assert tokens[1] == "acme"


def test_a_run_whose_writer_died_is_counted_until_it_is_ended(model: ScriptedModel, heard: Heard) -> None:
    house = House(model)
    alice = house.person("alice")
    session = alice.mutation("chat:startSession")
    reply = alice.mutation("chat:sendMessage", sessionId=session, content="/say hello")
    executor = house.backend.executor
    claimed = executor.call("acme", house.backend.registry.get("runs:claim"), run_id=f"run-{reply.removeprefix('msg-')}")
    assert claimed
    overdue(executor)
    house.clock.ahead += 600_000
    overdue(executor)
    house.sweep()  # takes it from its writer
    house.work()  # and its job ends it
    overdue(executor)
    assert _values(heard, "OrphanRuns") == [0, 1, 0]
    (run,) = house.store.scan(Run.table_name).items
    assert run["state"] == "interrupted"


def test_a_runs_lease_that_passed_long_ago_rings_an_alarm(model: ScriptedModel, caplog: pytest.LogCaptureFixture) -> None:
    house = House(model)
    alice = house.person("alice")
    session = alice.mutation("chat:startSession")
    reply = alice.mutation("chat:sendMessage", sessionId=session, content="/say hello")
    executor = house.backend.executor
    executor.call("acme", house.backend.registry.get("runs:claim"), run_id=f"run-{reply.removeprefix('msg-')}")
    house.clock.ahead += house.backend.settings.run_lease_s * 1000 + 60_000
    overdue(executor)
    assert [each.message for each in caplog.records if each.message == "runs overdue"] == []
    house.clock.ahead += 120_000
    overdue(executor)
    (line,) = [each for each in caplog.records if each.message == "runs overdue"]
    assert line.overdue == 1  # type: ignore[attr-defined]


def test_a_holder_that_let_its_lease_pass_is_counted(model: ScriptedModel, heard: Heard) -> None:
    house = House(model)
    mailboxes = Mailboxes(house.store, house.clock, 1000)
    mailboxes.open("c1", {})
    assert mailboxes.wake("c1").state == "held"
    assert mailboxes.wake("c1").state == "busy"
    assert _values(heard, "ExpiredLeases") == []
    house.clock.ahead += 2000
    assert mailboxes.wake("c1").state == "closing"
    assert _values(heard, "ExpiredLeases") == [1]
