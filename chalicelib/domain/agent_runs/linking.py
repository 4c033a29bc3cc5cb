"""Which agent run a reply is of, in one place, whoever asks for the reply.

An agent run that was made without a reply waits for one: the one that names it (`options.agentRunId`), or the next one in the
conversation that it is linked to, at whichever door that is asked for. So a run ends also when its conversation goes on over a
socket.
"""

from __future__ import annotations

from chalicelib import MutationCtx, Refused
from chalicelib.schema import AgentRun, Conversation, Run, Task


def agent_run_for(ctx: MutationCtx, conversation: Conversation, agent_run_id: str | None) -> AgentRun | None:
    """The agent run of a reply that is asked for now: the named one, else the one that waits for this conversation; or None."""
    if agent_run_id is not None:
        return ctx.db.get(AgentRun, agent_run_id)
    task = ctx.db.get(Task, conversation.task) if conversation.task else None
    found = ctx.db.get(AgentRun, task.running) if task is not None and task.running else None
    return found if found is not None and waits(found) and found.conversation == conversation.conversation_id else None


def waits(agent_run: AgentRun) -> bool:
    """Whether an agent run has no reply yet."""
    return agent_run.state == "pending" and agent_run.run is None


def link(ctx: MutationCtx, agent_run: AgentRun, conversation: Conversation, run: Run | None) -> AgentRun:
    """Tie an agent run to a conversation, and to its reply where there is one.

    Raises:
        Refused: `AlreadyLinkedConflict` where the run has another conversation, or the conversation another task or agent.
    """
    if agent_run.conversation not in (None, conversation.conversation_id):
        raise Refused("AlreadyLinkedConflict", "This run has its conversation already.")
    if conversation.task is None and conversation.cron_agent is None:
        active = ctx.db.get(Run, conversation.active_run) if conversation.active_run else None
        since = active.sequence if active is not None else conversation.message_count + 1
        about_it = {"task": agent_run.task, "cron_agent": agent_run.cron_agent, "linked_from": since}
        conversation = ctx.db.patch(conversation, **about_it)
    if (conversation.task, conversation.cron_agent) != (agent_run.task, agent_run.cron_agent):
        raise Refused("AlreadyLinkedConflict", "This conversation is another task's or agent's.")
    about = {"conversation": conversation.conversation_id, "session_id": conversation.session_id}
    return ctx.db.patch(agent_run, **about, **({"run": run.id} if run is not None else {}))


def adopt(ctx: MutationCtx, agent_run: AgentRun, conversation: Conversation) -> AgentRun:
    """Link a run to a conversation; a reply that is being written there, and is nobody's, is the run's from now on."""
    agent_run = link(ctx, agent_run, conversation, None)
    run = ctx.db.get(Run, conversation.active_run) if conversation.active_run and waits(agent_run) else None
    if run is None or run.agent_run is not None or run.state not in ("pending", "running"):
        return agent_run
    ctx.db.patch(run, agent_run=agent_run.id)
    begun = {"state": "running", "started_at": run.started_at} if run.state == "running" else {}
    return ctx.db.patch(agent_run, run=run.id, **begun)
