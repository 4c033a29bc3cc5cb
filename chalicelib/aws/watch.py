"""What the cloud's alarms need to be told: counts in log lines, which metric filters of the template turn into metrics."""

from __future__ import annotations

import logging
from typing import Any

from chalicelib.data import mount
from chalicelib.data.meters import measure
from chalicelib.data.tables import TABLES

log = logging.getLogger("concave")

OVERDUE_MS = 120_000
"""A run reaches its end within its lease and a minute (invariant 7). This long after the lease something is wrong."""


def overdue(executor: Any) -> None:
    """A sweep that only looks, before others put right what they find. Says nothing where there are no runs.

    `OrphanRuns` are runs whose lease ran out: the same sweep ends them. Those that should have ended long ago are logged.
    """
    runs = TABLES.get(mount.table("runs", "chalicelib.schema.log"))
    index = runs.indexes.get("by_state_lease") if runs else None
    if index is not None:
        now = executor.clock.now_ms()
        orphans = executor.listed(index, ("running",), now, 100)
        measure("OrphanRuns", len(orphans))
        late = [each for each in orphans if float(each["leaseUntil"]) <= now - OVERDUE_MS]
        if late:
            log.warning("runs overdue", extra={"overdue": len(late)})
