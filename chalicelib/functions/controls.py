"""The controls of a chat socket: what it subscribes, and stopping, asking, resuming."""

from __future__ import annotations

from chalicelib import MutationCtx, QueryCtx, Refused, mutation, query
from chalicelib.domain import tasks
from chalicelib.domain.feeds import controls
from chalicelib.domain.feeds import reply as reply_feed
from chalicelib.domain.feeds import task as task_feed
from chalicelib.domain.feeds.controls import (
    Aborted,
    ActiveSessions,
    Id,
    SessionNamed,
    SessionStatus,
    SessionSubscribed,
    TaskNamed,
    TaskSubscribed,
)
from chalicelib.domain.replies import adapter as conversing
from chalicelib.domain.replies import request as replying
from chalicelib.domain.rooms import sending
from chalicelib.functions import adapter
from chalicelib.schema import Conversation


@mutation
def subscribe_session(
    ctx: MutationCtx, socket: Id, session_id: Id | None = None, conversation_id: Id | None = None
) -> SessionSubscribed:
    """Hear of a session's replies, of what is being written from its beginning. Subscribing twice is once.

    Raises:
        Refused: SessionNotFound, also to strangers; TooManySubscriptions.
    """
    row = sending.own_socket(ctx, socket)
    session, conversation = controls.session(ctx, session_id, conversation_id)
    if session.id not in row.sessions:
        controls.room_for(row.sessions)
        ctx.db.patch(row, sessions={**row.sessions, session.id: reply_feed.place(ctx, conversation)})
    return SessionSubscribed(
        session_id=session.id,
        conversation_id=conversation.conversation_id,
        is_streaming=conversation.active_run is not None,
    )


@mutation
def unsubscribe_session(ctx: MutationCtx, socket: Id, session_id: Id) -> SessionNamed:
    """Hear no more of a session. Its reply goes on: stopping it is another request."""
    row = sending.own_socket(ctx, socket)
    ctx.db.patch(row, sessions={each: first for each, first in row.sessions.items() if each != session_id})
    return SessionNamed(session_id=session_id)


@mutation
def subscribe_task(ctx: MutationCtx, socket: Id, task_id: Id) -> TaskSubscribed:
    """Hear of a task's conversations and agent runs. Subscribing twice is once.

    Raises:
        Refused: TaskNotFound, also to strangers; TooManySubscriptions.
    """
    row = sending.own_socket(ctx, socket)
    task = tasks.owned(ctx, task_id)
    if task.id not in row.tasks:
        controls.room_for(row.tasks)
        ctx.db.patch(row, tasks={**row.tasks, task.id: task_feed.known(ctx, task.id)})
    return TaskSubscribed(
        task_id=task.id,
        conversations=tasks.conversations_of(ctx, task.id),
        agent_runs=tasks.runs_of(ctx, task.id),
    )


@mutation
def unsubscribe_task(ctx: MutationCtx, socket: Id, task_id: Id) -> TaskNamed:
    """Hear no more of a task."""
    row = sending.own_socket(ctx, socket)
    ctx.db.patch(row, tasks={each: known for each, known in row.tasks.items() if each != task_id})
    return TaskNamed(task_id=task_id)


@mutation
def command(
    ctx: MutationCtx,
    socket: Id,
    command: replying.Content,
    session_id: Id | None = None,
    conversation_id: Id | None = None,
    options: conversing.Options | None = None,
) -> conversing.Begun:
    """Say something in a conversation that is there; the socket hears the reply.

    Raises:
        Refused: ConversationRequired without one: over a socket none is made.
    """
    row = sending.own_socket(ctx, socket)
    if session_id is None and conversation_id is None:
        raise Refused("ConversationRequired", "New conversations must be created via REST: POST /tasks/:id/conversations.")
    session, conversation = controls.session(ctx, session_id, conversation_id)
    begun = adapter.send_message.handler(ctx, conversation_id=conversation.conversation_id, message=command, options=options)
    if session.id not in row.sessions:
        controls.room_for(row.sessions)
        now = ctx.db.get(Conversation, conversation.id)
        assert now is not None
        ctx.db.patch(row, sessions={**row.sessions, session.id: reply_feed.place(ctx, now)})
    return begun


@mutation
def abort(ctx: MutationCtx, session_id: Id) -> Aborted:
    """Stop the reply of a session: `success` is false for one that is unknown, or quiet."""
    return Aborted(session_id=session_id, success=adapter.abort_session.handler(ctx, session_id=session_id))


@query
def status(ctx: QueryCtx, session_id: Id) -> SessionStatus:
    """Whether a reply of a session is being written."""
    return SessionStatus(session_id=session_id, is_processing=adapter.is_session_active.handler(ctx, session_id=session_id))


@query
def active(ctx: QueryCtx) -> ActiveSessions:
    """The caller's replies that are being written."""
    return ActiveSessions(sessions=adapter.get_active_sessions.handler(ctx))
