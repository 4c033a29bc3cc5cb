"""The ticker: finds what was left lying, and keeps quiet connections alive.

Nothing here is needed while all goes well. It bounds how long anything can stay wrong: a holder that died (expired lease:
the connection is closed and the client comes back), a frame or note that nobody served, a close that was not certain, a
connection that ended without a word. Quiet clients are pinged before they give up: npm after 60 s, Rust-based ones after
30 s without a message (protocol 4.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.data.store import Item, Key
from chalicelib.live.fanout import Ender, Fanout
from chalicelib.live.lane import Lane
from chalicelib.live.turn import World

BUCKETS = 8
"""Connections are listed in this many partitions of the mailboxes' index."""
DIRECTORY = "by_bucket"


def bucket_of(connection: str) -> str:
    """The partition that lists a connection."""
    return f"bucket-{sum(connection.encode()) % BUCKETS}"


@dataclass(frozen=True)
class Keepalive:
    """Sweeps all connections."""

    world: World
    fanout: Fanout
    lane: Lane
    ender: Ender

    def tick(self) -> int:
        """Look at every connection once. Returns how many needed something."""
        served = 0
        for row in self._rows():
            connection, now = row["pk"], self.world.clock.now_ms()
            if row.get("closing") or ("lease" in row and int(row["until"]) < now):
                self.fanout.visit(connection)
                served += 1
            elif "lease" not in row and (row.get("dirty") or self._quiet(row, now)):
                # The note finds, besides a due ping, frames and answers whose own note was never left.
                self.fanout.visit(connection)
                self.lane.knock(connection)
                served += 1
        return served

    def _quiet(self, row: Item, now: int) -> bool:
        return now - int(row.get("last", row["opened"])) >= self.world.ping_ms(row)

    def _rows(self) -> Iterator[Item]:
        for number in range(BUCKETS):
            listed = self.world.store.query("mailboxes", f"bucket-{number}", index=DIRECTORY).items
            for row in self.world.store.batch_get([Key("mailboxes", each["pk"]) for each in listed]):
                if row is not None and "opened" in row:
                    yield row
