"""The stream tells nobody what it has been told, and everybody else what has changed."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.backend import Backend
from chalicelib.data.store import Key, Put
from chalicelib.live.answered import MOMENT_MS, Answered
from chalicelib.live.lane import Lane, lane_of
from tests.data.mutants import swapped
from tests.live import call_mutants, counters
from tests.live.mutants import Stored, with_turns
from tests.live.test_protective_steps import broken
from tests.support.client import Broken
from tests.support.sim import Sim
from tests.support.threads import Crashed
from tests.support.verdict import check, rows

PLACE, OTHER = ("acme|simCounters|a", "-"), ("acme|simCounters|b", "-")
ID = "acme|sync:session-alice:3:0123456789abcdef"


def mailbox(sim: Sim, **row: Any) -> None:
    sim.backend.mailboxes.open("c", {"opened": 0, "replied": [1, 2, 3], **row})


def told(sim: Sim, *commits: tuple[str, str, list[Any]]) -> dict[str, Any]:
    answered = Answered()
    for connection, id, touched in commits:
        answered.commit(connection, id, touched)

    def later(connection: str, wait: int) -> None:
        asked.append(wait)

    return answered.told(sim.backend.mailboxes, later, later)


asked: list[int] = []


def test_a_connection_that_was_answered_is_not_told_of_its_own_commit(sim: Sim) -> None:
    mailbox(sim)
    assert told(sim, ("c", ID, [PLACE, OTHER])) == {"c": {PLACE, OTHER}}


def test_it_is_told_of_what_another_has_changed_at_the_same_place(sim: Sim) -> None:
    mailbox(sim)
    assert told(sim, ("c", ID, [PLACE, OTHER]), ("d", ID, [PLACE])) == {"c": {OTHER}}
    assert told(sim, ("c", ID, [PLACE, OTHER]), ("", "acme|http", [OTHER])) == {"c": {PLACE}}


def test_one_that_was_not_answered_or_has_marks_or_is_closing_is_told(sim: Sim) -> None:
    for number, row in enumerate(({"replied": [1, 2]}, {"dirty": {"0": "t"}}, {"closing": True})):
        sim.backend.mailboxes.open(f"c{number}", {"opened": 0, "replied": [3], **row})
        assert told(sim, (f"c{number}", ID, [PLACE])) == {}
    assert told(sim, ("none", ID, [PLACE])) == {}
    mailbox(sim)
    assert told(sim, ("c", "acme|http|x", [PLACE])) == {}


def test_who_runs_the_call_tells_of_it_and_is_looked_after(sim: Sim) -> None:
    now = sim.clock.now_ms()
    mailbox(sim, replied=[], call="t", open=[3, ""], call_until=now + 500)
    asked.clear()
    assert told(sim, ("c", ID, [PLACE])) == {"c": {PLACE}}
    assert asked == [501]
    sim.run(600)
    assert told(sim, ("c", ID, [PLACE])) == {}


def test_a_lane_that_runs_tells_of_its_calls_and_is_looked_after(sim: Sim) -> None:
    now = sim.clock.now_ms()
    mailbox(sim, replied=[])
    lane = Key("mailboxes", lane_of("c"))
    for row, heard in (({}, {}), ({"lease": "t", "until": now - 1}, {}), ({"lease": "t", "until": now + 500}, {"c": {PLACE}})):
        asked.clear()
        sim.base.write(Put("mailboxes", {"pk": lane.pk, "notes": 0, **row}))
        assert told(sim, ("c", ID, [PLACE])) == heard
        assert asked == [MOMENT_MS] * len(heard)
    assert told(sim, ("c", ID, [PLACE]), ("c", "acme|http|x", [PLACE])) == {}, "that one is nobody's to tell"


def a_lane_that_dies() -> None:
    """It has committed, and dies before it leaves a note. The stream comes, and then nothing more."""
    died: list[bool] = []

    class Dying(Lane):
        def _tell(self, *args: Any, **more: Any) -> None:
            if not died:
                died.append(True)
                raise Crashed
            super()._tell(*args, **more)

    with Sim(4, counters, backend=type("Dying", (Stored,), {"lane_type": Dying})) as sim:
        person = sim.person("alice", "alice@acme")
        assert sim.until(lambda: person.client.in_step and person.client.version.identity == 1, 5000)
        sim.run(3000)
        sim.ticker = False
        call = person.call("counters:add", name="a", op="one")
        sim.until(lambda: call.settled, 2.0 * MOMENT_MS)
        assert died
        if not call.settled:
            raise Broken("nobody answers")


def test_a_lane_that_dies_after_its_commit_is_found_in_a_moment() -> None:
    a_lane_that_dies()
    with swapped((Backend, "_look_later", lambda self, connection, wait_ms: None)), pytest.raises(Broken):
        a_lane_that_dies()


def commits_while_another_does(backend: type[Backend]) -> None:
    """Two people change one counter, batch after batch of the stream."""
    with Sim(4, counters, backend=backend) as sim:
        people = [sim.person(name, f"{name}@acme") for name in ("alice", "bob")]
        for person in people:
            person.watch("counters:get", name="a")
        assert sim.until(lambda: all(person.client.in_step for person in people), 5000)
        for number in range(20):
            for person in people:
                person.call("counters:add", name="a", op=f"{person.name}{number}")
            sim.run(60)
        sim.run(3000)
        check(sim)


def test_two_people_at_one_counter_see_each_other() -> None:
    commits_while_another_does(Backend)
    assert broken(commits_while_another_does, with_turns(call_mutants.LooksAtTheRowAlone))


def test_a_call_at_once_is_written_three_times_and_its_frame_never(sim: Sim) -> None:
    person = sim.person("alice", "alice@acme")
    assert sim.until(lambda: person.client.in_step and person.client.version.identity == 1, 5000)
    sim.run(100)
    for number in range(3):
        call = person.call("counters:add", name="a", op=f"op{number}")
        assert sim.until(lambda: call.settled, 2000)  # noqa: B023
        sim.run(300)
    assert rows(sim, "inbox") == []
    row = next(each for each in rows(sim, "mailboxes") if each["pk"] == "conn-1")
    assert (row["replied"], "call" in row, row["rest"]) == ([0, 1, 2], False, False)
