"""Ends connections: the close first, then the rows, the mailbox last.

A mailbox that is gone before the close is certain would let a late writer leave rows that nobody finds, and a client that
nobody answers. So `closing` stays in the row until the gateway says that nothing can arrive any more; the sweep repeats it.
"""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.data.store import Delete, Item, Key
from chalicelib.live import rows
from chalicelib.live.lane import lane_of
from chalicelib.live.mailbox import Mailboxes, retry_until_done
from chalicelib.live.world import World


class ConnectionCloser:
    """Ends connections."""

    def __init__(self, world: World) -> None:
        self.world = world

    def finish(self, connection: str, state: str) -> None:
        """Close a connection and remove what it left.

        Args:
            state: `closing` (its rows go when the close is certain; else the sweep tries again) or `gone` (it has no mailbox).
        """
        closed = self.world.gateway.close(connection)
        if closed or state == "gone":
            self.forget(connection)

    def forget(self, connection: str) -> None:
        """Remove the rows of a connection that is certainly closed."""
        mailbox = self.world.mailboxes.read(connection)
        if mailbox is not None:
            self.world.ended(mailbox)
        lane = mailbox is None or rows.has_lane(mailbox)
        self._end_queries(connection)
        self._empty_inbox(connection)
        if lane:
            self._remove(Mailboxes.key(lane_of(connection)))
        self._remove(Mailboxes.key(connection))
        # What was stored after the looks above found a mailbox, and left the rest to us; what comes later finds none.
        self._end_queries(connection)
        self._empty_inbox(connection)

    def _end_queries(self, connection: str) -> None:
        for row in self._rows("subscriptions", connection):
            for address, low, high in row["watches"]:
                self._remove(rows.watch_place(connection, int(row["sk"]), (address, low, high)))
            self._remove(Key("subscriptions", connection, row["sk"]))

    def _empty_inbox(self, connection: str) -> None:
        for row in self._rows("inbox", connection):
            self._remove(Key("inbox", connection, row["sk"]))

    def _rows(self, table: str, connection: str) -> Sequence[Item]:
        return retry_until_done(self.world.clock, lambda: self.world.store.query(table, connection).items)

    def _remove(self, key: Key) -> None:
        retry_until_done(self.world.clock, lambda: self.world.store.write(Delete(key)))
