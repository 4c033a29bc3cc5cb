"""What the cloud's alarms need to be told: counts in log lines, which metric filters of the template turn into metrics."""

from __future__ import annotations

import logging
from typing import Any

from chalicelib.data.tables import TABLES

log = logging.getLogger("concave")

OVERDUE_MS = 120_000
"""A run reaches its end within its lease and a minute (invariant 7). This long after the lease something is wrong."""


def overdue(executor: Any) -> None:
    """A sweep that only looks: how many runs should have ended long ago. Says nothing where there are no runs."""
    runs = TABLES.get("runs")
    index = runs.indexes.get("by_state_lease") if runs else None
    if index is not None:
        late = executor.listed(index, ("running",), executor.clock.now_ms() - OVERDUE_MS, 100)
        if late:
            log.warning("runs overdue", extra={"overdue": len(late)})
