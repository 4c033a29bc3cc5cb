"""The ticker: finds what was left lying, and keeps quiet connections alive.

Nothing here is needed while all goes well. It bounds how long anything can stay wrong: a holder that died (expired lease:
the connection is closed and the client comes back), a frame or note that nobody served, a close that was not certain, a
connection that ended without a word. Quiet clients are pinged before they give up: npm after 60 s, Rust-based ones after
30 s without a message.

**A ping says nothing, so it needs no lease:** it is one post in the connection's slot, and is recorded nowhere. Only a
connection that is closing, or whose holder died, is not pinged: its client is to notice. Before a ping the inbox is looked at: a
frame or an answer whose own note was never left waits there, and its connection is visited instead. So is one that nobody has
served for sixty pings.

**A look is shared out.** One invocation looks at `World.sweep_share` connections; where there are more, each further share
has an invocation of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal
from zlib import crc32

from chalicelib.data.store import Item, Key
from chalicelib.live import rows
from chalicelib.live.dialect import SYNC
from chalicelib.live.fanout import Fanout
from chalicelib.live.lane import Lane
from chalicelib.live.mailbox import retry_until_done
from chalicelib.live.world import World, log_post

logger = logging.getLogger("concave")
BUCKETS = 8
"""Connections are listed in this many partitions of the mailboxes' index."""
DIRECTORY = "by_bucket"
YOUNG_MS = 120_000
"""So long a connection without an identity is looked at; one that has asked for nothing by then may stay nobody's."""
VISIT = 60
"""For so many pings a connection may go without a visit."""
MEMORY_MS = 60_000
"""Slots since the last look of this process are due, if that was so short ago; else everybody's."""
ROWS, POSTS = 100, 25
"""Mailboxes that are read in one request; pings that a thread posts one after another."""
Need = Literal["visit", "ping"]


def bucket_of(connection: str) -> str:
    """The partition that lists a connection."""
    return f"bucket-{sum(connection.encode()) % BUCKETS}"


class Keepalive:
    """Sweeps all connections.

    Args:
        hand_out: starts an invocation that calls `look` with these arguments. May raise; then they are looked at here.
    """

    def __init__(self, world: World, fanout: Fanout, lane: Lane, hand_out: Callable[[dict[str, Any]], None]) -> None:
        self.world, self.fanout, self.lane, self.hand_out = world, fanout, lane, hand_out
        self._looked = 0

    def tick(self) -> int:
        """Look at every connection once, or have it looked at. Returns how many needed something here."""
        now = self.world.clock.now_ms()
        since = self._looked if now - self._looked < MEMORY_MS else 0
        self._looked = now
        connections = self._listed()
        mine, share = connections[: self.world.sweep_share], self.world.sweep_share
        for start in range(share, len(connections), share):
            part = connections[start : start + share]
            try:
                self.hand_out({"connections": part, "since": since, "until": now})
            except Exception:
                logger.exception("a share of the sweep was not handed out")
                mine = mine + part
        return self.look(mine, since, now)

    def look(self, connections: Sequence[str], since: int, until: int) -> int:
        """Look at these. Returns how many needed something.

        Args:
            since: pings whose slots came after this moment (ms), and not after `until`, are due.
        """
        parts = [connections[start : start + ROWS] for start in range(0, len(connections), ROWS)]
        found = self.world.parallel([partial(self._mailboxes, part) for part in parts])
        needs = [(row, self.need(row, since, until)) for part in found for row in part]
        calm = [row for row, need in needs if need == "ping"]
        posts = [calm[start : start + POSTS] for start in range(0, len(calm), POSTS)]
        others = [row for part in self.world.parallel([partial(self._ping, part) for part in posts]) for row in part]
        self._visit([row for row, need in needs if need == "visit"] + others)
        return sum(need is not None for _, need in needs)

    def need(self, row: Item, since: int, until: int) -> Need | None:
        """What a connection needs by its row."""
        now = self.world.clock.now_ms()
        if row.get("closing"):
            return "visit"
        if "lease" in row:
            if int(row["until"]) < now:
                return "visit"
            return None if self._due(row, since, until) is None else "ping"
        if rows.expired(row, now):
            return "visit"
        if "call" in row and int(row["call_until"]) < now:
            return "visit"
        unsettled = not row.get("settled") and self.world.settle_ms < now - int(row["opened"]) < YOUNG_MS
        if unsettled or bool(row.get("dirty")) or int(row["notes"]) != int(row.get("seen", 0)):
            return "visit"
        return self._due(row, since, until)

    def _due(self, row: Item, since: int, until: int) -> Need | None:
        """Whether the connection's slot has come, and what for; whoever heard something a moment ago is passed over."""
        period, silent = self.world.ping_ms(row), until - int(row.get("last") or row["opened"])
        slot = crc32(row["pk"].encode()) % period
        if (until - slot) // period <= (since - slot) // period or silent < period // 10:
            return None
        return "visit" if silent >= VISIT * period else "ping"

    def _ping(self, calm: Sequence[Item]) -> list[Item]:
        """Post to each where nothing waits. Returns the others, and those that did not get it for certain."""
        others: list[Item] = []
        for row in calm:
            if rows.brought(row) or self._stored(row["pk"]):
                others.append(row)
                continue
            dialect = self.world.dialects.get(str(row.get("kind")), SYNC)
            outcome = self.world.gateway.post(row["pk"], dialect.ping)
            log_post(row["pk"], outcome)
            if outcome != "ok":
                self.world.mailboxes.mark_closing(row["pk"])
                others.append(row)
        return others

    def waits(self, connection: str) -> bool:
        """Whether a frame or an answer was stored that nobody has taken in."""
        row = self.world.mailboxes.read(connection)
        return (row is not None and bool(rows.brought(row))) or self._stored(connection)

    def _stored(self, connection: str) -> bool:
        store = self.world.store
        return bool(retry_until_done(self.world.clock, lambda: store.query("inbox", connection, limit=1).items))

    def _visit(self, found: Sequence[Item]) -> None:
        """Leave a note: it finds, besides a due ping, frames and answers whose own note was never left."""
        try:
            self.fanout.changed((), [row["pk"] for row in found])
        except Exception:
            logger.exception("not every connection could be looked at")
        # Where there is no lane yet, the visit finds calls that wait.
        waiting = [row["pk"] for row in found if "lease" not in row and not row.get("closing") and rows.has_lane(row)]
        self.world.parallel([partial(self._knock, connection) for connection in waiting])

    def _knock(self, connection: str) -> None:
        try:
            self.lane.wake(connection)
        except Exception:
            logger.exception("%s could not be looked at", connection)

    def _listed(self) -> list[str]:
        found = self.world.parallel([partial(self._bucket, number) for number in range(BUCKETS)])
        return [connection for part in found for connection in part]

    def _bucket(self, number: int) -> list[str]:
        """The connections of one bucket of the directory."""
        store, clock = self.world.store, self.world.clock
        listed = retry_until_done(clock, lambda: store.query("mailboxes", f"bucket-{number}", index=DIRECTORY).items)
        return [each["pk"] for each in listed]

    def _mailboxes(self, connections: Sequence[str]) -> list[Item]:
        """Their mailboxes, read again, because the directory lags behind them."""
        keys = [Key("mailboxes", each) for each in connections]
        found = retry_until_done(self.world.clock, lambda: self.world.store.batch_get(keys))
        return [row for row in found if row is not None and "opened" in row]
