"""Everything that runs on a laptop, put together: what CloudFormation does in the cloud.

    port ─ server ─ lambdas ─ app.py ─ backend ─ store ─ pumps ─┐
                       └──────────────── on_change ─────────────┘

`Stack` is one process' worth of it: `make dev` runs one, a test may run several on one DynamoDB engine. The parts live as
long as the stack; the app's code is loaded around them, and loaded again when a file is saved.
"""

from __future__ import annotations

import dataclasses
import importlib
import logging
import os
import sys
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from chalicelib.data.store import Change
from chalicelib.environment import AuthProvider, BadSetting, switch_of
from chalicelib.runtime.call_log import CallLog
from chalicelib.runtime.contexts import ANONYMOUS_ORG
from chalicelib.runtime.operators import Operators, public_half
from chalicelib.settings import Settings
from infra.local.administration import Administration
from infra.local.aws.api_gateway import Walls
from infra.local.aws.lambdas import Lambdas, timeouts
from infra.local.aws.posts import LocalGateway
from infra.local.aws.pump import LogFeed, Pump, StreamFeed, nothing_known
from infra.local.console import HOME
from infra.local.guides import Guides
from infra.local.issuer import AUDIENCE, ISSUER, DevIssuer, signing_key
from infra.local.listen import DEVELOPMENT, Listen
from infra.local.loop import Loop
from infra.local.operators import Dashboard, SystemClock, operator_key
from infra.local.origin_check import OriginCheck
from infra.local.owned import OwnedSockets
from infra.local.push_keys import with_push_keys
from infra.local.reload import Reloader
from infra.local.routes import LocalRoutes
from infra.local.server import Server
from infra.local.site import Site
from infra.local.vite import Vite

log = logging.getLogger("concave.local")

SWEEP_S = 10.0
"""The cloud sweeps every minute, the shortest schedule of EventBridge; here it costs nothing to look sooner."""
EXPIRE_S = 60.0
"""Expired items go this often. DynamoDB takes up to days over it, and readers rely on neither."""
GATHER_S = 0.05
"""What a stream tells an owner of sockets that it knows already is gathered for so long."""
WEB = HOME / "web"


@dataclasses.dataclass(frozen=True)
class Extras:
    """What a laptop has: tokens for anybody, a scripted model where no other is named, other processes that post, a dashboard
    (for this machine only, unless it says everywhere)."""

    tokens: bool = True
    model: bool = True
    posted_to: bool = True
    dashboard: bool = True
    dashboard_everywhere: bool = False


LAPTOP = Extras()


class Stack:
    """A local server with all that belongs to it.

    Args:
        settings: as read from the environment; `data_dir` is made if it is missing.
        env: for ALLOWED_HOSTS and ALLOWED_ORIGINS.
        walls: API Gateway's limits.
        sweep_s: seconds between sweeps.
        site: the folder of the page that is served at `/`.
        dashboard: the folder of the dashboard, at `/_/`.
        guides: the folder of the guides, at `/docs/`.
        wrap_store: tests put faults or a counter around the store.
        listen: where and how the server listens.
        extras: what only a laptop has.
        web: the source of the page, for its development server.
        loaded: called when the app's code was loaded, at the start and at every reload.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        env: Mapping[str, str] = os.environ,
        walls: Walls | None = None,
        sweep_s: float = SWEEP_S,
        site: Path = WEB / "dist",
        dashboard: Path = WEB / "dist-dashboard",
        guides: Path = WEB / "dist-guides",
        wrap_store: Callable[[Any], Any] = lambda store: store,
        listen: Listen = DEVELOPMENT,
        extras: Extras = LAPTOP,
        web: Path = WEB,
        loaded: Callable[[], None] | None = None,
    ) -> None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._listen, self._extras = listen, extras
        self._web, self._loaded = web, loaded
        self.issuer = DevIssuer(dataclasses.replace(settings, stage=None)) if extras.tokens else None
        self.model: Any = None
        self.settings = self._adapted(settings)
        self.lambdas = Lambdas(seconds=timeouts(HOME / ".chalice" / "config.json"))
        self.dashboard = self._dashboard(dashboard) if extras.dashboard else None
        admin = Administration(self._operators())
        below = [each for each in (self.dashboard, Guides(guides)) if each is not None]
        routes = LocalRoutes(self.issuer, Site(site), posted_to=extras.posted_to, below=below, working=admin)
        self.call_log = CallLog()
        logging.getLogger("concave.calls").addHandler(self.call_log)
        self.server = Server(self.lambdas, routes, walls or _walls(env, settings), listen=listen)
        self.reloader = Reloader(settings.apps, self._load)
        self.pumps: list[Pump] = []
        self._threads: Any = None  # of the owner of sockets, where this process is one
        self._owner: Any = None
        self.store: Any = None
        self._served: Any = None  # the store as the backend sees it
        self._specs: list[Any] = []
        self._env, self._sweep_s, self._wrap = env, sweep_s, wrap_store
        self._loop = Loop()
        self.gateway = LocalGateway(self.server, self._loop)

    @property
    def url(self) -> str:
        """Where it is reachable."""
        host = "127.0.0.1" if self._listen.host in ("127.0.0.1", "0.0.0.0", "::") else self._listen.host  # noqa: S104
        scheme = "https" if self._listen.certificate else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.server.port}"

    def start(self, *, watch: bool = False, vite: bool = False) -> None:
        """Take the port, open the store, load the app, begin to answer. `watch`: reload on save; `vite`: the page, too."""
        self._loop.start()
        port = self._loop.run(self.server.bind(self.settings.port))
        self._load()
        self._end_what_died()
        self._loop.run(self.server.serve(OriginCheck.from_env(port, self._env)))
        self.lambdas.every(self._sweep_s, "sweep")
        if self.settings.store == "sqlite":
            self.lambdas.repeat(EXPIRE_S, lambda: self.store.expire(time.time()))
        if watch:
            self.reloader.watch()
        if vite:
            self.server.vite = page = Vite(self._web, self.url)
            page.start()

    def stop(self) -> None:
        """Say goodbye to the clients, let what is being answered or written end for `stop_s` seconds, and let go of everything.
        What takes longer is cut, as by a crash."""
        until = time.monotonic() + self._listen.stop_s
        self.reloader.stop()
        if self.server.vite is not None:
            self.server.vite.stop()
        self._loop.run(self.server.goodbye())
        self._loop.run(self.server.stop(), self._listen.stop_s + 10)
        self.lambdas.finish(until - time.monotonic())
        for pump in self.pumps:
            pump.stop()
        self.lambdas.stop()
        if self._threads is not None:
            self._threads.stop()
        self._loop.stop()
        if self.model is not None:
            self.model.stop()
        if self.store is not None:
            self.store.close()
        logging.getLogger("concave.calls").removeHandler(self.call_log)

    def renew(self) -> None:
        """Read the certificate files again. Raises OSError."""
        self._loop.run(self.server.renew())

    # Parts --------------------------------------------------------------------------------------------------------------

    def _adapted(self, settings: Settings) -> Settings:
        """Keys of its own where none are named; on a laptop also trust in the development issuer, and the scripted model."""
        settings = with_push_keys(settings)
        private = settings.operator_key or operator_key(settings.data_dir)
        publics = (public_half(private), *settings.operator_public_keys)
        settings = dataclasses.replace(settings, operator_key=private, operator_public_keys=publics)
        if self.issuer is not None:
            dev = AuthProvider(ISSUER, self.issuer.jwks_data_url(), AUDIENCE)
            settings = dataclasses.replace(settings, auth=(*settings.auth, dev))
        settings = dataclasses.replace(settings, signing_key=settings.signing_key or signing_key(settings.data_dir))
        if self._extras.model and not (settings.model_url or settings.anthropic_key or settings.anthropic_key_secret):
            from infra.local.model.server import ScriptedModel

            self.model = ScriptedModel(port=0)
            self.model.start()
            settings = dataclasses.replace(settings, model_url=self.model.url, anthropic_key="scripted")
        return settings

    def _dashboard(self, folder: Path) -> Dashboard:
        private = self.settings.operator_key or ""
        everywhere, about = self._extras.dashboard_everywhere, {"stage": self.settings.stage, "store": self.settings.store}
        tls = bool(self._listen.certificate)
        return Dashboard(folder, self._operators(), private, everywhere=everywhere, tls=tls, about=about)

    def _operators(self) -> Operators:
        org = self.settings.org_default or ANONYMOUS_ORG
        return Operators(self.settings.operator_public_keys, SystemClock(), org, _off)

    def _load(self) -> None:
        """Import the app and build its backend on the parts. Runs at the start and at every reload, with fresh modules."""
        os.environ.setdefault("AWS_REGION", "us-east-1")  # Lambda always sets it
        app = importlib.import_module("app")
        provider = importlib.import_module("chalicelib.runtime.identity").Provider
        wiring = importlib.import_module("chalicelib.wiring")
        importlib.import_module("chalicelib.runtime.registry").load(
            self.settings.apps
        )  # a table exists once its module is imported
        specs = importlib.import_module("chalicelib.data.tables").all_specs()
        if specs != self._specs:
            self._open(specs)
        parts = wiring.Parts(
            store=self._served,
            invoker=self.lambdas,
            gateway=self.gateway,
            clock=wiring.SystemClock(),
            providers=[provider(*each) for each in self.settings.auth],
            model_url=self.settings.model_url,
            settings=self.settings,
            threads=True,
            owner=self._owner,
            owner_threads=self._own_threads(),
            call_log=self.call_log,
            url=self.url,
        )
        with self.lambdas.paused():
            wiring.use(parts)
            _agreed(wiring.backend().executor, reloading=bool(self.pumps))
            _build_indexes(wiring.backend().executor)
            self.lambdas.adopt(app)
            if self._threads is not None:
                self._owner = wiring.backend().owner
                accept = partial(importlib.import_module("chalicelib.doors.owned").accept, wiring.backend())
                if not isinstance(self.server.owned, OwnedSockets):
                    self.server.owned = OwnedSockets(accept)
                else:
                    self.server.owned.accept = accept
        if not self.pumps:
            self._pump(specs)
        if self._loaded is not None:
            self._loaded()

    def _own_threads(self) -> Any:
        """The threads of the owner of sockets; None where connections are rows."""
        if self.settings.live == "owner" and self._threads is None:
            self._threads = importlib.import_module("chalicelib.live.owner.threads").PoolThreads()
        return self._threads

    def _open(self, specs: list[Any]) -> None:
        """Open the store; at a reload that brought new tables, make them in the one that is open."""
        if self.settings.store == "dynamodb":
            from chalicelib.aws.store import DynamoStore

            self.store = DynamoStore(specs, self.settings.prefix, self.settings.dynamodb_endpoint)
            _make_tables(self.store.client, specs, self.settings.prefix)
        elif self.store is None:
            from infra.local.sqlite.store import SqliteStore

            self.store = SqliteStore(self.settings.data_dir / "concave.db", specs, sync=self.settings.sqlite_sync)
        else:
            self.store.declare(specs)
            self._specs = specs
            return
        self._served, self._specs = self._wrap(self.store), specs

    def _end_what_died(self) -> None:
        """End the replies that the last process was writing when it was killed. A file of SQLite has one process at a time, so
        their writers are dead, and no lease need be waited for; a DynamoDB engine may be shared. A worker writes from elsewhere:
        it goes on, and a lease that it does not renew ends its reply."""
        chat = sys.modules.get("chalicelib.schema")
        if self.settings.store != "sqlite" or chat is None or "chalicelib.functions" not in self.settings.apps:
            return
        executor = importlib.import_module("chalicelib.wiring").backend().executor
        for item in executor.listed(chat.Run.by_state_lease, ("running",)):
            if item.get("worker") is None:
                executor.repair(item["org"], "runs:interrupt", run_id=item["_id"], dead=True)

    def _pump(self, specs: list[Any]) -> None:
        for spec in specs:
            if spec.stream:
                # An owner knows of every commit of its own already, and on one file there are no others: nobody waits for these.
                known = spec.name == "commits" and self._threads is not None and self.settings.store == "sqlite"
                call = partial(self.lambdas.call, "on_change")
                pump = Pump(spec.name, self._feed(spec), call, gather_s=GATHER_S if known else 0.0)
                self.pumps.append(pump)
                pump.start()

    def _told(self, commit: Change) -> bool:
        """Whether everybody knows of a commit already: it was this process's own, and has no jobs to be started."""
        row = commit.new
        return row is not None and not row.get("jobs") and self._owner is not None and self._owner.told(row["pk"])

    def _feed(self, spec: Any) -> LogFeed | StreamFeed:
        if self.settings.store == "sqlite":
            return LogFeed(self.store, spec.name, self._told if spec.name == "commits" else nothing_known)
        from infra.local.aws.streams import DynamoStreams

        return StreamFeed(DynamoStreams([spec], self.settings.prefix, self.settings.dynamodb_endpoint))


def _walls(env: Mapping[str, str], settings: Settings) -> Walls:
    """GATEWAY_LIMITS: where connections are rows, as on Lambda, unless it says otherwise."""
    return Walls() if switch_of(env, "GATEWAY_LIMITS", settings.live == "rows") else Walls.machine()


def _agreed(executor: Any, *, reloading: bool) -> None:
    """Refuse to reload code whose tables do not allow what is stored. At a start there is no other code: it is only said."""
    agreement = importlib.import_module("chalicelib.runtime.agreement").Agreement(executor)
    changed = agreement.changed()
    if reloading:
        agreement.require(changed)
    else:
        found = agreement.look(changed)
        if found.wrong:
            log.error("%d stored documents are not what their tables declare: %s", found.wrong, found.words())
    agreement.accept(changed)


def _build_indexes(executor: Any) -> None:
    """Bring old documents into indexes that are new or declared in another way, before anybody reads them."""
    indexes = importlib.import_module("chalicelib.runtime.indexes").Indexes(executor)
    for name in indexes.reconcile():
        audit = indexes.build(name)
        if audit.clean:
            log.info("built the index %s: %d documents", name, audit.documents)
        else:
            log.error("the index %s cannot be built: %s", name, "; ".join(audit.examples))


def _off() -> Collection[str]:
    """The operators whose keys count no more, as the backend of now knows them."""
    found: Collection[str] = importlib.import_module("chalicelib.wiring").backend().operators.off()
    return found


def _make_tables(client: Any, specs: list[Any], prefix: str) -> None:
    """Make what the engine lacks. A second server may be doing the same: whoever comes second to a table looks again."""
    from chalicelib.aws.models import ensure_tables, models

    for _ in specs:
        try:
            ensure_tables(client, models(specs, prefix).values())
        except client.exceptions.ResourceInUseException:
            log.debug("another server makes the tables too")
        else:
            return
    raise BadSetting("DYNAMODB_ENDPOINT_URL", "", "its tables are being changed by someone else without end")
