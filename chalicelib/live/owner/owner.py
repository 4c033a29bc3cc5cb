"""The driver `owner`: this process has the sockets, and keeps their sessions, subscriptions and watches in memory.

    frame ─> taken in, in order (`hearing.py`) ─> call, one of a socket at a time (`calling.py`) ─> commit ─┐
    feed of other processes' commits ─────────────────────────────────────────────────> changed(touched)
                                                                                                            │
    wire <─ answers, then a Transition <─ told <─ evaluated, once for all who share (`rounds.py`) <─────────┘

There is no mailbox, no lease, no lane and no post: frames of a socket come in order, so nobody is waited for, and who calls
is known when a call is taken in.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from chalicelib.data.reads import Touched
from chalicelib.live.dialect import SYNC
from chalicelib.live.driver import NO_PIECES, NOBODY, Spread, Viewers
from chalicelib.live.messages import Frame
from chalicelib.live.owner.calling import Caller
from chalicelib.live.owner.hearing import Hearer
from chalicelib.live.owner.ports import Calls, Hear, Threads
from chalicelib.live.owner.rounds import Rounds
from chalicelib.live.owner.socket import Socket
from chalicelib.live.owner.state import Holding
from chalicelib.live.owner.wire import Wire
from chalicelib.live.world import World

logger = logging.getLogger("concave")
TICK_MS = 1_000
HELD_MS = 10_000
"""So long something may wait for a query that cannot be evaluated; then its socket is closed, and the client asks again."""
BUFFERED_BYTES = 16 * 1024 * 1024
"""What one reader may be behind. Who is further behind is closed."""
RENEW_MS = 60_000
"""How often the domain is told that a chat socket is there."""
TRY_AGAIN = 1013
"""Close code of who may come back (IANA's registry of WebSocket close codes)."""


class Owner:
    """The sockets of one process.

    Args:
        hear: which door reads the frames of which kind of socket; all others speak Convex's sync protocol.
        alone: whether every commit of the store is this process's own, so that what is not touched is still true.
    """

    # Its parts. Tests put others here, to show what each protective step is for.
    holding_type: ClassVar[type[Holding]] = Holding
    rounds_type: ClassVar[type[Rounds]] = Rounds
    caller_type: ClassVar[type[Caller]] = Caller
    hearer_type: ClassVar[type[Hearer]] = Hearer
    socket_type: ClassVar[type[Socket]] = Socket

    def __init__(self, world: World, calls: Calls, threads: Threads, hear: Mapping[str, Hear], *, alone: bool) -> None:
        self.held = self.holding_type(world, calls, threads, alone=alone)
        self.rounds = self.rounds_type(self.held, lambda socket: self.caller.begin(socket))
        self.caller = self.caller_type(self.held, self.rounds.work)
        self.hearer = self.hearer_type(self.held, self.caller, self.rounds.work, hear)
        threads.later(TICK_MS, self._tick)

    def adopt(self, world: World, calls: Calls, hear: Mapping[str, Hear]) -> None:
        """The code was exchanged: call the new from now on, and evaluate everything again."""
        with self.held.lock:
            self.held.world, self.held.calls, self.hearer.hear = world, calls, hear
            for query in self.held.queries.by_key.values():
                self.held.queries.mark(query)
        self.rounds.work()

    # The port ----------------------------------------------------------------------------------------------------------------

    def changed(
        self,
        touched: Iterable[Touched],
        connections: Iterable[str] = (),
        heard: Mapping[str, set[Touched]] = NOBODY,
        pieces: Mapping[Touched, bytes] = NO_PIECES,
    ) -> Spread:
        """These places were written: whoever watches them is told. Never fails."""
        with self.held.lock:
            spread = self.held.changed_locked(touched)
        self.rounds.work()
        return spread

    def committed(self, commit: str, touched: Iterable[Touched]) -> None:
        """A commit of this process. That of a socket's call is told together with its answer, which comes next."""
        places = tuple(touched)
        with self.held.lock:
            awaited = self.caller.committed_locked(commit, places)
            if not awaited:
                self.held.changed_locked(places)
            self.held.recent.remember(commit)
        if not awaited:
            self.held.threads.run(self.rounds.work)  # whoever committed has an answer to give

    def viewers(self, address: str) -> Viewers:
        """They are told of the first piece at once, and of the others by the feed."""
        return Hinted(self)

    def hinted(self, stamp: str, touched: Iterable[Touched]) -> None:
        """A single row was written, under a stamp of its own (`_c`). As a commit: it is certain already."""
        self.committed(stamp, touched)

    def told(self, commit: str) -> bool:
        """Whether everybody here knows of a commit of this process."""
        with self.held.lock:
            return self.held.recent.knows(commit)

    def sweep(self) -> int:
        """Nothing: a timer of this process's own looks at the sockets each second."""
        return 0

    def connected(self, connection: str) -> bool:
        """Whether this process has the socket. Another one's are renewed by that one."""
        socket = self.held.sockets.get(connection)
        return socket is not None and socket.open

    def close(self, connection: str) -> None:
        """End a socket."""
        socket = self.held.sockets.get(connection)
        if socket is not None:
            self.held.end(socket, "closed")

    # A socket's life ---------------------------------------------------------------------------------------------------------

    def open(self, wire: Wire, connection: str, kind: str, first: Sequence[tuple[Frame, str]] = (), **begun: Any) -> Socket:
        """A new socket.

        Args:
            first: frames, with their notes, that are taken in before its client says anything.
            begun: what its door keeps from the handshake.
        """
        dialect = self.held.world.dialects.get(kind, SYNC)
        socket = self.socket_type(connection, kind, wire, dialect, self.held.world.clock.now_ms(), self, begun, deque(first))
        with self.held.lock:
            self.held.sockets[connection] = socket
        return socket

    def started(self, socket: Socket) -> None:
        """The handshake is over: it may be spoken to."""
        with self.held.lock:
            socket.begins = True
            self.held.news[socket] = None
        self.hearer.begin(socket)

    def frame(self, socket: Socket, text: str) -> None:
        """A client said something."""
        self.hearer.frame(socket, text)

    def closed(self, socket: Socket) -> None:
        """A socket is gone: forget it, and tell the domain."""
        with self.held.lock:
            socket.open = False
            self.held.sockets.pop(socket.id, None)
            self.held.news.pop(socket, None)
            for subscription in socket.subscriptions.values():
                self.held.queries.leave(subscription)
            socket.subscriptions = {}
        self.held.threads.run(lambda: self.held.world.ended(socket.mailbox()))

    # Time --------------------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Each second: who has to be pinged, whose token is over, who waits for too long."""
        try:
            now = self.held.world.clock.now_ms()
            for socket in list(self.held.sockets.values()):
                with self.held.lock:
                    self._look_at_locked(socket, now)
            self.rounds.work()
        except Exception:
            logger.exception("a look at the sockets failed")
        self.held.threads.later(TICK_MS, self._tick)

    def _look_at_locked(self, socket: Socket, now: int) -> None:
        if not socket.open or not socket.begins:
            return
        if 0 < socket.expires < now:
            socket.wire.send(socket.dialect.refused("The token has expired.", socket.state.version.identity, False))
            self.held.end(socket, "the token has expired", pause=True)
        elif (since := socket.waits_since()) and now - since > HELD_MS:
            self.held.end(socket, "a query could not be evaluated", code=TRY_AGAIN)
        elif socket.wire.buffered() > BUFFERED_BYTES:
            self.held.end(socket, "its reader is too slow", code=TRY_AGAIN)
        elif now - socket.last >= self.held.world.ping_ms(socket.mailbox()):
            socket.last = now
            socket.wire.send(socket.dialect.ping)
        if socket.kind in self.hearer.hear:
            if socket.state.version.identity == 0:
                self.held.news[socket] = None  # who never signs in is closed by the words of their dialect
            if socket.user and now - socket.renewed >= RENEW_MS:
                socket.renewed = now
                self.held.threads.run(partial(self.held.calls.renew, socket.mailbox()))


@dataclass
class Hinted:
    """The viewers of a log, of whom only the first piece is told by its writer."""

    owner: Owner
    owed: list[Touched] = field(default_factory=list)
    begun: bool = False
    many = False
    """A piece costs the same here, however many it is told."""

    def owe(self, place: Touched) -> bytes:
        """Before it is stored."""
        self.owed = [place]
        return b""

    def tell(self, stamp: str) -> None:
        """It is stored."""
        if not self.begun:
            self.begun = True
            self.owner.hinted(stamp, self.owed)

    def look(self) -> None:
        """Nothing: nobody waits for the writer."""

    def close(self) -> None:
        """Nothing is held."""
