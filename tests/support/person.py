"""Somebody with the official client, in a simulated deployment; what must hold at any time is checked here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.support.client import Broken, Client, Query, Request
from tests.support.sim_parts import Link
from tests.support.threads import Task

if TYPE_CHECKING:
    from tests.support.sim import Sim


class Person:
    """Somebody with a client: connects, comes back, and looks at everything that the client shows."""

    def __init__(self, sim: Sim, name: str, token: str | None = None, *, backoff: tuple[float, float] = (50.0, 400.0)) -> None:
        self.sim, self.name, self.backoff = sim, name, backoff
        self.client = Client(f"session-{name}", token, self._shown, self._settled)
        self.link: Link | None = None
        self.stays_away = False
        self.ops: dict[int, tuple[str, str]] = {}
        """Request id → (counter, operation)."""
        self.ends: dict[int, tuple[str, str]] = {}
        """Request id → (text, operation), of calls that end a text."""
        self.callers: dict[int, str | None] = {}
        """Request id → the token under which it was called."""
        self.told: dict[str, set[str]] = {}
        """Query → the operations that it has shown."""
        self.log: list[str] = []
        self.travel: Callable[[str], float | None] | None = None
        """How long a frame travels (ms; None: it is lost), where a test decides it."""

    # The socket ----------------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Open a socket; the client speaks when `$connect` has returned."""
        if self.link is not None or self.stays_away:
            return
        link = Link(self.sim.new_connection(), self)
        self.link = link
        self.sim.gateway.links[link.id] = link

        def opened(task: Task) -> None:
            if task.outcome != "returned" or task.result != 200:
                self.dropped(link)
                return
            link.known = True
            if link.heard:
                self.sim.door.started(link)
                self.client.open()
                self.flush()
            else:
                self.sim.gateway.cut(link)

        self.sim.door.open(link, opened)

    def dropped(self, link: Link) -> None:
        """The socket is gone; come back."""
        link.heard = False
        if self.link is link:
            self.link = None
            if self.client.connected:
                self.client.closed()
            if not self.stays_away:
                self.sim.schedule.at(self.sim.draw(self.backoff), self.connect)

    def leave(self) -> None:
        """Close the tab."""
        self.stays_away = True
        if self.link is not None:
            self.sim.gateway.vanish(self.link)

    def flush(self) -> None:
        """Send what the client wants to say: each frame is an invocation of its own."""
        link, frames = self.link, list(self.client.outbox)
        self.client.outbox.clear()
        assert link is not None
        for frame in frames:
            delay: float | None = self.sim.draw(self.sim.mishaps.frames)
            if self.sim.chance(self.sim.mishaps.late_frames):
                delay = self.sim.draw(self.sim.mishaps.frames) + 400.0
            if self.sim.chance(self.sim.mishaps.very_late_frames):
                delay = 10_000.0
            if self.sim.chance(self.sim.mishaps.lost_words) and frame[9:].startswith(('"Connect"', '"Authenticate"')):
                delay = None
            if self.travel is not None:
                delay = self.travel(frame)
            if delay is None:
                continue
            self.sim.door.frame(link, frame, delay)

    def hear(self, link: Link, text: str) -> None:
        """A message arrives."""
        if not link.heard:
            return
        self.log.append(text)
        try:
            self.client.receive(text)
        except Broken as error:
            raise Broken(f"{self.name}: {error}") from error
        if self.client.outbox:
            self.flush()

    def drop(self) -> None:
        """Lose the socket."""
        if self.link is not None:
            self.sim.gateway.vanish(self.link)

    # Using the client ----------------------------------------------------------------------------------------------------

    def do(self, what: Callable[[Client], Any]) -> Any:
        """Use the client; send what it says, if it is connected."""
        result = what(self.client)
        if self.client.connected:
            self.flush()
        return result

    def watch(self, path: str, **args: Any) -> int:
        """Begin a live query."""
        return int(self.do(lambda client: client.subscribe(path, args)))

    def call(self, path: str, **args: Any) -> Request:
        """Call a mutation."""
        request: Request = self.do(lambda client: client.mutate(path, args))
        self.callers[request.id] = self.client.token
        if path == "counters:add":
            self.ops[request.id] = (args["name"], args["op"])
        if path == "counters:seal":
            self.ends[request.id] = (args["reply"], args["op"])
        return request

    # What must hold at any time ------------------------------------------------------------------------------------------

    def _shown(self, query: Query) -> None:
        value = self.client.results[query.id].value
        if not isinstance(value, dict) or "ops" not in value:
            return
        shown, key = set(value["ops"]), query.key
        if query.path not in ("counters:follow", "counters:mine"):  # which change with pointer and identity
            lost = self.told.get(key, set()) - shown
            if lost:
                raise Broken(f"{self.name}: {key} went backwards, without {sorted(lost)}")
            self.told[key] = shown
        for number, (_, op) in (self.ops | self.ends).items():
            request = self.client.requests[number]
            early = request.state == "requested" and request.first_connection == self.client.connections
            if early and op in shown:
                raise Broken(f"{self.name}: the effect of {op} is shown before its answer")

    def _settled(self, request: Request) -> None:
        if request.state != "resolved":
            return
        caller = self.callers.get(request.id)
        if request.path == "counters:visit" and caller is not None:
            subject = caller.partition("@")[0]
            if request.result != subject:
                raise Broken(f"{self.name} called as {subject}, and it ran as {request.result}")
        if request.id not in self.ops:
            return
        name, op = self.ops[request.id]
        for query in self.client.queries.values():
            watched = query.path == "counters:get" and query.args["name"] == name and query.shown is not None
            if watched and op not in query.shown.value["ops"]:  # type: ignore[union-attr]
                raise Broken(f"{self.name}: {op} has resolved, but {query.key} does not show it")
