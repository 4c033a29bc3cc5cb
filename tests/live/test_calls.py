"""A call that runs at once: in its place, beside everything else, once, whoever dies; and what it costs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from chalicelib.backend import Backend
from chalicelib.live.rows import brought
from tests.bench_parts import Counted
from tests.live import call_mutants, counters
from tests.live.mutants import Later, with_mailboxes, with_turns
from tests.live.test_protective_steps import broken
from tests.support.bench_client import Client
from tests.support.client import Broken
from tests.support.person import Person
from tests.support.sim import Sim
from tests.support.threads import Crashed
from tests.support.verdict import check, commit_of_alice, leftovers, rows


def ready(sim: Sim) -> Person:
    person = sim.person("alice", "alice@acme")
    person.watch("counters:get", name="a")
    assert sim.until(lambda: person.client.in_step and person.client.version.identity == 1, 5000)
    sim.run(50)
    return person


def with_calls(backend: type[Backend], **methods: Any) -> type[Backend]:
    """A backend whose calls do some steps in another way."""
    return type("Windowed", (backend,), {"at_once_type": type("Windowed", (backend.at_once_type,), methods)})


def seen_before_it_is_answered(backend: type[Backend]) -> None:
    """Between a commit and its answer another changes the same counter, and the holder who tells of it sees both."""

    def _tell(self: Any, *told: Any) -> None:
        sim.executor.mutation("counters:add", {"name": "a", "op": "theirs"}, sim.backend.verifier.verify("bob@acme"))
        sim.clock.sleep(0.4)
        super(sim.backend.at_once_type, self)._tell(*told)

    with Sim(1, counters, backend=with_calls(backend, _tell=_tell)) as sim:
        person = ready(sim)
        call = person.call("counters:add", name="a", op="mine")
        sim.run(3000)
        assert call.state == "resolved"
        check(sim)


def test_an_effect_is_not_shown_before_its_answer_while_the_call_is_open() -> None:
    seen_before_it_is_answered(Backend)
    assert broken(seen_before_it_is_answered, with_turns(call_mutants.IgnoresTheOpenCall))


def seen_before_its_lane_has_answered(backend: type[Backend]) -> None:
    """The same, of a call that the lane runs; nobody was told of its frame."""

    def _tell(self: Any, *args: Any, **more: Any) -> None:
        sim.executor.mutation("counters:add", {"name": "a", "op": "theirs"}, sim.backend.verifier.verify("bob@acme"))
        sim.clock.sleep(0.4)
        super(sim.backend.lane_type, self)._tell(*args, **more)

    lane = type("Windowed", (backend.lane_type,), {"_tell": _tell})
    with Sim(1, counters, backend=type("Windowed", (backend,), {"lane_type": lane, "at_once_type": Later})) as sim:
        person = ready(sim)
        call = person.call("counters:add", name="a", op="mine")
        sim.run(3000)
        assert call.state == "resolved"
        check(sim)


def test_an_effect_is_not_shown_before_its_answer_while_the_lane_runs_the_call() -> None:
    seen_before_its_lane_has_answered(Backend)
    assert broken(seen_before_its_lane_has_answered, with_mailboxes(call_mutants.RunsUnannounced))


def dead_before_the_answer(backend: type[Backend], step: str, connections: int) -> None:
    """The process of a call dies before it runs, or when it has committed."""
    died: list[bool] = []

    def dies(self: Any, *args: Any) -> Any:
        if not died:
            died.append(True)
            raise Crashed
        return getattr(super(sim.backend.at_once_type, self), step)(*args)

    with Sim(2, counters, backend=with_calls(backend, **{step: dies})) as sim:
        person = ready(sim)
        call = person.call("counters:add", name="a", op="mine")
        if not sim.until(lambda: call.settled, 40_000):
            raise Broken("it waits for ever")
        assert died
        assert person.client.connections == connections
        assert [row["pk"] for row in rows(sim, "commits")] == [commit_of_alice("sync:session-alice:0")]
        sim.run(3000)
        check(sim)
        assert leftovers(sim) == []


@pytest.mark.parametrize(
    ("step", "connections"), [("_in_turn", 2), ("_tell", 1)], ids=["before it runs", "when it has committed"]
)
def test_a_call_whose_process_dies_is_answered_once(step: str, connections: int) -> None:
    dead_before_the_answer(Backend, step, connections)
    with pytest.raises(Broken):
        dead_before_the_answer(with_turns(call_mutants.ForgetsCallsThatEnded), step, connections)


def the_first_of_two_is_late(backend: type[Backend]) -> None:
    """A frame waits in the inbox for the one before it, which comes later, to a connection that nobody serves."""
    with Sim(5, counters, backend=backend) as sim:
        person = ready(sim)
        person.travel = lambda frame: 80.0 if '"Add"' in frame else 1.0
        query = person.watch("counters:get", name="b")
        person.do(lambda client: client.unsubscribe(query))
        sim.run(1000)
        if not person.client.in_step:
            raise Broken("a frame that waits was not seen")
        check(sim)


def test_frames_that_wait_are_seen_by_who_brings_another() -> None:
    the_first_of_two_is_late(Backend)
    assert broken(the_first_of_two_is_late, with_mailboxes(call_mutants.LooksOnlyAtWhatItBrings))


def many_frames_at_once(backend: type[Backend]) -> None:
    """Frames overtake one another, most of them while somebody works on another one: they wait in the mailbox."""
    with Sim(2, counters, backend=backend) as sim:
        person = ready(sim)
        person.travel = lambda frame: sim.rng.uniform(1, 60)
        for number in range(24):
            person.watch("counters:get", name=f"n{number % 7}")
            sim.run(sim.rng.uniform(0, 3))
        sim.run(2000)
        if not person.client.in_step or person.client.connections > 1:
            raise Broken("a frame was lost")
        left = [row for row in rows(sim, "mailboxes") if row.get("queued") or brought(row)]
        assert left == [], "what was taken in is removed"
        check(sim)


def test_frames_that_wait_in_the_mailbox_stay_until_they_are_taken_in() -> None:
    many_frames_at_once(Backend)
    assert broken(many_frames_at_once, with_turns(call_mutants.ForgetsWhatIsBrought))


def overtaken(backend: type[Backend]) -> None:
    """The second of two calls arrives first."""
    with Sim(1, counters, backend=backend) as sim:
        person = ready(sim)
        sim.until(lambda: person.call("counters:add", name="a", op="zero").settled, 3000, 3000)
        person.travel = lambda frame: 60.0 if '"one"' in frame else 1.0
        person.call("counters:add", name="a", op="one")
        person.call("counters:add", name="a", op="two")
        assert sim.until(lambda: not person.client.waiting, 5000)
        ops = [op for row in rows(sim, "simCounters") for op in row["ops"] if op != "zero"]
        if ops != ["one", "two"]:
            raise Broken(f"out of order: {ops}")


def test_a_call_that_overtakes_another_waits_for_it() -> None:
    overtaken(Backend)
    assert broken(overtaken, call_mutants.OutOfTurn)


def changes_while_a_call_runs(backend: type[Backend]) -> None:
    """A change of identity comes when a call has committed and is not answered: what the next user sees must wait for that."""

    def _tell(self: Any, *told: Any) -> None:
        sim.people[0].do(lambda client: client.authenticate("bob@acme"))
        sim.clock.sleep(0.4)
        super(sim.backend.at_once_type, self)._tell(*told)

    with Sim(4, counters, backend=with_calls(backend, _tell=_tell)) as sim:
        person = ready(sim)
        call = person.call("counters:add", name="a", op="x")
        assert sim.until(lambda: call.settled and person.client.version.identity == 2, 9000)
        assert person.client.connections == 1
        check(sim)


def test_a_change_of_identity_waits_for_the_call_that_runs() -> None:
    changes_while_a_call_runs(Backend)
    assert broken(changes_while_a_call_runs, with_turns(call_mutants.ChangesUnderACall))


def test_a_mutation_over_a_socket_that_nobody_watches_takes_eleven_requests_and_ten_units_at_most() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Counted(Path(folder))
        try:
            alice = Client(server.url, server.token)
            for _ in range(3):
                alice.mutation("counter:add", {"name": "bench"})
            server.settle()
            server.store.reset()
            alice.mutation("counter:add", {"name": "bench"})
            server.settle()
            assert sum(server.store.requests.values()) <= 11
            assert sum(server.store.wcu.values()) <= 10
            alice.close()
        finally:
            server.stack.stop()
