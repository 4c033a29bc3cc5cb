"""Tasks on the wire: what is to be done, its conversations and its agent runs, for who owns them."""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx, QueryCtx, Refused, mutation, query
from chalicelib.domain import access, answer_size, quotas, tasks
from chalicelib.domain.agent_runs import ending, linking, starting
from chalicelib.domain.agent_runs.starting import PROMPTS
from chalicelib.domain.replies import lifecycle
from chalicelib.domain.replies import request as replying
from chalicelib.domain.tasks import LISTED, AgentRunView, Id, TaskConversation, TaskView, Text, Title
from chalicelib.schema import AgentRun, ChatSession, Conversation, Run, Task, TaskStatus


@mutation
def create(ctx: MutationCtx, title: Title, description: Text | None = None) -> TaskView:
    """Make a task; it is `pending` until something begins."""
    user = access.signed_in(ctx, "create a task")
    quotas.check(ctx, Task.by_owner(user.subject), "tasks")
    made = Task(id=ctx.new_id("task-"), owner=user.subject, title=title, description=description, updated_at=ctx.now)
    ctx.db.insert(made)
    return tasks.view(made)


@query
def get(ctx: QueryCtx, task_id: Id) -> TaskView | None:
    """One task; null for strangers."""
    task = tasks.find(ctx, task_id)
    return None if task is None else tasks.view(task)


@query
def list_(ctx: QueryCtx, status: TaskStatus | None = None) -> list[TaskView]:
    """The caller's tasks, those that changed last first: the newest 100, of one status or of all.

    Where they are too long together their descriptions are cut (`cut`); `tasks:get` has them whole."""
    user = access.reader(ctx)
    if user is None:
        return []
    wanted = Task.by_owner(user.subject) if status is None else Task.by_owner_status(user.subject, status)
    found = ctx.db.query(wanted).newest().take(LISTED)
    return answer_size.listed([tasks.view(each) for each in sorted(found, key=lambda each: -each.updated_at)])


@mutation
def update(
    ctx: MutationCtx,
    task_id: Id,
    title: Title | None = None,
    description: Text | None = None,
    status: TaskStatus | None = None,
    workflow_complete: bool | None = None,
) -> TaskView:
    """Change a task, field by field. With `workflowComplete` its agents stop following each other."""
    task = tasks.owned(ctx, task_id)
    given = {"title": title, "description": description, "status": status, "workflow_complete": workflow_complete}
    return tasks.view(ending.on_task_changed(ctx, task, **{name: value for name, value in given.items() if value is not None}))


@mutation
def delete(ctx: MutationCtx, task_id: Id) -> None:
    """Take a task away, and stop what runs for it. Its conversations stay."""
    task = tasks.owned(ctx, task_id)
    running = ctx.db.get(AgentRun, task.running) if task.running else None
    if running is not None:
        tasks.stop(ctx, running)
    ctx.db.delete(task)


@query
def conversations(ctx: QueryCtx, task_id: Id) -> list[TaskConversation]:
    """A task's conversations, newest first: the newest 30. Raises `Refused` to strangers."""
    if tasks.find(ctx, task_id) is None:
        raise tasks.not_found(task_id)
    return tasks.conversations_of(ctx, task_id)


# Agent runs -------------------------------------------------------------------------------------------------------------


@mutation
def start_run(
    ctx: MutationCtx,
    task_id: Id,
    type: str,
    message: replying.Content | None = None,
    begin: bool = True,
) -> AgentRunView:
    """Start an agent at a task: `implementation`, `review` or `planification`. One runs at a time.

    Args:
        begin: false: make the run and nothing else. Its caller starts the conversation, with the run's id, or links
            one; a run that has no reply within a minute has failed.

    Raises:
        Refused: TaskNotFound, UnknownAgentType, TaskBusy; MESSAGE_CONTENT_REQUIRED, MESSAGE_TOO_LONG.
    """
    task = tasks.owned(ctx, task_id)
    if type not in PROMPTS:
        raise Refused("UnknownAgentType", f"Unknown agent type: {type}", field="type")
    if message is not None:
        replying.check_content(message)
    wanted: Any = type
    if not begin:
        return tasks.run_view(starting.reserve(ctx, task, wanted))
    return tasks.run_view(starting.start_agent(ctx, task, wanted, message=message))


@query
def runs(ctx: QueryCtx, task_id: Id) -> list[AgentRunView]:
    """A task's agent runs, newest first: the newest 50. Raises `Refused` to strangers."""
    if tasks.find(ctx, task_id) is None:
        raise tasks.not_found(task_id)
    return tasks.runs_of(ctx, task_id)


@query
def get_run(ctx: QueryCtx, agent_run_id: Id) -> AgentRunView | None:
    """One agent run; null for strangers."""
    found = tasks.find_run(ctx, agent_run_id)
    return None if found is None else tasks.run_view(found)


@mutation
def stop_run(ctx: MutationCtx, agent_run_id: Id) -> bool:
    """Stop an agent run with its reply; it ends `aborted`, and nothing follows it. Returns whether it ran."""
    return tasks.stop(ctx, tasks.owned_run(ctx, agent_run_id))


@mutation
def complete_run(ctx: MutationCtx, agent_run_id: Id) -> AgentRunView:
    """Say that a run is complete which has no reply of ours; twice is once."""
    found = tasks.owned_run(ctx, agent_run_id)
    run = ctx.db.get(Run, found.run) if found.run else None
    if run is not None and run.state not in lifecycle.TERMINAL:
        raise Refused("ReplyRunning", "This run's reply is being written; it completes the run, or stop it.")
    return tasks.run_view(ending.end_agent_run(ctx, found, "completed") if found.state in ("pending", "running") else found)


@mutation
def link_conversation(ctx: MutationCtx, agent_run_id: Id, conversation_id: Id) -> AgentRunView:
    """Name the conversation of a run that has none. Its next reply, or the one that is being written, is the run's."""
    found = tasks.owned_run(ctx, agent_run_id)
    conversation: Conversation | None = ctx.db.query(Conversation.by_conversationId(conversation_id)).unique()
    session = ctx.db.get(ChatSession, conversation.session_id) if conversation and conversation.session_id else None
    if conversation is None or session is None or session.user_id != found.owner:
        raise Refused("ConversationNotFound", f"Conversation {conversation_id} not found")
    return tasks.run_view(linking.adopt(ctx, found, conversation))


@mutation
def delete_run(ctx: MutationCtx, agent_run_id: Id) -> None:
    """Forget a run that has ended. Its conversation stays."""
    found = tasks.owned_run(ctx, agent_run_id)
    if found.state in ("pending", "running"):
        raise Refused("RunRunning", "This run is running; stop it first.")
    ctx.db.delete(found)
