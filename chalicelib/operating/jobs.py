"""Jobs of one org: run one now, or take it back."""

from __future__ import annotations

from chalicelib import MutationCtx, internal_mutation
from chalicelib.data.errors import BadRequest
from chalicelib.runtime.jobs import Job


@internal_mutation
def cancel(ctx: MutationCtx, job_id: str) -> None:
    """Take a job back that has not started; any other is left as it is. Raises `BadRequest` for what is no job's id."""
    ctx.scheduler.cancel(job_id)


@internal_mutation
def run_now(ctx: MutationCtx, job_id: str) -> None:
    """Have a job that waits run at the next sweep: within ten seconds on one machine, within a minute in a stage.

    Raises:
        BadRequest: there is no such job in this org, or it waits no more.
    """
    job = ctx.db.get(Job, job_id)
    if job is None or job.state != "pending":
        raise BadRequest(f"There is no job {job_id!r} that waits in this org.", "JobNotFound")
    ctx.db.patch(job, due=min(job.due, ctx.now))
