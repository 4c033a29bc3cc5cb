"""Whoever writes a log piece by piece keeps its viewers: their leases are taken once, and given back when no more pieces come.

A turn for each piece would be two writes a viewer: a note with the lease, and a release. So the writer takes the lease with its
mark (`writer`), and goes on with the same turn at each piece: evaluate, look again, post. Its state stays in memory. Nobody
misses that should the writer die: its lease runs out, the connection is closed, and the client comes back.

**Whoever else hears of a piece** (the stream) leaves it to the writer, if the piece's own row names the viewer, or, of who was
taken since, the mailbox has the log's mark (`fanout.py`). That is safe because of an order: a piece is *owed* before it is
stored, under the names of those who are held then, and a lease is given back only when whatever is owed was told. What was
owed and could not be told is left as a note by the writer itself, after the lease is gone.

**Anything else that the viewers have** (their frames, answers, other changes, a seal that somebody else has put at the end of the
log) comes as a note, as to any holder. After each evaluation, and every moment in which nothing is said, the mailboxes are
read: where a note came, the turn looks as it always does. Where calls, frames or queries must wait, the lease is given back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from chalicelib.data.errors import Contention, StoreFailed
from chalicelib.data.reads import Touched
from chalicelib.data.store import Item, Path
from chalicelib.live import rows
from chalicelib.live.batch import Slice
from chalicelib.live.fanout import ROWS, SLICE, Fanout, viewer_name
from chalicelib.live.mailbox import Held, LeaseLost, retry_until_done
from chalicelib.live.turn import Turn

logger = logging.getLogger("concave")

HELD = ROWS
"""So many viewers a writer keeps; further ones are told by the stream."""
FEW = 4
"""So many viewers are told as often as one is."""
HOLD_MS = 15_000
"""So long the lease of a kept viewer goes without being renewed, which happens when half of it is used: so long its connection
stands still should the writer die."""
FIND_MS = 1_000
"""So often new viewers are looked for. Until then the stream tells them."""
LOOK_MS = 250
"""So often the mailboxes are read while nothing is said; half as often those of many."""
QUIET_MS = 1_500
"""After so long without a piece the leases are given back; twice that where many are kept, for whom pieces come half as often."""


class KeptTurn(Turn):
    """A turn that rests between two pieces instead of giving its lease back."""

    keeps = True
    rests = False

    def resume(self, places: Iterable[Touched]) -> None:
        """Go on, because these places were written. Raises `LeaseLost`, `Closed`."""
        self._wake_up()
        self.held.row |= {path[0]: value for path, value in self.held.unsaved.items()}
        self.told = self.state.version
        self._expiry(self.world.clock.now_ms())
        self.keep()
        self.stale |= self._touched(list(places))

    def notice(self) -> None:
        """Go on, because a note came. Raises `LeaseLost`, `Closed`."""
        self._wake_up()
        self.look()

    def let_go(self, places: Iterable[Touched]) -> None:
        """Go on for the last time."""
        self.keeps = False
        self.resume(places)

    def _wake_up(self) -> None:
        self.rests = self.released = False

    def _give_back(self, sets: dict[Path, Any], dirty: dict[str, str]) -> bool:
        """Rest, if nothing came and nothing waits. What others go by is written at once, then."""
        waits = self.newest != self.seen or dirty or self.lane_waits or sets[("rest",)] or self.held.ends
        if waits or not self.keeps:
            return super()._give_back(sets, dirty)
        self.held.unsaved |= sets
        if ("replied",) in sets:
            self.world.mailboxes.save(self.held, self.held.unsaved)
        self.rests = True
        return True


class HeldViewers:
    """Those who watch one log, held by its only writer. One thread at a time calls it."""

    turn_type: ClassVar[type[KeptTurn]] = KeptTurn

    def __init__(self, fanout: Fanout, address: str) -> None:
        # Calls that wait are run by an invocation of their own: the pieces go on.
        self.world = replace(fanout.world, mutations_waiting=lambda connection: fanout.world.later(connection, 1))
        self.fanout, self.address, self.mark = fanout, address, rows.log_mark(address)
        self.batches = replace(fanout.batches, world=self.world, turn=self.turn_type)
        self.lasts = min(HOLD_MS, self.world.mailboxes.lease_ms)
        self.turns: list[KeptTurn] = []
        self.fresh: list[Held] = []
        """Those who were taken for the piece that is about to be stored, and have not been served yet."""
        self.owed: list[Touched] = []
        """Pieces that may be stored, and are not told."""
        self._found = self._looked = self._told = 0

    @property
    def many(self) -> bool:
        """Whether more than a few are kept: each piece is a post for every one of them."""
        return len(self.turns) > FEW

    def owe(self, place: Touched) -> bytes:
        """Before a piece is stored: new viewers are taken, so that it is not the stream who tells them.

        Returns the names of those who are told of it here.
        """
        self.owed.append(place)
        self.fresh += self._find()
        held = [turn.connection for turn in self.turns if not turn.lost] + [each.connection for each in self.fresh]
        return b"".join(map(viewer_name, held))

    def tell(self, stamp: str) -> None:
        """Tell whatever is owed. Should that fail it stays owed."""
        try:
            fresh, self.fresh = self.fresh, []
            self._round(self.turns, partial(self.turn_type.resume, places=list(self.owed)), fresh)
        except Exception:
            logger.exception("the viewers of %s were not all told of a piece", self.address)
        else:
            self.owed.clear()
        self._told = self._looked = self.world.clock.now_ms()

    def look(self) -> None:
        """See whether notes came while nothing is said; after a while without a piece give the leases back."""
        now = self.world.clock.now_ms()
        slower = 2 if self.many else 1
        if not self.turns or now - self._looked < LOOK_MS * slower:
            return
        self._looked = now
        try:
            if now - self._told > QUIET_MS * slower:
                self._let_go()
            else:
                self._look(now)
        except Exception:
            logger.exception("the viewers of %s could not be looked at", self.address)

    def close(self) -> None:
        """Give the leases back; what is owed is left as notes."""
        try:
            self._let_go()
        except Exception:
            logger.exception("the viewers of %s were not let go", self.address)

    def _let_go(self) -> None:
        fresh, self.fresh = self.fresh, []
        if fresh:
            self._round([], self.turn_type.notice, fresh)
        self._round(self.turns, partial(self.turn_type.let_go, places=list(self.owed)))
        if self.owed:
            self.fanout.changed(self.owed)
            self.owed.clear()

    def _look(self, now: int) -> None:
        keys = [self.world.mailboxes.key(turn.connection) for turn in self.turns]
        found = retry_until_done(self.world.clock, lambda: self.world.store.batch_get(keys))
        noted = [turn for turn, row in zip(self.turns, found, strict=True) if _news(turn, row, now)]
        for turn in self.turns:
            if turn not in noted:
                try:
                    turn.keep()
                except LeaseLost:
                    turn.lost = True
        self._round(noted, self.turn_type.notice)

    def _round(self, turns: list[KeptTurn], step: Callable[[KeptTurn], None], fresh: list[Held] | None = None) -> None:
        """Serve these, and those who were just taken; who rests then is kept."""
        others = [turn for turn in self.turns if turn not in turns]
        slices = [Slice(self.world, list(each)) for each in _eights(turns)]
        going: list[Any] = list(turns)
        try:
            self.world.parallel([partial(each.each, step) for each in slices])  # type: ignore[arg-type]
            slices += self.world.parallel([partial(self.batches.begin, each) for each in _eights(fresh or [])])
            going = [turn for each in slices for turn in each.turns]
            self.batches.go_on(slices)
        finally:
            self.turns = [turn for turn in (*others, *going) if turn.rests and not turn.lost]

    def _find(self) -> list[Held]:
        """Take the leases of new viewers, where they are free. Nobody else is kept from being told by the stream."""
        now = self.world.clock.now_ms()
        if now - self._found < FIND_MS:
            return []
        self._found = now
        try:
            watching = self.fanout.watching(self.owed)
            marks: dict[str, set[str]] = {}
            for row, _ in watching:
                marks.setdefault(row["connection"], set()).add(str(row["query"]))
            known = {turn.connection for turn in self.turns} | {each.connection for each in self.fresh}
            new = sorted(marks.keys() - known)[: HELD - len(known)]
            return [
                each for part in self.world.parallel([partial(self._take, each, marks) for each in _eights(new)]) for each in part
            ]
        except (StoreFailed, Contention) as error:
            logger.info("no viewers of %s were found: %s", self.address, error)
            return []

    def _take(self, connections: list[str], marks: dict[str, set[str]]) -> list[Held]:
        taken = [self.world.mailboxes.hold(each, sorted(marks[each]), self.mark, self.lasts) for each in connections]
        return [held for held in taken if held is not None]


def _eights(several: list[Any]) -> list[list[Any]]:
    return [several[start : start + SLICE] for start in range(0, len(several), SLICE)]


def _news(turn: KeptTurn, row: Item | None, now: int) -> bool:
    """Whether a mailbox says that there is more to be done than to tell pieces."""
    if row is None or row.get("lease") != turn.held.token or row.get("closing"):
        return True
    over = "call" in row and int(row["call_until"]) < now
    return int(row["notes"]) != turn.seen or over or rows.expired(row, now)
