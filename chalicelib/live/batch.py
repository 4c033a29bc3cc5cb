"""Several held mailboxes, served together: each step for all of them, then the next (`turn.py` says why in this order).

Nothing that goes wrong with one connection touches the others: it is closed, its client comes back within a second, and
the rest goes on. While one is worked for, the leases of all are kept. Mutations are run when no lease is held any more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from chalicelib.live.closer import ConnectionCloser
from chalicelib.live.mailbox import Held, LeaseLost
from chalicelib.live.queries import Closed
from chalicelib.live.turn import Turn
from chalicelib.live.world import Shared, World

logger = logging.getLogger("concave")
Step = Callable[[Turn], None]


@dataclass(frozen=True)
class BatchServer:
    """Serves held mailboxes."""

    world: World
    closer: ConnectionCloser
    turn: Callable[[World, Held], Turn] = Turn

    def serve(self, helds: list[Held]) -> None:
        """Serve until each is released, handed over or closed; then run the mutations that were found waiting."""
        slice_ = _Slice(self.world, [self.turn(self.world, held) for held in helds])
        started = self.world.clock.now_ms()
        while slice_.turns:
            slice_.each(lambda turn: turn.look())
            self._evaluate(slice_)
            slice_.each(lambda turn: turn.tell())
            slice_.each(lambda turn: turn.settle())
            slice_.turns = [turn for turn in slice_.turns if not turn.released]
            if self.world.clock.now_ms() - started > self.world.hand_over_ms:
                slice_.each(self._hand_over)
                break
        self._end(slice_)

    def _evaluate(self, slice_: _Slice) -> None:
        """With values that are made after every note and every inbox was read."""
        shared = Shared(self.world)
        slice_.each(lambda turn: turn.evaluate(shared))

    def _hand_over(self, turn: Turn) -> None:
        """Let another invocation go on. If it is lost, the ticker finds that notes are newer than the last look."""
        self.world.mailboxes.leave(turn.held)
        self.world.later(turn.connection, 1)

    def _end(self, slice_: _Slice) -> None:
        if slice_.pause:
            self.world.clock.sleep(self.world.pause_s)
        for connection in slice_.closed:
            self.closer.finish(connection, "closing")
        for connection in slice_.waiting:
            self.world.mutations_waiting(connection)


class _Slice:
    """The turns that are served together."""

    def __init__(self, world: World, turns: list[Turn]) -> None:
        self.world, self.turns = world, turns
        self.closed: list[str] = []
        self.waiting: list[str] = []
        self.pause = False
        for turn in turns:
            turn.beat = partial(self._beat, turn)

    def each(self, step: Step) -> None:
        """Take a step for everyone; who fails drops out."""
        self.turns = [turn for turn in self.turns if self._took(turn, step)]

    def _took(self, turn: Turn, step: Step) -> bool:
        try:
            if turn.lost:
                return False
            step(turn)
        except LeaseLost:
            return False
        except Closed as reason:
            logger.info("closing %s: %s", turn.connection, reason)
            self.pause = self.pause or reason.pause
            return self._close(turn)
        except Exception:
            logger.exception("serving %s failed", turn.connection)
            return self._close(turn)
        if turn.released and turn.lane_waits:
            self.waiting.append(turn.connection)
        return True

    def _close(self, turn: Turn) -> bool:
        self.closed.append(turn.connection)
        try:
            self.world.mailboxes.mark_closing(turn.connection)
        except Exception:
            logger.exception("%s could not be marked for closing", turn.connection)
        return False

    def _beat(self, working: Turn) -> None:
        """Keep everybody's lease while one is worked for."""
        for turn in self.turns:
            if turn is not working and not turn.lost and not turn.released:
                try:
                    turn.keep()
                except LeaseLost:
                    turn.lost = True
        working.keep()
