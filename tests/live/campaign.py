"""One seeded run of a few people who use everything at once, while whatever may go wrong does."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from chalicelib.backend import Backend
from chalicelib.settings import Settings
from tests.live import counters
from tests.live.mutants import Stored
from tests.live.sim_writer import start
from tests.support.client import Broken
from tests.support.person import Person
from tests.support.sim import SETTINGS, Sim
from tests.support.sim_parts import ROUGH, Mishaps
from tests.support.verdict import check, leftovers, rows

NAMES = ("a", "b")
TOKENS = ("alice@acme", "bob@acme", "alice@acme", "eve@other", None)
CALM_FROM_MS = 8_000.0
REST_MS = 26_000.0
"""Leases, sweeps and pings have all had their turn by then."""


class Workload:
    """What the people of one run do."""

    def __init__(self, sim: Sim, rng: random.Random, *, people: int, deeds: int, within_ms: float, writers: int = 0) -> None:
        self.sim, self.rng = sim, rng
        self.replies = [f"reply{number}" for number in range(writers)]
        self.number = 0
        crowded = within_ms < 3000  # then they meet in one org, at the same counters
        for index in range(people):
            named = crowded or not sim.backend.settings.anonymous
            person = sim.person(f"p{index}", TOKENS[index % 2] if named else rng.choice(TOKENS))
            if crowded:
                person.watch("counters:get", name="a")
            if self.replies:
                person.watch("counters:pieces", reply=self.rng.choice(self.replies))
            for _ in range(rng.randrange(1, 5)):
                self.subscribe(person)
        for _ in range(deeds):
            sim.schedule.at(rng.uniform(0, within_ms), self.deed)
        for reply in self.replies:
            pauses = [rng.choice((5.0, 60.0, 250.0, 250.0, 700.0, 1500.0)) for _ in range(rng.randrange(3, 25))]
            start(sim, reply, pauses, rng.uniform(300, within_ms / 2))

    def deed(self) -> None:
        """Somebody does something."""
        person = self.rng.choice(self.sim.people)
        deeds: list[tuple[int, Callable[[Person], Any]]] = [
            (12, self.add),
            (2, self.subscribe),
            (1, self.unsubscribe),
            (1, lambda one: one.call("counters:point", pointer="p", target=self.rng.choice(NAMES))),
            (1, lambda one: one.call("counters:refuse", op="no")),
            (1, lambda one: one.call("counters:transfer", first="x", second="y", op=self.op())),
            (1, lambda one: one.call("counters:move", name=self.rng.choice(NAMES), group=self.rng.choice("gh"))),
            (1, lambda one: one.call("counters:visit", op=self.op())),
            (1, lambda one: one.do(lambda client: client.authenticate(client.token))),
            (2, Person.drop),
        ]
        if self.replies:
            deeds += [(2, self.read_on), (1, self.seal)]
        chosen = self.rng.choices([each for _, each in deeds], [weight for weight, _ in deeds])[0]
        chosen(person)

    def op(self) -> str:
        """A name for an effect."""
        self.number += 1
        return f"op{self.number}"

    def add(self, person: Person) -> None:
        for _ in range(self.rng.choice((1, 1, 1, 3))):
            person.call("counters:add", name=self.rng.choice(NAMES), op=self.op())

    def read_on(self, person: Person) -> None:
        """Look at a text, or at the rest of it."""
        person.watch("counters:pieces", reply=self.rng.choice(self.replies), after=self.rng.randrange(-1, 8))

    def seal(self, person: Person) -> None:
        """End a text before its writer does."""
        if self.rng.random() < 0.3:
            person.call("counters:seal", reply=self.rng.choice(self.replies), op=self.op())

    def subscribe(self, person: Person) -> None:
        path, args = self.rng.choice(
            (
                ("counters:get", {"name": "a"}),
                ("counters:get", {"name": "b"}),
                ("counters:listing", {"group": "g"}),
                ("counters:total", {"group": "g"}),
                ("counters:follow", {"pointer": "p"}),
                ("counters:mine", {}),
                ("counters:pair", {"first": "x", "second": "y"}),
                ("counters:picky", {"name": "a"}),
            )
        )
        person.watch(path, **args)

    def unsubscribe(self, person: Person) -> None:
        if len(person.client.queries) > 1:
            query_id = self.rng.choice(sorted(person.client.queries))
            person.do(lambda client: client.unsubscribe(query_id))


def campaign(
    seed: int,
    mishaps: Mishaps = ROUGH,
    *,
    backend: type[Backend] = Backend,
    people: int = 2,
    deeds: int = 12,
    within_ms: float = 6000.0,
    ticker: bool = True,
    settings: Settings = SETTINGS,
    live: str = "rows",
    deaths: int = 0,
    owners: int = 1,
    writers: int = 0,
) -> Sim:
    """Run one seed to the end and check everything. Raises `Broken`.

    Args:
        deaths: how often the process that owns the sockets is killed meanwhile.
        owners: how many processes own sockets.
        writers: how many texts are written meanwhile, piece by piece.
    """
    rng = random.Random(seed * 7919 + 1)
    if backend is Backend and live == "rows" and seed % 2:
        backend = Stored  # calls have two roads
    with Sim(seed, counters, mishaps, backend=backend, ticker=ticker, settings=settings, live=live, owners=owners) as sim:
        Workload(sim, rng, people=people, deeds=deeds, within_ms=within_ms, writers=writers)
        for _ in range(deaths):
            sim.schedule.at(rng.uniform(300.0, 6000.0), sim.die)
        sim.run(CALM_FROM_MS)
        sim.calm(REST_MS)
        for person in [one for one in sim.people if mishaps.lost_words and not one.client.in_step]:
            person.drop()  # whoever's word was lost on two connections in a row looks at a page that loads, and loads it again
            sim.run(REST_MS)
        check(sim)
        _check_callers(sim)
        unexpected = [(name, error) for name, error in sim.raised if name != "on_change"]  # which the stream repeats
        if unexpected:
            raise Broken(f"invocations raised: {unexpected}") from unexpected[0][1]
        for person in sim.people[1:]:
            person.leave()
        sim.run(REST_MS)
        left = leftovers(sim)
        if left and ticker:
            raise Broken(f"left over: {left}")
    return sim


def _check_callers(sim: Sim) -> None:
    """Each visit is of who called, and once."""
    called = [
        (token.partition("@")[0] if token else "nobody", person.client.requests[number].args["op"])
        for person in sim.people
        for number, token in person.callers.items()
        if person.client.requests[number].path == "counters:visit"
    ]
    happened = [(row["who"], row["op"]) for row in rows(sim, "simVisits")]
    if len(happened) != len(set(happened)) or set(happened) - set(called):
        raise Broken(f"visits of others, or twice: {sorted(happened)} of {sorted(called)}")
