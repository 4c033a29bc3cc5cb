"""A writer that keeps those who watch its text: whatever happens to it, everybody sees all of the text, in order, and nobody's
call waits for it.

The worlds are those of `test_campaign.py` with texts that are being written in them. A step that they would miss too rarely has a
schedule of its own, in which what the step is for happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest

from chalicelib.backend import Backend
from chalicelib.data.errors import StoreFailed
from chalicelib.data.reads import Touched
from chalicelib.data.store import Path
from chalicelib.live.batch import Slice
from chalicelib.live.fanout import Fanout
from chalicelib.live.rows_driver import RowsDriver
from chalicelib.live.viewers import HOLD_MS, HeldViewers, KeptTurn
from chalicelib.runtime.identity import LEEWAY_MS
from tests.live import counters
from tests.live.campaign import campaign
from tests.live.sim_writer import start, write
from tests.live.test_campaign import BUSY, HARD, portions
from tests.support.client import Broken
from tests.support.person import Person
from tests.support.sim import SETTINGS, Sim
from tests.support.sim_parts import ROUGH
from tests.support.threads import Task
from tests.support.verdict import check

TEXTS: dict[str, Any] = {"people": 3, "deeds": 14, "writers": 2}
EVEN = [200.0] * 12


def with_viewers(kind: type[HeldViewers], fanout: type[Fanout] = Fanout) -> type[Backend]:
    """A backend whose writers keep their viewers in another way."""

    class Other(Backend):
        def __post_init__(self) -> None:
            super().__post_init__()
            self.fanout.__class__ = fanout
            keeping = type("Keeping", (RowsDriver,), {"viewers": lambda driver, address: kind(driver.fanout, address)})
            self.driver = keeping(self.fanout, self.keepalive, self.mailboxes, self._close_row)

    return Other


def with_turns(kind: type[KeptTurn]) -> type[Backend]:
    """A backend whose writers take other turns."""
    return with_viewers(type("Viewers", (HeldViewers,), {"turn_type": kind}))


@pytest.mark.parametrize("seeds", portions(60), ids=str)
def test_texts_in_a_rough_world(seeds: range) -> None:
    for seed in seeds:
        campaign(seed, ROUGH, **TEXTS)


@pytest.mark.parametrize("seeds", portions(40), ids=str)
def test_texts_in_a_hard_world(seeds: range) -> None:
    for seed in seeds:
        campaign(seed, HARD, **TEXTS)


# The writer's end at every step ---------------------------------------------------------------------------------------------


def viewer(sim: Sim, name: str = "alice", *more: str) -> Person:
    """Somebody who watches a text from its beginning."""
    person = sim.person(name, f"{name}@acme")
    person.watch("counters:pieces", reply="r")
    for path in more:
        person.watch(path, name="a")
    assert sim.until(lambda: person.client.in_step, 5000)
    sim.run(100)
    return person


def spoilt(step: int, spoil: Callable[[Task], None]) -> bool:
    """A writer that something happens to at a step. Returns whether it lived to see it. Raises `Broken`."""
    with Sim(step, counters) as sim:
        viewer(sim)
        viewer(sim, "bob")
        task = sim.invoke("generate", lambda: write(sim, "r", [20.0, 300.0, 20.0]))
        spoil(task)
        sim.run(HOLD_MS + 6000.0)
        check(sim)
        return task.outcome != "returned" or task.freeze is None


def test_a_writer_may_die_at_any_step() -> None:
    def dies(task: Task, at: int) -> None:
        task.crash_at, task.freeze = at, (10**6, 0.0)

    steps = 1
    while spoilt(steps, partial(dies, at=steps)):
        steps += 1
    assert steps > 40


def test_a_writer_may_stand_still_at_any_step_for_longer_than_its_leases() -> None:
    def freezes(task: Task, at: int) -> None:
        task.freeze = at, 1.3 * SETTINGS.mailbox_lease_s * 1000

    steps = 1
    while spoilt(steps, partial(freezes, at=steps)):
        steps += 1
    assert steps > 40


# Nobody waits for a writer ----------------------------------------------------------------------------------------------------


def slow(sim: Sim, person: Person, limit_ms: float) -> bool:
    """Whether a call takes longer to be answered than this."""
    request = person.call("counters:add", name="a", op=f"op{sim.schedule.now}")
    return not sim.until(lambda: request.state == "resolved", limit_ms)


def calls_are_answered(backend: type[Backend]) -> None:
    """Calls while pieces come and while the writer is silent, of who is kept. Raises `Broken` when one waits too long."""
    with Sim(3, counters, backend=backend) as sim:
        person = viewer(sim, "alice", "counters:get")
        start(sim, "r", [10.0, *EVEN, *[900.0] * 5])
        assert sim.until(lambda: kept(sim, person), 2000)
        for name in ("b", "c"):
            query = person.watch("counters:get", name=name)
            if not sim.until(lambda query=query: query in person.client.results, 600.0):  # type: ignore[misc]
                raise Broken("a query waits for the writer")
        for _ in range(12):
            if slow(sim, person, 450.0):
                raise Broken("a call waits for the writer")
            sim.run(150.0)
        sim.run(8000.0)
        check(sim)


def kept(sim: Sim, person: Person) -> bool:
    """Whether a writer keeps somebody."""
    row = sim.base.get(sim.backend.mailboxes.key(person.link.id)) if person.link else None
    return row is not None and "writer" in row


def test_whoever_is_kept_is_answered_as_soon_as_anybody() -> None:
    calls_are_answered(Backend)


class DeafToNotes(KeptTurn):
    """Rests although notes have come."""

    def _give_back(self, sets: dict[Path, Any], dirty: dict[str, str]) -> bool:
        self.newest = self.seen
        return super()._give_back(sets, dirty)


class NeverLooks(HeldViewers):
    """Does not look while nothing is said."""

    def look(self) -> None:
        return


def test_calls_that_wait_are_run_while_pieces_come() -> None:
    with Sim(4, counters, ticker=False) as sim:
        person = viewer(sim, "alice", "counters:get")
        start(sim, "r", [10.0, *EVEN * 4])
        assert sim.until(lambda: kept(sim, person), 2000)
        both = [person.call("counters:add", name="a", op=f"op{number}") for number in range(3)]
        assert sim.until(lambda: all(each.state == "resolved" for each in both), 2500)


def an_expired_token_ends_it(backend: type[Backend]) -> None:
    """A token is over while pieces come. Raises `Broken` if who is kept is told pieces for long after that."""
    with Sim(5, counters, backend=backend, ticker=False) as sim:
        person = sim.person("alice", "alice@acme!1500")
        person.watch("counters:pieces", reply="r")
        assert sim.until(lambda: person.client.in_step, 1400)
        link = person.link
        start(sim, "r", [10.0, *EVEN * 4])
        sim.run(1500.0 + LEEWAY_MS + 2200.0 - sim.schedule.now)
        if link is not None and link.known:
            raise Broken("told after its token was over")


def test_nobody_is_kept_beyond_the_life_of_a_token() -> None:
    an_expired_token_ends_it(Backend)


class NeverExpires(KeptTurn):
    """Does not ask whether the identity is over."""

    def _expiry(self, now: int) -> None:
        return


# Steps that are switched off --------------------------------------------------------------------------------------------------


class SparesEverything(Fanout):
    """Leaves whatever is written in a log to its writer: the seal that somebody else has put at its end, too."""

    def changed(self, touched: Iterable[Touched], *rest: Any) -> Any:
        places = list(touched)
        return super().changed(places, *rest[:2], dict.fromkeys(places, b""))


class SparesWhoeverIsHeld(Fanout):
    """Takes any holder for the writer of any log."""

    def _held_by_writers(self, viewers: list[tuple[str, str]]) -> set[tuple[str, str]]:
        found = {connection: row for connection, _ in viewers for row in self._rows([connection])}
        return {(connection, log) for connection, log in viewers if "lease" in found.get(connection, {})}


class TellsOnlyOldOnes(HeldViewers):
    """Takes viewers, and tells those only whom it has taken before."""

    def tell(self, stamp: str) -> None:
        fresh, self.fresh = self.fresh, []
        super().tell(stamp)
        for held in fresh:
            self.turns += Slice(self.world, [self.turn_type(self.world, held)]).turns  # type: ignore[arg-type]
            self.turns[-1].look()
            self.turns[-1].stale.clear()
            self.turns[-1].rests = True


class TellsLate(HeldViewers):
    """Tells each piece with the next one."""

    def tell(self, stamp: str) -> None:
        latest = self.owed.pop()
        super().tell(stamp)
        self.owed = []
        self.late = latest


class NeverLooksAgain(KeptTurn):
    """Posts without having looked for answers."""

    def evaluate(self, shared: Any) -> None:
        self._run(shared)


class KeepsTheOld(KeptTurn):
    """Stays with what it has told when it was taken: the client's version is not counted up."""

    def resume(self, places: Iterable[Touched]) -> None:
        first = getattr(self, "_first", None) or self.told
        self._first = first
        super().resume(places)
        self.told = first


MUTANTS: dict[str, type[Backend]] = {
    "a seal is no piece of the writer": with_viewers(HeldViewers, SparesEverything),
    "only the writer of this very log is left alone with its pieces": with_viewers(HeldViewers, SparesWhoeverIsHeld),
    "who is taken is told at once": with_viewers(TellsOnlyOldOnes),
    "the lease is given back when all was told": with_viewers(TellsLate),
    "look again before posting": with_turns(NeverLooksAgain),
    "versions are counted on": with_turns(KeepsTheOld),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_without_this_step_a_promise_is_broken(name: str) -> None:
    for seed in range(60):
        for world in (BUSY, ROUGH):
            try:
                campaign(seed, world, backend=MUTANTS[name], people=3, deeds=30, within_ms=2900, writers=2, ticker=False)
            except Broken:
                return
    pytest.fail(f"120 worlds without this step, and nothing was missed: {name}")


@pytest.mark.parametrize(
    ("run", "backend"),
    [
        (calls_are_answered, with_viewers(NeverLooks)),
        (calls_are_answered, with_turns(DeafToNotes)),
        (an_expired_token_ends_it, with_turns(NeverExpires)),
    ],
    ids=[
        "mailboxes are read while nothing is said",
        "notes are heard",
        "a token's life is asked at each piece",
    ],
)
def test_without_this_step_a_schedule_breaks_a_promise(run: Callable[[type[Backend]], None], backend: type[Backend]) -> None:
    with pytest.raises(Broken):
        run(backend)


# What could not be told -----------------------------------------------------------------------------------------------------


class FailsAtTheThird(HeldViewers):
    """Something goes wrong just when the third piece is to be told."""

    tells = 0

    def close(self) -> None:
        self.world.clock.sleep(0.2)
        super().close()

    def tell(self, stamp: str) -> None:
        self.tells += 1
        super().tell(stamp)
        self.tells += self.tells == 3

    def _round(self, *rest: Any) -> None:
        if self.tells == 3:
            raise StoreFailed("the store does not answer")
        super()._round(*rest)


class ForgetsWhatFailed(FailsAtTheThird):
    """Takes a piece for told, whatever came of that."""

    def tell(self, stamp: str) -> None:
        super().tell(stamp)
        self.owed.clear()


def the_last_piece_fails(backend: type[Backend]) -> None:
    """The third piece is the last, and nobody ends the text. Raises `Broken`."""
    with Sim(6, counters, backend=backend, ticker=False) as sim:
        person = viewer(sim)
        sim.invoke("generate", lambda: write(sim, "r", [10.0, 300.0, 300.0], ends=False))
        assert sim.until(lambda: kept(sim, person), 2000)
        sim.run(4000.0)
        assert not kept(sim, person)
        check(sim)


def test_a_piece_that_could_not_be_told_is_told_before_the_lease_is_given_back() -> None:
    the_last_piece_fails(with_viewers(FailsAtTheThird))
    with pytest.raises(Broken):
        the_last_piece_fails(with_viewers(ForgetsWhatFailed))
