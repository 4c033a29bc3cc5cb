"""The conversation adapter on the wire: the ways in which a conversation is started or resumed.

Whichever is called, the message goes through `replies/request.py`, the reply through `replies/lifecycle.py`, and what follows
it through `replies/hooks.py`: there is no second path.
"""

from __future__ import annotations

from typing import Literal

from chalicelib import MutationCtx, QueryCtx, Refused, internal_mutation, mutation, query
from chalicelib.domain import access, tasks
from chalicelib.domain.agent_runs.starting import PROMPTS
from chalicelib.domain.replies import activity
from chalicelib.domain.replies import adapter as conversing
from chalicelib.domain.replies import options as reply_options
from chalicelib.domain.replies import request as replying
from chalicelib.domain.replies.adapter import STOPPED_AMONG, STOPPED_AT_ONCE, Active, Begun, Id, Linked, Options
from chalicelib.schema import ChatSession, Conversation, CronAgent, Image, Run


@mutation
def start_conversation(
    ctx: MutationCtx, task_id: Id, message: replying.Content | None = None, options: Options | None = None
) -> Begun:
    """Start a conversation about a task. The task is in progress from then on.

    Args:
        message: what is said first; without one the conversation waits for `adapter:sendMessage`.
    """
    wanted = conversing.options(ctx, options)
    task = tasks.owned(ctx, task_id)
    return conversing.start(ctx, task.owner, message, wanted, task=task.id)


@mutation
def start_agent_conversation(ctx: MutationCtx, agent_id: Id, message: replying.Content, options: Options | None = None) -> Begun:
    """Start a conversation with a cron agent."""
    wanted = conversing.options(ctx, options)
    user = access.signed_in(ctx, "start a conversation")
    agent = ctx.db.get(CronAgent, agent_id)
    if agent is None or not (user.is_service or agent.owner == user.subject):
        raise Refused("AgentNotFound", f"Agent {agent_id} not found")
    return conversing.start(ctx, agent.owner, message, wanted, cron_agent=agent.id, instruction=agent.prompt)


@mutation
def send_message(ctx: MutationCtx, conversation_id: Id, message: replying.Content, options: Options | None = None) -> Begun:
    """Resume a conversation that the adapter started."""
    wanted = conversing.options(ctx, options)
    user = access.signed_in(ctx, "send a message")
    conversation, session = conversing.resumed(ctx, user, conversation_id)
    image = ctx.db.peek(Image, session.image_id)
    model = wanted.model or session.model or (image.model if image else "")
    if conversation.status != "active":
        raise Refused("ConversationClosed", f"The conversation is {conversation.status}; nothing can be added to it.")
    own = conversing.of_reply(wanted, instruction=wanted.custom_system_prompt or PROMPTS.get(wanted.agent_type or ""))
    conversation, _ = replying.say(ctx, session, conversation, message, model, parts=reply_options.image_parts(own))
    run = replying.reply(
        ctx, conversation, session, model, on_busy=wanted.on_busy, options=own, **conversing.link(ctx, wanted, conversation)
    )
    activity.said(ctx, session, status="active")
    return conversing.begun(conversation, session, run, wanted, new=False)


@mutation
def link_session(ctx: MutationCtx, conversation_id: Id, claude_session_id: Id) -> Linked:
    """Say what who writes the replies calls a conversation's session. Raises `Refused`: ConversationNotFound."""
    _, session = conversing.own(ctx, access.signed_in(ctx, "name a session"), conversation_id)
    ctx.db.patch(session, agent_session_id=claude_session_id)
    return Linked(conversation_id=conversation_id, session_id=session.id, claude_session_id=claude_session_id)


@mutation
def abort_session(ctx: MutationCtx, session_id: Id) -> bool:
    """Stop the reply of a session; false for one that is unknown, or quiet. Closing a socket stops nothing."""
    access.signed_in(ctx, "stop a reply")
    session = access.readable(ctx, session_id)
    return session is not None and conversing.stop(ctx, session.conversation)


@mutation
def stop_all(ctx: MutationCtx, scope: Literal["user", "all"] = "user") -> int:
    """Stop every reply of the caller, or, as the service, of the org: in the 60 conversations that moved last.

    Each is stopped by a job of its own: all their ends would not fit into one commit.

    Returns: how many are being stopped; 20 at most in one call: call again until it is 0.
    """
    user = access.signed_in(ctx, "stop replies")
    if scope == "all" and not user.is_service and "service" not in user.roles:
        raise Refused("Forbidden", "Only the org's own backend stops everybody's replies.")
    newest = conversing.newest(ctx, user.subject if scope == "user" else None, STOPPED_AMONG)
    active = [each.active_run for each in newest if each.active_run][:STOPPED_AT_ONCE]
    for run_id in active:
        ctx.scheduler.run_after(0, stop_run, run_id=run_id)
    return len(active)


@internal_mutation
def stop_run(ctx: MutationCtx, run_id: str) -> None:
    """The job: stop a reply, if it is still the one that is written."""
    run = ctx.db.get(Run, run_id)
    conversation = ctx.db.get(Conversation, run.conversation) if run is not None else None
    if conversation is not None and conversation.active_run == run_id:
        conversing.stop(ctx, conversation.id)


@query
def is_session_active(ctx: QueryCtx, session_id: Id) -> bool:
    """Whether a reply of this session is being written, or waits for it."""
    session = access.readable(ctx, session_id)
    conversation = ctx.db.get(Conversation, session.conversation) if session else None
    return conversation is not None and conversation.active_run is not None


@query
def get_active_sessions(ctx: QueryCtx) -> list[Active]:
    """The caller's replies that are being written: of the 100 conversations that moved last."""
    user = access.reader(ctx)
    return [] if user is None else [conversing.active(ctx, each) for each in conversing.running(ctx, user.subject)]


@query
def get_all_active_streaming_sessions(ctx: QueryCtx) -> list[Active]:
    """What `getActiveSessions` says; for the org's own backend everybody's, of the org's 100 newest conversations."""
    user = access.reader(ctx)
    if user is None:
        return []
    everybody = user.is_service or "service" in user.roles
    return [conversing.active(ctx, each) for each in conversing.running(ctx, None if everybody else user.subject)]


@query
def get_active_streaming_by_conversation(ctx: QueryCtx, conversation_id: Id) -> Active | None:
    """The reply that is being written in a conversation; null when there is none."""
    user = access.reader(ctx)
    found: Conversation | None = (
        ctx.db.query(Conversation.by_conversationId(conversation_id)).unique() if conversation_id else None
    )
    session = ctx.db.get(ChatSession, found.session_id) if found and found.session_id else None
    run = ctx.db.get(Run, found.active_run) if found and found.active_run else None
    return conversing.active(ctx, run) if run is not None and access.sees(user, session) else None
