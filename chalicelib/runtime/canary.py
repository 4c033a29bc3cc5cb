"""How far behind an index is: a row is written, and looked for. DynamoDB has no metric of it.

Reads do not depend on it (`data/ranges.py`: a fence and fresh rows make every read exact), but a lag of more than an hour
would harm them, because fresh rows live so long; and a sweep finds what it looks for only when an index shows it.

Once a minute a row is written to a table with one index, and looked for at once, for a second. One that is not there by then
is measured at the sweeps that follow, by its age, until it appears; no other is written meanwhile. So a lag is never told as
shorter than it is known to be, and never as zero because nobody looked.
"""

from __future__ import annotations

from typing import Any

from chalicelib.data.meters import measure
from chalicelib.data.tables import Index, Table

ORG, SERIES = "_system", "written"
EVERY_MS = 60_000
PATIENCE_MS = 1_000
"""So long a sweep waits for its own row: a Lambda function is paid while it waits."""
LIFE_MS = 4 * 3600 * 1000
"""Longer than a lag that does harm."""


class Canary(Table, name="canaries", key=("series", "minute"), ttl="expires_at"):
    """A row that is written to see when the index shows it."""

    series: str
    minute: int
    written: float
    expires_at: float

    by_series = Index("series", order="written", eventual=True, everywhere=True)
    """Which does the index show? Asked by the sweep."""


def index_lag(executor: Any) -> None:
    """A sweep that only looks: measures `IndexLag` in milliseconds."""
    now = executor.clock.now_ms()
    rows = executor.store.query(Canary.table_name, Canary.log(SERIES).address(ORG), newest=True, limit=1).items
    last = float(rows[0]["written"]) if rows else 0.0
    if not _shows(executor, last):
        measure("IndexLag", now - last, "Milliseconds")
    elif now - last >= EVERY_MS:
        row = Canary(series=SERIES, minute=int(now // EVERY_MS), written=float(now), expires_at=now + LIFE_MS)
        if executor.append(ORG, row) and _waited_for(executor, row.written):
            measure("IndexLag", executor.clock.now_ms() - row.written, "Milliseconds")


def _waited_for(executor: Any, written: float) -> bool:
    pause_s = 0.01
    while not _shows(executor, written):
        if executor.clock.now_ms() - written > PATIENCE_MS:
            return False
        executor.clock.sleep(pause_s)
        pause_s *= 2
    return True


def _shows(executor: Any, written: float) -> bool:
    """Whether the index shows what was written then, or anything later."""
    if not written:
        return True
    wanted = Canary.by_series(SERIES)
    low, high = wanted.at_least(written).bounds()
    address = wanted.address(ORG)
    shown = executor.store.query(Canary.table_name, address, low=low, high=high, limit=1, index=Canary.by_series.name)
    return bool(shown.items)
