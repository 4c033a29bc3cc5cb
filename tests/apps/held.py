"""What the process of a server holds in memory for its sockets: for tests that look whether anything of a client stays."""

import threading

from chalicelib import QueryCtx, query, wiring

POOLS = ("lambda_", "owner_", "asyncio_")
"""Names of threads that wait for more work: pools grow to their bounds and stay."""


@query
def held(ctx: QueryCtx) -> dict[str, int]:
    """Counts of an owner of sockets; of a process that keeps its sockets in rows, only its threads (pools' aside)."""
    counts = {"threads": sum(not each.name.startswith(POOLS) for each in threading.enumerate())}
    owner = wiring.backend().owner
    if owner is None:
        return counts
    with owner.held.lock:
        queries = owner.held.queries
        counts |= {
            "sockets": len(owner.held.sockets),
            "queries": len(queries.by_key),
            "watches": len(queries.watches),
            "stale queries": len(queries.stale),
            "sockets with news": len(owner.held.news),
        }
    return counts
