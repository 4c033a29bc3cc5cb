"""The lifecycle event handler: what follows when a reply begins and when it ends, in one place (001-12…18).

`lifecycle.claim` and `lifecycle.finish` are the only ways in which a reply begins to be written and ends, and they call this, in
the same commit. So an agent run ends with its reply whatever brought the reply to its end: the model, a stop, a dead writer's
sweep, a failure before the first token; and whoever asked for it (001-01, U16).

Nothing is broadcast here: who watches a run, a task or a conversation is told because these rows have changed. Who does not
watch is told by a push message, and this is the one place that asks for them (001-18, U09, U13; `notifications.py`).
"""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx
from chalicelib.functions import notifications
from chalicelib.schema import AgentRun, CronAgent, Run, Status, Task

RESULT_CHARS = 4000
"""So much of what an agent said is kept for who comes after it."""
DONE = "WORKFLOW_COMPLETE"
"""A review whose last line is this word completes the task's workflow (001-U07)."""


def on_streaming_started(ctx: MutationCtx, run: Run) -> None:
    """A reply is being written (001-12): its agent run runs."""
    agent_run = ctx.db.get(AgentRun, run.agent_run) if run.agent_run else None
    if agent_run is not None and agent_run.state == "pending":
        ctx.db.patch(agent_run, state="running", started_at=ctx.now)


def on_streaming_complete(ctx: MutationCtx, run: Run, state: Status, content: str, reason: str | None) -> None:
    """A reply has ended (001-13). Only an agent run that has not ended is changed: completing twice is a no-op (001-U05)."""
    agent_run = ctx.db.get(AgentRun, run.agent_run) if run.agent_run else None
    if agent_run is not None and agent_run.state in ("pending", "running"):
        end_agent_run(ctx, agent_run, state, reason, content)
    elif agent_run is None:
        notifications.ended(ctx, run.user_id, state, run.id)


def on_task_changed(ctx: MutationCtx, task: Task, **changes: Any) -> Task:
    """Change a task. One that begins (pending → in_progress) is told of, because the badge counts it (001-U09)."""
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
    from chalicelib.functions import working

    if task.running == agent_run.id:
        task = ctx.db.patch(task, running=None, updated_at=ctx.now)
    if agent_run.state == "completed" and agent_run.type == "review" and content.rstrip().endswith(DONE):
        task = ctx.db.patch(task, workflow_complete=True, updated_at=ctx.now)
    if agent_run.state == "completed":
        working.follow(ctx, task, agent_run)
