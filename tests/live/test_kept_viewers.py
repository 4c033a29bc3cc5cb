"""Whom a writer keeps: the rows of its pieces name them, and where they are many it writes fewer."""

from __future__ import annotations

import pytest

from chalicelib.backend import Backend
from chalicelib.data.reads import Touched
from chalicelib.live.viewers import HeldViewers, KeptTurn
from tests.live import counters
from tests.live.sim_writer import start, write
from tests.live.test_viewers import EVEN, kept, viewer, with_viewers
from tests.support.client import Broken
from tests.support.sim import Sim
from tests.support.verdict import check


class GivesBackAtANote(KeptTurn):
    """Gives the lease back as soon as a note comes, as it would for a call that waits."""

    def notice(self) -> None:
        self.keeps = False
        super().notice()


class LetsGo(HeldViewers):
    """Has such turns."""

    turn_type = GivesBackAtANote


class NamesWhoeverItHeld(LetsGo):
    """Names in a piece's row those, too, whose leases were given back."""

    ever = b""

    def owe(self, place: Touched) -> bytes:
        self.ever = super().owe(place) or self.ever
        return self.ever


def given_back_before_the_last_piece(backend: type[Backend]) -> None:
    """A note has the lease given back, then the last piece comes; nobody ends the text. Raises `Broken`."""
    with Sim(4, counters, backend=backend, ticker=False) as sim:
        person = viewer(sim, "alice", "counters:get")
        sim.invoke("generate", lambda: write(sim, "r", [10.0, 200.0, 200.0, 450.0], ends=False))
        assert sim.until(lambda: kept(sim, person), 2000)
        sim.run(450.0)
        person.call("counters:add", name="a", op="op")
        assert sim.until(lambda: not kept(sim, person), 400)
        sim.run(8000.0)
        check(sim)


def test_a_piece_names_only_those_who_are_held_when_it_is_stored() -> None:
    given_back_before_the_last_piece(with_viewers(LetsGo))
    with pytest.raises(Broken):
        given_back_before_the_last_piece(with_viewers(NamesWhoeverItHeld))


def test_five_viewers_are_many_and_four_are_not() -> None:
    seen: set[tuple[int, bool]] = set()

    class Counts(HeldViewers):
        def tell(self, stamp: str) -> None:
            super().tell(stamp)
            seen.add((len(self.turns), self.many))

    for count in (4, 5):
        with Sim(7, counters, backend=with_viewers(Counts), ticker=False) as sim:
            for number in range(count):
                viewer(sim, f"v{number}")
            start(sim, "r", EVEN)
            sim.run(3000.0)
    assert {(4, False), (5, True)} <= seen
    assert all(many == (kept > 4) for kept, many in seen)
