"""The controls of a chat socket: what it subscribes, and stopping, asking, resuming."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, Refused
from chalicelib.domain import access, tasks
from chalicelib.domain.replies import adapter
from chalicelib.schema import ChatSession, Conversation

Id = Annotated[str, Meta(max_length=512)]
SUBSCRIBED = 20
"""Sessions, and tasks, that one socket may subscribe."""


class SessionSubscribed(msgspec.Struct, rename="camel", kw_only=True):
    """What a socket hears of from now on. A reply that is being written is told from its beginning."""

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


def session(ctx: MutationCtx, session_id: str | None, conversation_id: str | None) -> tuple[ChatSession, Conversation]:
    """A session by either of its names, for its readers. Raises `Refused`."""
    if session_id is None and conversation_id:
        named: Conversation | None = ctx.db.query(Conversation.by_conversationId(conversation_id)).unique()
        session_id = named.session_id if named is not None else None
    session = access.readable(ctx, session_id or "")
    conversation = ctx.db.get(Conversation, session.conversation) if session is not None else None
    if session is None or conversation is None:
        raise access.not_found()
    return session, conversation


def room_for(subscribed: dict[str, Any]) -> None:
    """Raises `Refused` where a socket has subscribed as many as it can hear of."""
    if len(subscribed) >= SUBSCRIBED:
        raise Refused(
            "TooManySubscriptions", f"A socket subscribes {SUBSCRIBED} sessions and {SUBSCRIBED} tasks; unsubscribe one."
        )
