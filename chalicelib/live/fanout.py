"""From touched addresses to the connections that watch them.

A change never waits for a lease: it leaves notes on the connections that watch what was touched, serves those whose lease
is free, and leaves the others to their holders. Connections are taken in slices, and slices in waves, so that a lease is
never held while hundreds of others are served first; within a wave a query is evaluated once for all who may share its value.
Slices have no connection in common and are served at once, as far as `World.parallel` goes: what they do is wait for the
network.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256

from chalicelib.data.reads import Touched, overlap
from chalicelib.data.store import Delete, Item, Key
from chalicelib.live import rows
from chalicelib.live.batch import BatchServer, Slice
from chalicelib.live.closer import ConnectionCloser
from chalicelib.live.driver import NO_PIECES, NOBODY, Spread
from chalicelib.live.mailbox import Held, Waking, retry_until_done
from chalicelib.live.rows import CONNECT
from chalicelib.live.world import World

logger = logging.getLogger("concave")

ROWS = 100
"""Mailboxes that are read in one request."""
SLICE = 8
"""Connections that are served together."""
NAME_BYTES = 6
"""Of the names that a piece's row has: a hundred of them leave it below 1 KB, and two viewers of a log never share one."""


class Fanout:
    """Tells connections of changes."""

    def __init__(self, world: World, closer: ConnectionCloser, batches: BatchServer) -> None:
        self.world, self.closer, self.batches = world, closer, batches

    def changed(
        self,
        touched: Iterable[Touched],
        connections: Iterable[str] = (),
        told: Mapping[str, set[Touched]] = NOBODY,
        pieces: Mapping[Touched, bytes] = NO_PIECES,
    ) -> Spread:
        """Bring every watcher of these places up to date, and these connections as well.

        Args:
            told: connections that have heard of what has changed at these places.
            pieces: places of pieces of a log, each with the names of those whom its writer held when it was stored. They are left
                to the writer where that holds the connection (`viewers.py`).

        Raises: what kept a note from being left, after everybody else was served; the caller tries again.
        """
        watching = self.watching(touched, told)
        named = {place: _names(names) for place, names in pieces.items()}
        by_writers = [hits <= named.keys() and _all_name(row["connection"], hits, named) for row, hits in watching]
        rest = [each for each, by_writer in zip(watching, by_writers, strict=True) if not by_writer]
        of_pieces = [row for row, hits in rest if hits <= named.keys()]
        spared = self._held_by_writers([(row["connection"], row["pk"]) for row in of_pieces])
        left = [row for row in of_pieces if (row["connection"], row["pk"]) in spared]
        found = [row for row, _ in rest if row not in left]
        marks: dict[str, set[str]] = {}
        for row in found:
            marks.setdefault(row["connection"], set()).add(str(row["query"]))
        others = set(connections)
        everyone = sorted(marks.keys() | others)
        slices = [everyone[start : start + SLICE] for start in range(0, len(everyone), SLICE)]
        done: list[Spread] = []
        for start in range(0, len(slices), self.world.wave):
            wave = slices[start : start + self.world.wave]
            begun = self.world.parallel([partial(self._slice, each, marks, found, others) for each in wave])
            self.batches.go_on([slice_ for _, slice_ in begun])
            done += [spread for spread, _ in begun]
        for failure in (failure for spread in done for failure in spread.failures):
            raise failure
        return Spread(len(marks), sum(each.served for each in done), sum(each.busy for each in done))

    def _slice(
        self, connections: list[str], marks: dict[str, set[str]], found: list[Item], others: set[str]
    ) -> tuple[Spread, Slice]:
        spread, held = Spread(len(connections)), list[Held]()
        for connection in connections:
            try:
                # A note of a commit alone is not about the inbox.
                held += self._wake(connection, marks.get(connection, set()), found, spread, stored=connection in others)
            except Exception as error:
                logger.exception("no note could be left on %s", connection)
                spread.failures.append(error)
        spread.served = len(held)
        return spread, self.batches.begin(held)

    def _wake(self, connection: str, marks: set[str], found: list[Item], spread: Spread, *, stored: bool) -> list[Held]:
        waking = self.world.mailboxes.wake(connection, sorted(marks), stored=stored)
        if waking.held is not None:
            return [waking.held]
        if waking.state == "busy":
            spread.busy += 1
            return []
        self.closer.finish(connection, waking.state)
        for row in found:
            if waking.state == "gone" and row["connection"] == connection:
                key = Key("watches", row["pk"], row["sk"])
                retry_until_done(self.world.clock, lambda key=key: self.world.store.write(Delete(key)))  # type: ignore[misc]
        return []

    def wake(self, connection: str, marks: Iterable[str] = (), *, auth: int = 0) -> None:
        """Leave a note on one connection, and serve it if nobody does. `auth`: an identity version that is on its way."""
        self.arrived(connection, self.world.mailboxes.wake(connection, marks, auth=auth))

    def hand(self, connection: str, row: Item, *, auth: int = 0) -> bool:
        """Serve a connection with a frame in hand, if nobody does; False: then the frame must be stored."""
        held = self.world.mailboxes.try_first(connection, auth=auth)
        if held is not None:
            held.given = [row]
            self.batches.serve([held])
        return held is not None

    def bring(self, connection: str, row: Item, *, auth: int = 0) -> bool:
        """Leave a note with its frame, and serve the connection, if nobody does; False: then the frame must be stored.

        The first frame of a client that always sends more, and asks for nothing, waits for them.
        """
        mailbox = self.world.mailboxes.bring(connection, row, auth=auth)
        if mailbox is None:
            return False
        if not (row["sk"].startswith(CONNECT) and mailbox.get("kind") == "npm" and int(mailbox["notes"]) == 1):
            self.arrived(connection, self.world.mailboxes.take(connection, mailbox))
        return True

    def noted(self, connection: str, *, auth: int = 0) -> None:
        """Tell whoever serves a connection that a frame was stored; serve it, if nobody does any more."""
        self.arrived(connection, self.world.mailboxes.note_first(connection, auth=auth))

    def arrived(self, connection: str, waking: Waking) -> None:
        """Go on with what came of a note."""
        if waking.held is not None:
            self.batches.serve([waking.held])
        elif waking.state in ("gone", "closing"):
            self.closer.finish(connection, waking.state)

    def watching(self, touched: Iterable[Touched], told: Mapping[str, set[Touched]] = NOBODY) -> list[tuple[Item, set[Touched]]]:
        """The watches of these places, each with those that it is about."""
        places: dict[str, list[Touched]] = defaultdict(list)
        for place in touched:
            places[place[0]].append(place)
        found: list[tuple[Item, set[Touched]]] = []
        listed = self.world.parallel([partial(self._watching, address) for address in places])
        for (address, written), rows_ in zip(places.items(), listed, strict=True):
            for row in rows_:
                heard = told.get(row["connection"], ())
                watch = address, row["low"], row["high"]
                if hits := {place for place in written if place not in heard and overlap(place, watch)}:
                    found.append((row, hits))
        return found

    def _held_by_writers(self, viewers: list[tuple[str, str]]) -> set[tuple[str, str]]:
        """Of these connections and the logs that they watch, those that a log's writer holds: it tells them of all its pieces
        before it gives the lease back."""
        connections, now = sorted({connection for connection, _ in viewers}), self.world.clock.now_ms()
        parts = [connections[start : start + ROWS] for start in range(0, len(connections), ROWS)]
        read = [row for part in self.world.parallel([partial(self._rows, part) for part in parts]) for row in part]
        by_writer = {row["pk"]: row["writer"] for row in read if "writer" in row and int(row["until"]) >= now}
        return {(connection, log) for connection, log in viewers if by_writer.get(connection) == rows.log_mark(log)}

    def _rows(self, connections: list[str]) -> list[Item]:
        keys = [self.world.mailboxes.key(each) for each in connections]
        return [row for row in retry_until_done(self.world.clock, lambda: self.world.store.batch_get(keys)) if row is not None]

    def _watching(self, address: str) -> Sequence[Item]:
        return retry_until_done(self.world.clock, lambda: self.world.store.query("watches", address).items)


def viewer_name(connection: str) -> bytes:
    """Names a connection in the rows of a log's pieces."""
    return sha256(connection.encode()).digest()[:NAME_BYTES]


def _names(packed: bytes) -> set[bytes]:
    return {packed[start : start + NAME_BYTES] for start in range(0, len(packed), NAME_BYTES)}


def _all_name(connection: str, hits: Iterable[Touched], named: Mapping[Touched, set[bytes]]) -> bool:
    """Whether each of these pieces was stored when its writer held the connection."""
    name = viewer_name(connection)
    return all(name in named[hit] for hit in hits)
