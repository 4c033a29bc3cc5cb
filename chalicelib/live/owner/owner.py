"""The driver `owner`: this process has the sockets, and keeps their sessions, subscriptions and watches in memory.

    frame ─> inbox ─> taken in, in order ─> call, one of a socket at a time ─> commit ─┐
    feed of other processes' commits ──────────────────────────────────> changed(touched)
                                                                                       │
    wire <─ answers, then a Transition <─ told <─ evaluated, once for all who share <──┘  (`rounds.py`)

There is no mailbox, no lease, no lane and no post: frames of a socket come in order, so nobody is waited for, and who calls
is known when a call is taken in. Everything is changed under one lock, which is never held while a store, a key set or
a function is waited for.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from chalicelib.data.errors import StoreFailed
from chalicelib.data.reads import Touched
from chalicelib.data.trace import tracing
from chalicelib.live import messages, salvage
from chalicelib.live.dialect import SYNC
from chalicelib.live.driver import Spread
from chalicelib.live.messages import Action, Add, Authenticate, BadFrame, Connect, Frame, ModifyQuerySet, Mutation
from chalicelib.live.owner.ports import Called, Calls, Hear, Threads
from chalicelib.live.owner.queries import Queries, Subscription
from chalicelib.live.owner.recent import RecentCommits
from chalicelib.live.owner.rounds import Rounds
from chalicelib.live.owner.socket import Call, Socket
from chalicelib.live.owner.telling import Effect, Reply
from chalicelib.live.owner.wire import Wire
from chalicelib.live.session import Answer, fitted
from chalicelib.live.value import Refusal
from chalicelib.live.world import World

logger = logging.getLogger("concave")
TICK_MS = 1_000
HELD_MS = 10_000
"""So long something may wait for a query that cannot be evaluated; then its socket is closed, and the client asks again."""
WAITING_CHARS = 8 * 1024 * 1024
"""Of frames and calls of one socket that wait to be taken in and run. Who sends more is closed."""
BUFFERED_BYTES = 16 * 1024 * 1024
"""What one reader may be behind. Who is further behind is closed."""
RENEW_MS = 60_000
"""How often the domain is told that a chat socket is there."""
POLICY, TRY_AGAIN = 1008, 1013
"""Close codes (RFC 6455 section 7.4.1, and IANA's registry of WebSocket close codes)."""


class Owner:
    """The sockets of one process.

    Args:
        alone: whether every commit of the store is this process's own, so that what is not touched is still true.
    """

    def __init__(self, world: World, calls: Calls, threads: Threads, hear: Mapping[str, Hear], *, alone: bool) -> None:
        self.world, self.calls, self.threads, self.hear, self.alone = world, calls, threads, hear, alone
        self.lock = threading.Lock()
        self.sockets: dict[str, Socket] = {}
        self.queries = Queries()
        self.recent = RecentCommits()
        self.rounds = Rounds(self)
        self._running: dict[str, list[Call]] = {}
        """Calls that run, by the ids of their commits: the same one twice, where its client has come back meanwhile."""
        threads.later(TICK_MS, self._tick)

    def adopt(self, world: World, calls: Calls, hear: Mapping[str, Hear]) -> None:
        """The code was exchanged: call the new from now on, and evaluate everything again."""
        with self.lock:
            self.world, self.calls, self.hear = world, calls, hear
            for query in self.queries.by_key.values():
                self.queries.mark(query)
        self.rounds.work()

    # The port ----------------------------------------------------------------------------------------------------------------

    def changed(self, touched: Iterable[Touched], connections: Iterable[str] = ()) -> Spread:
        """These places were written: whoever watches them is told. Never fails."""
        with self.lock:
            spread = self._changed(touched)
        self.rounds.work()
        return spread

    def _changed(self, touched: Iterable[Touched]) -> Spread:
        places = list(touched)
        self.recent.add(places)
        found = self.queries.touched(places)
        return Spread(sum(len(query.subscribers) for query in found), len(found))

    def committed(self, commit: str, touched: Iterable[Touched]) -> None:
        """A commit of this process. That of a socket's call is told together with its answer, which comes next."""
        places = tuple(touched)
        with self.lock:
            running = self._running.get(commit, ())
            for call in running:
                self.effect_of(call, places)
            if not running:
                self._changed(places)
            self.recent.remember(commit)
        if not running:
            self.threads.run(self.rounds.work)  # whoever committed has an answer to give

    def effect_of(self, call: Call, touched: Iterable[Touched]) -> Effect:
        """A call of a socket's is known to have committed. Called with the lock held; twice is once."""
        if call.effect is None:
            places = tuple(touched)
            self._changed(places)
            call.effect = Effect(self.recent.number, places)
        return call.effect

    def told(self, commit: str) -> bool:
        """Whether this process has told its own commit."""
        with self.lock:
            return self.recent.knows(commit)

    def sweep(self) -> int:
        """Nothing: a timer of this process's own looks at the sockets each second."""
        return 0

    def connected(self, connection: str) -> bool:
        """Whether this process has the socket. Another one's are renewed by that one."""
        socket = self.sockets.get(connection)
        return socket is not None and socket.open

    def close(self, connection: str) -> None:
        """End a socket."""
        socket = self.sockets.get(connection)
        if socket is not None:
            self.end(socket, "closed")

    # A socket's life ---------------------------------------------------------------------------------------------------------

    def open(self, wire: Wire, connection: str, kind: str, **begun: Any) -> Socket:
        """A new socket. `begun`: what its door keeps from the handshake."""
        dialect = self.world.dialects.get(kind, SYNC)
        socket = Socket(connection, kind, wire, dialect, self.world.clock.now_ms(), self, begun)
        with self.lock:
            self.sockets[connection] = socket
        return socket

    def started(self, socket: Socket) -> None:
        """The handshake is over: it may be spoken to."""
        with self.lock:
            socket.begins = True
            self.rounds.news[socket] = None
        self.threads.run(partial(self._hear_all, socket))

    def frame(self, socket: Socket, text: str) -> None:
        """A client said something: it is taken in by another thread, in its order."""
        with self.lock:
            if not socket.open:
                return
            socket.inbox.append(text)
            socket.waiting += len(text)
            too_much = socket.waiting > WAITING_CHARS
            begin, socket.hearing = not socket.hearing, True
        if too_much:
            self.end(socket, "too much waits to be run", code=POLICY)
        elif begin:
            self.threads.run(partial(self._hear_all, socket, mine=True))

    def closed(self, socket: Socket) -> None:
        """A socket is gone: forget it, and tell the domain."""
        with self.lock:
            socket.open = False
            self.sockets.pop(socket.id, None)
            self.rounds.news.pop(socket, None)
            self._leave_all(socket)
        self.threads.run(lambda: self.world.ended(socket.mailbox()))

    def end(self, socket: Socket, reason: str, *, code: int = 1000, pause: bool = False) -> None:
        """Close a socket; after a pause where its client would be back at once. May be called with the lock held."""
        if not socket.open:
            return
        socket.open = False
        logger.info("closing %s: %s", socket.id, reason)
        close = partial(socket.wire.close, code, reason.encode()[:120].decode(errors="ignore"))
        if pause:
            self.threads.later(int(self.world.pause_s * 1000), close)
        else:
            close()

    def _leave_all(self, socket: Socket) -> None:
        for subscription in socket.subscriptions.values():
            self.queries.leave(subscription)
        socket.subscriptions = {}

    # Frames ------------------------------------------------------------------------------------------------------------------

    def _hear_all(self, socket: Socket, *, mine: bool = False) -> None:
        """Take in what a client has said, one after the other; then run what is to be run, and tell what is to be told."""
        while mine:
            with self.lock:
                if not socket.inbox or not socket.open:
                    socket.hearing = False
                    break
                text = socket.inbox.popleft()
                socket.waiting -= len(text)
            with tracing(_request()):
                self._hear(socket, text)
            if socket.inbox:
                self.begin_calls(socket)
        self._run_calls(socket)
        self.rounds.work()

    def _hear(self, socket: Socket, text: str) -> None:
        try:
            read = self.hear.get(socket.kind)
            if read is not None:
                read(socket, text, self.world.clock.now_ms())
                return
            try:
                frame = messages.read_frame(text)
            except BadFrame as error:
                self._unreadable(socket, text, error)
            else:
                self.take(socket, frame)
        except Exception:
            logger.exception("a frame of %s could not be taken in", socket.id)
            self.end(socket, "a frame could not be taken in", code=1011)

    def take(self, socket: Socket, frame: Frame, note: str = "") -> None:
        """Take in one frame of a client. `note` comes back with its answer."""
        now = self.world.clock.now_ms()
        match frame:
            case Connect():
                with self.lock:
                    socket.absorb(frame, now)
                    self.rounds.news[socket] = None
            case Authenticate():
                self._authenticate(socket, frame, now)
            case ModifyQuerySet():
                self._modify(socket, frame, now)
            case Mutation():
                with self.lock:
                    socket.is_calling(now)
                    key = socket.key(frame)
                    commit = self.calls.commit_id(socket.user, key)
                    socket.calls.append(Call(frame, socket.user, key, commit, note))
            case Action():
                with self.lock:
                    socket.is_calling(now)
                    who = socket.user
                self.threads.run(partial(self._act, socket, frame, who, note))

    def _authenticate(self, socket: Socket, frame: Authenticate, now: int) -> None:
        """Who it is from here on. The frames behind this one wait; this thread is the only one that takes them in."""
        if frame.base_version < socket.state.version.identity:
            return
        who = self.world.identify(frame)
        with self.lock:
            if who.error:
                if socket.open:
                    socket.wire.send(socket.dialect.refused(who.error, frame.base_version, True))
                self.end(socket, f"AuthError: {who.error}", pause=True)
                return
            if broken := socket.absorb(frame, now).broken:
                self.end(socket, broken, code=POLICY)
                return
            socket.expires = who.expires or 0
            self._becomes(socket, who.stored)
            self.rounds.news[socket] = None

    def _becomes(self, socket: Socket, user: str | None) -> None:
        if user == socket.user:
            return
        socket.user, socket.new_user = user, True
        for subscription in socket.subscriptions.values():
            if subscription.query is not None:
                self.queries.leave(subscription)
                self._join(subscription)
                subscription.shown = None
                socket.news(subscription)

    def _modify(self, socket: Socket, frame: ModifyQuerySet, now: int) -> None:
        with self.lock:
            found = socket.absorb(frame, now)
            if found.broken:
                self.end(socket, found.broken, code=POLICY)
                return
            for query_id in found.removed | (found.added.keys() & socket.subscriptions.keys()):
                gone = socket.subscriptions.pop(query_id, None)
                if gone is not None:
                    self.queries.leave(gone)
                    socket.gone.add(query_id)
            for add in found.added.values():
                self._subscribe(socket, add)
            self.rounds.news[socket] = None

    def _subscribe(self, socket: Socket, add: Add) -> None:
        most = self.world.subscriptions
        if len(socket.subscriptions) >= most:
            socket.refused.append((add.query_id, Refusal(messages.too_many("TooManySubscriptions", "live queries", most))))
            return
        subscription = Subscription(socket, add.query_id, messages.path_of(add), messages.args_of(add), add.journal)
        socket.subscriptions[add.query_id] = subscription
        self._join(subscription)
        socket.news(subscription)

    def _join(self, subscription: Subscription) -> None:
        user = subscription.socket.user
        self.queries.join(subscription, self.world.org_of(user), user, fresh=self.alone)

    def _unreadable(self, socket: Socket, text: str, error: BadFrame) -> None:
        """Answer a frame that cannot be read: the call or the query that it names fails, else the frame; the socket stays."""
        logger.warning("%s sent a frame that no client sends: %s", socket.id, error)
        sentence = salvage.fault(error)
        kind, request, queries = salvage.named(text)
        if request is not None and kind in ("Mutation", "Action"):
            self.answer(socket, Answer(request, kind, "null", self.calls.refusal(sentence)))
        elif queries is not None:
            self.take(socket, messages.stored_frame(json.dumps(queries)))
        elif kind != "Event":
            with self.lock:
                socket.faults.append(sentence)
                self.rounds.news[socket] = None

    # Calls -------------------------------------------------------------------------------------------------------------------

    def answer(self, socket: Socket, answer: Answer, effect: Effect | None = None) -> None:
        """A call has come to something: it is told in the next round."""
        with self.lock:
            socket.replies.append(Reply(fitted(answer), effect))
            self.rounds.news[socket] = None

    def begin_calls(self, socket: Socket) -> None:
        """Have the next call run by another thread, if none of this socket runs."""
        if socket.calls and socket.call is None:
            self.threads.run(partial(self._calls_and_round, socket))

    def _calls_and_round(self, socket: Socket) -> None:
        self._run_calls(socket)
        self.rounds.work()

    def _run_calls(self, socket: Socket) -> None:
        """Run a socket's next call, in the order of its frames; the round that tells it has the next one begun."""
        with self.lock:
            if socket.call is not None or not socket.calls or not socket.open or self.rounds.is_behind(socket):
                return
            call = socket.call = socket.calls.popleft()
            self._running.setdefault(call.commit, []).append(call)
        called: Called | None = None
        try:
            with tracing(_request()):
                called = self.calls.mutate(call.frame, call.identity, call.key, socket.id)
        except StoreFailed as error:
            logger.warning("nobody knows whether a call of %s has committed: %s", socket.id, error)
        except Exception:
            logger.exception("a call of %s could not be run", socket.id)
        with self.lock:
            self._running[call.commit].remove(call)
            if not self._running[call.commit]:
                del self._running[call.commit]
            effect = self.effect_of(call, called.touched) if called is not None and called.commit else None
            socket.call = None
        if called is None:
            # The client calls again over a new connection, with the same key, and gets the answer of the first time.
            self.end(socket, "a call could not be run", code=1011)
            return
        self.answer(socket, _with_note(called.answer, call.note), effect)

    def _act(self, socket: Socket, frame: Action, who: str | None, note: str) -> None:
        """Run an action beside everything else. Never twice."""
        with tracing(_request()):
            answer = self.calls.act(frame, who, socket.id)
        self.answer(socket, _with_note(answer, note))
        self.rounds.work()

    # Time --------------------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Each second: who has to be pinged, whose token is over, who waits for too long."""
        try:
            now = self.world.clock.now_ms()
            for socket in list(self.sockets.values()):
                with self.lock:
                    self._look_at(socket, now)
            self.rounds.work()
        except Exception:
            logger.exception("a look at the sockets failed")
        self.threads.later(TICK_MS, self._tick)

    def _look_at(self, socket: Socket, now: int) -> None:
        if not socket.open or not socket.begins:
            return
        if 0 < socket.expires < now:
            socket.wire.send(socket.dialect.refused("The token has expired.", socket.state.version.identity, False))
            self.end(socket, "the token has expired", pause=True)
        elif socket.held_since and now - socket.held_since > HELD_MS:
            self.end(socket, "a query could not be evaluated", code=TRY_AGAIN)
        elif socket.wire.buffered() > BUFFERED_BYTES:
            self.end(socket, "its reader is too slow", code=TRY_AGAIN)
        elif now - socket.last >= self.world.ping_ms(socket.mailbox()):
            socket.last = now
            socket.wire.send(socket.dialect.ping)
        if socket.kind in self.hear:
            self.rounds.news[socket] = None  # who never signs in is closed by the words of their dialect
            if socket.user and now - socket.renewed >= RENEW_MS:
                socket.renewed = now
                self.threads.run(partial(self.calls.renew, socket.mailbox()))


def _with_note(answer: Answer, note: str) -> Answer:
    return Answer(answer.request_id, answer.kind, answer.result, answer.failure, answer.log_lines, note) if note else answer


def _request() -> str:
    """The id of a request: of a frame that is taken in, or of a call (`data/trace.py`)."""
    return str(uuid.uuid4())
