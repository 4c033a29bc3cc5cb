"""The port behind which connections are kept: one core of messages, session and dialects, and two ways of delivery.

* `rows` (`live/turn.py`, `live/lane.py`, `live/fanout.py`): a connection is a row, and any stateless invocation may work for
  it. It is what runs on Lambda and API Gateway.
* `owner` (`live/owner/`): a process owns its sockets and keeps what belongs to them in memory. It is what runs on a laptop
  and on one server; several owners may share one DynamoDB.

Both tell clients the same, and write the same documents, fences, claims and commits rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from chalicelib.data.reads import Touched

NOBODY: Mapping[str, set[Touched]] = {}
NO_PIECES: Mapping[Touched, bytes] = {}


@dataclass
class Spread:
    """What telling a change came to, for the log and the benchmark."""

    connections: int = 0
    served: int = 0
    busy: int = 0
    failures: list[Exception] = field(default_factory=list)


class Viewers(Protocol):
    """Those who watch one log, as its only writer tells them of each piece. May fail: the stream tells them anyway."""

    @property
    def many(self) -> bool:
        """Whether so many are told here that each piece counts: then fewer, longer ones are better."""

    def owe(self, place: Touched) -> bytes:
        """A piece is about to be stored here. Returns what its row is to say of who is told by the writer."""

    def tell(self, stamp: str) -> None:
        """It is stored, under this stamp (`_c`)."""

    def look(self) -> None:
        """Nothing is said for a moment: see to whatever else the viewers have."""

    def close(self) -> None:
        """Nothing more comes."""


class Driver(Protocol):
    """Delivers values to whoever watches."""

    def changed(
        self,
        touched: Iterable[Touched],
        connections: Iterable[str] = (),
        heard: Mapping[str, set[Touched]] = NOBODY,
        pieces: Mapping[Touched, bytes] = NO_PIECES,
    ) -> Spread:
        """These places were written, and these connections' own calls have committed: bring their watchers up to date.

        Args:
            heard: connections that know already of what was written at these places.
            pieces: those of the places that are pieces of a log, which its writer may tell of itself, each with what `owe` gave.

        Raises: what kept a watcher from being told; the caller says it again.
        """

    def committed(self, commit: str, touched: Iterable[Touched]) -> None:
        """A commit of this very process, as soon as it is certain. The feed tells it again, with `told` to compare."""

    def viewers(self, address: str) -> Viewers:
        """Those who watch a log that this process alone is going to write."""

    def told(self, commit: str) -> bool:
        """Whether everybody here who watches what this commit, or this stamp, wrote knows of it already."""

    def sweep(self) -> int:
        """Find what was left lying, keep quiet connections alive. Returns how many connections needed something."""

    def connected(self, connection: str) -> bool:
        """Whether a connection is there, as far as is known here."""

    def close(self, connection: str) -> None:
        """End a connection for good."""
