"""The conversation adapter under its document's names: the ways in which a conversation is started or resumed (001-02…05, U01).

A caller builds the message and its context; the rest is the adapter's (001-03). Whichever function is called, the message goes
through `replying`, the reply through `lifecycle`, and what follows it through `handler`: there is no second path (001-01).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused, internal_mutation, mutation, query
from chalicelib.domain import access, members
from chalicelib.domain.agent_runs import linking
from chalicelib.domain.conversations.opening import clean_name, open_conversation
from chalicelib.domain.replies import lifecycle
from chalicelib.domain.replies import options as reply_options
from chalicelib.domain.replies import request as replying
from chalicelib.functions import tasks
from chalicelib.functions.working import PROMPTS, begun
from chalicelib.schema import AgentRun, ChatSession, Conversation, CronAgent, Image, Run, Task

Content = Annotated[str, Meta(min_length=1, max_length=10_000)]
Id = Annotated[str, Meta(max_length=512)]
DEFAULT_PERMISSIONS = "bypassPermissions"
LOOKED_AT = 100
"""The newest conversations among which running replies are looked for."""
STOPPED_AT_ONCE, STOPPED_AMONG = 20, 60
"""So many replies one commit has stopped, a job each, of so many conversations: it reads those, and has a hundred actions."""
AgentTypeName = Annotated[str, Meta(max_length=100)]


class Options(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a caller may say beside the message (001-07…11, U02)."""

    custom_system_prompt: Annotated[str, Meta(max_length=100_000)] | None = None
    """A new conversation's instruction; in a resumed one, of this reply alone."""
    agent_run_id: Id | None = None
    """The agent run whose reply this is."""
    agent_type: AgentTypeName | None = None
    """Whose instruction is used where there is no `customSystemPrompt` (001-11)."""
    permission_mode: Literal["default", "acceptEdits", "plan", "bypassPermissions"] | None = None
    on_busy: replying.OnBusy = "enqueue"
    model: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    conversation_id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """The new conversation's own id."""
    user_id: Id | None = None
    """Who is told when it ends: the caller; only the service names another."""
    thinking: reply_options.Thinking = None
    provider_options: reply_options.ProviderOptions | None = None
    images: reply_options.Images = None
    """Of this reply alone, as in `chat:sendMessage` (000-E05, 001-U14)."""
    broadcast_fn: Any = None
    broadcast_to_task_subscribers_fn: Any = None
    """Not things here: subscriptions replace them."""


class Begun(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A reply that will be written."""

    conversation_id: str
    session_id: str
    message_id: str | None = None
    run_id: str | None = None
    """Absent where nothing was said yet."""
    is_new_session: bool
    warnings: list[str] | None = None


class Linked(msgspec.Struct, rename="camel", kw_only=True):
    """A conversation, its session, and what the session is called elsewhere."""

    conversation_id: str
    session_id: str
    claude_session_id: str


class Active(msgspec.Struct, rename="camel", kw_only=True):
    """A reply that is being written or waits for it (001-19, U06)."""

    conversation_id: str
    session_id: str
    message_id: str
    run_id: str
    state: Literal["pending", "running"]


@mutation
def start_conversation(ctx: MutationCtx, task_id: Id, message: Content | None = None, options: Options | None = None) -> Begun:
    """Start a conversation about a task (001-04). The task is in progress from then on (001-U09).

    Args:
        message: what is said first; without one the conversation waits for `adapter:sendMessage` (001-U10).
    """
    wanted = _options(ctx, options)
    task = tasks.owned(ctx, task_id)
    return _start(ctx, task.owner, message, wanted, task=task.id)


@mutation
def start_agent_conversation(ctx: MutationCtx, agent_id: Id, message: Content, options: Options | None = None) -> Begun:
    """Start a conversation with a cron agent (001-U01)."""
    wanted = _options(ctx, options)
    user = access.signed_in(ctx, "start a conversation")
    agent = ctx.db.get(CronAgent, agent_id)
    if agent is None or not (user.is_service or agent.owner == user.subject):
        raise Refused("AgentNotFound", f"Agent {agent_id} not found")
    return _start(ctx, agent.owner, message, wanted, cron_agent=agent.id, instruction=agent.prompt)


@mutation
def send_message(ctx: MutationCtx, conversation_id: Id, message: Content, options: Options | None = None) -> Begun:
    """Resume a conversation that the adapter started (001-05)."""
    wanted = _options(ctx, options)
    user = access.signed_in(ctx, "send a message")
    conversation, session = _resumed(ctx, user, conversation_id)
    image = ctx.db.peek(Image, session.image_id)
    model = wanted.model or session.model or (image.model if image else "")
    if conversation.status != "active":
        raise Refused("ConversationClosed", f"The conversation is {conversation.status}; nothing can be added to it.")
    own = _of_reply(wanted, instruction=wanted.custom_system_prompt or PROMPTS.get(wanted.agent_type or ""))
    conversation, _ = replying.say(ctx, session, conversation, message, model, parts=reply_options.image_parts(own))
    run = replying.reply(
        ctx, conversation, session, model, on_busy=wanted.on_busy, options=own, **_link(ctx, wanted, conversation)
    )
    ctx.db.patch(session, status="active", last_activity=ctx.now)
    return _begun(conversation, session, run, wanted, new=False)


@mutation
def link_session(ctx: MutationCtx, conversation_id: Id, claude_session_id: Id) -> Linked:
    """Say what who writes the replies calls a conversation's session (001-U10). Raises `Refused`: ConversationNotFound."""
    _, session = _own(ctx, access.signed_in(ctx, "name a session"), conversation_id)
    ctx.db.patch(session, agent_session_id=claude_session_id)
    return Linked(conversation_id=conversation_id, session_id=session.id, claude_session_id=claude_session_id)


@mutation
def abort_session(ctx: MutationCtx, session_id: Id) -> bool:
    """Stop the reply of a session (001-U06); false for one that is unknown, or quiet. Closing a socket stops nothing."""
    access.signed_in(ctx, "stop a reply")
    session = access.readable(ctx, session_id)
    return session is not None and _stop(ctx, session.conversation)


@mutation
def stop_all(ctx: MutationCtx, scope: Literal["user", "all"] = "user") -> int:
    """Stop every reply of the caller, or, as the service, of the org: in the 60 conversations that moved last.

    Each is stopped by a job of its own: all their ends would not fit into one commit.

    Returns: how many are being stopped; 20 at most in one call: call again until it is 0.
    """
    user = access.signed_in(ctx, "stop replies")
    if scope == "all" and not user.is_service and "service" not in user.roles:
        raise Refused("Forbidden", "Only the org's own backend stops everybody's replies.")
    newest = _newest(ctx, user.subject if scope == "user" else None, STOPPED_AMONG)
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
        _stop(ctx, conversation.id)


@query
def is_session_active(ctx: QueryCtx, session_id: Id) -> bool:
    """Whether a reply of this session is being written, or waits for it (001-U06)."""
    session = access.readable(ctx, session_id)
    conversation = ctx.db.get(Conversation, session.conversation) if session else None
    return conversation is not None and conversation.active_run is not None


@query
def get_active_sessions(ctx: QueryCtx) -> list[Active]:
    """The caller's replies that are being written (001-19, U06): of the 100 conversations that moved last."""
    user = access.reader(ctx)
    return [] if user is None else [_active(ctx, each) for each in _running(ctx, user.subject)]


@query
def get_all_active_streaming_sessions(ctx: QueryCtx) -> list[Active]:
    """What `getActiveSessions` says; for the org's own backend everybody's, of the org's 100 newest conversations (001-U06)."""
    user = access.reader(ctx)
    if user is None:
        return []
    everybody = user.is_service or "service" in user.roles
    return [_active(ctx, each) for each in _running(ctx, None if everybody else user.subject)]


@query
def get_active_streaming_by_conversation(ctx: QueryCtx, conversation_id: Id) -> Active | None:
    """The reply that is being written in a conversation (001-U06); null when there is none."""
    user = access.reader(ctx)
    found: Conversation | None = (
        ctx.db.query(Conversation.by_conversationId(conversation_id)).unique() if conversation_id else None
    )
    session = ctx.db.get(ChatSession, found.session_id) if found and found.session_id else None
    run = ctx.db.get(Run, found.active_run) if found and found.active_run else None
    return _active(ctx, run) if run is not None and access.sees(user, session) else None


# Inside -----------------------------------------------------------------------------------------------------------------


def _options(ctx: MutationCtx, options: Options | None) -> Options:
    """The options, checked. Raises `Refused`."""
    wanted = options or Options()
    for name in ("broadcastFn", "broadcastToTaskSubscribersFn"):
        if getattr(wanted, "broadcast_fn" if name == "broadcastFn" else "broadcast_to_task_subscribers_fn") is not None:
            raise Refused("NotSupported", f"options.{name}: subscriptions replace it; whoever watches is told.", field=name)
    if wanted.agent_type is not None and wanted.agent_type not in PROMPTS:
        raise Refused("UnknownAgentType", f"Unknown agent type: {wanted.agent_type}", field="agentType")
    user = ctx.user
    if wanted.user_id is not None and user is not None and not user.is_service and wanted.user_id != user.subject:
        raise Refused("Forbidden", "options.userId: only the service names another user.", field="userId")
    return wanted


def _start(
    ctx: MutationCtx, owner: str, message: str | None, wanted: Options, *, instruction: str | None = None, **about: str
) -> Begun:
    """A conversation of exactly one task or agent (001-U01), its first message, and the run of the reply, in one commit."""
    if message is None and (wanted.agent_run_id is not None or _of_reply(wanted) is not None):
        raise Refused("MessageRequired", "Options of a reply need a message that is answered.", field="message")
    name = None if message is None else clean_name(message)
    of_type = PROMPTS.get(wanted.agent_type or "")
    configured = {"system_prompt": wanted.custom_system_prompt or of_type or instruction, "name": name}
    chosen = wanted.conversation_id
    if chosen is not None and ctx.db.query(Conversation.by_conversationId(chosen)).unique() is not None:
        raise Refused("ConversationExists", "options.conversationId: there is a conversation of this id.", field="conversationId")
    session = open_conversation(
        ctx,
        owner,
        responder="model",
        model=wanted.model,
        configured=configured,
        name=name,
        conversation_id=chosen,
    )
    conversation = ctx.db.get(Conversation, session.conversation)
    image = ctx.db.get(Image, session.image_id)
    assert conversation is not None
    assert image is not None
    conversation = ctx.db.patch(conversation, **about)
    if "task" in about:
        begun(ctx, about["task"])
    if message is None:
        return _begun(conversation, session, None, wanted, new=True)
    own = _of_reply(wanted)
    conversation, _ = replying.say(ctx, session, conversation, message, image.model, parts=reply_options.image_parts(own))
    run = replying.reply(ctx, conversation, session, image.model, options=own, **_link(ctx, wanted, conversation))
    ctx.db.patch(session, last_activity=ctx.now)
    return _begun(conversation, session, run, wanted, new=True)


def _link(ctx: MutationCtx, wanted: Options, conversation: Conversation) -> dict[str, Any]:
    """What ties the reply to an agent run and to who is told. Raises `Refused`."""
    links: dict[str, Any] = {"user_id": wanted.user_id} if wanted.user_id else {}
    if wanted.agent_run_id is None:
        return links
    agent_run = ctx.db.get(AgentRun, wanted.agent_run_id)
    if agent_run is None or (agent_run.task, agent_run.cron_agent) != (conversation.task, conversation.cron_agent):
        raise Refused("AgentRunNotFound", f"Agent run {wanted.agent_run_id} not found")
    if not linking.waits(agent_run):
        raise Refused("AgentRunEnded", "This agent run has its reply already.")
    return {**links, "agent_run_id": agent_run.id}


def _of_reply(wanted: Options, instruction: str | None = None) -> dict[str, Any] | None:
    """What the reply alone is asked with. Raises `Refused`."""
    own = reply_options.checked(
        reply_options.SendOptions(thinking=wanted.thinking, provider_options=wanted.provider_options, images=wanted.images)
    )
    return {**(own or {}), "systemPrompt": instruction} if instruction else own


def _begun(conversation: Conversation, session: ChatSession, run: Run | None, wanted: Options, *, new: bool) -> Begun:
    missing = f"permissionMode is missing; {DEFAULT_PERMISSIONS} is used"
    return Begun(
        conversation_id=conversation.conversation_id,
        session_id=session.id,
        message_id=None if run is None else run.message_id,
        run_id=None if run is None else run.id,
        is_new_session=new,
        warnings=[missing] if wanted.permission_mode is None else None,
    )


def _resumed(ctx: MutationCtx, user: Any, conversation_id: str) -> tuple[Conversation, ChatSession]:
    """A conversation of the adapter's, for its owner. Raises `Refused` with the sentences of 001-U04."""
    found, session = _own(ctx, user, conversation_id)
    if found.task is None and found.cron_agent is None:
        raise Refused("NotOfTheAdapter", f"Conversation {conversation_id} has no task_id or agent_id")
    if found.task is not None and ctx.db.get(Task, found.task) is None:
        raise Refused("TaskNotFound", f"Task {found.task} not found")
    return found, session


def _own(ctx: MutationCtx, user: Any, conversation_id: str) -> tuple[Conversation, ChatSession]:
    """A conversation of the caller's own, and its session. Raises `Refused` with the sentences of 001-U04."""
    found: Conversation | None = (
        ctx.db.query(Conversation.by_conversationId(conversation_id)).unique() if conversation_id else None
    )
    session = ctx.db.get(ChatSession, found.session_id) if found and found.session_id else None
    if found is not None and session is None and members.takes_part(ctx, found, members.caller(ctx)):
        raise Refused("NoSession", f"Conversation {conversation_id} has no Claude session ID yet")
    if found is None or session is None or not (user.is_service or session.user_id == user.subject):
        raise Refused("ConversationNotFound", f"Conversation {conversation_id} not found")
    return found, session


def _running(ctx: QueryCtx, user_id: str | None) -> list[Run]:
    runs = [ctx.db.get(Run, each.active_run) for each in _newest(ctx, user_id, LOOKED_AT) if each.active_run]
    return [each for each in runs if each is not None and each.state in ("pending", "running")]


def _newest(ctx: QueryCtx | MutationCtx, user_id: str | None, limit: int) -> list[Conversation]:
    """A user's conversations, those that moved last first; the org's newest where no user is named."""
    newest = Conversation.by_user_updated(user_id) if user_id is not None else Conversation.by_created()
    return list(ctx.db.query(newest).newest().take(limit))


def _active(ctx: QueryCtx, run: Run) -> Active:
    conversation = ctx.db.get(Conversation, run.conversation)
    assert conversation is not None
    state: Any = run.state
    return Active(
        conversation_id=conversation.conversation_id,
        session_id=run.session_id,
        message_id=run.message_id,
        run_id=run.id,
        state=state,
    )


def _stop(ctx: MutationCtx, conversation_id: str) -> bool:
    conversation = ctx.db.get(Conversation, conversation_id)
    run = ctx.db.get(Run, conversation.active_run) if conversation and conversation.active_run else None
    if run is None or run.state in lifecycle.TERMINAL or run.read_epoch is not None:
        return False
    lifecycle.end_from_outside(ctx, run, "aborted", "stopped")
    return True
