"""What an owner sees of a task, its conversations and its agent runs; nobody else learns that they are there."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain import access
from chalicelib.domain.agent_runs import ending
from chalicelib.domain.replies import lifecycle
from chalicelib.schema import AgentRun, AgentType, Conversation, Run, Task, TaskStatus

Id = Annotated[str, Meta(max_length=512)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
Text = Annotated[str, Meta(max_length=8000)]
LISTED = 100
RUNS = 50
DoorState = Literal["pending", "running", "completed", "failed"]


class TaskView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A task. Times are milliseconds since the epoch."""

    id: str = msgspec.field(name="_id")
    task_id: str
    title: str
    description: str | None = None
    status: TaskStatus
    workflow_complete: bool
    running: str | None = None
    """The agent run that runs."""
    created_at: float
    updated_at: float
    cut: list[str] | None = None
    """Fields that are too long for the list; `tasks:get` has them whole."""


class AgentRunView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """An agent run. `status` is the document's word: aborted and interrupted runs have `failed` there, and why."""

    id: str = msgspec.field(name="_id")
    agent_run_id: str
    task_id: str | None = None
    agent_id: str | None = None
    agent_type: AgentType | None = None
    status: DoorState
    state: Literal["pending", "running", "completed", "failed", "aborted", "interrupted"]
    conversation_id: str | None = None
    session_id: str | None = None
    triggered_by: Literal["manual", "chain", "cron"]
    reason: str | None = None
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None


class TaskConversation(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A conversation of a task."""

    conversation_id: str
    session_id: str
    title: str
    active: bool
    """A reply is being written."""
    created_at: float
    updated_at: float


# For the other modules --------------------------------------------------------------------------------------------------


def owned(ctx: MutationCtx, task_id: str) -> Task:
    """A task for its owner. Raises `Refused` with its document's sentence."""
    access.signed_in(ctx, "use a task")
    found = find(ctx, task_id)
    if found is None:
        raise not_found(task_id)
    return found


def conversations_of(ctx: QueryCtx | MutationCtx, task_id: str) -> list[TaskConversation]:
    """The views of a task's newest conversations."""
    return [conversation_view(each) for each in ctx.db.query(Conversation.by_task(task_id)).newest().take(30)]


def runs_of(ctx: QueryCtx | MutationCtx, task_id: str) -> list[AgentRunView]:
    """The views of a task's newest agent runs."""
    return [run_view(each) for each in ctx.db.query(AgentRun.by_task(task_id)).newest().take(RUNS)]


def conversation_view(conversation: Conversation) -> TaskConversation:
    """A task's conversation → what its owner sees."""
    return TaskConversation(
        conversation_id=conversation.conversation_id,
        session_id=conversation.session_id or "",
        title=conversation.title or "New Chat",
        active=conversation.active_run is not None,
        created_at=conversation.creation_time,
        updated_at=conversation.updated_at,
    )


def run_view(run: AgentRun) -> AgentRunView:
    """An agent run's document → what its owner sees."""
    status: Any = "failed" if run.state in ("aborted", "interrupted") else run.state
    return AgentRunView(
        id=run.id,
        agent_run_id=run.id,
        task_id=run.task,
        agent_id=run.cron_agent,
        agent_type=run.type,
        status=status,
        state=run.state,
        conversation_id=run.conversation,
        session_id=run.session_id,
        triggered_by=run.triggered_by,
        reason=run.reason,
        created_at=run.creation_time,
        started_at=run.started_at,
        ended_at=run.ended_at,
    )


def stop(ctx: MutationCtx, agent_run: AgentRun) -> bool:
    """Stop an agent run. Returns whether it was running."""
    if agent_run.state not in ("pending", "running"):
        return False
    run = ctx.db.get(Run, agent_run.run) if agent_run.run else None
    if run is not None and run.state not in lifecycle.TERMINAL:
        lifecycle.end_from_outside(ctx, run, "aborted", "stopped")
    else:
        ending.end_agent_run(ctx, agent_run, "aborted", "stopped")
    return True


def find(ctx: QueryCtx | MutationCtx, task_id: str) -> Task | None:
    """A task of the caller's, or None."""
    user = access.reader(ctx)
    task = ctx.db.get(Task, task_id) if user is not None and task_id else None
    return task if task is not None and (user.is_service or task.owner == user.subject) else None


def find_run(ctx: QueryCtx | MutationCtx, agent_run_id: str) -> AgentRun | None:
    """An agent run of the caller's, or None."""
    user = access.reader(ctx)
    found = ctx.db.get(AgentRun, agent_run_id) if user is not None and agent_run_id else None
    return found if found is not None and (user.is_service or found.owner == user.subject) else None


def owned_run(ctx: MutationCtx, agent_run_id: str) -> AgentRun:
    """An agent run for its owner. Raises `Refused`: AgentRunNotFound."""
    access.signed_in(ctx, "use an agent run")
    found = find_run(ctx, agent_run_id)
    if found is None:
        raise Refused("AgentRunNotFound", f"Agent run {agent_run_id} not found")
    return found


def not_found(task_id: str) -> Refused:
    """The answer to strangers."""
    return Refused("TaskNotFound", f"Task {task_id} not found")


def view(task: Task) -> TaskView:
    """A task's document → what its owner sees."""
    return TaskView(
        id=task.id,
        task_id=task.id,
        title=task.title,
        description=task.description,
        status=task.status,
        workflow_complete=task.workflow_complete,
        running=task.running,
        created_at=task.creation_time,
        updated_at=task.updated_at,
    )
