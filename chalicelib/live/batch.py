"""Several held mailboxes, served together: each step for all of them, then the next (`turn.py` says why in this order).

Nothing that goes wrong with one connection touches the others: it is closed, its client comes back within a second, and
the rest goes on. While one is worked for, the leases of all are kept. Mutations are run when no lease is held any more.

Slices of one fan-out may share values, too: all of them look first, then what several of them ask is evaluated once, then each
goes on by itself. A value that was made before a slice had looked could be older than a note that this slice clears.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from chalicelib.data.errors import Conflict, Contention, StoreFailed
from chalicelib.live.closer import ConnectionCloser
from chalicelib.live.mailbox import Held, LeaseLost
from chalicelib.live.queries import Closed
from chalicelib.live.turn import Turn
from chalicelib.live.world import Shared, World

logger = logging.getLogger("concave")
Step = Callable[[Turn], None]
_Call = tuple[str, str, str, str | None]
"""Path, arguments, org, journal."""
COMMON = 16
"""Queries that are evaluated for several slices before these go on: while they are, nobody's lease is kept."""


@dataclass(frozen=True)
class BatchServer:
    """Serves held mailboxes."""

    world: World
    closer: ConnectionCloser
    turn: Callable[[World, Held], Turn] = Turn

    def serve(self, helds: list[Held]) -> None:
        """Serve until each is released, handed over or closed; then run the mutations that were found waiting."""
        self._finish(self.begin(helds), self.moment())

    def begin(self, helds: list[Held]) -> Slice:
        """Let each look. What is returned must go on by `go_on`."""
        slice_ = Slice(self.world, [self.turn(self.world, held) for held in helds])
        slice_.each(lambda turn: turn.look())
        return slice_

    def go_on(self, slices: Sequence[Slice]) -> None:
        """Serve slices that have all looked, at once, as far as `World.parallel` goes; what several ask is evaluated once."""
        shared = self.moment()
        self.world.parallel([partial(self._prepare, shared, turn, query) for turn, query in _common(self.world, slices)])
        self.world.parallel([partial(self._finish, slice_, shared) for slice_ in slices])

    def moment(self) -> Shared:
        """Values that are made from now on."""
        return Shared(self.world)

    def _prepare(self, shared: Shared, turn: Turn, query: int) -> None:
        """Have a value made. Where that fails each slice tries for itself, and judges."""
        sub = turn.queries[query]
        try:
            shared.get(sub, turn.held.row.get("user") or None, sub.journal)
        except (Conflict, StoreFailed) as error:
            logger.info("%s is left to each slice: %s", sub.path, error)

    def _finish(self, slice_: Slice, shared: Shared) -> None:
        started = self.world.clock.now_ms()
        while slice_.turns:
            self._evaluate(slice_, shared)
            slice_.each(lambda turn: turn.tell())
            slice_.each(lambda turn: turn.settle())
            slice_.turns = [turn for turn in slice_.turns if not turn.released]
            if self.world.clock.now_ms() - started > self.world.hand_over_ms:
                slice_.each(self._hand_over)
                break
            slice_.each(lambda turn: turn.look())
            shared = self.moment()
        self._end(slice_)

    def _evaluate(self, slice_: Slice, shared: Shared) -> None:
        """With values that are made after every note and every inbox was read."""
        slice_.each(lambda turn: turn.evaluate(shared))

    def _hand_over(self, turn: Turn) -> None:
        """Let another invocation go on. If it is lost, the ticker finds that notes are newer than the last look."""
        self.world.mailboxes.leave(turn.held)
        self.world.later(turn.connection, 1)

    def _end(self, slice_: Slice) -> None:
        if slice_.pause:
            self.world.clock.sleep(self.world.pause_s)
        for connection in slice_.closed:
            self.closer.finish(connection, "closing")
        for connection in slice_.waiting:
            self.world.mutations_waiting(connection)


def _common(world: World, slices: Sequence[Slice]) -> list[tuple[Turn, int]]:
    """The calls that are stale in several slices: for each a turn that asks it, and its query there. The commonest first.

    Of calls that differ from slice to slice one by each path: the views that it asks for are there for the others.
    """
    asked: dict[_Call, dict[int, tuple[Turn, int]]] = defaultdict(dict)
    for number, slice_ in enumerate(slices):
        for turn in slice_.turns:
            if turn.state.settled and turn.stale:
                org = world.org_of(turn.held.row.get("user") or None)
                for query in turn.stale & turn.queries.keys():
                    sub = turn.queries[query]
                    asked[sub.path, sub.args, org, sub.journal][number] = (turn, query)
    calls = sorted(asked, key=lambda call: -len(asked[call]))
    kinds: dict[tuple[str, str], list[_Call]] = defaultdict(list)
    for call in calls:
        kinds[call[0], call[2]].append(call)
    chosen = [call for call in calls if len(asked[call]) > 1]
    for alike in kinds.values():
        if alike[0] not in chosen and len({number for call in alike for number in asked[call]}) > 1:
            chosen.append(alike[0])
    return [next(iter(asked[call].values())) for call in chosen[:COMMON]]


class Slice:
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
                raise LeaseLost
            step(turn)
        except LeaseLost:
            return self._abandon(turn)
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

    def _abandon(self, turn: Turn) -> bool:
        try:
            turn.abandon()
        except (StoreFailed, Contention) as error:  # they go when their time is over
            logger.info("%s may leave watches behind: %s", turn.connection, error)
        return False

    def _close(self, turn: Turn) -> bool:
        self.closed.append(turn.connection)
        try:
            self.world.mailboxes.mark_closing(turn.connection)
        except Exception:
            logger.exception("%s could not be marked for closing", turn.connection)
        return self._abandon(turn)  # by now somebody else may have ended the connection, and looked for its rows

    def _beat(self, working: Turn) -> None:
        """Keep everybody's lease while one is worked for."""
        for turn in self.turns:
            if turn is not working and not turn.lost and not turn.released:
                try:
                    turn.keep()
                except LeaseLost:
                    turn.lost = True
        working.keep()
