"""How frames get to the live room in a simulated deployment: each its own invocation, or in order to the owner of the socket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.doors import sync
from tests.support.sim_parts import Link
from tests.support.threads import Task

if TYPE_CHECKING:
    from tests.support.sim import Sim


@dataclass
class RowsDoor:
    """API Gateway: every frame is an invocation, and they overtake each other."""

    sim: Sim

    def open(self, link: Link, opened: Callable[[Task], None]) -> None:
        """`$connect`."""
        work = lambda: sync.connect(self.sim.backend, link.id, "/api/1.48.0/sync", {})  # noqa: E731
        self.sim.invoke("connect", work, done=opened, fragile=False)

    def started(self, link: Link) -> None:
        """Nobody is told."""

    def frame(self, link: Link, text: str, delay_ms: float) -> None:
        """The gateway reads frames in order; their invocations start when they like, also after the socket's end."""

        def ended(task: Task) -> None:
            link.orphans = link.orphans or task.outcome == "crashed"

        self.sim.invoke("message", lambda: sync.message(self.sim.backend, link.id, text), delay_ms, ended, fragile=False)

    def over(self, link: Link) -> None:
        """`$disconnect`; AWS promises no more than an attempt."""
        sim = self.sim
        if not sim.chance(sim.mishaps.lost_hand_overs):
            sim.invoke("disconnect", lambda: sync.disconnect(sim.backend, link.id), sim.rng.uniform(0, 200))


@dataclass
class SimThreads:
    """Threads of one process: they all share its fate, so none crashes alone."""

    sim: Sim

    def run(self, work: Callable[[], object]) -> None:
        """Soon."""
        self.later(0, work)

    def later(self, delay_ms: int, work: Callable[[], object]) -> None:
        """After a time."""
        self.sim.invoke("thread", work, delay_ms + self.sim.rng.uniform(0.0, 2.0), fragile=False)


@dataclass
class LinkWire:
    """The socket of a link, as its owner has it."""

    sim: Sim
    link: Link
    behind: int = 0
    """What the reader is behind, where a test decides it."""

    def send(self, text: str) -> None:
        """It arrives a little later, in order."""
        self.sim.gateway._arrive(self.link, text)

    def buffered(self) -> int:
        """Nothing, for this reader reads."""
        return self.behind

    def close(self, code: int, reason: str) -> None:
        """What was sent still arrives."""
        self.link.reason = (code, reason)
        self.sim.gateway.cut(self.link)


class OwnerDoor:
    """The server of the process that owns the sockets: frames arrive in order."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.wires: dict[str, LinkWire] = {}
        self.place: int | None = None
        """Which process the next sockets come to, where a test decides it."""
        self._arrives: dict[str, float] = {}

    def open(self, link: Link, opened: Callable[[Task], None]) -> None:
        """The handshake, with one of the processes."""
        backends = self.sim.backends
        if self.place is not None:
            owner = backends[self.place].owner
        else:
            owner = (backends[0] if len(backends) == 1 else self.sim.rng.choice(backends)).owner
        assert owner is not None

        def work() -> int:
            wire = self.wires[link.id] = LinkWire(self.sim, link)
            link.handle = owner.open(wire, link.id, "npm")
            return 200

        self.sim.invoke("connect", work, done=opened, fragile=False)

    def started(self, link: Link) -> None:
        """It is over."""
        link.handle.started()

    def frame(self, link: Link, text: str, delay_ms: float) -> None:
        """A frame travels; it does not overtake the one before it."""
        schedule = self.sim.schedule
        due = max(self._arrives.get(link.id, 0.0) + 0.001, schedule.now + delay_ms)  # never at once: the order would be chance
        self._arrives[link.id] = due
        schedule.at(due - schedule.now, lambda: link.handle.frame(text) if link.known else None)

    def over(self, link: Link) -> None:
        """The server sees the end of every socket."""
        if link.handle is not None:
            self.sim.schedule.at(self.sim.rng.uniform(0, 200), link.handle.closed)
