"""The real live room on a real store, in a world where everything that may go wrong does, repeatable by seed.

Real: `Backend` with doors, mailboxes, turns, lanes, fan-out and sweeps; the executor; the SQLite store. Simulated: time,
workers (`threads.py`), the gateway and its sockets, the stream and asynchronous invocation (`sim_parts.py`), and the
official client (`client.py`), which enforces the protocol. `Mishaps` says how much goes wrong; `calm` ends it.

What must hold at any time is checked when a client is told something (`person.py`); what must hold at rest by `verdict.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from chalicelib.backend import Backend
from chalicelib.data.store import Change
from chalicelib.data.tables import SYSTEM_SPECS, TABLES, spec
from chalicelib.environment import AuthProvider
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.job_runner import JobRunner
from chalicelib.runtime.jobs import Job
from chalicelib.runtime.registry import Registry
from chalicelib.settings import Settings
from infra.local.faults.store import Faults
from infra.local.sqlite.store import SqliteStore
from tests.support.person import Person
from tests.support.sim_doors import OwnerDoor, RowsDoor, SimThreads
from tests.support.sim_parts import CALM, Clock, Link, Mishaps, SimGateway, SimInvoker, SimStore, Verifier
from tests.support.threads import Crashed, Schedule, Task

AT_ONCE = 3
"""Slices of one fan-out that are served at once."""
SETTINGS = Settings(
    fan_out_threads=AT_ONCE,
    mailbox_lease_s=4,
    lane_lease_s=6,
    ping_s=8,
    ping_rust_s=5,
    identity_wait_ms=1200,
    auth=(AuthProvider("https://issuer.test", None, None),),
)
TICK_MS = 2_000.0


class Sim:
    """A deployment with its users."""

    def __init__(
        self,
        seed: int,
        app: ModuleType,
        mishaps: Mishaps = CALM,
        *,
        backend: type[Backend] = Backend,
        settings: Settings = SETTINGS,
        ticker: bool = True,
        live: str = "rows",
        owners: int = 1,
    ) -> None:
        self.rng, self.mishaps, self.ticker = random.Random(seed), mishaps, ticker
        self.schedule = Schedule()
        self.people: list[Person] = []
        self.invocations: dict[str, int] = {}
        self.raised: list[tuple[str, BaseException]] = []
        self.lasted: list[tuple[str, float]] = []
        """Every invocation that ended: its name, and how many milliseconds it took."""
        tables = [table for table in TABLES.values() if table.__module__ == app.__name__ or table is Job]
        specs = [*SYSTEM_SPECS, *(spec(table) for table in tables)]
        self.clock = Clock(self.schedule)
        self.base = SqliteStore(":memory:", specs)
        self.store = SimStore(self.base, specs, self.rng, now=lambda: self.schedule.now / 1000, sleep=self.clock.sleep)
        self.store.schedule, self.store.late_rows = self.schedule, set()
        self.gateway, self.invoker = SimGateway(self), SimInvoker(self)
        registry = Registry()
        registry.collect(app, app.__name__.rpartition(".")[2])
        if owners > 1:
            settings = replace(settings, store="dynamodb")  # the store is not one process's own

        def make() -> Backend:
            executor = Executor(self.store, registry, self.clock, development=True, rng=random.Random(seed))
            jobs = JobRunner(executor, self.invoker, lease_s=60)
            parts = (settings, self.store, self.clock, self.gateway, self.invoker, registry, executor, jobs)
            threads = SimThreads(self) if live == "owner" else None
            made = backend(*parts, Verifier(self.clock), parallel=self._parallel, threads=threads)  # type: ignore[arg-type]
            if live == "owner":
                executor.committed = lambda done, org: made.driver.committed(done.id, done.touched)
            return made

        self._make = make
        self.backends = [make() for _ in range(owners)]
        """One, or as many processes as own sockets."""
        self.door: RowsDoor | OwnerDoor = OwnerDoor(self) if live == "owner" else RowsDoor(self)
        self.pumping = True
        self.lately: list[Change] = []
        """What the stream has handed over last."""
        self._connections = 0
        self._pumped: str | None = None
        self.set(mishaps)
        self.schedule.at(1.0, self._pump)
        self.schedule.at(TICK_MS, self._tick)

    @property
    def backend(self) -> Backend:
        """The backend, the first of several."""
        return self.backends[0]

    @property
    def executor(self) -> Executor:
        """Its executor."""
        return self.backend.executor

    def die(self) -> None:
        """Whoever owns sockets is killed: the threads stop, the sockets end, and other processes begin."""
        self.schedule.kill(lambda task: task.name in ("thread", "connect", "on_change"))
        for link in list(self.gateway.links.values()):
            link.handle = None
            self.gateway.cut(link)
        self.backends = [self._make() for _ in self.backends]
        self.hand_over(self.lately, 1.0)

    # Chance --------------------------------------------------------------------------------------------------------------

    def set(self, mishaps: Mishaps) -> None:
        """From now on this much goes wrong."""
        self.mishaps = mishaps
        lag, latency = mishaps.index_lag, mishaps.latency
        self.store.late_requests = mishaps.late_requests
        self.store.faults = Faults(
            index_lag=(lag[0] / 1000, lag[1] / 1000),
            half_visible=mishaps.half_visible,
            half_visible_for=(0.005, 0.1),
            contention=mishaps.contention,
            lost_before=mishaps.lost_answers,
            lost_after=mishaps.lost_answers,
            tried_twice=mishaps.lost_answers,
            delay=(latency[0] / 1000, latency[1] / 1000),
        )

    def draw(self, span: tuple[float, float]) -> float:
        """A number from a span."""
        return self.rng.uniform(*span)

    def chance(self, chance: float) -> bool:
        """Whether it happens."""
        return chance > 0 and self.rng.random() < chance

    # Invocations ---------------------------------------------------------------------------------------------------------

    def invoke(
        self,
        name: str,
        work: Callable[[], Any],
        delay_ms: float = 0.0,
        done: Callable[[Task], None] = lambda task: None,
        fragile: bool = True,
    ) -> Task:
        """Start an invocation; it may crash or freeze, as the world has it."""
        self.invocations[name] = self.invocations.get(name, 0) + 1

        def ended(task: Task) -> None:
            self.lasted.append((name, self.schedule.now - task.began))
            if task.error is not None:
                self.raised.append((name, task.error))
            done(task)

        task = Task(name, work, ended, skew_ms=self.rng.uniform(-1, 1) * self.mishaps.skew, fragile=fragile)
        if self.chance(self.mishaps.crash):
            task.crash_at = self.rng.choice((self.rng.randrange(1, 12), self.rng.randrange(1, 80)))
        if self.chance(self.mishaps.freeze):
            lease = SETTINGS.mailbox_lease_s * 1000
            task.freeze = (
                self.rng.choice((self.rng.randrange(3, 12), self.rng.randrange(3, 80))),
                self.rng.uniform(0.5, 2.2) * lease,
            )
        self.schedule.spawn(task, delay_ms)
        return task

    def _parallel(self, work: Sequence[Callable[[], Any]]) -> list[Any]:
        """Parts of one invocation that go on at once, in any order. One that dies takes the invocation with it."""
        if len(work) < 2:
            return [part() for part in work]
        waiting, results = list(enumerate(work)), dict[int, Any]()

        def thread() -> None:
            while waiting:
                number, part = waiting.pop(0)
                results[number] = part()

        threads = [self.invoke("thread", thread, self.rng.uniform(0, 1)) for _ in range(min(AT_ONCE, len(work)))]
        while not all(each.outcome for each in threads):
            self.clock.sleep(0.001)
        for each in threads:
            if each.error is not None:
                raise each.error
            if each.outcome == "crashed":
                raise Crashed
        return [results[number] for number in range(len(work))]

    def invoke_disconnect(self, link: Link) -> None:
        """The socket is over."""
        self.door.over(link)

    def _tick(self) -> None:
        if self.ticker:
            self.invoke("tick", self.backend.driver.sweep)
        self.schedule.at(TICK_MS, self._tick)

    def taken(self) -> list[Change]:
        """What the stream has not handed over yet; it never will."""
        changes = self.base.changes(self._pumped)
        if changes:
            self._pumped = changes[-1].sequence
        return changes

    def _pump(self) -> None:
        changes = self.taken() if self.pumping else []
        while changes:
            count = self.rng.choice((1, 1, 2, 5))
            batch, changes = changes[:count], changes[count:]
            self.lately = [*self.lately, *batch][-20:]
            late = 5000.0 if self.chance(self.mishaps.late_stream) else 0.0
            self.hand_over(batch, self.draw(self.mishaps.stream) + late)
            if self.chance(self.mishaps.twice):
                self.hand_over(batch, self.draw(self.mishaps.stream) * 3)
        self.schedule.at(3.0, self._pump)

    def hand_over(self, batch: list[Change], delay_ms: float) -> None:
        """A batch of the stream, again and again until it is taken in."""

        def again(task: Task) -> None:
            if task.outcome != "returned" or task.result:
                self.hand_over(batch, self.rng.uniform(50, 500))

        if len(self.backends) == 1:
            self.invoke("on_change", lambda: self.backend.changed(batch), delay_ms, again)
            return
        for number in range(len(self.backends)):  # each process reads the feed for itself
            delay_ms = delay_ms if number == 0 else self.draw(self.mishaps.stream)
            self.invoke("on_change", lambda number=number: self.backends[number].changed(batch), delay_ms, again)  # type: ignore[misc]

    def new_connection(self) -> str:
        """A connection id."""
        self._connections += 1
        return f"conn-{self._connections}"

    # The run -------------------------------------------------------------------------------------------------------------

    def person(self, name: str, token: str | None = None) -> Person:
        """Somebody new, connecting."""
        person = Person(self, name, token)
        self.people.append(person)
        person.connect()
        return person

    def run(self, ms: float) -> None:
        """Let time pass."""
        self.schedule.run(self.schedule.now + ms)

    def until(self, holds: Callable[[], bool], most_ms: float = 20_000.0, step_ms: float = 10.0) -> bool:
        """Let time pass until this holds; False when it does not in time."""
        end = self.schedule.now + most_ms
        while self.schedule.now < end:
            if holds():
                return True
            self.run(step_ms)
        return holds()

    def calm(self, ms: float = 25_000.0) -> None:
        """Nothing goes wrong any more; let everything come to rest."""
        self.set(replace(CALM, latency=self.mishaps.latency))
        self.run(ms)

    def close(self) -> None:
        """End all invocations."""
        self.schedule.close()
        self.base.close()

    def __enter__(self) -> Sim:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
