"""What follows when a reply begins and when it ends: its agent run, its task, its push message.

`lifecycle.claim` and `lifecycle.finish` are the only ways in which a reply begins to be written and ends, and they call this, in
the same commit. So an agent run ends with its reply whatever brought the reply to its end (the model, a stop, a dead writer's
sweep, a failure before the first token) and whoever asked for it.

Nothing is broadcast here: who watches a run, a task or a conversation is told because these rows have changed. Who does not
watch is told by a push message, and this is the one place that asks for them.
"""

from __future__ import annotations

from chalicelib import MutationCtx
from chalicelib.domain import notifications
from chalicelib.domain.agent_runs.ending import end_agent_run
from chalicelib.domain.machines import permissions
from chalicelib.schema import AgentRun, Run, Status


def on_streaming_started(ctx: MutationCtx, run: Run) -> None:
    """A reply is being written: its agent run runs."""
    agent_run = ctx.db.get(AgentRun, run.agent_run) if run.agent_run else None
    if agent_run is not None and agent_run.state == "pending":
        ctx.db.patch(agent_run, state="running", started_at=ctx.now)


def on_streaming_complete(ctx: MutationCtx, run: Run, state: Status, content: str, reason: str | None) -> None:
    """A reply has ended. Only an agent run that has not ended is changed: completing twice is a no-op."""
    if run.asking:
        permissions.cancel(ctx, run)
    agent_run = ctx.db.get(AgentRun, run.agent_run) if run.agent_run else None
    if agent_run is not None and agent_run.state in ("pending", "running"):
        end_agent_run(ctx, agent_run, state, reason, content)
    elif agent_run is None:
        notifications.ended(ctx, run.user_id, state, run.id)
