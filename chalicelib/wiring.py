"""The only place that chooses real parts. Everything else is handed what it needs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from chalicelib.backend import Backend
from chalicelib.data.capabilities import one_writer, use_service
from chalicelib.data.errors import Conflict, StoreFailed
from chalicelib.data.meters import measure
from chalicelib.data.reads import Touched
from chalicelib.data.receipts import Receipt
from chalicelib.data.records import plain
from chalicelib.data.store import Store
from chalicelib.data.tables import MARK, Table, all_specs, record_key
from chalicelib.doors import events, owned, socketio
from chalicelib.doors.event_words import Events
from chalicelib.live.driver import Viewers
from chalicelib.live.owner.owner import Owner
from chalicelib.live.owner.ports import Threads
from chalicelib.runtime import side_rows
from chalicelib.runtime.canary import index_lag
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.identity import Provider, Verifier, fetch
from chalicelib.runtime.job_runner import JobRunner
from chalicelib.runtime.lines import Lines
from chalicelib.runtime.minting import Minter, provider_of, public_half
from chalicelib.runtime.parallel import Parallel
from chalicelib.runtime.ports import Clock, Gateway, Invoker
from chalicelib.runtime.registry import Registry, load
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.push.service import PushService


class SystemClock:
    """The machine's time."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass
class Parts:
    """What differs between the cloud, the local server and a test."""

    store: Store
    invoker: Invoker
    gateway: Gateway
    clock: Clock
    providers: list[Provider]
    model_url: str | None = None
    settings: Settings | None = None
    model_key: Callable[[], str | None] | None = None
    """Fetches the model's key when it is first needed; None: it is in the settings."""
    signing_key: Callable[[], str | None] | None = None
    """Fetches the key that signs agents' tokens, when one is signed; None: it is in the settings, or nothing is signed here."""
    embedder_key: Callable[[], str | None] | None = None
    """Fetches the key of an endpoint of embeddings when it is asked; None: it is in the settings, or none is sent."""
    push_key: Callable[[], str | None] | None = None
    """Fetches the key that signs push messages, when one is sent; None: it is in the settings, or none are sent here."""
    sweeps: Sequence[Callable[[Executor], object]] = ()
    """Further sweeps, which look before the domain's put right what they find."""
    threads: bool = False
    """Whether slices of a fan-out are served at once (FAN_OUT_THREADS), and calls wait in line for each other; a simulation
    has a time of its own."""
    owner_threads: Threads | None = None
    """The threads of the owner of sockets, where this process is one (LIVE=owner)."""
    owner: Owner | None = None
    """The owner that this process has already: the code was loaded again."""
    call_log: Any = None
    """Keeps the last calls (`runtime/call_log.py`); it outlives a reload of the code. None: nobody asks for them."""
    url: str = ""
    """Where clients reach this deployment, as far as it knows."""


_lock = threading.Lock()
_parts: Parts | None = None
_backend: Backend | None = None
_registry: Registry | None = None


def use(parts: Parts | None, registry: Registry | None = None) -> None:
    """Hand in the parts of this process, before the first `backend()`; also starts afresh after a reload, or with a registry."""
    global _parts, _backend, _registry
    with _lock:
        _parts, _backend, _registry = parts, None, registry


def backend() -> Backend:
    """The backend of this process, built at the first call."""
    global _backend
    with _lock:
        if _backend is None:
            settings = (_parts.settings if _parts else None) or Settings.from_env()
            registry = _registry or load(settings.apps, operators=bool(settings.operator_public_keys))
            _backend = build(settings, registry, _parts or _cloud(settings))
        return _backend


def build(settings: Settings, registry: Registry, parts: Parts) -> Backend:
    """Connect parts to a backend."""
    from chalicelib.embedders.choice import chosen
    from chalicelib.llm.service import ModelService
    from chalicelib.push.service import PushService

    model = ModelService(settings, parts.model_url, parts.model_key)
    jobs: list[JobRunner] = []
    executor = Executor(
        parts.store,
        registry,
        parts.clock,
        development=settings.development,
        committed=lambda receipt, org: jobs[0].handed_over(receipt, org),
        limits={
            "token_budget_per_org": settings.token_budget_per_org,
            "replies_per_user": settings.replies_per_user,
            "sessions_per_user": settings.sessions_per_user,
            "tasks_per_user": settings.tasks_per_user,
            "schedules_per_user": settings.schedules_per_user,
            "agents_per_user": settings.agents_per_user,
            "sockets_per_user": settings.sockets_per_user,
            "conversations_per_agent": settings.conversations_per_agent,
            "run_lease_ms": settings.run_lease_s * 1000,
            "workers_shared": settings.workers_shared,
            "worker_wait_ms": settings.worker_wait_hours * 3_600_000,
            "permission_ms": settings.permission_minutes * 60_000,
            "mcp_hosts": settings.mcp_hosts,
            "mcp_commands": settings.mcp_commands,
            "mcp_system": settings.mcp_system,
            "push_key": settings.push_key,
            "push_hosts": settings.push_hosts,
            "registry": registry,
            "url": parts.url,
        },
        lines=Lines(one=one_writer(parts.store)) if parts.threads else None,
    )
    executor.embedder = chosen(settings, parts.embedder_key)
    if settings.vectors != "rows":
        from chalicelib.aws.vectors import service_of

        use_service(parts.store, service_of(settings.vectors, settings.prefix))
    jobs.append(JobRunner(executor, parts.invoker, lease_s=settings.job_lease_s))
    signing = settings.signing_key or parts.signing_key
    minter = Minter(signing, parts.clock) if signing else None
    public = public_half(settings.signing_key) if settings.signing_key else settings.signing_public_key
    providers = [*parts.providers, provider_of(public)] if public else parts.providers
    verifier = Verifier(
        providers,
        fetch,
        parts.clock,
        org_claim=settings.org_claim,
        org_default=settings.org_default,
        development=settings.development,
    )
    own = parts.owner_threads is not None
    # What waits for nothing but this process itself is done one after another.
    executor.parallel = Parallel(settings.fan_out_threads if parts.threads and not (own and settings.store == "sqlite") else 1)
    made = Backend(
        settings,
        parts.store,
        parts.clock,
        parts.gateway,
        parts.invoker,
        registry,
        executor,
        jobs[0],
        verifier,
        dialects={events.KIND: Events(), socketio.KIND: socketio.Packets()},
        ended=events.ended,
        parallel=executor.parallel,
        threads=parts.owner_threads,
        owner=parts.owner,
        hears=owned.hears,
        renew=events.renew,
        call_log=parts.call_log,
    )
    if own:
        executor.committed = partial(_committed, made)
    executor.parts = Lent(model, PushService(settings, parts.push_key), executor, made, parts.clock, minter)
    rows = partial(side_rows.sweep, parts.store, parts.clock)
    made.sweeps = [*(partial(each, executor) for each in parts.sweeps), rows, *_sweeps(registry, executor)]
    return made


def _committed(backend: Backend, receipt: Receipt, org: str) -> None:
    """After a commit of a process that owns sockets: tell whoever watches, and hand over jobs."""
    backend.driver.committed(receipt.id, receipt.touched)
    backend.jobs.handed_over(receipt, org)


@dataclass
class Lent:
    """What built-in actions may use beyond the public words: the model, push services, and appends of single rows."""

    model: Any
    push: PushService
    executor: Executor
    backend: Backend
    clock: Clock
    minter: Minter | None = None

    @staticmethod
    def used(org: str, usage: dict[str, Any] | None) -> None:
        """A reply has cost this."""
        from chalicelib.llm.service import billed

        measure("ReplyTokens", billed(usage or {}), org=org)

    def connected(self, connection: str) -> bool:
        """Whether a socket is there still, as far as is known here."""
        return self.backend.driver.connected(connection)

    def viewers(self, org: str, document: Table) -> Viewers:
        """Those who watch the log that a row is in, which only the caller writes: it tells them of the rows that it adds."""
        return self.backend.driver.viewers(_place(org, document)[0])

    def append(self, org: str, document: Table, viewers: Viewers | None = None) -> bool:
        """Add a row to a streamed log, asking again while the store does not say, and tell those who watch it.

        Returns False when another row is in its place.
        """
        told = viewers.owe(_place(org, document)) if viewers is not None else b""
        for attempt in range(20):
            try:
                mine = self.executor.append(org, document, told)
                break
            except (StoreFailed, Conflict):
                self.clock.sleep(min(1.0, 0.02 * 2**attempt))
        else:
            raise StoreFailed(f"{type(document).table_name} cannot be written")
        if mine and viewers is not None:
            viewers.tell(str(document.id))
        return mine


def _place(org: str, document: Table) -> Touched:
    key = record_key(type(document), org, plain(document))
    return key.pk, key.sk or MARK


def _sweeps(registry: Registry, executor: Executor) -> list[Callable[[], Any]]:
    """Functions marked `sweep=True`: called with the executor at every sweep."""
    return [partial(each, executor) for each in registry.sweeps()]


def _cloud(settings: Settings) -> Parts:
    """The parts of a Lambda function."""
    from chalicelib.aws.gateway import ApiGateway
    from chalicelib.aws.invoke import LambdaInvoker
    from chalicelib.aws.secrets import Secret
    from chalicelib.aws.store import DynamoStore
    from chalicelib.aws.watch import overdue

    store = DynamoStore(all_specs(), prefix=settings.prefix, endpoint_url=settings.dynamodb_endpoint)
    providers = [Provider(*each) for each in settings.auth]
    kept = settings.anthropic_key_secret, settings.signing_key_secret, settings.embedder_key_secret, settings.push_key_secret
    model, signing, embedder, push = (Secret(name).read if name else None for name in kept)
    calls = None
    if settings.operator_public_keys:
        from chalicelib.aws.call_log import StageCalls, install

        install()
        calls = StageCalls(settings.prefix)
    return Parts(
        store,
        LambdaInvoker(settings),
        ApiGateway(settings.ws_endpoint or ""),
        SystemClock(),
        providers,
        settings.model_url,
        model_key=model,
        signing_key=signing,
        embedder_key=embedder,
        push_key=push,
        sweeps=[overdue, index_lag],
        threads=True,
        call_log=calls,
    )
