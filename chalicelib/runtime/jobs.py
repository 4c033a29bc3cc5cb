"""Calls that happen later: rows that commit with the mutation that asked for them.

A job is a document, so it is written, cancelled and finished in ordinary transactions. A job of a mutation takes effect
exactly once: it runs under the job's own commit id and marks the job done in the same commit. A job of an action starts
at most once: the claim (pending → inProgress, with a lease) is a commit of its own, and a claim whose lease ran out is
failed, not repeated.

Two things start a job: the hand-over after the commit, which is fast and may be lost, and the stream of commits, which is
not. Jobs due in more than 15 minutes (the longest delay of a queue) wait for the sweep. Starting a job twice is harmless.

What `scheduler.start` begins has no row: its commit and the stream start it, and the documents that it claims say the rest.
"""

from __future__ import annotations

from typing import Any, Literal

from chalicelib.data.tables import Index, Table

QUEUE_DELAY_MS = 15 * 60 * 1000
"""SQS delays a message by 15 minutes at most."""
KEPT_MS = 7 * 86400 * 1000
"""How long a finished job can be looked up (Convex keeps 7 days)."""

JobState = Literal["pending", "inProgress", "success", "failed", "canceled"]


class Job(Table, name="jobs", ttl="expires_at"):
    """A scheduled call (Convex's `_scheduled_functions`). Times are milliseconds since the epoch."""

    org: str
    path: str
    args: dict[str, Any]
    due: float
    state: JobState = "pending"
    lease_until: float | None = None
    completed_at: float | None = None
    error: str | None = None
    expires_at: float | None = None

    by_state_due = Index("state", order="due", eventual=True, everywhere=True, shards=8, only=("pending", "inProgress", "failed"))
    """Which jobs are due, or were abandoned? Asked by the sweep, over all orgs; and which have failed, by operators."""
