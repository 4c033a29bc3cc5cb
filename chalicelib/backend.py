"""The backend of one process: every part, connected. `wiring.py` builds it; doors and entry points call it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from chalicelib.calls import LiveValue, arguments, as_failure, own_key, sharing, user_of
from chalicelib.changes import Changes
from chalicelib.data import values
from chalicelib.data.building import SYSTEM_ORG
from chalicelib.data.errors import BadRequest, Conflict, Refused, StoreFailed
from chalicelib.data.meters import measure
from chalicelib.data.reads import ReadSet, Touched
from chalicelib.data.receipts import from_row
from chalicelib.data.store import Change, Item, Key, Store
from chalicelib.data.tables import org_key
from chalicelib.data.trace import following, step, tracing
from chalicelib.live import messages, rows
from chalicelib.live.at_once import AtOnce
from chalicelib.live.batch import BatchServer
from chalicelib.live.called import Called
from chalicelib.live.closer import ConnectionCloser
from chalicelib.live.dialect import Dialect
from chalicelib.live.driver import Driver
from chalicelib.live.fanout import Fanout
from chalicelib.live.keepalive import Keepalive
from chalicelib.live.lane import Lane, key_of
from chalicelib.live.mailbox import Held, Mailboxes
from chalicelib.live.messages import Failure
from chalicelib.live.owner.owner import Owner
from chalicelib.live.owner.ports import Calls, Hear, Threads
from chalicelib.live.rows_driver import RowsDriver
from chalicelib.live.session import Answer
from chalicelib.live.turn import Turn
from chalicelib.live.world import Identity, Parallel, World, one_by_one
from chalicelib.runtime.admission import Admission
from chalicelib.runtime.contexts import ANONYMOUS_ORG, caller_of
from chalicelib.runtime.errors import describe
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.identity import LEEWAY_MS, AuthFailed, Verifier
from chalicelib.runtime.job_runner import JobRunner
from chalicelib.runtime.logs import Log
from chalicelib.runtime.operators import Operators, revoked
from chalicelib.runtime.outcome import Evaluation
from chalicelib.runtime.ports import Clock, Gateway, Invoker
from chalicelib.runtime.registry import Registry
from chalicelib.runtime.transactor import RETRY_MS
from chalicelib.settings import Settings

if TYPE_CHECKING:
    from chalicelib.runtime.call_log import KeptCalls

logger = logging.getLogger("concave")
TICK_S = 10
"""Seconds between two sweeps."""
LATE_FRAME_MS = 1_000
EVALUATION_MS = 2_000
TRACES = 5
"""So many requests are named by the line of each post of a fan-out; its own line names all."""


@dataclass
class Backend:
    """Everything that a door or an entry point calls."""

    settings: Settings
    store: Store
    clock: Clock
    gateway: Gateway
    invoker: Invoker
    registry: Registry
    executor: Executor
    jobs: JobRunner
    verifier: Verifier
    sweeps: Sequence[Callable[[], Any]] = ()
    """Further sweeps of the domain (expired runs, idle sessions)."""
    dialects: Mapping[str, Dialect] = field(default_factory=dict)
    """In which words connections of a kind are told."""
    ended: Callable[[Backend, Item], None] = lambda backend, mailbox: None
    """Told of every connection that has ended."""
    parallel: Parallel = one_by_one
    """How the slices of a fan-out are served."""
    threads: Threads | None = None
    """Where the owner of sockets has its work done; None: this process owns none, connections are rows."""
    owner: Owner | None = None
    """The owner of this process' sockets, where the code is loaded again around it."""
    hears: Callable[[Backend], Mapping[str, Hear]] = lambda backend: {}
    """Which door reads the frames of an owned socket of a kind; all others speak Convex's sync protocol."""
    renew: Callable[[Backend, Item], None] = lambda backend, mailbox: None
    """Told from time to time of every owned connection that is there."""
    call_log: KeptCalls | None = None
    """The last calls, where somebody keeps them."""
    world: World = field(init=False)
    # The live room's parts. Tests put others here, to show what each protective step is for.
    mailbox_type: ClassVar[type[Mailboxes]] = Mailboxes
    turn_type: ClassVar[type[Turn]] = Turn
    lane_type: ClassVar[type[Lane]] = Lane
    closer_type: ClassVar[type[ConnectionCloser]] = ConnectionCloser
    at_once_type: ClassVar[type[AtOnce]] = AtOnce
    batch_type: ClassVar[type[BatchServer]] = BatchServer
    owner_type: ClassVar[type[Owner]] = Owner

    def __post_init__(self) -> None:
        self.operators = Operators(
            self.settings.operator_public_keys,
            self.clock,
            self.settings.org_default or ANONYMOUS_ORG,
            lambda: self.executor.read(SYSTEM_ORG, revoked),
        )
        self.admission = Admission(self.settings.calls_per_second, self.clock, anonymous=self.settings.anonymous)
        self.mailboxes = self.mailbox_type(self.store, self.clock, self.settings.mailbox_lease_s * 1000)
        self.lanes = Mailboxes(self.store, self.clock, self.settings.lane_lease_s * 1000, takeover=True)
        self.world = World(
            store=self.store,
            mailboxes=self.mailboxes,
            gateway=self.gateway,
            clock=self.clock,
            evaluate=self._evaluate,
            identify=self._identify,
            org_of=sharing,
            settle_ms=_patience(self.settings),
            open_to_nobody=self.open_to_nobody,
            commit_of=lambda row, request: self._commit_id(row.get("user") or None, key_of(row, request)),
            later=lambda connection, wait: self.invoker.later("serve", {"connectionId": connection}, wait),
            mutations_waiting=lambda connection: self.lane.wake(connection),
            hand_over_ms=self.settings.mailbox_lease_s * 1000 // 3,
            dialects=self.dialects,
            parallel=self.parallel,
            wave=self.settings.fan_out_threads,
            sweep_share=self.settings.sweep_share,
            subscriptions=self.settings.subscriptions_per_connection,
            watches=self.settings.watches_per_connection,
            ended=lambda mailbox: self.ended(self, mailbox),
            ping_ms=lambda row: 1000 * (self.settings.ping_rust_s if row.get("kind") == "rust" else self.settings.ping_s),
        )
        # A query that is run again and again holds up the answers of its connection, and must end before the lease does.
        self._evaluation_ms = min(EVALUATION_MS, self.settings.mailbox_lease_s * 1000 // 4)
        self.closer = self.closer_type(self.world)
        self.batches = self.batch_type(self.world, self.closer, self.turn_type)
        self.fanout = Fanout(self.world, self.closer, self.batches)
        told = self._commit_id, self.wake, self.close, self._serve_held
        self.lane = self.lane_type(self.world, self.lanes, self._mutate, *told, self._call_of)
        self.at_once = self.at_once_type(self.lane, self._serve_held)
        self.keepalive = Keepalive(self.world, self.fanout, self.lane, lambda share: self.invoker.invoke("sweep", share))
        self.driver: Driver = RowsDriver(self.fanout, self.keepalive, self.mailboxes, self._close_row)
        if self.threads is not None:
            self.driver = self.owner = self._own(self.threads)

    def _own(self, threads: Threads) -> Owner:
        """Keep this process' sockets in memory."""
        calls = Calls(
            mutate=self._call,
            act=self.act,
            ask=self.ask,
            commit_id=self._commit_id,
            commit_of=self._commit_of,
            renew=lambda mailbox: self.renew(self, mailbox),
            refusal=self.unreadable,
        )
        if self.owner is not None:
            self.owner.adopt(self.world, calls, self.hears(self))
            return self.owner
        return self.owner_type(self.world, calls, threads, self.hears(self), alone=self.settings.store == "sqlite")

    # Connections -------------------------------------------------------------------------------------------------------

    def open_to_nobody(self, path: str) -> bool:
        """Whether callers without a token may call the function of this path."""
        return self.admission.anonymous or self.registry.open_to_nobody(path)

    def wake(self, connection: str, *, auth: int = 0) -> None:
        """Leave a note on a connection, and serve it if nobody does. `auth`: an identity version that is on its way."""
        self.fanout.wake(connection, auth=auth)

    def _serve_held(self, held: Held) -> None:
        self.batches.serve([held])

    def serve(self, connection: str, *, waits: bool = False) -> None:
        """The entry point of a turn that was asked for: at the end of a wait, or by a holder that has worked long enough.

        Args:
            waits: only if a frame of the connection still waits.
        """
        if not waits or self.keepalive.waits(connection):
            self.wake(connection)

    def _look_later(self, connection: str, wait_ms: int) -> None:
        """Have a connection served after a while, if a frame of it still waits then."""
        self.invoker.later("serve", {"connectionId": connection, "waits": True}, wait_ms)

    def close(self, connection: str) -> None:
        """Close a connection for good."""
        self.driver.close(connection)

    def _close_row(self, connection: str) -> None:
        self.mailboxes.mark_closing(connection)
        self.closer.finish(connection, "closing")

    def settled_identity(self, connection: str) -> Identity | None:
        """Who a connection is, once that is settled; None when it is gone or its token is over."""
        since = self.clock.now_ms()
        while True:
            now = self.clock.now_ms()
            row = self.mailboxes.read(connection)
            if row is None or row.get("closing") or rows.expired(row, now):
                return None
            if not rows.changing(row) and (row.get("settled") or now - since >= self.world.settle_ms):
                return Identity(row.get("user") or None)
            self.clock.sleep(0.05)

    # What happened in the store ----------------------------------------------------------------------------------------

    def changed(self, changes: Sequence[Change]) -> list[str]:
        """Take in records of the streams: tell subscribers, then start jobs. Returns the sequences that failed.

        One record that cannot be taken in, or a job that cannot be started, keeps nobody from being told; nor does a fan-out that
        fails keep jobs from being started.
        """
        told = Changes(self.driver)
        failed = told.take_in(changes)
        if (told.touched or told.answered.own) and not self._told(told, changes):
            failed = [change.sequence for change in changes]
        for receipt, org, request in told.jobs:
            with tracing(request):
                self.jobs.dispatch(receipt.jobs, org, receipt.id)
        return failed

    def _told(self, told: Changes, changes: Sequence[Change]) -> bool:
        """Tell subscribers. Whether that went well."""
        traces = sorted({str(change.new["trace"]) for change in changes if change.new and change.new.get("trace")})
        try:
            with tracing(" ".join(traces[:TRACES])), following(told.commits[:TRACES]), step("tell"):
                heard = told.answered.told(self.mailboxes, self.world.later, self._look_later)
                spread = self.driver.changed(told.touched, told.answered.own.keys() - heard.keys(), heard, told.pieces)
        except Exception:
            logger.exception("fan-out failed")
            return False
        measure("FanOutConnections", spread.connections)
        logger.info("told", extra={"quiet": True, "traces": traces, "connections": spread.connections, "served": spread.served})
        logger.debug("fan-out", extra={"touched": len(told.touched)})
        return True

    # Jobs and sweeps ---------------------------------------------------------------------------------------------------

    def run_job(self, payload: dict[str, Any], left_ms: int | None = None) -> None:
        """Run one job. `left_ms`: when this process will be ended; None where nobody ends it."""
        self._job("run_job", payload, left_ms)

    def generate(self, payload: dict[str, Any], left_ms: int | None = None) -> None:
        """Run one job of the streaming function."""
        self._job("generate", payload, left_ms)

    def _job(self, name: str, payload: dict[str, Any], left_ms: int | None) -> None:
        """A job whose payload says so belongs to the request, and follows from the commit, that scheduled it."""
        request, commit = payload.get("follows") or ("", "")
        with tracing(request), following([(request, commit)] if request else []), step(name):
            self.jobs.run(payload, left_ms)

    def tick(self) -> None:
        """Have the minute that begins swept every `TICK_S`: clients that are quiet for longer than half a minute give up.

        Sockets and everything else are looked at by invocations of their own: many sockets must not keep jobs from starting.
        """
        for second in range(0, 60, TICK_S):
            for part in ("sockets", "upkeep"):
                self.invoker.later("sweep", {"only": part}, second * 1000)

    def sweep(self, share: Mapping[str, Any] | None = None) -> None:
        """Everything that is found by looking: connections, jobs, what the domain left behind.

        Args:
            share: a share of the connections, or `{"only": "sockets"}`, `{"only": "upkeep"}`; None: all of it.
        """
        if share and "connections" in share:
            self.keepalive.look(share["connections"], share["since"], share["until"])
            return
        only = (share or {}).get("only")
        sockets = () if only == "upkeep" else (self.driver.sweep,)
        upkeep = () if only == "sockets" else (self.jobs.sweep, self.jobs.tick, *self.sweeps)
        for look in (*sockets, *upkeep):
            try:
                look()
            except (Exception, SystemExit, KeyboardInterrupt):
                logger.exception("a sweep failed")

    # What a turn and a lane ask for ------------------------------------------------------------------------------------

    def _evaluate(
        self, path: str, args: str, identity: str | None, journal: str | None, views: dict[Any, Any] | None = None
    ) -> LiveValue:
        try:
            user = user_of(identity)
            self.admission.allow(user, self.registry.open_to_nobody(path))
            asked = arguments(json.loads(args))
            found: Evaluation = self.executor.evaluate(path, asked, user, journal, self._evaluation_ms, views)
        except (BadRequest, Refused) as error:  # the arguments are no values: that will not change with the data
            failed = as_failure(describe(error, development=self.settings.development))
            return LiveValue(False, "null", [], ReadSet(), journal, failed, False)
        failure = None if found.error is None else as_failure(found.error)
        return LiveValue(found.ok, found.text, found.log_lines, found.reads, found.journal, failure, found.looked)

    def _identify(self, frame: messages.Authenticate) -> Identity:
        if frame.token_type == "None":
            return Identity()
        if not frame.value:
            return Identity(error="A token is needed.")
        try:
            admin = frame.token_type == "Admin"
            user = self.operators.user(frame.value, frame.impersonating) if admin else self.verifier.verify(frame.value)
        except AuthFailed as error:
            return Identity(error=str(error))
        return Identity(json.dumps(user.to_json()), user.org, user.expires_at and user.expires_at + LEEWAY_MS)

    def _mutate(self, frame: messages.Mutation, identity: str | None, key: str, connection: str) -> Called:
        """Run a mutation. Raises `StoreFailed` when nobody knows: that is not a failure to be told."""
        return self._run(frame, identity, key, connection, connection, self.settings.lane_lease_s * 700)

    def _call(self, frame: messages.Mutation, identity: str | None, key: str, connection: str) -> Called:
        """Run a mutation of an owned socket: its commit names no connection, for there is no row of one."""
        return self._run(frame, identity, key, connection, "", RETRY_MS)

    def _run(
        self, frame: messages.Mutation, identity: str | None, key: str, caller_at: str, connection: str, retry_ms: int
    ) -> Called:
        caller = caller_of(user_of(identity))
        with Log(messages.path_of(frame), caller.org, kind="mutation", caller=caller.name) as log:
            try:
                self.admission.check(caller.user, caller_at, self.registry.open_to_nobody(log.path))
                function = self.registry.public(log.path, "mutation", caller.role)
                log.path = function.path
                about: dict[str, Any] = {"key": own_key(caller.user, key), "connection": connection, "retry_ms": retry_ms}
                done = self.executor.commit(function, arguments(frame.args), caller, log=log, **about)
            except StoreFailed:
                raise
            except Exception as error:
                if isinstance(error.__cause__, StoreFailed):
                    raise StoreFailed(str(error)) from error
                outcome = self.executor.failed(error, log, "mutation")
                assert outcome.error is not None
                return Called(Answer(frame.request_id, "Mutation", "null", as_failure(outcome.error), tuple(outcome.log_lines)))
        assert done.receipt is not None
        answer = Answer(frame.request_id, "Mutation", done.text, None, tuple(done.log_lines))
        return Called(answer, done.receipt.id, done.receipt.touched)

    def _commit_of(self, commit: str, frame: messages.Mutation) -> Sequence[Touched] | None:
        """What the commit under this id wrote, if it is there and is that of this call. Raises `StoreFailed`, `Contention`."""
        row = self.store.transact_get([Key("commits", commit)])[0]
        return from_row(row).touched if row is not None and row["call"] == self._call_of(frame) else None

    def unreadable(self, sentence: str) -> Failure:
        """A sentence about a frame that cannot be read, as the failure of the call that it names."""
        return as_failure(describe(BadRequest(sentence, "BadFrame"), development=self.settings.development))

    def act(self, frame: messages.Action, identity: str | None, connection: str) -> Answer:
        """Run an action for a connection."""
        try:
            user = user_of(identity)
            path = messages.path_of(frame)
            self.admission.check(user, connection, self.registry.open_to_nobody(path))
            outcome = self.executor.action(path, arguments(frame.args), user)
        except (BadRequest, Refused) as error:
            outcome = self.executor.failed(error)
        failure = None if outcome.error is None else as_failure(outcome.error)
        return Answer(frame.request_id, "Action", outcome.text, failure, tuple(outcome.log_lines))

    def ask(self, path: str, args: dict[str, Any], identity: str | None, number: int, connection: str) -> Answer:
        """Ask a query once, for a connection: answered as an action is."""
        try:
            user = user_of(identity)
            self.admission.check(user, connection, self.registry.open_to_nobody(path))
            outcome = self.executor.query(path, arguments(args), user)
        except (BadRequest, Refused, Conflict) as error:
            return Answer(number, "Action", failure=as_failure(describe(error, development=self.settings.development)))
        failure = None if outcome.error is None else as_failure(outcome.error)
        return Answer(number, "Action", outcome.text, failure, tuple(outcome.log_lines))

    def _call_of(self, frame: messages.Mutation) -> str:
        """The fingerprint under which the executor commits this call; none of a call that it would refuse."""
        try:
            function = self.registry.public(messages.path_of(frame), "mutation", "edit")  # whoever called it
            return values.digest([function.path, arguments(frame.args)])
        except BadRequest:
            return ""

    @staticmethod
    def _commit_id(identity: str | None, key: str) -> str:
        caller = caller_of(user_of(identity))
        return f"{org_key(caller.org)}|{own_key(caller.user, key)}"


def _patience(settings: Settings) -> int:
    """How long (ms) a connection waits to be told whose it is: not at all where nobody could say so, and longer than a slow
    frame takes where being nobody means to be refused."""
    if not settings.anonymous:
        return max(settings.identity_wait_ms, LATE_FRAME_MS)
    return settings.identity_wait_ms if settings.auth else 0
