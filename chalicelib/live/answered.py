"""What the stream need not tell again: a commit whose own connection was answered.

Who answers a call evaluates what its commit touched, in the same turn, and writes the request's number down when the turn
settles. So a commit that comes in the stream after that has nothing to say to its own connection. Everybody else is told of it,
and so is the connection of whatever another commit has changed at the same place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from chalicelib.data.reads import Touched
from chalicelib.live.at_once import open_call
from chalicelib.live.lane import lane_of
from chalicelib.live.mailbox import Mailboxes

_REQUEST = re.compile(r"\|sync:.*:(\d+)(?::[0-9a-f]{16})?$")
"""The end of a commit's id that a lane has made: the session, the request, the caller."""

MOMENT_MS = 2_000
"""So long after its commit a call of a lane has been answered, or whoever ran it has died."""
Later = Callable[[str, int], None]
"""Ask for a turn on a connection after some milliseconds."""


def _runs(mailboxes: Mailboxes, connection: str, now_ms: int) -> bool:
    """Whether the lane of a connection is at work: it leaves a note for each call that it has run."""
    lane = mailboxes.read(lane_of(connection))
    return lane is not None and "lease" in lane and now_ms < int(lane["until"])


@dataclass
class Own:
    """The commits of one connection in a batch of the stream."""

    requests: set[int | None] = field(default_factory=set)
    touched: set[Touched] = field(default_factory=set)


class Answered:
    """Collects the commits of a batch."""

    def __init__(self) -> None:
        self.own: dict[str, Own] = {}
        self._touching: dict[Touched, set[str]] = {}

    def commit(self, connection: str, id: str, touched: Iterable[Touched]) -> None:
        """A commit, and the connection whose call made it ("" = none)."""
        found = _REQUEST.search(id)
        if connection:
            own = self.own.setdefault(connection, Own())
            own.requests.add(int(found[1]) if found else None)
            own.touched |= set(touched)
        self.changed(touched, connection)

    def changed(self, touched: Iterable[Touched], connection: str = "") -> None:
        """Places that were written; by whose call."""
        for place in touched:
            self._touching.setdefault(place, set()).add(connection)

    def told(self, mailboxes: Mailboxes, later: Later, look: Later) -> dict[str, set[Touched]]:
        """Connections that hear, or have heard, of their own commits → the places that nobody else has changed.

        One read for each, or two. Who runs a call at once tells of it; should it have died, `later` finds that. So does a lane
        that runs; should it have died, the frame of its call still waits after a moment: `look` finds that.
        """
        heard: dict[str, set[Touched]] = {}
        for connection, own in self.own.items():
            row = mailboxes.read(connection)
            replied = {int(number) for number in row.get("replied", ())} if row is not None else set()
            if row is None or row.get("closing") or row.get("dirty"):
                continue
            running, now = open_call(row), mailboxes.clock.now_ms()
            if running is not None and running[0] not in replied and now < int(row["call_until"]):
                replied.add(running[0])
                if own.requests <= replied:
                    later(connection, int(row["call_until"]) + 1 - now)
            if not own.requests <= replied:
                if None in own.requests or "call" in row or not _runs(mailboxes, connection, now):
                    continue
                look(connection, MOMENT_MS)
            heard[connection] = {place for place in own.touched if self._touching[place] == {connection}}
        return heard
