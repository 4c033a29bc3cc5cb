"""Cron agents: prompts that are asked by the clock. Times are UTC.

A sweep starts what is due. The commit that starts a run moves `nextRunAt`, so a run is started once however many sweeps look; and
while one runs the next is left out, never piled up.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from cronsim import CronSim, CronSimError
from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain import access
from chalicelib.schema import CronAgent

Id = Annotated[str, Meta(max_length=512)]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Expression = Annotated[str, Meta(min_length=1, max_length=100)]
FIELDS = 5
"""Minute, hour, day of the month, month, day of the week; seconds, which some write before them, are none of ours."""
LISTED = 100
RUNS = 50


class ScheduleView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A cron agent. Times are milliseconds since the epoch."""

    id: str = msgspec.field(name="_id")
    schedule_id: str
    name: str
    prompt: str
    schedule: str
    model: str | None = None
    enabled: bool
    running: str | None = None
    last_run_at: float | None = None
    next_run_at: float | None = None
    cut: list[str] | None = None
    """Fields that are too long for the list; `schedules:get` has them whole."""


class Verdict(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Whether an expression can be used, and when it would be due next."""

    valid: bool
    error: str | None = None
    next_run_at: float | None = None


def following(schedule: str, after_ms: float) -> float:
    """When an expression is due next, in milliseconds since the epoch. Raises `Refused`: InvalidSchedule."""
    try:
        if len(schedule.split()) != FIELDS:
            raise CronSimError("it has another number of fields")
        return next(CronSim(schedule, datetime.fromtimestamp(after_ms / 1000, UTC))).timestamp() * 1000
    except (CronSimError, StopIteration) as error:
        raise Refused(
            "InvalidSchedule",
            f"{schedule!r} is no cron expression of five fields, such as `0 9 * * MON`: {error}",
            field="schedule",
        ) from error


def owned(ctx: MutationCtx, schedule_id: str) -> CronAgent:
    """A cron agent for its owner. Raises `Refused`."""
    access.signed_in(ctx, "use a schedule")
    found = find(ctx, schedule_id)
    if found is None:
        raise not_found(schedule_id)
    return found


def find(ctx: QueryCtx | MutationCtx, schedule_id: str) -> CronAgent | None:
    """A cron agent of the caller's, or None."""
    user = access.reader(ctx)
    found = ctx.db.get(CronAgent, schedule_id) if user is not None and schedule_id else None
    return found if found is not None and (user.is_service or found.owner == user.subject) else None


def not_found(schedule_id: str) -> Refused:
    """The answer to strangers."""
    return Refused("AgentNotFound", f"Agent {schedule_id} not found")


def view(agent: CronAgent) -> ScheduleView:
    """A cron agent's document → what its owner sees."""
    return ScheduleView(
        id=agent.id,
        schedule_id=agent.id,
        name=agent.name,
        prompt=agent.prompt,
        schedule=agent.schedule,
        model=agent.model,
        enabled=agent.state == "enabled",
        running=agent.running,
        last_run_at=agent.last_run_at,
        next_run_at=agent.next_run_at if agent.state == "enabled" else None,
    )
