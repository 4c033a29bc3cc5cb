"""The ticker: finds what was left lying, and keeps quiet connections alive.

Nothing here is needed while all goes well. It bounds how long anything can stay wrong: a holder that died (expired lease:
the connection is closed and the client comes back), a frame or note that nobody served, a close that was not certain, a
connection that ended without a word. Quiet clients are pinged before they give up: npm after 60 s, Rust-based ones after
30 s without a message.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chalicelib.data.store import Item, Key
from chalicelib.live.fanout import Fanout
from chalicelib.live.lane import Lane
from chalicelib.live.mailbox import retry_until_done
from chalicelib.live.world import World

logger = logging.getLogger("concave")
BUCKETS = 8
"""Connections are listed in this many partitions of the mailboxes' index."""
DIRECTORY = "by_bucket"
YOUNG_MS = 120_000
"""So long a connection without an identity is looked at; one that has asked for nothing by then may stay nobody's."""


def bucket_of(connection: str) -> str:
    """The partition that lists a connection."""
    return f"bucket-{sum(connection.encode()) % BUCKETS}"


@dataclass(frozen=True)
class Keepalive:
    """Sweeps all connections."""

    world: World
    fanout: Fanout
    lane: Lane

    def tick(self) -> int:
        """Look at every connection once. Returns how many needed something."""
        served = 0
        for row in self._rows():
            if not self._needs(row):
                continue
            served += 1
            try:
                # The note finds, besides a due ping, frames and answers whose own note was never left.
                self.fanout.wake(row["pk"])
                if "lease" not in row and not row.get("closing"):
                    self.lane.wake(row["pk"])
            except Exception:
                logger.exception("%s could not be looked at", row["pk"])
        return served

    def _needs(self, row: Item) -> bool:
        now = self.world.clock.now_ms()
        if row.get("closing"):
            return True
        if "lease" in row:
            return int(row["until"]) < now
        if "call" in row and int(row["call_until"]) < now:
            return True
        quiet = now - int(row.get("last") or row["opened"]) >= self.world.ping_ms(row)
        unsettled = not row.get("settled") and self.world.settle_ms < now - int(row["opened"]) < YOUNG_MS
        return quiet or unsettled or bool(row.get("dirty")) or int(row["notes"]) != int(row.get("seen", 0))

    def _rows(self) -> Iterator[Item]:
        for number in range(BUCKETS):
            yield from (row for row in self._bucket(number) if row is not None and "opened" in row)

    def _bucket(self, number: int) -> Sequence[Item | None]:
        """The mailboxes of one bucket of the directory; read again, because the directory lags behind them."""
        store, clock = self.world.store, self.world.clock
        listed = retry_until_done(clock, lambda: store.query("mailboxes", f"bucket-{number}", index=DIRECTORY).items)
        keys = [Key("mailboxes", each["pk"]) for each in listed]
        return retry_until_done(clock, lambda: store.batch_get(keys))
