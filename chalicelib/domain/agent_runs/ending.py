"""How an agent run ends, and what follows it: its task is free again, may be complete, and may go on.

Implementation and review take turns. A run that ends by itself is followed by the other type a second later, if the task is still
there, is not complete, and nothing else runs; `working:chain` asks this again in the commit that starts it.
"""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx
from chalicelib.domain import notifications
from chalicelib.schema import WORKFLOW_COMPLETE, AgentRun, AgentType, CronAgent, Status, Task

RESULT_CHARS = 4000
"""So much of what an agent said is kept for who comes after it."""
CHAIN_MS = 1_000
MOST_ROUNDS = 20
"""Runs that follow one another by themselves; after that a person starts the next one."""
NEXT: dict[str, AgentType] = {"implementation": "review", "review": "implementation"}


def on_task_changed(ctx: MutationCtx, task: Task, **changes: Any) -> Task:
    """Change a task. One that begins (pending → in_progress) is told of, because the badge counts it."""
    begins = task.status == "pending" and changes.get("status") == "in_progress"
    task = ctx.db.patch(task, updated_at=ctx.now, **changes)
    if begins:
        notifications.begun(ctx, task)
    return task


def end_agent_run(ctx: MutationCtx, agent_run: AgentRun, state: Status, reason: str | None = None, content: str = "") -> AgentRun:
    """Bring an agent run to its end: its state, its task or cron agent that is free again, what follows it, and who is told."""
    agent_run = ctx.db.patch(
        agent_run, state=state, reason=reason, ended_at=ctx.now, result=content[:RESULT_CHARS] or None, lease_until=ctx.now
    )
    cron = ctx.db.get(CronAgent, agent_run.cron_agent) if agent_run.cron_agent else None
    if cron is not None and cron.running == agent_run.id:
        ctx.db.patch(cron, running=None)
    task = ctx.db.get(Task, agent_run.task) if agent_run.task else None
    if task is not None:
        _free(ctx, task, agent_run, content)
    notifications.ended(ctx, agent_run.owner, state, agent_run.run, agent_run)
    return agent_run


def _free(ctx: MutationCtx, task: Task, agent_run: AgentRun, content: str) -> None:
    """A task's agent run has ended: the task is free, may be complete, and may go on."""
    if task.running == agent_run.id:
        task = ctx.db.patch(task, running=None, updated_at=ctx.now)
    if agent_run.state == "completed" and agent_run.type == "review" and content.rstrip().endswith(WORKFLOW_COMPLETE):
        task = ctx.db.patch(task, workflow_complete=True, updated_at=ctx.now)
    if agent_run.state == "completed":
        follow(ctx, task, agent_run)


def follow(ctx: MutationCtx, task: Task, ended: AgentRun) -> None:
    """What comes after a completed run: the other type, a second later. Planification is followed by nothing."""
    if ended.type in NEXT and not task.workflow_complete and task.rounds < MOST_ROUNDS:
        ctx.scheduler.run_after(CHAIN_MS, "working:chain", task_id=task.id, after=ended.id)
