"""Rounds: evaluate what is not true any more, each distinct query once, then tell every socket what it may be told.

One thread at a time is at it; whoever has something new leaves it under the lock and starts a round if nobody is at one, so
nothing is left lying. A query that has failed, or is known to take long, is evaluated by a thread of its own, and its
result is taken in by a later round: all others are told meanwhile.

Between reading and watching a commit may slip in, and while a query is evaluated others commit: when its value is settled,
the ring of recent commits says whether any of them touched what was read, and then it is evaluated again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from chalicelib.data import snapshot
from chalicelib.data.errors import Conflict, StoreFailed
from chalicelib.live import messages
from chalicelib.live.owner.queries import Key, SharedQuery, evaluated
from chalicelib.live.owner.socket import SLOW_BYTES, Socket
from chalicelib.live.owner.state import Holding
from chalicelib.live.owner.wire import together
from chalicelib.live.value import Refusal, Value

logger = logging.getLogger("concave")
LONG_MS = 50
"""A query that took longer than this is evaluated beside the rounds from then on."""
BESIDE = 16
"""So many are evaluated beside the rounds at once."""
FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 50, 5_000
"""Before a query that could not be evaluated is tried again: doubled each time."""
AT_ONCE = 64
"""What so many sockets are told leaves together."""
SLOW_LOOK_MS = 50
SAY_AGAIN_MS = 100


@dataclass
class Evaluation:
    """One evaluation of a query, and what came of it."""

    query: SharedQuery[Socket]
    key: Key
    identity: str | None
    number: int
    value: Value | None = None
    ms: int = 0


class Rounds:
    """The rounds of one owner.

    Args:
        next_call: has a socket's next call run, where one waits.
    """

    def __init__(self, held: Holding, next_call: Callable[[Socket], None]) -> None:
        self.held, self.next_call = held, next_call
        self.running: dict[SharedQuery[Socket], int] = {}
        """Queries that are being evaluated, and the number at which that began."""
        self._over: list[Evaluation] = []
        """Evaluations beside the rounds that have ended."""
        self._long: dict[str, int] = {}
        """How long (ms) a path took last, of those that took long."""
        self._beside = 0
        self._slow: dict[Socket, None] = {}
        self._busy = False

    # Whoever has something new calls this -----------------------------------------------------------------------------------

    def work(self) -> None:
        """Make a round if there is something to do and nobody is at it. Never called with the lock held."""
        with self.held.lock:
            if self._busy or not self._waiting():
                return
            self._busy = True
        self._round()

    def _waiting(self) -> bool:
        now = self.held.world.clock.now_ms()
        due = any(not query.running and query.due <= now and self._may_begin(query) for query in self.held.queries.stale)
        return bool(self.held.news or self._over) or due

    def _may_begin(self, query: SharedQuery[Socket]) -> bool:
        return self._beside < BESIDE or not self._is_long(query)

    def _is_long(self, query: SharedQuery[Socket]) -> bool:
        return query.failures > 0 or query.key.path in self._long

    def _round(self) -> None:
        try:
            self._evaluate()
            with self.held.lock:
                sockets, self.held.news = list(self.held.news), {}
            for start in range(0, len(sockets), AT_ONCE):
                now_ns = self.held.world.clock.now_ns()  # one for all: who stands at the same version is told the same text
                with together():
                    for socket in sockets[start : start + AT_ONCE]:
                        self._tell(socket, now_ns)
        except Exception:
            logger.exception("a round failed; it is tried again")
            self.held.threads.later(SAY_AGAIN_MS, self.work)
            with self.held.lock:
                self._busy = False
            return
        with self.held.lock:
            self._busy = self._waiting()
            if not self._busy:
                return
        self.held.threads.run(self._round)  # whoever was at it has calls of its own to run

    # Evaluate ----------------------------------------------------------------------------------------------------------------

    def _evaluate(self) -> None:
        with self.held.lock:
            over, self._over = self._over, []
            for evaluation in over:
                self._take_in(evaluation)
            now = self.held.world.clock.now_ms()
            begun = [self._begin(query) for query in self.held.queries.take(now, self._may_take)]
            here = [each for each in begun if not self._is_long(each.query)]
        for evaluation in begun:
            if evaluation not in here:
                self.held.threads.run(partial(self._evaluate_beside, evaluation))
        if here:
            self._evaluate_here(here)
        with self.held.lock:
            for evaluation in here:
                self._take_in(evaluation)

    def _evaluate_here(self, here: list[Evaluation]) -> None:
        """All at one instant where the store can show one, so that a Transition's values are true together."""
        shared: dict[Key, Value] = {}
        views: dict[Any, Any] = {}
        work = [partial(self._evaluated, each, shared, views) for each in here]
        try:
            with snapshot.together(self.held.world.store):
                self.held.world.parallel(work)
        except StoreFailed as error:
            logger.warning("a round could not read: %s", error)

    def _may_take(self, query: SharedQuery[Socket]) -> bool:
        if not self._is_long(query):
            return True
        if self._beside >= BESIDE:
            return False
        self._beside += 1
        return True

    def _begin(self, query: SharedQuery[Socket]) -> Evaluation:
        number = self.running[query] = self.held.recent.number
        return Evaluation(query, query.key, query.identity, number)

    def _evaluate_beside(self, evaluation: Evaluation) -> None:
        self._evaluated(evaluation, {}, {})
        with self.held.lock:
            self._beside -= 1
            self._over.append(evaluation)
        self.work()

    def _evaluated(self, evaluation: Evaluation, shared: dict[Key, Value], views: dict[Any, Any]) -> None:
        """Run a query, unless another of this round has shown that its value is everybody's. Leaves no value when it cannot.

        `views` are what the queries of a round have made for one another.
        """
        everybodys = evaluation.key._replace(who=None)
        evaluation.value = shared.get(everybodys)
        if evaluation.value is not None:
            return
        key, clock = evaluation.key, self.held.world.clock
        began = clock.now_ms()
        try:
            value = self.held.world.evaluate(key.path, key.args, evaluation.identity, key.journal, views)
        except (Conflict, StoreFailed) as error:
            logger.warning("%s could not be evaluated: %s", key.path, error)
        except Exception:
            logger.exception("%s could not be evaluated", key.path)
        else:
            evaluation.value = value
            if not value.private:
                shared[everybodys] = value
        evaluation.ms = clock.now_ms() - began

    def _take_in(self, evaluation: Evaluation) -> None:
        """Take in what an evaluation came to; one that came to nothing is tried again."""
        query = evaluation.query
        del self.running[query]
        try:
            if evaluation.value is not None:
                self._settle(query, evaluation, evaluation.value)
                return
        except Exception:
            logger.exception("the value of %s could not be taken in", query.key.path)
        self._failed(query)

    def _settle(self, query: SharedQuery[Socket], evaluation: Evaluation, value: Value) -> None:
        queries = self.held.queries
        if evaluation.ms > LONG_MS:
            self._long[evaluation.key.path] = evaluation.ms
        else:
            self._long.pop(evaluation.key.path, None)
        if query.key.args != evaluation.key.args:  # it asks something else by now
            query.running = False
            queries.mark(query)
            return
        found = evaluated(evaluation.number, value)
        kept = queries.settle(query, found)
        if kept is None:
            return
        if kept.now is found and self.held.recent.touched_since(found.number, found.watches):
            queries.mark(kept)
        self._has_value(kept)

    def _failed(self, query: SharedQuery[Socket]) -> None:
        pause = min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2**query.failures)
        now = self.held.world.clock.now_ms()
        query.failing_since = query.failing_since if query.failures else now
        query.running, query.failures, query.due = False, min(query.failures + 1, 20), now + pause
        if query.subscribers:
            self.held.queries.mark(query)
            self.held.news |= dict.fromkeys(each.socket for each in query.subscribers)  # what waits for it begins to count
            self.held.threads.later(pause, self.work)

    def _has_value(self, query: SharedQuery[Socket]) -> None:
        for subscription in list(query.subscribers):
            socket = subscription.socket
            if socket.watching > self.held.world.watches and len(query.watches) > 0:
                what = "documents and ranges under watch"
                failure = messages.too_many("TooManyWatches", what, self.held.world.watches)
                socket.refused.append((subscription.query_id, Refusal(failure, subscription.journal)))
                socket.unshown.discard(subscription.query_id)
                self.held.queries.leave(subscription)
                self.held.news[socket] = None
            elif socket.news(subscription) or socket.replies or socket.state.owed or socket.unconfirmed_since:
                self.held.news[socket] = None

    # Look again --------------------------------------------------------------------------------------------------------------

    def _looked(self, socket: Socket) -> bool:
        """A value may show a call of the socket's own that has committed, and has not said so yet: ask for its commit.

        Returns False when the store does not say: then the socket is told later.
        """
        with self.held.lock:
            call = socket.call
            if call is None or call.effect is not None or not socket.changed:
                return True
        try:
            touched = self.held.calls.commit_of(call.commit, call.frame)
        except (Conflict, StoreFailed) as error:
            logger.warning("%s is told later: %s", socket.id, error)
            with self.held.lock:
                self._wait_for(socket)
            return False
        if touched is not None:
            with self.held.lock:
                self.held.effect_of_locked(call, touched)
        return True

    # Tell --------------------------------------------------------------------------------------------------------------------

    def _tell(self, socket: Socket, now_ns: int) -> None:
        """Tell one socket. What goes wrong with it ends it, and keeps nobody else from being told."""
        try:
            if socket.call is not None and not self._looked(socket):
                return
            with self.held.lock:
                self._told(socket, now_ns)
        except Exception:
            logger.exception("telling %s failed", socket.id)
            self.held.end(socket, "an error of the server", code=1011)
        self.next_call(socket)

    def _told(self, socket: Socket, now_ns: int) -> None:
        if not socket.open or not socket.begins:
            return
        if socket.wire.buffered() > SLOW_BYTES:
            self._wait_for(socket)
            return
        chosen = socket.choose()
        if chosen is None:
            return
        told = socket.compose(chosen, now_ns)
        for text in told.posts:
            socket.wire.send(text)
        if told.posts and not socket.dialect.only_pings_count:
            socket.last = now_ns // 1_000_000
        socket.has_told(chosen, told, min(self.running.values(), default=None))
        for query_id, args in told.moved.items():
            self.held.queries.ask_on(socket.subscriptions[query_id], args)
        for query_id in told.again:
            query = socket.subscriptions[query_id].query
            if query is not None:
                self.held.queries.mark(query)
        if told.close:
            self.held.end(socket, told.close, pause=True)

    def _wait_for(self, socket: Socket) -> None:
        """It cannot be told now, its reader is slow or the store does not answer: look again soon."""
        if not self._slow:
            self.held.threads.later(SLOW_LOOK_MS, self._look_at_slow)
        self._slow[socket] = None

    def _look_at_slow(self) -> None:
        with self.held.lock:
            self.held.news |= {socket: None for socket in self._slow if socket.open}
            self._slow = {}
        self.work()
