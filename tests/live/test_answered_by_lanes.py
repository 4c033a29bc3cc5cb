"""Who runs a call that waited answers it where nobody holds the mailbox; whoever does answers it, and finds the frame marked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chalicelib.data.store import Key
from chalicelib.live.called import Called
from chalicelib.live.lane import Lane
from chalicelib.live.mailbox import Held
from tests.data.mutants import swapped
from tests.live import counters
from tests.live.test_lane import ready, with_lane
from tests.support.sim import Sim
from tests.support.verdict import check, leftovers

marked: list[str] = []
woken: list[str] = []
runs: list[bool] = []


class Seen(Lane):
    """Remembers which frames were marked as run, and when it was woken."""

    def _mark(self, place: Key, sets: dict[tuple[str, ...], Any], remove: tuple[tuple[str, ...], ...] = ()) -> bool:
        marked.extend(["run"] if ("ran",) in sets else [])
        return super()._mark(place, sets, remove)

    def wake(self, connection: str) -> None:
        woken.append(connection)
        super().wake(connection)


class HandsOver(Seen):
    """Gives the mailbox back before it is served, as one does whose time is over."""

    def _tell(self, place: Key, called: Called, *, first: bool) -> None:
        def leave(held: Held) -> None:
            self.world.mailboxes.leave(held)

        runs.append(first)
        Seen._tell(replace(self, serve=leave), place, called, first=first)


class TakesEachForTheFirst(HandsOver):
    """Marks no frame, however often it has run it."""

    def _tell(self, place: Key, called: Called, *, first: bool) -> None:
        super()._tell(place, called, first=True)


def answered(lane: type[Lane], deed: str = "counters:add") -> tuple[int, int]:
    """A call, until it is settled. Returns how many frames were marked, and how often the lane was woken."""
    with Sim(5, counters, backend=with_lane(lane), ticker=False) as sim:
        person = ready(sim)
        for each in (marked, woken, runs):
            each.clear()
        call = person.call(deed, **({"name": "a"} if deed == "counters:add" else {}), op="x")
        assert sim.until(lambda: call.settled, 10_000)
        sim.run(3000)
        check(sim)
        assert leftovers(sim) == []
    return len(marked), len(woken)


def test_a_call_is_answered_by_its_lane_and_its_frame_is_not_marked() -> None:
    assert answered(Seen) == (0, 1)


def test_a_failure_stands_in_the_inbox_and_its_frame_is_marked() -> None:
    assert answered(Seen, "counters:refuse") == (1, 1)


def test_a_frame_that_its_lane_has_not_answered_is_run_once_more_and_marked() -> None:
    marks, _ = answered(HandsOver)
    assert (marks, runs) == (1, [True, False])
    answered(TakesEachForTheFirst)
    assert len(runs) > 2, "it is run until somebody else answers it"


def test_the_frame_of_a_call_that_its_holder_has_run_does_not_wait_for_a_lane() -> None:
    with swapped((Held, "has_run", lambda held, row: False)):
        _, woken_too_often = answered(Seen)
    assert woken_too_often > 1
