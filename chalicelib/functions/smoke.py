"""What `make smoke` has a deployment do."""

from __future__ import annotations

from chalicelib import MutationCtx, internal_mutation


@internal_mutation
def hop(ctx: MutationCtx, left: int) -> None:
    """One of a chain of jobs, each of which schedules the next: more of them than Lambda's recursion detection lets pass."""
    if left > 1:
        ctx.scheduler.run_after(0, hop, left=left - 1)
