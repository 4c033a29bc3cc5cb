"""Workers: who speaks for one, who may use it, and what people see of it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain.machines.enrolling import AgentKind
from chalicelib.schema import ChatSession, Machine, Worker, WorkerBeat
from chalicelib.schema.machines import Audience

Ctx = QueryCtx | MutationCtx
SUBJECT = "worker:"
"""How the subject of a worker's token begins: no user's name can be taken for one."""
STALE_MS = 90_000
"""A worker that was not heard of for so long is offline: it says that it is there every 30 seconds."""
FORMER = 20
LISTED = 100


class WorkerView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A worker as those see it who may use it. Times are milliseconds since the epoch."""

    worker_id: str
    machine_id: str
    name: str
    status: Literal["online", "offline"]
    approval: Literal["approved", "revoked"]
    audience: Audience
    mine: bool
    agents: list[AgentKind]
    dirs: list[str]
    capacity: int
    created_at: float
    offline_since: float | None = None


class MachineView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A machine with its workers, as those see it who may use one of them."""

    machine_id: str
    name: str
    os: str
    owner: str
    mine: bool
    status: Literal["online", "offline"]
    workers: list[WorkerView]
    offline_since: float | None = None
    """When its last worker went."""


class Answering(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Of a session: who answers, and whether it is there."""

    name: str
    status: Literal["online", "offline"]
    machine_name: str | None = None
    offline_since: float | None = None


def is_worker(user: Any) -> bool:
    """Whether a token is a worker's own, as this backend makes them."""
    return bool(user is not None and user.claims.get("type") == "worker" and user.subject.startswith(SUBJECT))


def id_of(user: Any) -> str:
    """The worker whose token it is."""
    return str(user.subject).removeprefix(SUBJECT)


def caller(ctx: Ctx) -> Worker:
    """The worker that calls: approved still, and this its newest process. One read, so that a revocation acts at once.

    Raises:
        Refused: Unauthorized, WorkerRevoked, InstanceReplaced.
    """
    if ctx.user is None or not is_worker(ctx.user):
        raise Refused("Unauthorized", "Unauthorized: this is for workers, with a token of `workers:token`.")
    worker = ctx.db.get(Worker, id_of(ctx.user))
    if worker is None or worker.approval == "revoked" or worker.token_version != ctx.user.claims.get("tv"):
        raise Refused("WorkerRevoked", "This worker was revoked, or got a new secret.")
    if worker.instance != ctx.user.claims.get("instance"):
        raise Refused("InstanceReplaced", "Another process speaks for this worker now.")
    return worker


def speaking(ctx: MutationCtx, instance: str) -> Worker:
    """The same, where the process also says its name. Raises `Refused`."""
    worker = caller(ctx)
    if worker.instance != instance:
        raise Refused("InstanceReplaced", "Another process speaks for this worker now.")
    return worker


def may_use(user: Any, worker: Worker) -> bool:
    """Whether somebody may have a worker answer."""
    allowed = user.is_service or worker.owner == user.subject or worker.audience == "org"
    return bool(allowed and worker.approval == "approved")


def owned(ctx: Ctx, user: Any, worker_id: str) -> Worker:
    """A worker for its owner. Raises `Refused`: WorkerNotFound; to whoever may use it: NotYourWorker."""
    worker: Worker | None = ctx.db.get(Worker, worker_id) if worker_id else None
    if worker is not None and (user.is_service or worker.owner == user.subject):
        return worker
    if worker is not None and may_use(user, worker):
        raise Refused("NotYourWorker", "Unauthorized: You do not own this worker")
    raise Refused("WorkerNotFound", "Worker not found", field="workerId")


def machine_owned(ctx: Ctx, user: Any, machine_id: str) -> Machine:
    """A machine for its owner. Raises `Refused`: MachineNotFound."""
    machine: Machine | None = ctx.db.get(Machine, machine_id) if machine_id else None
    if machine is None or not (user.is_service or machine.owner == user.subject):
        raise Refused("MachineNotFound", "Machine not found", field="machineId")
    return machine


def view(user: Any, worker: Worker) -> WorkerView:
    """A worker's document → what is told of it. Where it works is told to everybody who may have it work there."""
    return WorkerView(
        worker_id=worker.id,
        machine_id=worker.machine,
        name=worker.name,
        status=worker.status,
        approval=worker.approval,
        audience=worker.audience,
        mine=bool(user.is_service or worker.owner == user.subject),
        agents=[AgentKind(kind=each["kind"], version=each.get("version")) for each in worker.agents],
        dirs=worker.dirs,
        capacity=worker.capacity,
        created_at=worker.creation_time,
        offline_since=worker.offline_since,
    )


def machine_view(user: Any, machine: Machine, workers: list[Worker]) -> MachineView:
    """A machine and those of its workers that may be seen."""
    online = any(each.status == "online" for each in workers)
    since = [each.offline_since for each in workers if each.offline_since is not None]
    return MachineView(
        machine_id=machine.id,
        name=machine.name,
        os=machine.os,
        owner=machine.owner,
        mine=bool(user.is_service or machine.owner == user.subject),
        status="online" if online else "offline",
        workers=[view(user, each) for each in workers],
        offline_since=None if online or not since else max(since),
    )


def answering(ctx: QueryCtx, session: ChatSession) -> Answering | None:
    """Who answers a session, where that is a worker which was taken in."""
    worker = ctx.db.get(Worker, session.worker_id) if session.worker_id else None
    if worker is None:
        return None
    machine = ctx.db.get(Machine, worker.machine)
    return Answering(
        name=worker.name,
        status=worker.status,
        machine_name=machine.name if machine else None,
        offline_since=worker.offline_since,
    )


def beat(ctx: MutationCtx, worker: Worker, in_flight: int = 0) -> None:
    """A worker is there."""
    known = ctx.db.get(WorkerBeat, worker.id)
    until = ctx.now + STALE_MS
    if known is None:
        ctx.db.insert(WorkerBeat(id=worker.id, org=worker.org, lease_until=until, in_flight=in_flight))
    else:
        ctx.db.patch(known, state="online", lease_until=until, in_flight=in_flight)


def went(ctx: MutationCtx, worker: Worker) -> None:
    """A worker is not there any more."""
    known = ctx.db.get(WorkerBeat, worker.id)
    if known is not None:
        ctx.db.patch(known, state="offline")
    if worker.status == "online":
        ctx.db.patch(worker, status="offline", offline_since=ctx.now)
