"""Cron agents: prompts that are asked by the clock (001-U12). Times are UTC.

A sweep starts what is due. The commit that starts a run moves `nextRunAt`, so a run is started once however many sweeps look; and
while one runs the next is left out, never piled up.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from cronsim import CronSim, CronSimError
from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused, internal_mutation, mutation, query, sweep
from chalicelib.domain import access
from chalicelib.domain.replies import request as replying
from chalicelib.functions import tasks, working
from chalicelib.schema import AgentRun, CronAgent

Id = Annotated[str, Meta(max_length=512)]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
Prompt = Annotated[str, Meta(min_length=1, max_length=10_000)]
Expression = Annotated[str, Meta(min_length=1, max_length=100)]
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


class Verdict(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Whether an expression can be used, and when it would be due next."""

    valid: bool
    error: str | None = None
    next_run_at: float | None = None


@mutation
def validate(ctx: MutationCtx, schedule: Expression) -> Verdict:
    """Look at a cron expression (five fields). A mutation, because a query has no clock."""
    access.signed_in(ctx, "look at a schedule")
    try:
        return Verdict(valid=True, next_run_at=following(schedule, ctx.now))
    except Refused as refused:
        return Verdict(valid=False, error=str(refused.message))


@mutation
def create(
    ctx: MutationCtx, name: Name, prompt: Prompt, schedule: Expression, model: Name | None = None, enabled: bool = True
) -> ScheduleView:
    """Make a cron agent. Raises `Refused`: InvalidSchedule."""
    user = access.signed_in(ctx, "create a schedule")
    replying.check_content(prompt)  # a run of it could not begin
    if ctx.db.count(CronAgent.by_owner(user.subject)) >= LISTED:
        raise Refused("TooManySchedules", f"You have {LISTED} schedules; delete one first.")
    made = CronAgent(
        id=ctx.new_id("sched-"),
        org=ctx.org,
        owner=user.subject,
        name=name,
        prompt=prompt,
        schedule=schedule,
        model=model,
        state="enabled" if enabled else "disabled",
        next_run_at=following(schedule, ctx.now),
    )
    ctx.db.insert(made)
    return _view(made)


@query
def get(ctx: QueryCtx, schedule_id: Id) -> ScheduleView | None:
    """One cron agent; null for strangers."""
    found = _found(ctx, schedule_id)
    return None if found is None else _view(found)


@query
def list_(ctx: QueryCtx) -> list[ScheduleView]:
    """The caller's cron agents, newest first; at most 100 there are."""
    user = access.reader(ctx)
    return [] if user is None else [_view(each) for each in ctx.db.query(CronAgent.by_owner(user.subject)).newest().take(LISTED)]


@mutation
def update(
    ctx: MutationCtx,
    schedule_id: Id,
    name: Name | None = None,
    prompt: Prompt | None = None,
    schedule: Expression | None = None,
    enabled: bool | None = None,
    model: Annotated[str, Meta(max_length=100)] | None = None,
) -> ScheduleView:
    """Change a cron agent, field by field. It is due next as its schedule says from now on.

    Args:
        model: an empty one is the server's default.
    """
    agent = owned(ctx, schedule_id)
    if prompt is not None:
        replying.check_content(prompt)
    given = {"name": name, "prompt": prompt, "schedule": schedule}
    changes: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    if model is not None:
        changes["model"] = model or None
    if enabled is not None:
        changes["state"] = "enabled" if enabled else "disabled"
    if schedule is not None or enabled:
        changes["next_run_at"] = following(schedule or agent.schedule, ctx.now)
    return _view(ctx.db.patch(agent, **changes))


@mutation
def delete(ctx: MutationCtx, schedule_id: Id) -> None:
    """Take a cron agent away. A run that runs goes on; its conversations stay."""
    ctx.db.delete(owned(ctx, schedule_id))


@mutation
def run_now(ctx: MutationCtx, schedule_id: Id) -> tasks.AgentRunView:
    """Run it now, whatever the clock says. Raises `Refused`: AgentBusy."""
    return tasks.run_view(working.start_cron(ctx, owned(ctx, schedule_id), "manual"))


@query
def runs(ctx: QueryCtx, schedule_id: Id) -> list[tasks.AgentRunView]:
    """A cron agent's runs, newest first: the newest 50. Raises `Refused` to strangers."""
    if _found(ctx, schedule_id) is None:
        raise _not_found(schedule_id)
    return [tasks.run_view(each) for each in ctx.db.query(AgentRun.by_cron_agent(schedule_id)).newest().take(RUNS)]


@internal_mutation
def due(ctx: MutationCtx, schedule_id: str) -> None:
    """Start a run that is due, once; one that cannot start is left out, and the log says why."""
    agent = ctx.db.get(CronAgent, schedule_id)
    if agent is None or agent.state != "enabled" or agent.next_run_at > ctx.now:
        return
    agent = ctx.db.patch(agent, next_run_at=following(agent.schedule, ctx.now))
    try:
        working.start_cron(ctx, agent, "cron")
    except Refused as refused:  # it is raised before anything is written
        ctx.log(f"{agent.name} was left out: {refused.tag}")


@sweep
def look(executor: Any) -> None:
    """What is due, over all orgs."""
    for item in executor.listed(CronAgent.by_state_next, ("enabled",), executor.clock.now_ms()):
        executor.repair(item["org"], due, schedule_id=item["_id"])


def following(schedule: str, after_ms: float) -> float:
    """When an expression is due next, in milliseconds since the epoch. Raises `Refused`: InvalidSchedule."""
    try:
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
    found = _found(ctx, schedule_id)
    if found is None:
        raise _not_found(schedule_id)
    return found


def _found(ctx: QueryCtx | MutationCtx, schedule_id: str) -> CronAgent | None:
    user = access.reader(ctx)
    found = ctx.db.get(CronAgent, schedule_id) if user is not None and schedule_id else None
    return found if found is not None and (user.is_service or found.owner == user.subject) else None


def _not_found(schedule_id: str) -> Refused:
    return Refused("AgentNotFound", f"Agent {schedule_id} not found")


def _view(agent: CronAgent) -> ScheduleView:
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
