"""How an agent run starts: one at a time per task or cron agent, with a conversation of its own.

A task's row names its running run, so that a second start is refused by the commit itself.
"""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx, Refused
from chalicelib.domain import budget
from chalicelib.domain.agent_runs.ending import on_task_changed
from chalicelib.domain.conversations.opening import open_conversation
from chalicelib.domain.replies import request as replying
from chalicelib.schema import WORKFLOW_COMPLETE, AgentRun, AgentType, Conversation, CronAgent, Image, Task

STUCK_MS = 60_000
"""An agent run without a reply for so long was never given one."""
PROMPTS: dict[str, str] = {
    "implementation": "You implement a task of a software project. Do what it asks; say what you did and what is left.",
    "review": (
        "You review what was implemented for a task of a software project. Name what is wrong or missing, each with its place "
        f"and a way to put it right. If nothing is, let your last line be {WORKFLOW_COMPLETE}."
    ),
    "planification": "You plan a task of a software project: its steps in order, and how each is checked. Implement nothing.",
}
"""The instruction of each type of agent."""


def start_agent(
    ctx: MutationCtx,
    task: Task,
    type_: AgentType,
    triggered_by: Any = "manual",
    message: str | None = None,
    before: str | None = None,
) -> AgentRun:
    """Start an agent at a task: a run, a conversation with the agent's instruction, its message and the reply, in one commit.

    Raises:
        Refused: `TaskBusy` while another run runs, or what the budget says.
    """
    _must_be_free(ctx, task)
    budget.check(ctx)
    text = _message(task, type_, before) if message is None else message
    agent_run = new_run(ctx, owner=task.owner, task=task.id, type=type_, triggered_by=triggered_by)
    agent_run = _converse(ctx, agent_run, PROMPTS[type_], text, f"{type_.title()}: {task.title}", task=task.id)
    rounds = task.rounds + 1 if triggered_by == "chain" else 0
    on_task_changed(ctx, task, running=agent_run.id, rounds=rounds, status=_begun(task))
    return agent_run


def reserve(ctx: MutationCtx, task: Task, type_: AgentType) -> AgentRun:
    """An agent run whose reply its caller asks for: with its id, or in a conversation that is linked to it.

    One that was given none within a minute has failed. Raises `Refused`: `TaskBusy`.
    """
    _must_be_free(ctx, task)
    agent_run = new_run(ctx, owner=task.owner, task=task.id, type=type_, triggered_by="manual")
    on_task_changed(ctx, task, running=agent_run.id, rounds=0, status=_begun(task))
    return agent_run


def _must_be_free(ctx: MutationCtx, task: Task) -> None:
    running = ctx.db.get(AgentRun, task.running) if task.running else None
    if running is not None and running.state in ("pending", "running"):
        raise Refused("TaskBusy", "An agent run of this task is running; wait for it, or stop it.")


def start_cron(ctx: MutationCtx, agent: CronAgent, triggered_by: Any) -> AgentRun:
    """Run a cron agent. Raises `Refused`: `AgentBusy`, or what the budget says."""
    running = ctx.db.get(AgentRun, agent.running) if agent.running else None
    if running is not None and running.state in ("pending", "running"):
        raise Refused("AgentBusy", "This agent is running; wait for it, or stop it.")
    budget.check(ctx)
    agent_run = new_run(ctx, owner=agent.owner, cron_agent=agent.id, triggered_by=triggered_by)
    agent_run = _converse(ctx, agent_run, None, agent.prompt, agent.name, model=agent.model, cron_agent=agent.id)
    ctx.db.patch(agent, running=agent_run.id, last_run_at=ctx.now)
    return agent_run


def mark_begun(ctx: MutationCtx, task_id: str) -> None:
    """A conversation or a run of a task has begun: it is in progress."""
    task = ctx.db.get(Task, task_id)
    if task is not None and task.status == "pending":
        on_task_changed(ctx, task, status=_begun(task))


def _begun(task: Task) -> Any:
    return "in_progress" if task.status == "pending" else task.status


def new_run(ctx: MutationCtx, **about: Any) -> AgentRun:
    """Write an agent run that waits for its reply."""
    made = AgentRun(id=ctx.new_id("arun-"), org=ctx.org, lease_until=ctx.now + STUCK_MS, **about)
    ctx.db.insert(made)
    return made


def _converse(
    ctx: MutationCtx, agent_run: AgentRun, instruction: str | None, text: str, name: str, model: str | None = None, **about: str
) -> AgentRun:
    configured = {"system_prompt": instruction, "name": name[:200]}
    session = open_conversation(ctx, agent_run.owner, responder="model", model=model, configured=configured, name=name[:50])
    conversation, image = ctx.db.get(Conversation, session.conversation), ctx.db.get(Image, session.image_id)
    assert conversation is not None
    assert image is not None
    conversation, _ = replying.say(ctx, session, ctx.db.patch(conversation, **about), text, image.model)
    replying.reply(ctx, conversation, session, image.model, agent_run_id=agent_run.id)
    linked = ctx.db.get(AgentRun, agent_run.id)
    assert linked is not None
    return linked


def _message(task: Task, type_: str, before: str | None) -> str:
    parts = [f"# {task.title}", task.description or ""]
    if before:
        what = "What the review found" if type_ == "implementation" else "What was done"
        parts.append(f"## {what}\n\n{before}")
    return "\n\n".join(each for each in parts if each)[:10_000]
