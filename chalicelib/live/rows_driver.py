"""The driver `rows`: connections are rows, and whoever is invoked serves them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from chalicelib.data.reads import Touched, overlap
from chalicelib.data.store import Item, Key
from chalicelib.live.driver import NO_PIECES, NOBODY, Spread, Viewers
from chalicelib.live.fanout import Fanout
from chalicelib.live.keepalive import Keepalive
from chalicelib.live.mailbox import Mailboxes
from chalicelib.live.rows import Subscription
from chalicelib.live.viewers import HeldViewers


@dataclass(frozen=True)
class RowsDriver:
    """Delivery by leases on mailboxes."""

    fanout: Fanout
    keepalive: Keepalive
    mailboxes: Mailboxes
    end: Callable[[str], None]
    """Closes a connection for good."""

    def changed(
        self,
        touched: Iterable[Touched],
        connections: Iterable[str] = (),
        heard: Mapping[str, set[Touched]] = NOBODY,
        pieces: Mapping[Touched, bytes] = NO_PIECES,
    ) -> Spread:
        """Notes on the mailboxes of the watchers; those whose lease is free are served."""
        return self.fanout.changed(touched, connections, heard, pieces)

    def committed(self, commit: str, touched: Iterable[Touched]) -> None:
        """Nothing: the stream tells, whichever process the watchers' sockets are known to."""

    def viewers(self, address: str) -> Viewers:
        """Their leases are held while pieces come."""
        return HeldViewers(self.fanout, address)

    def told(self, commit: str) -> bool:
        """No: only the stream tells."""
        return False

    def sweep(self) -> int:
        """Every mailbox is looked at."""
        return self.keepalive.tick()

    def connected(self, connection: str) -> bool:
        """As the mailbox says."""
        row = self.mailboxes.read(connection)
        return row is not None and not row.get("closing")

    def close(self, connection: str) -> None:
        """Marked, then closed."""
        self.end(connection)

    # For operators, who look now and then: a bounded number of rows is read, and nothing held -----------------------------------

    def sockets(self, most: int, queries: int) -> tuple[list[tuple[Item, list[Subscription]]], bool]:
        """Some open connections, each with its mailbox and some of its live queries; whether there are others.

        Args:
            most: rows of mailboxes that are read; some are those of lanes and sessions.
            queries: live queries of each that are read.
        """
        world = self.fanout.world
        page = world.store.scan("mailboxes", None, most)
        boxes = [row for row in page.items if "opened" in row and not row.get("closing")]
        listed = world.parallel([partial(world.store.query, "subscriptions", row["pk"], limit=queries) for row in boxes])
        shown = [(box, [_asked(row, box) for row in found.items]) for box, found in zip(boxes, listed, strict=True)]
        return shown, page.more or any(found.more for found in listed)

    def readers(self, place: Touched, most: int) -> list[tuple[Subscription, int]]:
        """The live queries that watch a place, each with how many connections ask it: at most so many watches are read."""
        store = self.fanout.world.store
        listed = store.query("watches", place[0], limit=most).items
        found = sorted(
            {(row["connection"], int(row["query"])) for row in listed if overlap(place, (place[0], row["low"], row["high"]))}
        )
        subs = store.batch_get([Key("subscriptions", connection, str(query)) for connection, query in found])
        names = sorted({connection for connection, _ in found})
        boxes = dict(zip(names, store.batch_get([self.mailboxes.key(each) for each in names]), strict=True))
        asked = [_asked(sub, box) for (name, _), sub in zip(found, subs, strict=True) if sub is not None and (box := boxes[name])]
        many = Counter((each.path, each.args) for each in asked)
        return [(each, many.pop(call)) for each in asked if (call := (each.path, each.args)) in many]


def _asked(row: Item, box: Item) -> Subscription:
    """A live query as its connection's mailbox has it by now."""
    sub = Subscription.of(row)
    kept: Any = box.get("hot", {}).get(str(sub.query_id))
    if kept is not None:
        sub.warmed(kept)
    return sub
