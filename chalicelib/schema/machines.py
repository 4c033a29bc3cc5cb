"""Machines of people, the workers that answer on them, and what their agents ask permission for."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from chalicelib import Index, Table

Audience = Literal["owner", "org"]
PermissionState = Literal["open", "allowed", "denied", "expired", "cancelled"]
OptionKind = Literal["allow_once", "allow_always", "reject_once", "reject_always"]
TOOL = msgspec.Meta(extra={"said": True})
"""What an agent says of its own tools is read whatever it is."""


class Enrolment(Table, name="enrolments", ttl="expires_at"):
    """A worker that asks to be taken in; the id is the code that a person types. It belongs to no org yet, so it is kept in the
    system's own."""

    worker_id: str
    machine_id: str
    machine_name: str
    os: str
    name: str
    dirs: list[str] = []
    agents: list[dict[str, str]] = []
    capacity: int = 1
    secret: str
    """The digest of the secret that it was given."""
    expires_at: float


class WorkerSecret(Table, name="workerSecrets", ttl="expires_at"):
    """What proves a worker, and which org it was taken into; the id is the SHA-256 of the secret, which itself is stored
    nowhere. Kept in the system's own org: whoever proves who he is does not say where he belongs."""

    worker_id: str
    machine_id: str
    state: Literal["pending", "approved", "denied"] = "pending"
    org: str | None = None
    expires_at: float | None = None
    """Of one that was not approved."""


class Machine(Table, name="machines"):
    """Somebody's machine; the id is its own choice. It is online while one of its workers is."""

    owner: str
    name: str
    os: str

    by_owner = Index("owner")
    """Somebody's machines."""


class Worker(Table, name="workers"):
    """A process on a machine that answers sessions with a coding agent; the id is its own choice."""

    org: str
    machine: str
    owner: str
    name: str
    approval: Literal["approved", "revoked"] = "approved"
    status: Literal["online", "offline"] = "offline"
    audience: Audience = "owner"
    """Who may have it answer: its owner, or everybody of the org."""
    agents: list[dict[str, str]] = []
    dirs: list[str] = []
    capacity: int = 1
    instance: str | None = None
    """The process that speaks for it; a newer one takes its place for good."""
    epoch: int = 0
    """Counts the instances."""
    secret: str = ""
    """The digest of the one secret that is good for it."""
    former: list[str] = []
    """The last instances before this one: none of them comes back."""
    token_version: int = 1
    offline_since: float | None = None

    by_owner = Index("owner")
    """Somebody's workers."""
    by_machine = Index("machine")
    """The workers of a machine."""
    by_audience = Index("audience")
    """The workers that everybody of the org may use."""


class WorkerBeat(Table, name="workerBeats"):
    """That a worker was there; the id is the worker's. A row of its own: nobody who looks at the worker is told of every beat."""

    org: str
    state: Literal["online", "offline"] = "online"
    lease_until: float
    in_flight: int = 0

    by_state_lease = Index("state", order="lease_until", eventual=True, everywhere=True)
    """Which workers have not been heard of? Asked by the sweep."""


class Permission(Table, name="permissionRequests"):
    """An agent asks whether it may use a tool. The id is made of the reply and the tool's call: asking twice is asking once."""

    session: str
    message: str
    run: str
    tool_call_id: str
    tool: str
    title: str
    input: Annotated[Any, TOOL] = None
    options: list[dict[str, str]] = []
    grant: str | None = None
    """What is allowed for the rest of the session by an answer that says "always"."""
    state: PermissionState = "open"
    option: str | None = None
    decided_by: str | None = None
    decided_at: float | None = None
    asked_at: float
    expires_at: float
    waiting_for: str | None = None
    """Whose decision it waits for; none once it is decided."""

    by_session = Index("session", order="asked_at")
    """What was asked in a session."""
    by_run = Index("run")
    """What was asked for one reply."""
    by_waiting = Index("waiting_for", order="asked_at")
    """What waits for somebody's decision."""
    by_grant = Index("session", "grant")
    """What was asked under a grant in a session."""
