"""What the process of a server holds in memory for its sockets: for tests that look whether anything of a client stays."""

import gc
import sys
import threading
from collections import Counter

from chalicelib import QueryCtx, query, wiring
from infra.local.running import LOADING

POOLS = ("lambda_", "owner_", "asyncio_")
"""Names of threads that wait for more work: pools grow to their bounds and stay."""
OURS = ("chalicelib.", "infra.", "uvicorn.", "websockets.", "builtins.coroutine", "_asyncio.")
"""Whose objects are counted. (An event loop forgets timers that were called off when it has time for that.)"""


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


@query
def objects(ctx: QueryCtx) -> dict[str, int]:
    """How many objects of this project's classes and of its server's the process has, by class; coroutines and tasks, too."""
    gc.collect()
    kinds = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    return {kind.replace(".", "/"): count for kind, count in kinds.items() if kind.startswith(OURS)}


@query
def ready(ctx: QueryCtx) -> bool:
    """Whether the model's SDK, some 50 MB, is loaded: that is begun when the server answers already."""
    return "anthropic" in sys.modules and all(each.name != LOADING for each in threading.enumerate())
