"""The conversation adapter: the one way in which a reply begins, whoever asks for it.

A door writes what was said, and calls `reply`. Everything after that is the same for a page, a REST call, an agent run, a
cron and a worker: the placeholder, the run and its job are in the commit of the message, `lifecycle.claim` begins the reply
and `lifecycle.finish` ends it.

**A conversation that is busy.** Its row names the active run and those that wait, so each policy is a condition of the same
commit, and never a look before it:

- `enqueue`: the new run waits behind the others.
- `reject`: nothing is written; the caller is told `ConversationBusy`.
- `interrupt`: the running reply ends with what it has said, those that wait are taken back, the new one is next.
- `rollback`: as `interrupt`, and the turns that were not finished no longer count: their messages stay in the log, marked
  `superseded`, and the model is not told of them.

A running reply is ended in the steps of `lifecycle`: it keeps the place of the active run until its text is sealed, and the
new run follows it. So there are never two writers (invariant 8).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from chalicelib import MutationCtx, Refused
from chalicelib.domain import budget
from chalicelib.domain.agent_runs import linking
from chalicelib.domain.conversations.opening import id_suffix, later
from chalicelib.domain.replies import lifecycle
from chalicelib.domain.rooms import counters
from chalicelib.schema import ChatMessage, ChatSession, Conversation, Run

OnBusy = Literal["enqueue", "reject", "interrupt", "rollback"]
LONGEST_MESSAGE = 10_000
"""Characters of what a person says where the model or a worker answers."""
Content = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": LONGEST_MESSAGE})]
"""Such a text as an argument. `check_content` keeps its bounds, so that every door tells them by the same codes."""
TAKEN_BACK = 25
"""Waiting runs that `interrupt` and `rollback` end: each is three writes of a commit that has room for a hundred."""


def check_content(content: str) -> None:
    """What a person says has 1 to 10,000 characters. Raises `Refused`: MESSAGE_CONTENT_REQUIRED, MESSAGE_TOO_LONG."""
    if not content.strip():
        raise Refused("MESSAGE_CONTENT_REQUIRED", f"A message has text: 1 to {LONGEST_MESSAGE} characters.", field="content")
    if len(content) > LONGEST_MESSAGE:
        raise Refused(
            "MESSAGE_TOO_LONG", f"A message has at most {LONGEST_MESSAGE} characters, not {len(content)}.", field="content"
        )


def say(
    ctx: MutationCtx,
    session: ChatSession,
    conversation: Conversation,
    content: str,
    model: str,
    client_key: str | None = None,
    parts: list[dict[str, Any]] | None = None,
) -> tuple[Conversation, str]:
    """Write what a person says. Returns the conversation after it, and the message's id.

    Raises:
        Refused: `ForkInProgress` while the past of a fork is being copied; MESSAGE_CONTENT_REQUIRED, MESSAGE_TOO_LONG.
    """
    check_content(content)
    if conversation.copying is not None:
        raise Refused("ForkInProgress", "The past of this conversation is being copied; send again in a moment.")
    number, now = conversation.message_count + 1, later(ctx, conversation)
    message = ChatMessage(
        id=f"msg-{id_suffix(ctx, number)}",
        conversation=conversation.id,
        session_id=session.id,
        sequence=number,
        role="user",
        content=content,
        completed=True,
        status="completed",
        timestamp=now,
        model=model,
        client_key=client_key,
        parts=parts,
        reader=conversation.participants.get("userId"),
    )
    ctx.db.insert(message)
    room = counters.after(conversation.room, message)
    return ctx.db.patch(conversation, message_count=number, updated_at=ctx.now, last_message_at=now, room=room), message.id


def reply(
    ctx: MutationCtx,
    conversation: Conversation,
    session: ChatSession,
    model: str,
    *,
    on_busy: OnBusy = "enqueue",
    options: dict[str, Any] | None = None,
    replaces: int | None = None,
    user_id: str | None = None,
    agent_run_id: str | None = None,
) -> Run:
    """Have the newest message of a log answered, in the commit that wrote it.

    Args:
        model: which one answers.
        options: what this reply alone is asked with; it goes before the image's configuration.
        replaces: the sequence of a reply that this one stands for, so that a rollback brings it back.
        user_id: who is told when it ends; default: whose session it is.
        agent_run_id: the agent run whose reply this is; default: the one that waits for this conversation, if any.

    Returns:
        The run. Its message is the placeholder after the newest message.

    Raises:
        Refused: `ConversationBusy`, `QueueFull`, or what the budget says.
    """
    conversation = _make_way(ctx, conversation, on_busy)
    if len(conversation.queued_runs) >= lifecycle.QUEUED_RUNS:
        raise Refused("QueueFull", f"{lifecycle.QUEUED_RUNS} messages are waiting for a reply; wait for one to end, or stop it.")
    sequence, now = conversation.message_count + 1, later(ctx, conversation)
    suffix = id_suffix(ctx, sequence)
    held = budget.hold(ctx, conversation, session.user_id)
    agent_run = linking.agent_run_for(ctx, conversation, agent_run_id)
    common: dict[str, Any] = {"conversation": conversation.id, "session_id": session.id, "sequence": sequence, "model": model}
    run = Run(
        id=f"run-{suffix}",
        org=ctx.org,
        message_id=f"msg-{suffix}",
        lease_until=ctx.now,
        options=options,
        replaces=replaces,
        user_id=user_id or session.user_id,
        agent_run=agent_run.id if agent_run is not None else None,
        **common,
        **held,
    )
    if agent_run is not None:
        linking.link(ctx, agent_run, conversation, run)
    asked: dict[str, Any] = {"role": "assistant", "content": "", "completed": False, "status": "pending", "timestamp": now}
    asked["reader"] = conversation.participants.get("userId")
    ctx.db.insert(ChatMessage(id=run.message_id, **common, **asked))
    ctx.db.insert(run, fresh=True)
    changes = lifecycle.activate_or_queue(ctx, conversation, run)
    ctx.db.patch(conversation, message_count=sequence, updated_at=ctx.now, last_message_at=now, **changes)
    return run


def _make_way(ctx: MutationCtx, conversation: Conversation, on_busy: OnBusy) -> Conversation:
    """Do what the policy says of the run that is active and those that wait. Returns the conversation as it is then."""
    if conversation.active_run is None or on_busy == "enqueue":
        return conversation
    if on_busy == "reject":
        raise Refused("ConversationBusy", "A reply is being written here; wait for it, stop it, or send with another onBusy.")
    if len(conversation.queued_runs) > TAKEN_BACK:
        raise Refused(
            "QueueFull", f"More than {TAKEN_BACK} messages wait for a reply, too many to take back at once; stop them first."
        )
    rolled_back = on_busy == "rollback"
    reason = "rolled back" if rolled_back else "interrupted by a newer message"
    for run_id in (*conversation.queued_runs, conversation.active_run):
        run = ctx.db.get(Run, run_id)
        if run is None or run.state in lifecycle.TERMINAL:
            continue
        if rolled_back:
            _discount(ctx, run)
        lifecycle.end_from_outside(ctx, run, "aborted", reason)
    changed = ctx.db.get(Conversation, conversation.id)
    assert changed is not None
    return changed


def _discount(ctx: MutationCtx, run: Run) -> None:
    """Take a turn out of what the model is told: the reply, and its question or what it stood for."""
    before = run.sequence - 1 if run.replaces is None else run.replaces
    for sequence, superseded in ((before, run.replaces is None), (run.sequence, True)):
        message = ctx.db.get(ChatMessage, run.conversation, sequence)
        if message is not None:
            ctx.db.patch(message, superseded=superseded)
