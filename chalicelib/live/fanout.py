"""From touched addresses to the connections that watch them.

A change never waits for a lease: it leaves notes on the connections that watch what was touched, serves those whose lease
is free, and leaves the others to their holders. Connections are taken in slices, so that a lease is never held while a
hundred others are served first; within a slice a query is evaluated once for all who may share its value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.data.reads import Touched, overlap
from chalicelib.data.store import Delete, Item, Key, Store
from chalicelib.live import rows
from chalicelib.live.mailbox import Held
from chalicelib.live.turn import World, serve

SLICE = 8


@dataclass
class Spread:
    """What a fan-out did, for the log and the benchmark."""

    connections: int = 0
    served: int = 0
    busy: int = 0


class Fanout:
    """Tells connections of changes."""

    def __init__(self, world: World, end: Ender) -> None:
        self.world, self.end = world, end

    def changed(self, touched: Iterable[Touched], connections: Iterable[str] = ()) -> Spread:
        """Bring every watcher of these places up to date, and these connections as well."""
        found = self._watches(touched)
        marks: dict[str, set[str]] = {connection: set() for connection in connections}
        for row in found:
            marks.setdefault(row["connection"], set()).add(str(row["query"]))
        spread = Spread(len(marks))
        everyone = sorted(marks)
        for start in range(0, len(everyone), SLICE):
            held: list[Held] = []
            for connection in everyone[start : start + SLICE]:
                visit = self.world.mailboxes.knock(connection, sorted(marks[connection]))
                if visit.held is not None:
                    held.append(visit.held)
                elif visit.state == "busy":
                    spread.busy += 1
                else:
                    self.end.finish(connection, visit.state)
                    for row in found:
                        if visit.state == "gone" and row["connection"] == connection:
                            self.world.store.write(Delete(Key("watches", row["pk"], row["sk"])))
            spread.served += len(held)
            self.end.all(serve(self.world, held))
        return spread

    def visit(self, connection: str, marks: Iterable[str] = ()) -> None:
        """Leave a note on one connection, and serve it if nobody does."""
        visit = self.world.mailboxes.knock(connection, marks)
        if visit.held is not None:
            self.end.all(serve(self.world, [visit.held]))
        elif visit.state in ("gone", "closing"):
            self.end.finish(connection, visit.state)

    def _watches(self, touched: Iterable[Touched]) -> list[Item]:
        places: dict[str, list[Touched]] = defaultdict(list)
        for place in touched:
            places[place[0]].append(place)
        found: list[Item] = []
        for address, written in places.items():
            for row in self.world.store.query("watches", address).items:
                if any(overlap(place, (address, row["low"], row["high"])) for place in written):
                    found.append(row)
        return found


class Ender:
    """Ends connections: close first, then the rows, the mailbox last."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def _store(self) -> Store:
        return self.world.store

    def all(self, closed: Iterable[tuple[str, str]]) -> None:
        """Close these connections."""
        for connection, _reason in closed:
            self.finish(connection, "closing")

    def finish(self, connection: str, state: str) -> None:
        """Close a connection and remove what it left. Not certain that it is closed: the sweep tries again."""
        if state == "closing" and not self.world.gateway.close(connection):
            return
        if state == "gone":
            self.world.gateway.close(connection)
        self.forget(connection)

    def forget(self, connection: str) -> None:
        """Remove the rows of a connection that is certainly closed."""
        for row in self._store.query("subscriptions", connection).items:
            for address, low, high in row["watches"]:
                self._remove(watch_of(connection, row, (address, low, high)))
            self._remove(Key("subscriptions", connection, row["sk"]))
        for row in self._store.query("inbox", connection).items:
            self._remove(Key("inbox", connection, row["sk"]))
        self._remove(Key("mailboxes", f"{connection}|lane"))
        self._remove(Key("mailboxes", connection))

    def _remove(self, key: Key) -> None:
        self._store.write(Delete(key))


def watch_of(connection: str, row: Item, watch: tuple[str, str, str]) -> Key:
    """The key of a watch that a subscription row names."""
    from chalicelib.live import rows

    return Key("watches", **rows.watch_key(connection, int(row["sk"]), watch))
