"""The stream tells nobody what it has been told, and everybody else what has changed."""

from __future__ import annotations

from typing import Any

from chalicelib.backend import Backend
from chalicelib.live.answered import Answered
from tests.live import counters
from tests.support.sim import Sim
from tests.support.verdict import check, rows

PLACE, OTHER = ("acme|simCounters|a", "-"), ("acme|simCounters|b", "-")
ID = "acme|sync:session-alice:3:0123456789abcdef"


def mailbox(sim: Sim, **row: Any) -> None:
    sim.backend.mailboxes.open("c", {"opened": 0, "replied": [1, 2, 3], **row})


def told(sim: Sim, *commits: tuple[str, str, list[Any]]) -> dict[str, Any]:
    answered = Answered()
    for connection, id, touched in commits:
        answered.commit(connection, id, touched)
    return answered.told(sim.backend.mailboxes, lambda connection, wait: asked.append(wait))


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


def test_two_people_at_one_counter_see_each_other(sim: Sim) -> None:
    commits_while_another_does(Backend)


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
