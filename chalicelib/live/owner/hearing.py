"""Frames of clients, taken in one after the other: each in the state that the one before it has left."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial

from chalicelib.data.trace import tracing
from chalicelib.live import messages, salvage
from chalicelib.live.messages import Action, Add, Authenticate, BadFrame, Connect, Frame, ModifyQuerySet, Mutation
from chalicelib.live.owner.calling import Caller, new_request
from chalicelib.live.owner.ports import Hear
from chalicelib.live.owner.queries import Subscription
from chalicelib.live.owner.socket import Socket
from chalicelib.live.owner.state import Holding
from chalicelib.live.session import Answer
from chalicelib.live.value import Refusal

logger = logging.getLogger("concave")
WAITING_CHARS = 8 * 1024 * 1024
"""Of frames of one socket that wait to be taken in, and of calls that wait to be run. Who sends more is closed."""
POLICY = 1008
"""Close code of who breaks a rule (RFC 6455 section 7.4.1)."""


class Hearer:
    """Takes in frames. One thread at a time does it for a socket, and waits for tokens' keys meanwhile.

    Args:
        hear: which door reads the frames of which kind of socket; all others speak Convex's sync protocol.
    """

    def __init__(self, held: Holding, caller: Caller, work: Callable[[], None], hear: Mapping[str, Hear]) -> None:
        self.held, self.caller, self.work, self.hear = held, caller, work, hear

    def frame(self, socket: Socket, text: str) -> None:
        """A client said something: it is taken in by another thread, in its order."""
        with self.held.lock:
            if not socket.open:
                return
            socket.inbox.append(text)
            socket.waiting += len(text)
            too_much = socket.waiting > WAITING_CHARS
        if too_much:
            self.held.end(socket, "too much waits to be run", code=POLICY)
        else:
            self.begin(socket)

    def begin(self, socket: Socket) -> None:
        """Have what waits taken in, if nobody is at it."""
        with self.held.lock:
            if socket.hearing or not socket.begins:
                return
            socket.hearing = True
        self.held.threads.run(partial(self._all, socket))

    def _all(self, socket: Socket) -> None:
        """Take in what there is; then tell the first values of what was asked for, then run what was called behind that."""
        asked = False
        while True:
            with self.held.lock:
                if not socket.open or not (socket.first or socket.inbox):
                    socket.hearing = False
                    break
                first = socket.first.popleft() if socket.first else None
                text = "" if first else socket.inbox.popleft()
                socket.taking = len(text)
                socket.waiting -= socket.taking
            unshown = len(socket.unshown)
            with tracing(new_request()):
                self._one(socket, text, first)
            asked = asked or len(socket.unshown) > unshown
            if socket.inbox and not asked:
                self.caller.begin(socket)
        if asked:
            self.work()
        self.caller.run(socket)
        self.work()

    def _one(self, socket: Socket, text: str, first: tuple[Frame, str] | None) -> None:
        try:
            read = self.hear.get(socket.kind)
            if first is not None:
                self.take(socket, *first)
            elif read is not None:
                read(socket, text, self.held.world.clock.now_ms())
            else:
                self._read(socket, text)
        except Exception:
            logger.exception("a frame of %s could not be taken in", socket.id)
            self.held.end(socket, "a frame could not be taken in", code=1011)

    def _read(self, socket: Socket, text: str) -> None:
        try:
            frame = messages.read_frame(text)
            if isinstance(frame, Connect) and frame.max_observed_timestamp is not None:
                messages.read_ts(frame.max_observed_timestamp)
        except BadFrame as error:
            self.unreadable(socket, text, error)
        else:
            self.take(socket, frame)

    def take(self, socket: Socket, frame: Frame, note: str = "") -> None:
        """Take in one frame of a client. `note` comes back with its answer."""
        now = self.held.world.clock.now_ms()
        if not socket.open:
            return
        match frame:
            case Connect():
                with self.held.lock:
                    socket.absorb(frame, now)
                    self.held.news[socket] = None
            case Authenticate():
                self._authenticate(socket, frame, now)
            case ModifyQuerySet():
                self._modify(socket, frame, now)
            case Mutation():
                with self.held.lock:
                    socket.is_calling(now)
                    self.caller.add_locked(socket, frame, note)
            case Action():
                with self.held.lock:
                    socket.is_calling(now)
                    who = socket.user
                self.caller.act(socket, frame, who, note)

    def _authenticate(self, socket: Socket, frame: Authenticate, now: int) -> None:
        """Who it is from here on. The frames behind this one wait: this thread is the only one that takes them in."""
        if frame.base_version < socket.state.version.identity:
            return
        who = self.held.world.identify(frame)
        with self.held.lock:
            if who.error:
                if socket.open:
                    socket.wire.send(socket.dialect.refused(who.error, frame.base_version, True))
                self.held.end(socket, f"AuthError: {who.error}", pause=True)
            elif broken := socket.absorb(frame, now).broken:
                self.held.end(socket, broken, code=POLICY)
            else:
                socket.expires = who.expires or 0
                self._becomes_locked(socket, who.stored)
                self.held.news[socket] = None

    def _becomes_locked(self, socket: Socket, user: str | None) -> None:
        if user == socket.user:
            return
        socket.user, socket.new_user = user, True
        for subscription in socket.subscriptions.values():
            if subscription.query is not None:
                self.held.queries.leave(subscription)
                self._join_locked(subscription)
                subscription.shown = None
                socket.unshown.add(subscription.query_id)
                socket.news(subscription)

    def _modify(self, socket: Socket, frame: ModifyQuerySet, now: int) -> None:
        with self.held.lock:
            found = socket.absorb(frame, now)
            if found.broken:
                self.held.end(socket, found.broken, code=POLICY)
                return
            for query_id in found.removed | (found.added.keys() & socket.subscriptions.keys()):
                gone = socket.subscriptions.pop(query_id, None)
                if gone is not None:
                    socket.unshown.discard(query_id)
                    self.held.queries.leave(gone)
                    socket.gone.add(query_id)
            for add in found.added.values():
                self._subscribe_locked(socket, add)
            self.held.news[socket] = None

    def _subscribe_locked(self, socket: Socket, add: Add) -> None:
        most = self.held.world.subscriptions
        if len(socket.subscriptions) >= most:
            socket.refused.append((add.query_id, Refusal(messages.too_many("TooManySubscriptions", "live queries", most))))
            return
        subscription = Subscription(socket, add.query_id, messages.path_of(add), messages.args_of(add), add.journal)
        socket.subscriptions[add.query_id] = subscription
        socket.unshown.add(add.query_id)
        self._join_locked(subscription)
        socket.news(subscription)

    def _join_locked(self, subscription: Subscription[Socket]) -> None:
        user = subscription.socket.user
        if not self.held.alone:
            self.held.recent.add(())  # no reading that has begun already is late enough
        number = self.held.recent.number
        self.held.queries.join(subscription, self.held.world.org_of(user), user, number, fresh=self.held.alone)

    def unreadable(self, socket: Socket, text: str, error: BadFrame) -> None:
        """Answer a frame that cannot be read: the call or the query that it names fails, else the frame; the socket stays."""
        logger.warning("%s sent a frame that no client sends: %s", socket.id, error)
        sentence = salvage.fault(error)
        kind, request, queries = salvage.named(text)
        if request is not None and kind in ("Mutation", "Action"):
            self.held.answer(socket, Answer(request, kind, "null", self.held.calls.refusal(sentence)))
        elif queries is not None:
            self.take(socket, messages.stored_frame(json.dumps(queries)))
        elif kind != "Event":
            with self.held.lock:
                socket.faults.append(sentence)
                self.held.news[socket] = None
