"""When a user is told that something has ended, and in which words.

The commit that ends a reply also schedules the telling (`replies/hooks.py` is who calls), so a run that lost its epoch tells
nobody. What is scheduled names the run and never holds its text: a conversation that is deleted meanwhile is not told of.
A browser replaces a message by a later one of the same tag, so a message that is sent twice is shown once.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chalicelib import MutationCtx, QueryCtx
from chalicelib.schema import WORKFLOW_COMPLETE, AgentRun, AgentType, ChatMessage, PushSubscription, Run, Status, Task

COMPLETE, READY = "Task Workflow Complete", "Claude Response Ready"
"""The titles of push messages."""
FAILED, INTERRUPTED, BEGUN = "Claude Response Failed", "Claude Response Interrupted", "Task In Progress"
BODY_CHARS = 120
MOST_BROWSERS = 20
BADGE_COUNTED = 99
AGAIN_S = (20, 100, 400, 1000, 2000)
"""Seconds before the second to the sixth try: about an hour in all."""
LONGEST_WAIT_S = 1800
"""A service that asks for more is asked again sooner."""


class Notice(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """What is to be told, by the names of what it is about."""

    title: str
    run_id: str | None = None
    task_id: str | None = None
    body: str | None = None
    """Only words of our own."""
    silent: bool = False


TEST = Notice(title="Concave", body="Notifications work in this browser.")


def decide(
    state: Status | Literal["in_progress"], agent_type: AgentType | None = None, workflow_complete: bool = False
) -> str | None:
    """The title of what a user is told when a reply has ended, or None: nothing.

    Implementation and review take turns, so a user is told when they are through: when the task's workflow is complete, or when
    one of them failed, after which none follows. Who stopped a reply knows that it ended.

    Args:
        state: how it ended; `in_progress`: a task has begun.
        agent_type: of the agent run whose reply it was; None for a chat, and for an agent that works by the clock.
        workflow_complete: the task's, after this ending.
    """
    if state == "in_progress":
        return BEGUN
    if state in ("failed", "interrupted"):
        return FAILED if state == "failed" else INTERRUPTED
    if state != "completed":
        return None
    if agent_type in ("implementation", "review"):
        return COMPLETE if workflow_complete else None
    return READY


def ended(ctx: MutationCtx, user_id: str | None, state: Status, run_id: str | None, agent_run: AgentRun | None = None) -> None:
    """A reply has ended, or an agent run without one. In the commit that ends it."""
    task = ctx.db.peek(Task, agent_run.task) if agent_run and agent_run.task else None
    title = decide(state, agent_run.type if agent_run else None, task is not None and task.workflow_complete)
    if user_id is not None and title is not None:
        of_task = task.id if task is not None and (title == COMPLETE or run_id is None) else None
        reason = agent_run.reason if agent_run is not None and run_id is None else None
        notify(ctx, user_id, Notice(title=title, run_id=run_id, task_id=of_task, body=reason))


def begun(ctx: MutationCtx, task: Task) -> None:
    """A task is in progress now: the badge counts it."""
    title = decide("in_progress")
    assert title is not None
    notify(ctx, task.owner, Notice(title=title, task_id=task.id, silent=True))


def notify(ctx: MutationCtx, user_id: str, notice: Notice) -> int:
    """Have a user told, once this commits. Returns in how many browsers.

    Only one job is scheduled here: it schedules those of the browsers, so that the commit that ends a reply stays small.
    """
    if not ctx.limits.get("push_key"):
        return 0
    browsers = ctx.db.count(PushSubscription.by_owner(user_id))
    if browsers:
        ctx.scheduler.run_after(0, "notifications:fanOut", user_id=user_id, notice=notice)
    return min(browsers, MOST_BROWSERS)


def waits(tried: int, after_s: float) -> float | None:
    """Seconds before the next try; None after the last. A service's own wish (Retry-After) counts up to half an hour."""
    if tried > len(AGAIN_S):
        return None
    return max(float(AGAIN_S[tried - 1]), min(after_s, LONGEST_WAIT_S))


def payload_of(ctx: QueryCtx, notice: Notice) -> dict[str, Any] | None:
    """Title, body, address in the page, and tag. `url` is relative to where the page is."""
    told: dict[str, Any] = {"title": notice.title, "body": notice.body or "", "url": "#/", "tag": "concave"}
    if notice.run_id is not None:
        run = ctx.db.peek(Run, notice.run_id)
        message = ctx.db.peek(ChatMessage, run.conversation, run.sequence) if run else None
        if run is None or message is None:  # a deletion takes the run at once, and the log by and by
            return None
        text = message.content.rstrip().removesuffix(WORKFLOW_COMPLETE)
        told |= {"body": beginning(text) or run.reason or "", "url": f"#/s/{run.session_id}", "tag": run.conversation}
    if notice.task_id is not None:
        task = ctx.db.peek(Task, notice.task_id)
        if task is None:
            return None
        told["tag"] = task.id
        if notice.run_id is None:
            told |= {"url": "#/tasks", "body": ": ".join(filter(None, (beginning(task.title), notice.body)))}
        told["body"] = told["body"] or beginning(task.title)
    return told | ({"silent": True} if notice.silent else {})


def beginning(text: str) -> str:
    """The first words of a text, in one line."""
    line = " ".join(text[: 10 * BODY_CHARS].split())
    return line if len(line) <= BODY_CHARS else line[: BODY_CHARS - 1].rstrip() + "…"
