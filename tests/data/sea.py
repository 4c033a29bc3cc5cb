"""A rough sea for the data room: real executor, real SQLite store, and around it everything that DynamoDB may do."""

from __future__ import annotations

import random
import threading
from typing import Any

from chalicelib import Index, MutationCtx, NotUnique, QueryCtx, Table, mutation, query
from chalicelib.data.tables import all_specs
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.lines import Lines
from chalicelib.runtime.paths import camel
from chalicelib.runtime.registry import Registry
from infra.local.faults.store import Faults, FaultyStore
from infra.local.sqlite.store import SqliteStore
from tests.support.weave import Weave

ROUGH = Faults(
    index_lag=(0.0, 2.0),
    half_visible=0.5,
    half_visible_for=(0.01, 0.6),
    linger=True,
    contention=0.02,
    lost_before=0.005,
    lost_after=0.01,
    tried_twice=0.01,
    delay=(0.001, 0.03),
)


class Boat(Table, name="seaBoats"):
    harbour: str
    rank: int = 0
    crew: int = 0
    by_harbour = Index("harbour")
    by_rank = Index("harbour", order="rank")


class Rope(Table, name="seaRopes"):
    made: int = 0


class Knot(Table, name="seaKnots", key=("rope", "sequence"), parent=("seaRopes", "made")):
    rope: str
    sequence: int
    text: str


class Berth(Table, name="seaBerths"):
    number: int
    by_number = Index("number", unique=True)


class Spool(Table, name="seaSpools"):
    """Says under which number its threads count, and whether the last one is there."""

    number: int = 0
    full: bool = False


class Thread(Table, name="seaThreads", key=("reel", "sequence")):
    """Never changed once it is written."""

    reel: str
    sequence: int


@mutation
def spool(ctx: MutationCtx) -> str:
    return ctx.db.insert(Spool(id="s"))


@mutation
def wind(ctx: MutationCtx, sequence: int, last: int) -> None:
    """One more thread; with number `last` the spool is full."""
    found = ctx.db.get(Spool, "s")
    assert found is not None
    ctx.db.insert(Thread(id=ctx.new_id(), reel=f"s:{found.number}", sequence=sequence))
    if sequence == last:
        ctx.db.patch(found, full=True)


@mutation
def rewind(ctx: MutationCtx) -> None:
    """Begin again, under another number."""
    found = ctx.db.get(Spool, "s")
    assert found is not None
    ctx.db.patch(found, number=found.number + 1, full=False)


@query
def wound(ctx: QueryCtx) -> list[Any]:
    """The number, whether the spool is full, and its threads, which are looked at once."""
    found = ctx.db.get(Spool, "s")
    assert found is not None
    rows = ctx.db.query(Thread.log(f"s:{found.number}")).settled().collect()
    return [found.number, found.full, [row.sequence for row in rows]]


@mutation
def launch(ctx: MutationCtx, harbour: str, rank: int = 0, name: str | None = None) -> str:
    return ctx.db.insert(Boat(id=name or "", harbour=harbour, rank=rank))


@mutation
def launch_if_empty(ctx: MutationCtx, harbour: str) -> bool:
    if ctx.db.query(Boat.by_rank(harbour)).take(1):
        return False
    ctx.db.insert(Boat(harbour=harbour))
    return True


@mutation
def board(ctx: MutationCtx, name: str) -> int:
    boat = ctx.db.get(Boat, name)
    assert boat is not None
    return ctx.db.patch(boat, crew=boat.crew + 1).crew


@mutation
def swap(ctx: MutationCtx, one: str, other: str) -> None:
    first, second = ctx.db.get(Boat, one), ctx.db.get(Boat, other)
    assert first is not None
    assert second is not None
    ctx.db.patch(first, crew=first.crew - 1)
    ctx.db.patch(second, crew=second.crew + 1)


@mutation
def move(ctx: MutationCtx, name: str, rank: int, harbour: str) -> None:
    boat = ctx.db.get(Boat, name)
    if boat is not None:
        ctx.db.patch(boat, rank=rank, harbour=harbour)


@mutation
def sink(ctx: MutationCtx, name: str) -> None:
    boat = ctx.db.get(Boat, name)
    if boat is not None:
        ctx.db.delete(boat)


@mutation
def at_most_one_reads_only(ctx: MutationCtx, mine: str, other: str) -> bool:
    """Write skew: I go aboard only if the other has nobody; only reads of the other forbid that both do."""
    second, first = ctx.db.get(Boat, other), ctx.db.get(Boat, mine)
    assert first is not None
    assert second is not None
    if second.crew:
        return False
    ctx.db.patch(first, crew=1)
    return True


@mutation
def tie(ctx: MutationCtx, rope: str, text: str) -> int:
    found = ctx.db.get(Rope, rope)
    if found is None:
        ctx.db.insert(Rope(id=rope, made=1))
        number = 1
    else:
        number = ctx.db.patch(found, made=found.made + 1).made
    ctx.db.insert(Knot(id=ctx.new_id(), rope=rope, sequence=number, text=text))
    return number


@mutation
def moor(ctx: MutationCtx, name: str, number: int) -> bool:
    """Take a berth, if nobody has it."""
    try:
        ctx.db.insert(Berth(id=name, number=number))
    except NotUnique:
        return False
    return True


@mutation
def trade(ctx: MutationCtx, one: str, other: str) -> None:
    """Two boats change places: one leaves, the other moves, the first comes back."""
    first, second = ctx.db.get(Berth, one), ctx.db.get(Berth, other)
    assert first is not None
    assert second is not None
    ctx.db.delete(first)
    ctx.db.patch(second, number=first.number)
    ctx.db.insert(Berth(id=one, number=second.number))


@mutation
def muster(ctx: MutationCtx, names: list[str]) -> list[int]:
    """Only looks: it writes nothing."""
    return [boat.crew if (boat := ctx.db.get(Boat, name)) else 0 for name in names]


@query
def moored(ctx: QueryCtx, numbers: list[int]) -> list[str]:
    found = [ctx.db.query(Berth.by_number(number)).unique() for number in numbers]
    return ["" if berth is None else berth.id for berth in found]


@query
def crew(ctx: QueryCtx, names: list[str]) -> list[int]:
    return [boat.crew if (boat := ctx.db.get(Boat, name)) else 0 for name in names]


@query
def crew_in(ctx: QueryCtx, harbour: str) -> int:
    return sum(boat.crew for boat in ctx.db.query(Boat.by_harbour(harbour)).collect())


@query
def ranked(
    ctx: QueryCtx, harbour: str, limit: int = 100, newest: bool = False, low: int = -100, high: int = 100
) -> list[list[Any]]:
    wanted = ctx.db.query(Boat.by_rank(harbour).at_least(low).at_most(high))
    return [[boat.rank, boat.id] for boat in (wanted.newest() if newest else wanted).take(limit)]


@mutation
def exchange(ctx: MutationCtx, one: str, other: str) -> None:
    """Two boats take each other's harbour and rank."""
    first, second = ctx.db.get(Boat, one), ctx.db.get(Boat, other)
    assert first is not None
    assert second is not None
    harbour, rank = first.harbour, first.rank
    ctx.db.patch(first, harbour=second.harbour, rank=second.rank)
    ctx.db.patch(second, harbour=harbour, rank=rank)


@query
def named(ctx: QueryCtx, harbours: list[str], how: str = "ids", low: int | None = None, newest: bool = False) -> list[list[str]]:
    """Who is in each harbour, by ids alone, or by documents that are looked at once."""
    found = []
    for harbour in harbours:
        wanted = Boat.by_rank(harbour) if low is None else Boat.by_rank(harbour).at_least(low)
        boats = ctx.db.query(wanted).newest() if newest else ctx.db.query(wanted)
        found.append(boats.ids() if how == "ids" else [boat.id for boat in boats.apart().take(100 if how == "all" else 2)])
    return found


@mutation
def named_and_launched(ctx: MutationCtx, harbour: str, name: str, without: str, low: int) -> list[str]:
    """Who is in a harbour when one has come and one has gone in this very run; then it is as before."""
    ctx.db.insert(Boat(id=name, harbour=harbour, rank=low))
    gone = ctx.db.get(Boat, without)
    if gone is not None:
        ctx.db.delete(gone)
    return ctx.db.query(Boat.by_rank(harbour).at_least(low)).ids()


@mutation
def launch_if_nobody_named(ctx: MutationCtx, harbour: str) -> bool:
    if ctx.db.query(Boat.by_rank(harbour)).ids():
        return False
    ctx.db.insert(Boat(harbour=harbour))
    return True


@query
def counted(ctx: QueryCtx, harbour: str) -> int:
    return ctx.db.count(Boat.by_rank(harbour))


@query
def knots(ctx: QueryCtx, rope: str, after: int = 0) -> list[int]:
    return [knot.sequence for knot in ctx.db.query(Knot.log(rope).after(after)).collect()]


FUNCTIONS = (
    launch,
    launch_if_empty,
    board,
    swap,
    move,
    sink,
    at_most_one_reads_only,
    tie,
    moor,
    trade,
    muster,
    spool,
    wind,
    rewind,
    wound,
    moored,
    crew,
    crew_in,
    ranked,
    exchange,
    named,
    named_and_launched,
    launch_if_nobody_named,
    counted,
    knots,
)


IN_LINE = 10_000
"""From this seed on calls that lost a race wait in line, and are run in groups."""


class Sea:
    """One run of the world: a seed decides everything."""

    def __init__(self, seed: int, faults: Faults = ROUGH) -> None:
        self.weave, self.random = Weave(), random.Random(seed)
        self.truth = SqliteStore(":memory:", all_specs())
        self.store = FaultyStore(self.truth, all_specs(), self.random, Faults(), now=self.weave.now, sleep=self.weave.sleep)
        registry = Registry()
        for function in FUNCTIONS:
            registry.add(function, "sea")
        lines = Lines(wait=self._wait) if seed >= IN_LINE else None
        self.executor = Executor(self.store, registry, self.weave, development=True, rng=self.random, lines=lines)
        self._faults = faults

    def _wait(self, event: threading.Event) -> None:
        while not event.is_set():
            self.weave.sleep(0.001)

    def storm(self) -> None:
        """From now on the store misbehaves."""
        self.store.faults = self._faults

    def calm(self) -> None:
        """The store heals, and what was in flight arrives."""
        self.store.faults = Faults()
        self.weave.sleep(30)

    def do(self, name: str, /, key: str | None = None, **args: Any) -> Any:
        """A mutation's result; an error is raised. `key`: its idempotency key."""
        outcome = self.executor.mutation(f"sea:{camel(name)}", args, None, key)
        if outcome.error is not None:
            raise RuntimeError(outcome.error.message)
        return outcome.value

    def ask(self, name: str, /, **args: Any) -> Any:
        """A query's value; an error is raised."""
        outcome = self.executor.query(f"sea:{camel(name)}", args, None)
        if outcome.error is not None:
            raise RuntimeError(outcome.error.message)
        return outcome.value
