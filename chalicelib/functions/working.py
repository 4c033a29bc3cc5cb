"""Agent runs after their start: implementation and review take turns until all is done, and what got stuck is repaired.

What cannot be started is recorded as a failed run, and so is what never got a reply.
"""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx, Refused, internal_mutation, sweep
from chalicelib.domain.agent_runs.ending import NEXT, end_agent_run
from chalicelib.domain.agent_runs.starting import STUCK_MS, new_run, start_agent
from chalicelib.domain.replies import lifecycle
from chalicelib.schema import AgentRun, Run, Task


@internal_mutation
def chain(ctx: MutationCtx, task_id: str, after: str) -> None:
    """Start the run that follows another, if that is still wanted."""
    task, ended = ctx.db.get(Task, task_id), ctx.db.get(AgentRun, after)
    if task is None or ended is None or ended.type is None or task.workflow_complete or task.running is not None:
        return
    try:
        start_agent(ctx, task, NEXT[ended.type], "chain", before=ended.result)
    except Refused as refused:  # it is raised before anything is written
        failed = new_run(ctx, owner=task.owner, task=task.id, type=NEXT[ended.type], triggered_by="chain")
        end_agent_run(ctx, failed, "failed", refused.tag)


@internal_mutation
def recover(ctx: MutationCtx, agent_run_id: str) -> None:
    """An agent run whose reply is over, gone, or was never asked for, ends as that did."""
    agent_run = ctx.db.get(AgentRun, agent_run_id)
    if agent_run is None or agent_run.state not in ("pending", "running"):
        return
    run = ctx.db.get(Run, agent_run.run) if agent_run.run else None
    if run is not None and run.state not in lifecycle.TERMINAL:
        ctx.db.patch(agent_run, lease_until=ctx.now + STUCK_MS)
    elif run is not None:
        state: Any = run.state
        end_agent_run(ctx, agent_run, state, run.reason)
    else:
        end_agent_run(ctx, agent_run, "failed", "it never got a reply")


@sweep
def repair(executor: Any) -> None:
    """Agent runs that nothing brings to an end: over all orgs."""
    for state in ("pending", "running"):
        for item in executor.listed(AgentRun.by_state_lease, (state,), executor.clock.now_ms()):
            executor.repair(item["org"], recover, agent_run_id=item["_id"])
