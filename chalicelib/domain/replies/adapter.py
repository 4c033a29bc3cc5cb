"""How the conversation adapter starts and resumes conversations: its options, its answers, and which replies are active.

A caller builds the message and its context; the conversation of the task or the cron agent, the run and its link are made here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain import members
from chalicelib.domain.agent_runs import linking
from chalicelib.domain.agent_runs.starting import PROMPTS, mark_begun
from chalicelib.domain.conversations.opening import clean_name, open_conversation
from chalicelib.domain.replies import activity, lifecycle
from chalicelib.domain.replies import options as reply_options
from chalicelib.domain.replies import request as replying
from chalicelib.schema import AgentRun, ChatSession, Conversation, Image, Run, Task

Id = Annotated[str, Meta(max_length=512)]
DEFAULT_PERMISSIONS = "bypassPermissions"
LOOKED_AT = 100
"""The newest conversations among which running replies are looked for."""
STOPPED_AT_ONCE, STOPPED_AMONG = 20, 60
"""So many replies one commit has stopped, a job each, of so many conversations: it reads those, and has a hundred actions."""
AgentTypeName = Annotated[str, Meta(max_length=100)]


class Options(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a caller may say beside the message."""

    custom_system_prompt: Annotated[str, Meta(max_length=100_000)] | None = None
    """A new conversation's instruction; in a resumed one, of this reply alone."""
    agent_run_id: Id | None = None
    """The agent run whose reply this is."""
    agent_type: AgentTypeName | None = None
    """Whose instruction is used where there is no `customSystemPrompt`."""
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
    """Of this reply alone, as in `chat:sendMessage`."""
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
    """A reply that is being written or waits for it."""

    conversation_id: str
    session_id: str
    message_id: str
    run_id: str
    state: Literal["pending", "running"]


def options(ctx: MutationCtx, options: Options | None) -> Options:
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


def start(
    ctx: MutationCtx, owner: str, message: str | None, wanted: Options, *, instruction: str | None = None, **about: str
) -> Begun:
    """A conversation of exactly one task or agent, its first message, and the run of the reply, in one commit."""
    if message is not None:
        replying.check_content(message)
    if message is None and (wanted.agent_run_id is not None or of_reply(wanted) is not None):
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
        mark_begun(ctx, about["task"])
    if message is None:
        return begun(conversation, session, None, wanted, new=True)
    own = of_reply(wanted)
    conversation, _ = replying.say(ctx, session, conversation, message, image.model, parts=reply_options.image_parts(own))
    run = replying.reply(ctx, conversation, session, image.model, options=own, **link(ctx, wanted, conversation))
    activity.said(ctx, session)
    return begun(conversation, session, run, wanted, new=True)


def link(ctx: MutationCtx, wanted: Options, conversation: Conversation) -> dict[str, Any]:
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


def of_reply(wanted: Options, instruction: str | None = None) -> dict[str, Any] | None:
    """What the reply alone is asked with. Raises `Refused`."""
    own = reply_options.checked(
        reply_options.SendOptions(thinking=wanted.thinking, provider_options=wanted.provider_options, images=wanted.images)
    )
    return {**(own or {}), "systemPrompt": instruction} if instruction else own


def begun(conversation: Conversation, session: ChatSession, run: Run | None, wanted: Options, *, new: bool) -> Begun:
    """What a caller is told of a conversation that it started or resumed."""
    missing = f"permissionMode is missing; {DEFAULT_PERMISSIONS} is used"
    return Begun(
        conversation_id=conversation.conversation_id,
        session_id=session.id,
        message_id=None if run is None else run.message_id,
        run_id=None if run is None else run.id,
        is_new_session=new,
        warnings=[missing] if wanted.permission_mode is None else None,
    )


def resumed(ctx: MutationCtx, user: Any, conversation_id: str) -> tuple[Conversation, ChatSession]:
    """A conversation of the adapter's, for its owner. Raises `Refused` with its document's sentence."""
    found, session = own(ctx, user, conversation_id)
    if found.task is None and found.cron_agent is None:
        raise Refused("NotOfTheAdapter", f"Conversation {conversation_id} has no task_id or agent_id")
    if found.task is not None and ctx.db.get(Task, found.task) is None:
        raise Refused("TaskNotFound", f"Task {found.task} not found")
    return found, session


def own(ctx: MutationCtx, user: Any, conversation_id: str) -> tuple[Conversation, ChatSession]:
    """A conversation of the caller's own, and its session. Raises `Refused` with its document's sentence."""
    found: Conversation | None = (
        ctx.db.query(Conversation.by_conversationId(conversation_id)).unique() if conversation_id else None
    )
    session = ctx.db.get(ChatSession, found.session_id) if found and found.session_id else None
    if found is not None and session is None and members.takes_part(ctx, found, members.caller(ctx)):
        raise Refused("NoSession", f"Conversation {conversation_id} has no Claude session ID yet")
    if found is None or session is None or not (user.is_service or session.user_id == user.subject):
        raise Refused("ConversationNotFound", f"Conversation {conversation_id} not found")
    return found, session


def running(ctx: QueryCtx, user_id: str | None) -> list[Run]:
    """The runs that are active in somebody's newest conversations (None: in the org's)."""
    runs = [ctx.db.get(Run, each.active_run) for each in newest(ctx, user_id, LOOKED_AT) if each.active_run]
    return [each for each in runs if each is not None and each.state in ("pending", "running")]


def newest(ctx: QueryCtx | MutationCtx, user_id: str | None, limit: int) -> list[Conversation]:
    """A user's conversations, those that moved last first, to the minute; the org's newest where no user is named."""
    if user_id is not None:
        return list(ctx.db.query(Conversation.by_user_updated(user_id)).newest().take(limit))
    return list(ctx.db.query(Conversation.by_created()).newest().take(limit))


def active(ctx: QueryCtx, run: Run) -> Active:
    """A run → what a caller is told of a session that is active."""
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


def stop(ctx: MutationCtx, conversation_id: str) -> bool:
    """Stop the reply of a conversation. Returns whether there was one."""
    conversation = ctx.db.get(Conversation, conversation_id)
    run = ctx.db.get(Run, conversation.active_run) if conversation and conversation.active_run else None
    if run is None or run.state in lifecycle.TERMINAL or run.read_epoch is not None:
        return False
    lifecycle.end_from_outside(ctx, run, "aborted", "stopped")
    return True
