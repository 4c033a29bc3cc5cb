"""Cron agents on the wire: prompts that are asked by the clock, and the sweep that starts what is due."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, Refused, internal_mutation, mutation, query, sweep
from chalicelib.domain import access, answer_size, quotas, schedules, tasks
from chalicelib.domain.agent_runs import starting
from chalicelib.domain.replies import request as replying
from chalicelib.domain.schedules import LISTED, RUNS, Expression, Id, Name, ScheduleView, Verdict
from chalicelib.schema import AgentRun, CronAgent


@mutation
def validate(ctx: MutationCtx, schedule: Expression) -> Verdict:
    """Look at a cron expression (five fields). A mutation, because a query has no clock."""
    access.signed_in(ctx, "look at a schedule")
    try:
        return Verdict(valid=True, next_run_at=schedules.following(schedule, ctx.now))
    except Refused as refused:
        return Verdict(valid=False, error=str(refused.message))


@mutation
def create(
    ctx: MutationCtx, name: Name, prompt: replying.Content, schedule: Expression, model: Name | None = None, enabled: bool = True
) -> ScheduleView:
    """Make a cron agent. Raises `Refused`: InvalidSchedule."""
    user = access.signed_in(ctx, "create a schedule")
    replying.check_content(prompt)  # a run of it could not begin
    quotas.check(ctx, CronAgent.by_owner(user.subject), "schedules")
    made = CronAgent(
        id=ctx.new_id("sched-"),
        org=ctx.org,
        owner=user.subject,
        name=name,
        prompt=prompt,
        schedule=schedule,
        model=model,
        state="enabled" if enabled else "disabled",
        next_run_at=schedules.following(schedule, ctx.now),
    )
    ctx.db.insert(made)
    return schedules.view(made)


@query
def get(ctx: QueryCtx, schedule_id: Id) -> ScheduleView | None:
    """One cron agent; null for strangers."""
    found = schedules.find(ctx, schedule_id)
    return None if found is None else schedules.view(found)


@query
def list_(ctx: QueryCtx) -> list[ScheduleView]:
    """The caller's cron agents, newest first; at most 100 there are.

    Where they are too long together their prompts are cut (`cut`); `schedules:get` has them whole."""
    user = access.reader(ctx)
    if user is None:
        return []
    return answer_size.listed(
        [schedules.view(each) for each in ctx.db.query(CronAgent.by_owner(user.subject)).newest().take(LISTED)]
    )


@mutation
def update(
    ctx: MutationCtx,
    schedule_id: Id,
    name: Name | None = None,
    prompt: replying.Content | None = None,
    schedule: Expression | None = None,
    enabled: bool | None = None,
    model: Annotated[str, Meta(max_length=100)] | None = None,
) -> ScheduleView:
    """Change a cron agent, field by field. It is due next as its schedule says from now on.

    Args:
        model: an empty one is the server's default.
    """
    agent = schedules.owned(ctx, schedule_id)
    if prompt is not None:
        replying.check_content(prompt)
    given = {"name": name, "prompt": prompt, "schedule": schedule}
    changes: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    if model is not None:
        changes["model"] = model or None
    if enabled is not None:
        changes["state"] = "enabled" if enabled else "disabled"
    if schedule is not None or enabled:
        changes["next_run_at"] = schedules.following(schedule or agent.schedule, ctx.now)
    return schedules.view(ctx.db.patch(agent, **changes))


@mutation
def delete(ctx: MutationCtx, schedule_id: Id) -> None:
    """Take a cron agent away. A run that runs goes on; its conversations stay."""
    ctx.db.delete(schedules.owned(ctx, schedule_id))


@mutation
def run_now(ctx: MutationCtx, schedule_id: Id) -> tasks.AgentRunView:
    """Run it now, whatever the clock says. Raises `Refused`: AgentBusy."""
    return tasks.run_view(starting.start_cron(ctx, schedules.owned(ctx, schedule_id), "manual"))


@query
def runs(ctx: QueryCtx, schedule_id: Id) -> list[tasks.AgentRunView]:
    """A cron agent's runs, newest first: the newest 50. Raises `Refused` to strangers."""
    if schedules.find(ctx, schedule_id) is None:
        raise schedules.not_found(schedule_id)
    return [tasks.run_view(each) for each in ctx.db.query(AgentRun.by_cron_agent(schedule_id)).newest().take(RUNS)]


@internal_mutation
def due(ctx: MutationCtx, schedule_id: str) -> None:
    """Start a run that is due, once; one that cannot start is left out, and the log says why."""
    agent = ctx.db.get(CronAgent, schedule_id)
    if agent is None or agent.state != "enabled" or agent.next_run_at > ctx.now:
        return
    agent = ctx.db.patch(agent, next_run_at=schedules.following(agent.schedule, ctx.now))
    try:
        starting.start_cron(ctx, agent, "cron")
    except Refused as refused:  # it is raised before anything is written
        ctx.log(f"{agent.name} was left out: {refused.tag}")


@sweep
def look(executor: Any) -> None:
    """What is due, over all orgs."""
    for item in executor.listed(CronAgent.by_state_next, ("enabled",), executor.clock.now_ms()):
        executor.repair(item["org"], due, schedule_id=item["_id"])
