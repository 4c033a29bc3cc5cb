"""What is told of a post, whatever came of it: a metric, and a line with the request that it is about."""

from __future__ import annotations

import logging

from chalicelib.data.meters import measure
from chalicelib.data.trace import current

logger = logging.getLogger("concave")


def log_post(connection: str, outcome: str) -> None:
    """Say that a message was posted. The line is for debugging where all went well: a fan-out counts those in one line."""
    measure("Posts", outcome=outcome)
    about = {"quiet": True, "connection_id": connection, "outcome": outcome, "trace": current()}
    logger.log(logging.DEBUG if outcome == "ok" else logging.INFO, "posted", extra=about)
