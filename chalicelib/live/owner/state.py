"""What an owner of sockets holds: its sockets, their queries, the commits it knows of, and who has to be told something.

Everything here, and every socket and query, is changed under `lock`, which is never held while a store, a key set or a
function is waited for. Methods whose names end with `_locked` want it held; `end` may be called either way.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from functools import partial

from chalicelib.data.reads import Touched
from chalicelib.live.driver import Spread
from chalicelib.live.owner.ports import Calls, Threads
from chalicelib.live.owner.queries import Queries
from chalicelib.live.owner.recent import RecentCommits
from chalicelib.live.owner.socket import Call, Socket
from chalicelib.live.owner.telling import Effect, Reply
from chalicelib.live.session import Answer, fitted
from chalicelib.live.world import World

logger = logging.getLogger("concave")
LONGEST_REASON = 120
"""Bytes of a close reason (RFC 6455 section 5.5: a control frame carries 125, two of them the code)."""


class Holding:
    """The sockets of one process, and what belongs to them.

    Args:
        alone: whether every commit of the store is this process's own, so that what is not touched is still true.
    """

    def __init__(self, world: World, calls: Calls, threads: Threads, *, alone: bool) -> None:
        self.world, self.calls, self.threads, self.alone = world, calls, threads, alone
        self.lock = threading.Lock()
        self.sockets: dict[str, Socket] = {}
        self.queries: Queries[Socket] = Queries()
        self.recent = RecentCommits()
        self.news: dict[Socket, None] = {}
        """Sockets that may have to be told something."""

    def changed_locked(self, touched: Iterable[Touched]) -> Spread:
        """These places were written: the queries that have read them are not true any more."""
        places = list(touched)
        self.recent.add(places)
        found = self.queries.touched(places)
        return Spread(sum(len(query.subscribers) for query in found), len(found))

    def effect_of_locked(self, call: Call, touched: Iterable[Touched]) -> Effect:
        """A call of a socket's is known to have committed; twice is once."""
        if call.effect is None:
            places = tuple(touched)
            self.changed_locked(places)
            call.effect = Effect(self.recent.number, places)
        return call.effect

    def answer(self, socket: Socket, answer: Answer, effect: Effect | None = None) -> None:
        """A call has come to something: it is told in the next round."""
        with self.lock:
            socket.replies.append(Reply(fitted(answer), effect, self.world.clock.now_ms()))
            self.news[socket] = None

    def end(self, socket: Socket, reason: str, *, code: int = 1000, pause: bool = False) -> None:
        """Close a socket; after a pause where its client would be back at once. Nothing more is told to it."""
        if not socket.open:
            return
        socket.open = False
        logger.info("closing %s: %s", socket.id, reason)
        close = partial(socket.wire.close, code, reason.encode()[:LONGEST_REASON].decode(errors="ignore"))
        if pause:
            self.threads.later(int(self.world.pause_s * 1000), close)
        else:
            close()
