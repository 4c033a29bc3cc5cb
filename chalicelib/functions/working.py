"""Agent runs: one at a time per task, implementation ↔ review until the workflow is complete, repaired when stuck (001-U05…U09).

A task's row names its running run, so that a second start is refused by the commit itself (001-U08). A run that ends by itself is
followed by the other type a second later, if the task is still there, is not complete, and nothing else runs; this is asked again
in the commit that would start it. What cannot be started is recorded as a failed run (001-U07), and so is what never got a reply.
"""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx, Refused, internal_mutation, sweep
from chalicelib.domain import budget
from chalicelib.domain.conversations.opening import open_conversation
from chalicelib.domain.replies import hooks as handler
from chalicelib.domain.replies import lifecycle
from chalicelib.domain.replies import request as replying
from chalicelib.schema import AgentRun, AgentType, Conversation, CronAgent, Image, Run, Task

CHAIN_MS = 1_000
MOST_ROUNDS = 20
"""Runs that follow one another by themselves; after that a person starts the next one."""
STUCK_MS = 60_000
"""An agent run without a reply for so long was never given one."""
PROMPTS: dict[str, str] = {
    "implementation": "You implement a task of a software project. Do what it asks; say what you did and what is left.",
    "review": (
        "You review what was implemented for a task of a software project. Name what is wrong or missing, each with its place "
        f"and a way to put it right. If nothing is, let your last line be {handler.DONE}."
    ),
    "planification": "You plan a task of a software project: its steps in order, and how each is checked. Implement nothing.",
}
"""The instruction of each type of agent."""
NEXT: dict[str, AgentType] = {"implementation": "review", "review": "implementation"}


def start(
    ctx: MutationCtx,
    task: Task,
    type_: AgentType,
    triggered_by: Any = "manual",
    message: str | None = None,
    before: str | None = None,
) -> AgentRun:
    """Start an agent at a task: a run, a conversation with the agent's instruction, its message and the reply, in one commit.

    Raises:
        Refused: `TaskBusy` while another run runs (001-U08), or what the budget says.
    """
    _must_be_free(ctx, task)
    budget.check(ctx)
    text = message or _message(task, type_, before)
    agent_run = _new(ctx, owner=task.owner, task=task.id, type=type_, triggered_by=triggered_by)
    agent_run = _converse(ctx, agent_run, PROMPTS[type_], text, f"{type_.title()}: {task.title}", task=task.id)
    rounds = task.rounds + 1 if triggered_by == "chain" else 0
    handler.on_task_changed(ctx, task, running=agent_run.id, rounds=rounds, status=_begun(task))
    return agent_run


def reserve(ctx: MutationCtx, task: Task, type_: AgentType) -> AgentRun:
    """An agent run whose reply its caller asks for (001-03, 10): with its id, or in a conversation that is linked to it.

    One that was given none within a minute has failed. Raises `Refused`: `TaskBusy`.
    """
    _must_be_free(ctx, task)
    agent_run = _new(ctx, owner=task.owner, task=task.id, type=type_, triggered_by="manual")
    handler.on_task_changed(ctx, task, running=agent_run.id, rounds=0, status=_begun(task))
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
    agent_run = _new(ctx, owner=agent.owner, cron_agent=agent.id, triggered_by=triggered_by)
    agent_run = _converse(ctx, agent_run, None, agent.prompt, agent.name, model=agent.model, cron_agent=agent.id)
    ctx.db.patch(agent, running=agent_run.id, last_run_at=ctx.now)
    return agent_run


def follow(ctx: MutationCtx, task: Task, ended: AgentRun) -> None:
    """What comes after a completed run: the other type, a second later. Planification is followed by nothing (001-U07)."""
    if ended.type in NEXT and not task.workflow_complete and task.rounds < MOST_ROUNDS:
        ctx.scheduler.run_after(CHAIN_MS, chain, task_id=task.id, after=ended.id)


@internal_mutation
def chain(ctx: MutationCtx, task_id: str, after: str) -> None:
    """Start the run that follows another, if that is still wanted."""
    task, ended = ctx.db.get(Task, task_id), ctx.db.get(AgentRun, after)
    if task is None or ended is None or ended.type is None or task.workflow_complete or task.running is not None:
        return
    try:
        start(ctx, task, NEXT[ended.type], "chain", before=ended.result)
    except Refused as refused:  # it is raised before anything is written
        failed = _new(ctx, owner=task.owner, task=task.id, type=NEXT[ended.type], triggered_by="chain")
        handler.end_agent_run(ctx, failed, "failed", refused.tag)


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
        handler.end_agent_run(ctx, agent_run, state, run.reason)
    else:
        handler.end_agent_run(ctx, agent_run, "failed", "it never got a reply")


@sweep
def repair(executor: Any) -> None:
    """Agent runs that nothing brings to an end: over all orgs (001-U08, U16)."""
    for state in ("pending", "running"):
        for item in executor.listed(AgentRun.by_state_lease, (state,), executor.clock.now_ms()):
            executor.repair(item["org"], recover, agent_run_id=item["_id"])


def begun(ctx: MutationCtx, task_id: str) -> None:
    """A conversation or a run of a task has begun: it is in progress (001-U09)."""
    task = ctx.db.get(Task, task_id)
    if task is not None and task.status == "pending":
        handler.on_task_changed(ctx, task, status=_begun(task))


def _begun(task: Task) -> Any:
    return "in_progress" if task.status == "pending" else task.status


def _new(ctx: MutationCtx, **about: Any) -> AgentRun:
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
