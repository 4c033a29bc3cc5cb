"""What is measured while it happens: names and numbers, never content. The engine says it here and knows no one who listens.

In Lambda `aws/telemetry.py` makes metrics of it; on a laptop nobody listens and it costs a look at a level.

| name | unit | what |
|---|---|---|
| CommitRetries | count | a mutation was run again; by table |
| FunctionFaults | count | a function failed in a way that is no refusal; by kind (query, mutation, action, job, sweep …) |
| StoreRefused | count | the store refused a request for good (no permission, no table, expired credentials); by code |
| StoreThrottled | count | the store took no more: a table, one of its indexes or the account |
| FanOutConnections | count | connections that a change reached |
| FanOutLag | ms | from a commit to its fan-out |
| Posts | count | messages to sockets, by outcome (ok, gone, unknown, too_large) |
| FailedPosts | count | those of them that nobody knows the fate of, or that were too large |
| ExpiredLeases | count | holders that were found dead or frozen |
| OrphanRuns | count | replies whose writer let its lease pass; told at every sweep in the cloud, zero too |
| IndexLag | ms | from a write to its appearance in an index; measured once a minute by a row that is there for it |
| FirstToken | ms | from the asking to the first chunk of a reply; by model |
| ReplyTokens | count | what a reply cost; its org is written beside it, not a dimension (each value of one is paid as a metric) |
"""

from __future__ import annotations

import logging

LISTENED = logging.getLogger("concave.meters")
LISTENED.propagate = False
LISTENED.setLevel(logging.CRITICAL)  # a listener lowers it


def measure(name: str, value: float = 1, unit: str = "Count", org: str = "", **by: str) -> None:
    """Say that something has happened, or how long it took.

    Args:
        org: whose it was; for looking it up in the log.
        by: the one dimension that it is told apart by: of few values.
    """
    if LISTENED.isEnabledFor(logging.DEBUG):
        LISTENED.debug(name, extra={"meter": (name, value, unit, org, by)})
