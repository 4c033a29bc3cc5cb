"""Workers on the wire: taken in by a code, given access, shared, revoked; and heard of every half minute."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chalicelib import ActionCtx, MutationCtx, QueryCtx, Refused, action, internal_mutation, mutation, query, sweep
from chalicelib.domain import access, agents
from chalicelib.domain.machines import assignments, enrolling, workers
from chalicelib.domain.machines.enrolling import (
    ACCESS_S,
    NOWHERE,
    Access,
    Agents,
    Asking,
    Capacity,
    Directories,
    Enrolled,
    Id,
    Word,
)
from chalicelib.domain.machines.workers import WorkerView
from chalicelib.schema import Machine, Worker, WorkerBeat
from chalicelib.schema.machines import Audience

Code = Annotated[str, Meta(min_length=1, max_length=40)]
Token = Annotated[str, Meta(max_length=1000)]
MOST_WORKERS = 100


# Taken in ----------------------------------------------------------------------------------------------------------------


@action(anonymous=True)
def enrol(
    ctx: ActionCtx,
    machine_id: Id,
    machine_name: Word,
    os: Word,
    worker_id: Id,
    name: Word,
    dirs: Directories,
    agents: Agents,
    capacity: Capacity = 1,
) -> Enrolled:
    """Ask to be taken in as a worker. The code is for a person to type (`workers:approve`); the token, which is shown this once,
    gets access once that was done. Ids are the worker's own choice."""
    code, secret = enrolling.new_code(), enrolling.new_secret()
    asked = {
        "machine_id": machine_id,
        "machine_name": machine_name,
        "os": os,
        "worker_id": worker_id,
        "name": name,
        "dirs": list(dirs),
        "agents": enrolling.stored(agents),
        "capacity": capacity,
    }
    ctx.parts.executor.call(NOWHERE, record_enrolment, code=code, asked=asked, secret=enrolling.digest(secret))
    return Enrolled(code=code, token=enrolling.token_of(machine_id, worker_id, secret), expires_at=ctx.now + enrolling.CODE_MS)


@internal_mutation
def record_enrolment(ctx: MutationCtx, code: str, asked: dict[str, Any], secret: str) -> None:
    """Keep a worker that asks."""
    enrolling.record(ctx, code, asked, secret)


@action(anonymous=True)
def token(ctx: ActionCtx, token: Token, instance: Id) -> Access:
    """Access for an hour, for whoever has a worker's token.

    Args:
        instance: a process' own name for itself, another one each time it starts. The newest speaks for the worker: what an
            older one was writing ends with what it has said, and the older one is refused from then on.

    Raises:
        Refused: WaitingApproval, EnrolmentDenied, EnrolmentExpired, WorkerNotFound, InstanceReplaced.
    """
    minter, executor = agents.minter(ctx), ctx.parts.executor
    proven = executor.call(NOWHERE, prove, token=token)
    found = executor.call(proven["org"], check_in, worker_id=proven["workerId"], instance=instance, secret=proven["secret"])
    made = minter.worker_token(proven["workerId"], proven["org"], ACCESS_S, found["tokenVersion"], instance)
    return Access(access_token=made, expires_in=ACCESS_S, worker_id=proven["workerId"], org=proven["org"], epoch=found["epoch"])


@internal_mutation
def prove(ctx: MutationCtx, token: str) -> dict[str, Any]:
    """Whose token it is."""
    return enrolling.prove(ctx, token)


@internal_mutation
def check_in(ctx: MutationCtx, worker_id: str, instance: str, secret: str) -> dict[str, int]:
    """A process speaks for a worker from now on, or goes on to."""
    worker = ctx.db.get(Worker, worker_id)
    if worker is None or worker.approval == "revoked" or worker.secret != secret:
        raise enrolling.not_found()
    if instance in worker.former:
        raise Refused("InstanceReplaced", "Another process speaks for this worker now.")
    if worker.instance != instance:
        assignments.take_over(ctx, worker)
        before = [*worker.former, worker.instance][-workers.FORMER :] if worker.instance else worker.former
        worker = ctx.db.patch(worker, instance=instance, epoch=worker.epoch + 1, former=before)
    if worker.status == "offline":
        worker = ctx.db.patch(worker, status="online", offline_since=None)
    workers.beat(ctx, worker)
    return {"epoch": worker.epoch, "tokenVersion": worker.token_version}


@action
def pending_by_code(ctx: ActionCtx, code: Code) -> Asking | None:
    """Which worker shows this code: what a person looks at before approving it. Null when there is none."""
    ctx.run_mutation(try_code)
    try:
        found = ctx.parts.executor.call(NOWHERE, asking_under, code=enrolling.tidy_code(code))
    except Refused:
        return None
    return msgspec.convert(found["asking"], Asking)


@internal_mutation
def try_code(ctx: MutationCtx) -> None:
    """One more code of this person: nobody guesses them."""
    user = access.signed_in(ctx, "take in a worker")
    enrolling.codes_tried.limit(ctx, user.subject)


@internal_mutation
def asking_under(ctx: MutationCtx, code: str) -> dict[str, Any]:
    """Who shows this code, and the digest of its secret."""
    found, known = enrolling.pending(ctx, code)
    return {"asking": enrolling.asking(found), "secret": known.id}


@action
def approve(ctx: ActionCtx, code: Code, audience: Audience = "owner") -> WorkerView:
    """Take in the worker that shows this code: it is the caller's own from now on. The first decision counts.

    Args:
        audience: who may have it answer: only the caller, or everybody of the org.

    Raises:
        Refused: EnrolmentNotFound, MachineNotFound where its machine is somebody else's, TooManyWorkers, RateLimited.
    """
    ctx.run_mutation(try_code)
    tidy = enrolling.tidy_code(code)
    found = ctx.parts.executor.call(NOWHERE, asking_under, code=tidy)
    asked = msgspec.convert(found["asking"], Asking)
    view = ctx.run_mutation(take_in, asked=asked, audience=audience, secret=found["secret"])
    try:
        ctx.parts.executor.call(NOWHERE, decide_enrolment, code=tidy, org=ctx.org)
    except Refused:  # somebody else was first
        ctx.run_mutation(take_back, worker_id=asked.worker_id, secret=found["secret"])
        raise
    return msgspec.convert(view, WorkerView)


@action
def deny(ctx: ActionCtx, code: Code) -> None:
    """Turn away the worker that shows this code. Raises `Refused`: EnrolmentNotFound, RateLimited."""
    ctx.run_mutation(try_code)
    ctx.parts.executor.call(NOWHERE, decide_enrolment, code=enrolling.tidy_code(code))


@internal_mutation
def decide_enrolment(ctx: MutationCtx, code: str, org: str | None = None) -> None:
    """Approve for an org, or deny."""
    enrolling.decide(ctx, code, org)


@internal_mutation
def take_in(ctx: MutationCtx, asked: Asking, audience: Audience, secret: str) -> WorkerView:
    """The documents of a worker and its machine, which the caller owns."""
    user = access.signed_in(ctx, "take in a worker")
    machine = ctx.db.get(Machine, asked.machine_id)
    if machine is None:
        ctx.db.insert(Machine(id=asked.machine_id, owner=user.subject, name=asked.machine_name, os=asked.os))
    elif machine.owner != user.subject:
        raise Refused("MachineNotFound", "Machine not found")
    known = ctx.db.get(Worker, asked.worker_id)
    if known is not None and known.owner != user.subject:
        raise enrolling.no_enrolment()
    if known is None and ctx.db.count(Worker.by_owner(user.subject)) >= MOST_WORKERS:
        raise Refused("TooManyWorkers", f"One person has at most {MOST_WORKERS} workers; remove one.")
    details: dict[str, Any] = {
        "machine": asked.machine_id,
        "name": asked.name,
        "dirs": asked.dirs,
        "agents": enrolling.stored(asked.agents),
        "capacity": asked.capacity,
        "audience": audience,
        "secret": secret,
    }
    if known is not None:  # enrolled again: its old tokens are void
        ctx.scheduler.run_after(0, "machines:forgetWorker", secret=known.secret)
        worker = ctx.db.patch(known, approval="approved", token_version=known.token_version + 1, **details)
    else:
        worker = Worker(id=asked.worker_id, org=ctx.org, owner=user.subject, offline_since=ctx.now, **details)
        ctx.db.insert(worker)
    return workers.view(user, worker)


@internal_mutation
def take_back(ctx: MutationCtx, worker_id: str, secret: str) -> None:
    """It was taken in by somebody else at the same moment."""
    worker = ctx.db.get(Worker, worker_id)
    if worker is None or worker.secret != secret:
        return
    ctx.db.delete(worker)
    machine = ctx.db.get(Machine, worker.machine)
    if machine is not None and ctx.db.count(Worker.by_machine(worker.machine)) == 0:
        ctx.db.delete(machine)


# What its owner decides --------------------------------------------------------------------------------------------------


@query
def get(ctx: QueryCtx, worker_id: str) -> WorkerView | None:
    """A worker that the caller may use, or null."""
    user = access.reader(ctx)
    worker = ctx.db.get(Worker, worker_id) if user is not None and worker_id else None
    seen = worker is not None and (workers.may_use(user, worker) or worker.owner == user.subject)
    return workers.view(user, worker) if worker is not None and seen else None


@mutation
def share(ctx: MutationCtx, worker_id: str, audience: Audience) -> WorkerView:
    """Say who may have a worker answer. Raises `Refused`: WorkerNotFound, NotYourWorker."""
    user = access.signed_in(ctx, "share a worker")
    return workers.view(user, ctx.db.patch(workers.owned(ctx, user, worker_id), audience=audience))


@mutation
def revoke(ctx: MutationCtx, worker_id: str) -> WorkerView:
    """End a worker's access, at once and for good: what it is writing ends with what it has said. Twice is once.

    Raises:
        Refused: WorkerNotFound, NotYourWorker.
    """
    user = access.signed_in(ctx, "revoke a worker")
    return workers.view(user, assignments.revoke(ctx, workers.owned(ctx, user, worker_id)))


@action
def rotate(ctx: ActionCtx, worker_id: str) -> str:
    """A new token for a worker, shown this once; the old one and all access are void. Raises `Refused`: WorkerNotFound."""
    secret = enrolling.new_secret()
    new = enrolling.digest(secret)
    old = ctx.run_mutation(void_tokens, worker_id=worker_id, secret=new)
    machine_id = ctx.parts.executor.call(NOWHERE, renew_secret, old=old, new=new)
    return enrolling.token_of(machine_id, worker_id, secret)


@internal_mutation
def void_tokens(ctx: MutationCtx, worker_id: str, secret: str) -> str:
    """Another secret is the one that is good, and access that was given is void. Returns the old one's digest."""
    user = access.signed_in(ctx, "renew a worker's token")
    worker = workers.owned(ctx, user, worker_id)
    ctx.db.patch(worker, token_version=worker.token_version + 1, secret=secret)
    return worker.secret


@internal_mutation
def renew_secret(ctx: MutationCtx, old: str, new: str) -> str:
    """Another secret in the place of the old one."""
    return enrolling.renew(ctx, old, new)


@internal_mutation
def forget_secret(ctx: MutationCtx, secret: str) -> None:
    """The secret of a worker that was removed, or enrolled again."""
    enrolling.forget(ctx, secret)


# What it says of itself --------------------------------------------------------------------------------------------------


@mutation
def heartbeat(
    ctx: MutationCtx,
    instance: Id,
    agents: Agents | None = None,
    dirs: Directories | None = None,
    capacity: Capacity | None = None,
    in_flight: Annotated[int, Meta(ge=0, le=1000)] = 0,
) -> int:
    """A worker says that it is there; every 30 seconds, after 90 it counts as offline. Returns its epoch.

    Raises:
        Refused: WorkerRevoked, InstanceReplaced.
    """
    worker = workers.speaking(ctx, instance)
    told: dict[str, Any] = {
        "agents": None if agents is None else enrolling.stored(agents),
        "dirs": dirs,
        "capacity": capacity,
    }
    changed = {name: part for name, part in told.items() if part is not None and part != getattr(worker, name)}
    if worker.status == "offline":
        changed |= {"status": "online", "offline_since": None}
    if changed:
        worker = ctx.db.patch(worker, **changed)
    workers.beat(ctx, worker, in_flight)
    return worker.epoch


@mutation
def go_offline(ctx: MutationCtx, instance: Id) -> None:
    """A worker says goodbye: what it is writing ends, what waits goes on waiting."""
    worker = workers.speaking(ctx, instance)
    assignments.take_over(ctx, worker)
    workers.went(ctx, worker)


@mutation
def leave(ctx: MutationCtx, instance: Id) -> None:
    """A worker ends its own access, at once and for good, as its owner could: what it is writing ends with what it has said.

    Raises:
        Refused: WorkerRevoked, InstanceReplaced.
    """
    assignments.revoke(ctx, workers.speaking(ctx, instance))


@internal_mutation
def went_offline(ctx: MutationCtx, worker_id: str) -> None:
    """A worker that was not heard of."""
    worker, beat = ctx.db.get(Worker, worker_id), ctx.db.get(WorkerBeat, worker_id)
    if beat is None or beat.state == "offline" or beat.lease_until > ctx.now:
        return
    if worker is None:
        ctx.db.patch(beat, state="offline")
        return
    assignments.take_over(ctx, worker)
    workers.went(ctx, worker)


@sweep
def watch(executor: Any) -> None:
    """Workers that were not heard of are offline: over all orgs."""
    for item in executor.listed(WorkerBeat.by_state_lease, ("online",), executor.clock.now_ms()):
        executor.repair(item["org"], went_offline, worker_id=item["_id"])
