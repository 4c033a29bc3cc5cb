"""A user's app that does everything a function may do, so that the permissions of the cloud are asked for one by one."""

from __future__ import annotations

from chalicelib import (
    ActionCtx,
    Crons,
    Index,
    MutationCtx,
    QueryCtx,
    Table,
    action,
    internal_action,
    internal_mutation,
    mutation,
    query,
)


class Thing(Table, name="permittedThings"):
    """Something with an owner, and a code that nothing else has."""

    owner: str
    code: str
    by_owner = Index("owner")
    by_code = Index("code", unique=True)


@query
def codes(ctx: QueryCtx, owner: str) -> list[str]:
    """The codes of an owner's things."""
    return [thing.code for thing in ctx.db.query(Thing.by_owner(owner)).take(20)]


@query
def owner_of(ctx: QueryCtx, code: str) -> str | None:
    """Whose thing has this code."""
    thing = ctx.db.query(Thing.by_code(code)).unique()
    return thing.owner if thing else None


@mutation
def add(ctx: MutationCtx, owner: str, code: str) -> int:
    """One more, unless there is one of that code or the owner is banned; returns how many the owner had."""
    if ctx.db.query(Thing.by_owner("banned")).take(5):  # read and not written: must be so still when this commits
        return 0
    if ctx.db.query(Thing.by_code("reserved")).unique() is not None:  # looked for and not there: so it must be still, too
        return 0
    had = len(ctx.db.query(Thing.by_owner(owner)).take(20))
    if ctx.db.query(Thing.by_code(code)).unique() is None:
        ctx.db.insert(Thing(owner=owner, code=code))
    return had


@mutation
def give(ctx: MutationCtx, code: str, owner: str) -> None:
    """To somebody else."""
    thing = ctx.db.query(Thing.by_code(code)).unique()
    if thing is not None:
        ctx.db.patch(thing, owner=owner)


@mutation
def remove(ctx: MutationCtx, code: str) -> None:
    """Gone; the code is free again."""
    thing = ctx.db.query(Thing.by_code(code)).unique()
    if thing is not None:
        ctx.db.delete(thing)


@mutation
def add_later(ctx: MutationCtx, owner: str, code: str, delay_ms: int) -> None:
    """By a job."""
    ctx.scheduler.run_after(delay_ms, add_now, owner=owner, code=code)


@mutation
def work_later(ctx: MutationCtx, owner: str, code: str, delay_ms: int) -> None:
    """By a job of the function that speaks for the model."""
    ctx.scheduler.run_after(delay_ms, work_now, owner=owner, code=code)


@internal_mutation
def add_now(ctx: MutationCtx, owner: str, code: str) -> None:
    """What a job does."""
    ctx.db.insert(Thing(owner=owner, code=code))


@internal_action(runner="generate")
def work_now(ctx: ActionCtx, owner: str, code: str) -> None:
    """What a long job does."""
    ctx.run_mutation(add, owner=owner, code=code)


@action
def work(ctx: ActionCtx, owner: str, code: str) -> list[str]:
    """Adds, and looks."""
    ctx.run_mutation(add, owner=owner, code=code)
    return list(ctx.run_query(codes, owner=owner))


@internal_mutation
def count(ctx: MutationCtx) -> int:
    """What a cron does."""
    return len(ctx.db.query(Thing.by_owner("nobody")).take(5))


crons = Crons()
crons.interval("count", count, seconds=2)
