"""Calls of sockets: mutations one after the other in the order of their frames, actions and questions beside everything."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from chalicelib.data.errors import StoreFailed
from chalicelib.data.reads import Touched
from chalicelib.data.trace import tracing
from chalicelib.live.called import Called
from chalicelib.live.messages import Action, Mutation
from chalicelib.live.owner.socket import SLOW_BYTES, Call, Socket
from chalicelib.live.owner.state import Holding

logger = logging.getLogger("concave")


def new_request() -> str:
    """The id of a request: of a frame that is taken in, or of a call (`data/trace.py`)."""
    return str(uuid.uuid4())


class Caller:
    """Runs the calls of an owner's sockets.

    Args:
        work: makes a round, if nobody is at one.
    """

    def __init__(self, held: Holding, work: Callable[[], None]) -> None:
        self.held, self.work = held, work
        self._running: dict[str, list[Call]] = {}
        """Calls that run, by the ids of their commits: the same one twice, where its client has come back meanwhile."""

    def add_locked(self, socket: Socket, frame: Mutation, note: str) -> None:
        """A mutation was called; who calls is fixed with this."""
        key = socket.key(frame)
        commit = self.held.calls.commit_id(socket.user, key)
        socket.calls.append(Call(frame, socket.user, key, commit, note, size=socket.taking))
        socket.waiting += socket.taking

    def begin(self, socket: Socket) -> None:
        """Have the next call run by another thread, if none of this socket runs."""
        if socket.calls and socket.call is None:
            self.held.threads.run(partial(self._run_and_work, socket))

    def _run_and_work(self, socket: Socket) -> None:
        self.run(socket)
        self.work()

    def run(self, socket: Socket) -> None:
        """Run a socket's next call, if none runs; the round that tells its answer has the one after it begun."""
        with self.held.lock:
            if socket.call is not None or not socket.calls or not socket.open:
                return
            if socket.wire.buffered() > SLOW_BYTES:
                self.held.news[socket] = None  # which has this asked again when its reader has caught up
                return
            call = socket.call = socket.calls.popleft()
            socket.waiting -= call.size
            self._running.setdefault(call.commit, []).append(call)
        called: Called | None = None
        began = self.held.world.clock.now_ns()
        try:
            with tracing(new_request()):
                called = self.held.calls.mutate(call.frame, call.identity, call.key, socket.id)
        except StoreFailed as error:
            logger.warning("nobody knows whether a call of %s has committed: %s", socket.id, error)
        except Exception:
            logger.exception("a call of %s could not be run", socket.id)
        self._over(socket, call, called)
        self._log(f"Mutation {call.frame.udf_path}", began, len(called.touched) if called is not None else 0)

    def _log(self, what: str, began: int, touched: int) -> None:
        """One line for each call, as each invocation has one."""
        ms = (self.held.world.clock.now_ns() - began) / 1e6
        logger.info("", extra={"door": "ws", "path": what[:90], "ms": ms, "touched": touched})

    def _over(self, socket: Socket, call: Call, called: Called | None) -> None:
        with self.held.lock:
            self._running[call.commit].remove(call)
            if not self._running[call.commit]:
                del self._running[call.commit]
            effect = self.held.effect_of_locked(call, called.touched) if called is not None and called.commit else None
            socket.call = None
        if called is None:
            # The client calls again over a new connection, with the same key, and gets the answer of the first time.
            self.held.end(socket, "a call could not be run", code=1011)
            return
        self.held.answer(socket, replace(called.answer, note=call.note), effect)

    def committed_locked(self, commit: str, touched: Sequence[Touched]) -> bool:
        """A commit of this process. Returns whether it is that of a call of a socket's, whose answer comes next."""
        running = self._running.get(commit, ())
        for call in running:
            self.held.effect_of_locked(call, touched)
        return bool(running)

    def act(self, socket: Socket, frame: Action, who: str | None, note: str) -> None:
        """Run an action in a thread of its own. Never twice."""
        self._beside(socket, f"Action {frame.udf_path}", note, lambda: self.held.calls.act(frame, who, socket.id))

    def ask(self, socket: Socket, path: str, args: dict[str, Any], number: int, note: str) -> None:
        """Ask a query once, in a thread of its own."""
        who = socket.user
        self._beside(socket, f"Query {path}", note, lambda: self.held.calls.ask(path, args, who, number, socket.id))

    def _beside(self, socket: Socket, what: str, note: str, run: Callable[[], Any]) -> None:
        def work() -> None:
            began = self.held.world.clock.now_ns()
            try:
                with tracing(new_request()):
                    answer = run()
                self._log(what, began, 0)
            except Exception:
                logger.exception("a call of %s could not be run", socket.id)
                self.held.end(socket, "a call could not be run", code=1011)
                return
            self.held.answer(socket, replace(answer, note=note))
            self.work()

        self.held.threads.run(work)
