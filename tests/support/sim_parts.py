"""What a simulated deployment is made of: mishaps, clocks, the store, the gateway and its sockets, tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from chalicelib.data.errors import ConditionFailed, StoreFailed
from chalicelib.data.store import Item, Put, Update, Write
from chalicelib.doors import sync
from chalicelib.runtime.identity import AuthFailed, User
from infra.local.faults.store import FaultyStore
from tests.support.threads import Schedule

if TYPE_CHECKING:
    from tests.support.person import Person
    from tests.support.sim import Sim

BASE_MS = 1_700_000_000_000


@dataclass(frozen=True)
class Mishaps:
    """What goes wrong, and how often: chances from 0 to 1, spans in milliseconds. The default is a calm world."""

    latency: tuple[float, float] = (0.3, 3.0)
    """Of every store call and post, each way."""
    frames: tuple[float, float] = (0.0, 5.0)
    """How long a frame travels: whether frames overtake each other."""
    stream: tuple[float, float] = (5.0, 40.0)
    """From a commit to its fan-out."""
    crash: float = 0.0
    """Of an invocation, somewhere in the middle."""
    freeze: float = 0.0
    """Of an invocation, for longer than the leases."""
    lost_answers: float = 0.0
    contention: float = 0.0
    half_visible: float = 0.0
    index_lag: tuple[float, float] = (0.0, 0.0)
    twice: float = 0.0
    """Of a batch of the stream."""
    unknown_posts: float = 0.0
    failed_closes: float = 0.0
    lost_hand_overs: float = 0.0
    skew: float = 0.0
    """How far a worker's clock may be off."""
    late_frames: float = 0.0
    """Chance that a frame is 400 ms late."""
    very_late_frames: float = 0.0
    """Chance that a frame is ten seconds late."""
    lost_words: float = 0.0
    """Chance that a Connect or Authenticate frame is lost before anybody saw it."""
    late_requests: float = 0.0
    """Chance that a write of a connection's rows is given up by its writer, and carried out up to three seconds later."""
    late_stream: float = 0.0
    """Chance that a batch is five seconds late."""


CALM = Mishaps()
ROUGH = Mishaps(
    frames=(0.0, 60.0),
    stream=(0.0, 300.0),
    crash=0.02,
    freeze=0.01,
    lost_answers=0.004,
    contention=0.01,
    half_visible=0.05,
    index_lag=(0.0, 1000.0),
    twice=0.15,
    unknown_posts=0.01,
    failed_closes=0.2,
    lost_hand_overs=0.1,
    skew=150.0,
    late_frames=0.02,
    late_stream=0.03,
)


class Clock:
    """A worker's clock."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def now_ms(self) -> int:
        """Milliseconds since the epoch, as this worker has them."""
        return int(self.now_ns() // 1_000_000)

    def now_ns(self) -> int:
        """Nanoseconds."""
        task = self._schedule.current
        return int((BASE_MS + self._schedule.now + (task.skew_ms if task else 0.0)) * 1_000_000)

    def sleep(self, seconds: float) -> None:
        """Let the others run; outside an invocation nobody waits."""
        if self._schedule.current is not None:
            self._schedule.pause(seconds * 1000)


class SimStore(FaultyStore):
    """The shared store. A frame that is stored, or taken on, may lose its invocation (before that, nobody could help it)."""

    schedule: Schedule
    late_requests = 0.0
    late_rows: set[str]
    """Connections for which a row may have come after their end: only TTL finds it."""
    off = False
    """True: the test itself looks; nothing is delayed."""

    def write(self, write: Write) -> Item | None:
        """As the port says."""
        if self.off:
            return self.inner.write(write)
        if self.late_requests and self._chance(self.late_requests) and self._key(write).table in ("mailboxes", "inbox"):
            self.schedule.at(self._rng.choice((5.0, 50.0, 3000.0)), partial(self._after_all, write))
            raise StoreFailed("the request is still on its way")
        result = super().write(write)
        begun = (
            isinstance(write, Update)
            and write.key.table == "mailboxes"
            and ({("lease",), ("call",)} & write.set.keys() or any("|" in name for name, *_ in write.set))
        )
        if (begun or (isinstance(write, Put) and write.table == "inbox")) and self.schedule.current is not None:
            self.schedule.current.fragile = True
        return result

    def _after_all(self, write: Write) -> None:
        if isinstance(write, Put):
            self.late_rows.add(write.item["pk"])
        try:
            self.inner.write(write)
        except ConditionFailed:
            return  # it is late, and refused as it should be

    def _request(self, work: Any, contends: str | None = None, before_answer: Any = None) -> Any:
        return work() if self.off else super()._request(work, contends, before_answer)


@dataclass
class Link:
    """One socket, as the gateway knows it."""

    id: str
    person: Person
    known: bool = False
    """The gateway takes posts for it: from the return of `$connect` until it notices that the client is gone."""
    heard: bool = True
    """The client is still there."""
    last: float = 0.0
    """When the last message arrives: they arrive in order."""
    posted: list[str] = field(default_factory=list)
    orphans: bool = False
    """An invocation died after it had stored a frame. If the connection was over by then, only TTL finds that row."""
    handle: Any = None
    """As the owner of the socket has it."""
    reason: tuple[int, str] = (0, "")
    """Why the owner closed it: code and words."""


class SimGateway:
    """API Gateway's management side."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.links: dict[str, Link] = {}

    def post(self, connection: str, text: str) -> str:
        """Send one message."""
        sim = self.sim
        sim.schedule.pause(sim.draw(sim.mishaps.latency))
        link = self.links.get(connection)
        if link is None or not link.known:
            return "gone"
        if sim.chance(sim.mishaps.unknown_posts):
            late = sim.rng.choice((None, 0.0, 2000.0))
            if late is not None:
                sim.schedule.at(late, lambda: self._arrive(link, text))
            sim.schedule.pause(sim.draw(sim.mishaps.latency))
            return "unknown"
        self._arrive(link, text)
        sim.schedule.pause(sim.draw(sim.mishaps.latency))
        return "ok"

    def close(self, connection: str) -> bool:
        """End a connection."""
        sim = self.sim
        sim.schedule.pause(sim.draw(sim.mishaps.latency))
        link = self.links.get(connection)
        failed = sim.chance(sim.mishaps.failed_closes)
        if link is not None and not (failed and sim.chance(0.5)):
            self.cut(link)
        sim.schedule.pause(sim.draw(sim.mishaps.latency))
        return not failed

    def _arrive(self, link: Link, text: str) -> None:
        if not link.known:
            return
        link.posted.append(text)
        link.last = max(link.last, self.sim.schedule.now + self.sim.rng.uniform(0.5, 8.0))
        self.sim.schedule.at(link.last - self.sim.schedule.now, lambda: link.person.hear(link, text))

    def cut(self, link: Link) -> None:
        """The gateway ends a socket: what was accepted still arrives, then the end."""
        if link.known:
            link.known = False
            self.sim.schedule.at(max(0.0, link.last - self.sim.schedule.now) + 1.0, lambda: link.person.dropped(link))
            self.sim.invoke_disconnect(link)

    def vanish(self, link: Link) -> None:
        """The client is gone without a word; the gateway notices later, and may never say so."""
        link.heard = False
        link.person.dropped(link)
        self.sim.schedule.at(self.sim.rng.choice((1.0, 300.0, 6000.0)), lambda: self.cut(link))


class SimInvoker:
    """Asynchronous invocation; may be lost."""

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        """Start now."""
        self.later(function, payload, 0)

    def later(self, function: str, payload: dict[str, Any], delay_ms: int) -> None:
        """Start later."""
        self.asked.append((function, payload))
        if function == "serve" and not self.sim.chance(self.sim.mishaps.lost_hand_overs):
            serve = partial(self.sim.backend.serve, payload["connectionId"], waits=payload.get("waits", False))
            self.sim.invoke("serve", serve, delay_ms + 1.0)
        elif function == "act":  # Lambda has stored it before it says yes; it comes at least once
            act = partial(sync.act, self.sim.backend, payload["connectionId"], payload["requestId"])
            for _ in range(2 if self.sim.chance(self.sim.mishaps.twice) else 1):
                self.sim.invoke("act", act, delay_ms + 1.0)


class Verifier:
    """Tokens are words: `alice@acme`, with `!4000` at the end one that is over after four seconds of the simulation."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def verify(self, token: str) -> User:
        """The user whom a token names."""
        name, _, over = token.partition("!")
        subject, at, org = name.partition("@")
        expires = BASE_MS + int(over) if over else None
        if not at or (expires is not None and self.clock.now_ms() > expires):
            raise AuthFailed("The token is bad.")
        return User(subject, "https://issuer.test", org, expires_at=expires)
