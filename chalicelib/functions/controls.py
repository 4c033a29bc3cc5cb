"""Seed 001's controls of a chat socket: what it subscribes, and stopping, asking, resuming (001-21, U11)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused, mutation, query
from chalicelib.domain import access
from chalicelib.domain.feeds import reply as reply_feed
from chalicelib.domain.feeds import task as task_feed
from chalicelib.domain.rooms import sending
from chalicelib.functions import adapter, tasks
from chalicelib.schema import ChatSession, Conversation

Id = Annotated[str, Meta(max_length=512)]
SUBSCRIBED = 20
"""Sessions, and tasks, that one socket may subscribe."""


class SessionSubscribed(msgspec.Struct, rename="camel", kw_only=True):
    """What a socket hears of from now on. A reply that is being written is told from its beginning (001-U16)."""

    session_id: str
    conversation_id: str
    is_streaming: bool


class TaskSubscribed(msgspec.Struct, rename="camel", kw_only=True):
    """A task as it is when it is subscribed; what changes is told."""

    task_id: str
    conversations: list[tasks.TaskConversation]
    agent_runs: list[tasks.AgentRunView]


class SessionNamed(msgspec.Struct, rename="camel", kw_only=True):
    """A session that is not heard of any more."""

    session_id: str


class TaskNamed(msgspec.Struct, rename="camel", kw_only=True):
    """A task that is not heard of any more."""

    task_id: str


class Aborted(msgspec.Struct, rename="camel", kw_only=True):
    """Whether there was a reply to stop."""

    session_id: str
    success: bool


class SessionStatus(msgspec.Struct, rename="camel", kw_only=True):
    """Whether a reply of a session is being written, or waits."""

    session_id: str
    is_processing: bool


class ActiveSessions(msgspec.Struct, rename="camel", kw_only=True):
    """The caller's replies that are being written."""

    sessions: list[adapter.Active]


@mutation
def subscribe_session(
    ctx: MutationCtx, socket: Id, session_id: Id | None = None, conversation_id: Id | None = None
) -> SessionSubscribed:
    """Hear of a session's replies, of what is being written from its beginning. Subscribing twice is once.

    Raises:
        Refused: SessionNotFound, also to strangers; TooManySubscriptions.
    """
    row = sending.own_socket(ctx, socket)
    session, conversation = _session(ctx, session_id, conversation_id)
    if session.id not in row.sessions:
        _room_for(row.sessions)
        ctx.db.patch(row, sessions={**row.sessions, session.id: reply_feed.place(ctx, conversation)})
    return SessionSubscribed(
        session_id=session.id,
        conversation_id=conversation.conversation_id,
        is_streaming=conversation.active_run is not None,
    )


@mutation
def unsubscribe_session(ctx: MutationCtx, socket: Id, session_id: Id) -> SessionNamed:
    """Hear no more of a session. Its reply goes on: stopping it is another request (001-U11)."""
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
        _room_for(row.tasks)
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
    command: adapter.Content,
    session_id: Id | None = None,
    conversation_id: Id | None = None,
    options: adapter.Options | None = None,
) -> adapter.Begun:
    """Say something in a conversation that is there (001-21); the socket hears the reply.

    Raises:
        Refused: ConversationRequired without one: over a socket none is made (001-U11).
    """
    row = sending.own_socket(ctx, socket)
    if session_id is None and conversation_id is None:
        raise Refused("ConversationRequired", "New conversations must be created via REST: POST /tasks/:id/conversations.")
    session, conversation = _session(ctx, session_id, conversation_id)
    begun = adapter.send_message.handler(ctx, conversation_id=conversation.conversation_id, message=command, options=options)
    if session.id not in row.sessions:
        _room_for(row.sessions)
        now = ctx.db.get(Conversation, conversation.id)
        assert now is not None
        ctx.db.patch(row, sessions={**row.sessions, session.id: reply_feed.place(ctx, now)})
    return begun


@mutation
def abort(ctx: MutationCtx, session_id: Id) -> Aborted:
    """Stop the reply of a session (001-U06): `success` is false for one that is unknown, or quiet."""
    return Aborted(session_id=session_id, success=adapter.abort_session.handler(ctx, session_id=session_id))


@query
def status(ctx: QueryCtx, session_id: Id) -> SessionStatus:
    """Whether a reply of a session is being written."""
    return SessionStatus(session_id=session_id, is_processing=adapter.is_session_active.handler(ctx, session_id=session_id))


@query
def active(ctx: QueryCtx) -> ActiveSessions:
    """The caller's replies that are being written (001-U06)."""
    return ActiveSessions(sessions=adapter.get_active_sessions.handler(ctx))


def _session(ctx: MutationCtx, session_id: str | None, conversation_id: str | None) -> tuple[ChatSession, Conversation]:
    """A session by either of its names, for its readers. Raises `Refused`."""
    if session_id is None and conversation_id:
        named: Conversation | None = ctx.db.query(Conversation.by_conversationId(conversation_id)).unique()
        session_id = named.session_id if named is not None else None
    session = access.readable(ctx, session_id or "")
    conversation = ctx.db.get(Conversation, session.conversation) if session is not None else None
    if session is None or conversation is None:
        raise access.not_found()
    return session, conversation


def _room_for(subscribed: dict[str, Any]) -> None:
    if len(subscribed) >= SUBSCRIBED:
        raise Refused(
            "TooManySubscriptions", f"A socket subscribes {SUBSCRIBED} sessions and {SUBSCRIBED} tasks; unsubscribe one."
        )
