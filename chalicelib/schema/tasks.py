"""Tasks, the runs of agents that work at them, and agents that work by the clock."""

from __future__ import annotations

from typing import Literal

from chalicelib import Index, Table
from chalicelib.schema.conversations import RunState

AgentType = Literal["implementation", "review", "planification"]
TaskStatus = Literal["pending", "in_progress", "completed"]
WORKFLOW_COMPLETE = "WORKFLOW_COMPLETE"
"""A review whose last line is this word completes its task's workflow."""


class Task(Table, name="tasks"):
    """Something to be done. It names the one agent run that runs, so that there can be only one."""

    owner: str
    title: str
    description: str | None = None
    status: TaskStatus = "pending"
    workflow_complete: bool = False
    """Implementation and review take turns until this is so."""
    running: str | None = None
    rounds: int = 0
    """Agent runs that followed another by themselves."""
    updated_at: float = 0.0

    by_owner = Index("owner", order="updated_at")
    """Somebody's tasks, those that changed last at the end."""
    by_owner_status = Index("owner", "status")
    """How many of them are in progress? (the badge)"""


class AgentRun(Table, name="agentRuns"):
    """One run of an agent: of a type, at a task, or of a cron agent. It may have failed before there was a conversation, so it is
    a row of its own, which its reply's run names."""

    org: str
    owner: str
    task: str | None = None
    cron_agent: str | None = None
    type: AgentType | None = None
    state: RunState = "pending"
    conversation: str | None = None
    session_id: str | None = None
    run: str | None = None
    triggered_by: Literal["manual", "chain", "cron"] = "manual"
    result: str | None = None
    """The beginning of what it said, for who comes after it."""
    reason: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    lease_until: float = 0.0

    by_task = Index("task")
    """The runs of a task."""
    by_cron_agent = Index("cron_agent")
    """The runs of a cron agent."""
    by_state_lease = Index("state", order="lease_until", eventual=True, everywhere=True)
    """Which run without anything that runs? Asked by the sweep."""


class CronAgent(Table, name="cronAgents"):
    """A prompt that is asked by the clock. It names its running run: the next one is skipped meanwhile."""

    org: str
    owner: str
    name: str
    prompt: str
    schedule: str
    """A cron expression, in UTC."""
    model: str | None = None
    state: Literal["enabled", "disabled"] = "enabled"
    running: str | None = None
    last_run_at: float | None = None
    next_run_at: float = 0.0

    by_owner = Index("owner")
    """Somebody's cron agents."""
    by_state_next = Index("state", order="next_run_at", eventual=True, everywhere=True)
    """Which are due? Asked by the sweep."""
