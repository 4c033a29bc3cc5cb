"""Machines on the wire: what a person sees of theirs, and of those that are shared with the org."""

from __future__ import annotations

from chalicelib import ActionCtx, MutationCtx, QueryCtx, internal_action, mutation, query
from chalicelib.domain import access
from chalicelib.domain.machines import assignments, workers
from chalicelib.domain.machines.enrolling import NOWHERE, Word
from chalicelib.domain.machines.workers import LISTED, MachineView
from chalicelib.schema import Machine, Worker, WorkerBeat


@query
def list_(ctx: QueryCtx) -> list[MachineView]:
    """The caller's machines, and those on which a worker is shared with the org; strangers get []."""
    user = access.reader(ctx)
    if user is None or workers.is_worker(user):
        return []
    own = ctx.db.query(Worker.by_owner(user.subject)).take(LISTED)
    shared = [each for each in ctx.db.query(Worker.by_audience("org")).take(LISTED) if each.owner != user.subject]
    grouped: dict[str, list[Worker]] = {each.id: [] for each in ctx.db.query(Machine.by_owner(user.subject)).take(LISTED)}
    for each in (*own, *(each for each in shared if each.approval == "approved")):
        grouped.setdefault(each.machine, []).append(each)
    found = [(ctx.db.get(Machine, machine_id), its) for machine_id, its in grouped.items()]
    return [workers.machine_view(user, machine, its) for machine, its in found if machine is not None]


@mutation
def rename(ctx: MutationCtx, machine_id: str, name: Word) -> None:
    """Give a machine another name. Raises `Refused`: MachineNotFound."""
    user = access.signed_in(ctx, "rename a machine")
    ctx.db.patch(workers.machine_owned(ctx, user, machine_id), name=name)


@mutation
def remove(ctx: MutationCtx, machine_id: str) -> None:
    """Remove a machine: its workers have no access any more. Their sessions stay readable. Raises `Refused`: MachineNotFound."""
    user = access.signed_in(ctx, "remove a machine")
    machine = workers.machine_owned(ctx, user, machine_id)
    for worker in ctx.db.query(Worker.by_machine(machine.id)).take(LISTED):
        assignments.revoke(ctx, worker)
        beat = ctx.db.get(WorkerBeat, worker.id)
        if beat is not None:
            ctx.db.delete(beat)
        ctx.db.delete(worker)
        ctx.scheduler.run_after(0, forget_worker, secret=worker.secret)
    ctx.db.delete(machine)


@internal_action
def forget_worker(ctx: ActionCtx, secret: str) -> None:
    """The secret of a removed worker, which belongs to no org."""
    ctx.parts.executor.call(NOWHERE, "workers:forgetSecret", secret=secret)
