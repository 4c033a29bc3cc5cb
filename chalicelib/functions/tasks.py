"""Tasks, their conversations and their agent runs (seed 001), for who owns them; nobody else learns that they are there."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused, mutation, query
from chalicelib.domain import access
from chalicelib.domain.agent_runs import linking
from chalicelib.domain.replies import hooks as handler
from chalicelib.domain.replies import lifecycle
from chalicelib.functions import working
from chalicelib.functions.working import PROMPTS
from chalicelib.schema import AgentRun, AgentType, ChatSession, Conversation, Run, Task, TaskStatus

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


class AgentRunView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """An agent run. `status` is the document's word (001-U05): aborted and interrupted runs have `failed` there, and why."""

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


@mutation
def create(ctx: MutationCtx, title: Title, description: Text | None = None) -> TaskView:
    """Make a task; it is `pending` until something begins (001-U09)."""
    user = access.signed_in(ctx, "create a task")
    made = Task(id=ctx.new_id("task-"), owner=user.subject, title=title, description=description, updated_at=ctx.now)
    ctx.db.insert(made)
    return _view(made)


@query
def get(ctx: QueryCtx, task_id: Id) -> TaskView | None:
    """One task; null for strangers."""
    task = _found(ctx, task_id)
    return None if task is None else _view(task)


@query
def list_(ctx: QueryCtx, status: TaskStatus | None = None) -> list[TaskView]:
    """The caller's tasks, those that changed last first: the newest 100, of one status or of all."""
    user = access.reader(ctx)
    if user is None:
        return []
    wanted = Task.by_owner(user.subject) if status is None else Task.by_owner_status(user.subject, status)
    found = ctx.db.query(wanted).newest().take(LISTED)
    return [_view(each) for each in sorted(found, key=lambda each: -each.updated_at)]


@mutation
def update(
    ctx: MutationCtx,
    task_id: Id,
    title: Title | None = None,
    description: Text | None = None,
    status: TaskStatus | None = None,
    workflow_complete: bool | None = None,
) -> TaskView:
    """Change a task, field by field. With `workflowComplete` its agents stop following each other (001-U07)."""
    task = owned(ctx, task_id)
    given = {"title": title, "description": description, "status": status, "workflow_complete": workflow_complete}
    return _view(handler.on_task_changed(ctx, task, **{name: value for name, value in given.items() if value is not None}))


@mutation
def delete(ctx: MutationCtx, task_id: Id) -> None:
    """Take a task away, and stop what runs for it. Its conversations stay."""
    task = owned(ctx, task_id)
    running = ctx.db.get(AgentRun, task.running) if task.running else None
    if running is not None:
        _stop(ctx, running)
    ctx.db.delete(task)


@query
def conversations(ctx: QueryCtx, task_id: Id) -> list[TaskConversation]:
    """A task's conversations, newest first: the newest 30 (001-U10). Raises `Refused` to strangers."""
    if _found(ctx, task_id) is None:
        raise _not_found(task_id)
    return conversations_of(ctx, task_id)


# Agent runs -------------------------------------------------------------------------------------------------------------


@mutation
def start_run(
    ctx: MutationCtx,
    task_id: Id,
    type: str,
    message: Annotated[str, Meta(min_length=1, max_length=10_000)] | None = None,
    begin: bool = True,
) -> AgentRunView:
    """Start an agent at a task (001-20, 25): `implementation`, `review` or `planification`. One runs at a time (001-U08).

    Args:
        begin: false: make the run and nothing else. Its caller starts the conversation, with the run's id (001-10), or links
            one; a run that has no reply within a minute has failed.

    Raises:
        Refused: TaskNotFound, UnknownAgentType (001-U04), TaskBusy.
    """
    task = owned(ctx, task_id)
    if type not in PROMPTS:
        raise Refused("UnknownAgentType", f"Unknown agent type: {type}", field="type")
    wanted: Any = type
    if not begin:
        return run_view(working.reserve(ctx, task, wanted))
    return run_view(working.start(ctx, task, wanted, message=message))


@query
def runs(ctx: QueryCtx, task_id: Id) -> list[AgentRunView]:
    """A task's agent runs, newest first: the newest 50. Raises `Refused` to strangers."""
    if _found(ctx, task_id) is None:
        raise _not_found(task_id)
    return runs_of(ctx, task_id)


@query
def get_run(ctx: QueryCtx, agent_run_id: Id) -> AgentRunView | None:
    """One agent run; null for strangers."""
    found = _run(ctx, agent_run_id)
    return None if found is None else run_view(found)


@mutation
def stop_run(ctx: MutationCtx, agent_run_id: Id) -> bool:
    """Stop an agent run with its reply; it ends `aborted`, and nothing follows it. Returns whether it ran."""
    return _stop(ctx, _owned_run(ctx, agent_run_id))


@mutation
def complete_run(ctx: MutationCtx, agent_run_id: Id) -> AgentRunView:
    """Say that a run is complete which has no reply of ours; twice is once (001-U05, U10)."""
    found = _owned_run(ctx, agent_run_id)
    run = ctx.db.get(Run, found.run) if found.run else None
    if run is not None and run.state not in lifecycle.TERMINAL:
        raise Refused("ReplyRunning", "This run's reply is being written; it completes the run, or stop it.")
    return run_view(handler.end_agent_run(ctx, found, "completed") if found.state in ("pending", "running") else found)


@mutation
def link_conversation(ctx: MutationCtx, agent_run_id: Id, conversation_id: Id) -> AgentRunView:
    """Name the conversation of a run that has none (001-U10). Its next reply, or the one that is being written, is the run's."""
    found = _owned_run(ctx, agent_run_id)
    conversation: Conversation | None = ctx.db.query(Conversation.by_conversationId(conversation_id)).unique()
    session = ctx.db.get(ChatSession, conversation.session_id) if conversation and conversation.session_id else None
    if conversation is None or session is None or session.user_id != found.owner:
        raise Refused("ConversationNotFound", f"Conversation {conversation_id} not found")
    return run_view(linking.adopt(ctx, found, conversation))


@mutation
def delete_run(ctx: MutationCtx, agent_run_id: Id) -> None:
    """Forget a run that has ended. Its conversation stays."""
    found = _owned_run(ctx, agent_run_id)
    if found.state in ("pending", "running"):
        raise Refused("RunRunning", "This run is running; stop it first.")
    ctx.db.delete(found)


# For the other modules --------------------------------------------------------------------------------------------------


def owned(ctx: MutationCtx, task_id: str) -> Task:
    """A task for its owner. Raises `Refused` with the sentence of 001-U04."""
    access.signed_in(ctx, "use a task")
    found = _found(ctx, task_id)
    if found is None:
        raise _not_found(task_id)
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


def _stop(ctx: MutationCtx, agent_run: AgentRun) -> bool:
    if agent_run.state not in ("pending", "running"):
        return False
    run = ctx.db.get(Run, agent_run.run) if agent_run.run else None
    if run is not None and run.state not in lifecycle.TERMINAL:
        lifecycle.end_from_outside(ctx, run, "aborted", "stopped")
    else:
        handler.end_agent_run(ctx, agent_run, "aborted", "stopped")
    return True


def _found(ctx: QueryCtx | MutationCtx, task_id: str) -> Task | None:
    user = access.reader(ctx)
    task = ctx.db.get(Task, task_id) if user is not None and task_id else None
    return task if task is not None and (user.is_service or task.owner == user.subject) else None


def _run(ctx: QueryCtx | MutationCtx, agent_run_id: str) -> AgentRun | None:
    user = access.reader(ctx)
    found = ctx.db.get(AgentRun, agent_run_id) if user is not None and agent_run_id else None
    return found if found is not None and (user.is_service or found.owner == user.subject) else None


def _owned_run(ctx: MutationCtx, agent_run_id: str) -> AgentRun:
    access.signed_in(ctx, "use an agent run")
    found = _run(ctx, agent_run_id)
    if found is None:
        raise Refused("AgentRunNotFound", f"Agent run {agent_run_id} not found")
    return found


def _not_found(task_id: str) -> Refused:
    return Refused("TaskNotFound", f"Task {task_id} not found")


def _view(task: Task) -> TaskView:
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
