"""How a worker is taken in: it shows a code, and a person who is signed in types it (as RFC 8628 does for devices).

    worker ── enrol ──> code, token        person ── code ──> approve        worker ── token ──> an hour's access

Until a person has approved it a worker belongs to nobody and to no org. Its token is
`machine_<id>:worker_<id>:secret_<secret>`; of the secret only a digest is stored.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, RateLimit, Refused
from chalicelib.schema import Enrolment, WorkerSecret

NOWHERE = "_system"
"""The org of what belongs to no org; no token can name it."""
CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so that no code is a word (RFC 8628, section 6.1)."""
CODE_MS = 15 * 60 * 1000
"""How long a code can be typed."""
POLL_S = 5
"""How often a worker asks whether it was approved."""
ACCESS_S = 3600
Id = Annotated[str, Meta(min_length=8, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Word = Annotated[str, Meta(min_length=1, max_length=200)]
Directory = Annotated[str, Meta(min_length=1, max_length=1000)]
codes_tried = RateLimit("codesTried", per_minute=1, capacity=10)
"""Codes that one person may try: ten, and then one a minute."""
_TOKEN = re.compile(r"machine_([A-Za-z0-9_-]{8,64}):worker_([A-Za-z0-9_-]{8,64}):secret_([A-Za-z0-9_-]{20,200})")


class AgentKind(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A coding agent that a worker can start."""

    kind: Annotated[str, Meta(min_length=1, max_length=40)]
    version: Annotated[str, Meta(max_length=100)] | None = None


Agents = Annotated[list[AgentKind], Meta(max_length=20)]
Directories = Annotated[list[Directory], Meta(max_length=50)]
Capacity = Annotated[int, Meta(ge=1, le=64)]


def stored(agents: list[AgentKind]) -> list[dict[str, str]]:
    """Agents as documents have them."""
    return [{"kind": each.kind, **({"version": each.version} if each.version else {})} for each in agents]


class Enrolled(msgspec.Struct, rename="camel", kw_only=True):
    """What a worker shows to a person, and what it keeps: the token is shown this once."""

    code: str
    token: str
    expires_at: float
    """Milliseconds since the epoch: until then the code can be typed."""
    interval: int = POLL_S
    """Seconds between two tries to get access."""


class Asking(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A worker that asks to be taken in, as a person sees it before deciding."""

    worker_id: str
    machine_id: str
    machine_name: str
    os: str
    name: str
    dirs: list[str]
    agents: list[AgentKind]
    capacity: int
    expires_at: float


class Access(msgspec.Struct, rename="camel", kw_only=True):
    """A worker's access for an hour."""

    access_token: str
    expires_in: int
    worker_id: str
    org: str
    epoch: int


def new_code() -> str:
    """A code for a person to type: eight letters of twenty."""
    letters = "".join(secrets.choice(CODE_LETTERS) for _ in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def tidy_code(code: str) -> str:
    """A code as a person may have typed it."""
    letters = re.sub(r"[^A-Za-z]", "", code).upper()
    return f"{letters[:4]}-{letters[4:]}"


def new_secret() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is stored of a secret. It is random, so that nothing slower than a hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def token_of(machine_id: str, worker_id: str, secret: str) -> str:
    """A worker's token."""
    return f"machine_{machine_id}:worker_{worker_id}:secret_{secret}"


def parted(token: str) -> tuple[str, str, str]:
    """Machine, worker and secret of a token. Raises `Refused`: WorkerNotFound."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise not_found()
    return found[1], found[2], found[3]


def not_found() -> Refused:
    """The one answer to whoever proves nothing: whether a worker exists is not told."""
    return Refused("WorkerNotFound", "Worker not found")


def no_enrolment() -> Refused:
    """There is no such code, or not any more."""
    return Refused("EnrolmentNotFound", "There is no worker that shows this code; it may have expired.", field="code")


def record(ctx: MutationCtx, code: str, asked: dict[str, Any], secret: str) -> None:
    """Keep a worker that asks. Ids are its own choice; nobody is told whether one is taken."""
    expires = ctx.now + CODE_MS
    ctx.db.insert(Enrolment(id=code, expires_at=expires, secret=secret, **asked))
    ctx.db.insert(WorkerSecret(id=secret, worker_id=asked["worker_id"], machine_id=asked["machine_id"], expires_at=expires))


def pending(ctx: MutationCtx, code: str) -> tuple[Enrolment, WorkerSecret]:
    """The worker that shows a code. Raises `Refused`: EnrolmentNotFound."""
    found = ctx.db.get(Enrolment, code)
    known = ctx.db.get(WorkerSecret, found.secret) if found is not None else None
    if found is None or known is None or found.expires_at <= ctx.now or known.state != "pending":
        raise no_enrolment()
    return found, known


def asking(found: Enrolment) -> Asking:
    """An enrolment's document → what a person sees before deciding."""
    return Asking(
        worker_id=found.worker_id,
        machine_id=found.machine_id,
        machine_name=found.machine_name,
        os=found.os,
        name=found.name,
        dirs=found.dirs,
        agents=[AgentKind(kind=each["kind"], version=each.get("version")) for each in found.agents],
        capacity=found.capacity,
        expires_at=found.expires_at,
    )


def decide(ctx: MutationCtx, code: str, org: str | None) -> None:
    """Take a worker into an org, or (None) deny it. The first decision counts. Raises `Refused`: EnrolmentNotFound."""
    _, known = pending(ctx, code)
    if org is None:
        ctx.db.patch(known, state="denied")
    else:
        ctx.db.patch(known, state="approved", org=org, expires_at=None)


def prove(ctx: MutationCtx, token: str) -> dict[str, Any]:
    """Whose token this is: `{workerId, org, secret}`. Raises `Refused`: WaitingApproval, EnrolmentDenied, WorkerNotFound."""
    machine_id, worker_id, secret = parted(token)
    known = ctx.db.get(WorkerSecret, digest(secret))
    if known is None or (known.machine_id, known.worker_id) != (machine_id, worker_id):
        raise not_found()
    if known.state == "denied":
        raise Refused("EnrolmentDenied", "A person has denied this worker; enrol it again.")
    if known.state == "pending":
        if (known.expires_at or 0) <= ctx.now:
            raise Refused("EnrolmentExpired", "Nobody has approved this worker in time; enrol it again.")
        raise Refused("WaitingApproval", "Nobody has approved this worker yet.")
    return {"workerId": worker_id, "org": known.org, "secret": known.id}


def renew(ctx: MutationCtx, old: str, new: str) -> str:
    """Another secret in the place of one. Returns the machine's id. Raises `Refused`: WorkerNotFound."""
    known = ctx.db.get(WorkerSecret, old)
    if known is None:
        raise not_found()
    ctx.db.delete(known)
    ctx.db.insert(WorkerSecret(id=new, worker_id=known.worker_id, machine_id=known.machine_id, state="approved", org=known.org))
    return known.machine_id


def forget(ctx: MutationCtx, secret: str) -> None:
    """A secret is void for good."""
    known = ctx.db.get(WorkerSecret, secret)
    if known is not None:
        ctx.db.delete(known)
