"""The backend of one process: every part, connected. `wiring.py` builds it; doors and entry points call it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.data import values
from chalicelib.data.commit import from_row
from chalicelib.data.errors import ConcaveError
from chalicelib.data.reads import ReadSet, Touched
from chalicelib.data.store import Change, Item, Store
from chalicelib.data.tables import MARK, org_key
from chalicelib.live import messages
from chalicelib.live.fanout import Ender, Fanout
from chalicelib.live.keepalive import Keepalive
from chalicelib.live.lane import Lane
from chalicelib.live.mailbox import Mailboxes
from chalicelib.live.messages import Failure
from chalicelib.live.session import Answer
from chalicelib.live.turn import Identity, World, serve
from chalicelib.run.errors import FunctionError
from chalicelib.run.executor import Evaluation, Executor, caller_of
from chalicelib.run.identity import AuthFailed, User, Verifier
from chalicelib.run.job_runner import JobRunner
from chalicelib.run.ports import Clock, Gateway, Invoker
from chalicelib.run.registry import Registry
from chalicelib.settings import Settings

logger = logging.getLogger("concave")
LONGEST_WAIT_MS = 10_000
"""How long an action waits for its connection's identity; its client sends a query set in any case, which settles it."""


@dataclass
class LiveValue:
    """A query's value as a turn needs it."""

    ok: bool
    text: str
    log_lines: list[str]
    reads: ReadSet
    journal: str | None
    failure: Failure | None
    private: bool


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
    world: World = field(init=False)

    def __post_init__(self) -> None:
        self.mailboxes = Mailboxes(self.store, self.clock, self.settings.mailbox_lease_s * 1000)
        self.lanes = Mailboxes(self.store, self.clock, self.settings.lane_lease_s * 1000, takeover=True)
        self.world = World(
            store=self.store,
            mailboxes=self.mailboxes,
            gateway=self.gateway,
            clock=self.clock,
            evaluate=self._evaluate,
            identify=self._identify,
            org_of=lambda stored: caller_of(_user(stored)).org,
            settle_ms=self.settings.identity_wait_ms,
            later=lambda connection, wait: self.invoker.later("serve", {"connectionId": connection}, wait),
            mutations_waiting=lambda connection: self.lane.knock(connection),
            ping_ms=lambda row: 1000 * (self.settings.ping_rust_s if row.get("kind") == "rust" else self.settings.ping_s),
        )
        self.ender = Ender(self.world)
        self.fanout = Fanout(self.world, self.ender)
        self.lane = Lane(self.store, self.lanes, self.clock, self._mutate, self._commit_id, self.visit)
        self.keepalive = Keepalive(self.world, self.fanout, self.lane, self.ender)

    # Connections -------------------------------------------------------------------------------------------------------

    def visit(self, connection: str) -> None:
        """Leave a note on a connection, and serve it if nobody does."""
        self.fanout.visit(connection)

    def serve(self, connection: str, token: str | None = None) -> None:
        """The entry point of a later turn: go on with a lease by name, or leave a note."""
        if token is None:
            self.visit(connection)
            return
        held = self.mailboxes.resume(connection, token).held
        if held is not None:
            self.ender.all(serve(self.world, [held]))

    def condemn(self, connection: str) -> None:
        """Close a connection for good."""
        self.mailboxes.condemn(connection)
        self.ender.finish(connection, "closing")

    def wake_unsettled(self, connection: str) -> None:
        """A mutation that came before its connection's identity settled: have it looked at when the wait is over."""
        row = self.mailboxes.read(connection)
        if row is None:
            self.ender.finish(connection, "gone")
        elif not row.get("settled"):
            self.visit(connection)

    def settled_identity(self, connection: str) -> Identity | None:
        """Who a connection is, once that is settled; None when it is gone."""
        while True:
            row = self.mailboxes.read(connection)
            if row is None or row.get("closing"):
                return None
            waited = self.clock.now_ms() - int(row["opened"])
            if row.get("settled") or waited >= LONGEST_WAIT_MS:
                return Identity(row.get("user") or None)
            self.clock.sleep(0.05)

    # What happened in the store ----------------------------------------------------------------------------------------

    def changed(self, changes: Sequence[Change]) -> list[str]:
        """Take in records of the streams: start jobs, tell subscribers. Returns the sequences that failed."""
        failed: list[str] = []
        touched: dict[Touched, None] = {}
        connections: dict[str, None] = {}
        for change in changes:
            try:
                self._take_in(change, touched, connections)
            except (ConcaveError, KeyError, ValueError):
                logger.exception("a change of %s could not be taken in", change.table)
                failed.append(change.sequence)
        if touched or connections:
            try:
                spread = self.fanout.changed(touched, connections)
            except ConcaveError:
                logger.exception("fan-out failed")
                return [change.sequence for change in changes]
            logger.debug("fan-out", extra={"touched": len(touched), "connections": spread.connections, "served": spread.served})
        return failed

    def _take_in(self, change: Change, touched: dict[Touched, None], connections: dict[str, None]) -> None:
        if change.new is None:
            return
        if change.table == "commits":
            receipt = from_row(change.new)
            touched |= dict.fromkeys(receipt.touched)
            if change.new.get("connection"):
                connections[change.new["connection"]] = None
            self.jobs.dispatch(receipt.jobs, change.new["org"])
        else:
            item: Item = change.new
            touched[(item["pk"], item.get("sk", MARK))] = None

    def hint(self, touched: list[Touched]) -> None:
        """Tell subscribers now instead of when the stream says so; the stream says it anyway."""
        self.fanout.changed(touched)

    # Jobs and sweeps ---------------------------------------------------------------------------------------------------

    def run_job(self, payload: dict[str, Any]) -> None:
        """Run one job."""
        self.jobs.run(payload)

    def generate(self, payload: dict[str, Any]) -> None:
        """Run one job of the streaming function."""
        self.jobs.run(payload)

    def sweep(self) -> None:
        """Everything that is found by looking: connections, jobs, and what the domain left behind."""
        for look in (self.keepalive.tick, self.jobs.sweep, *self.sweeps):
            try:
                look()
            except ConcaveError:
                logger.exception("a sweep failed")

    # What a turn and a lane ask for ------------------------------------------------------------------------------------

    def _evaluate(self, path: str, args: str, identity: str | None, journal: str | None) -> LiveValue:
        found: Evaluation = self.executor.evaluate(path, values.decode(json.loads(args)), _user(identity), journal)
        failure = None if found.error is None else as_failure(found.error)
        return LiveValue(found.ok, found.text, found.log_lines, found.reads, found.journal, failure, found.looked)

    def _identify(self, frame: messages.Authenticate) -> Identity:
        if frame.token_type == "None":
            return Identity()
        if frame.token_type == "Admin" or not frame.value:
            return Identity(error="Admin tokens are not accepted here.")
        try:
            user = self.verifier.verify(frame.value)
        except AuthFailed as error:
            return Identity(error=str(error))
        return Identity(json.dumps(user.to_json()), user.org, user.expires_at)

    def _mutate(self, frame: messages.Mutation, identity: str | None, key: str, connection: str) -> Answer | None:
        args = frame.args[0] if frame.args else {}
        outcome = self.executor.mutation(
            frame.udf_path, values.decode(args), _user(identity), key, connection, retry_ms=self.settings.lane_lease_s * 700
        )
        if outcome.ok:
            return None
        assert outcome.error is not None
        return Answer(frame.request_id, "Mutation", "null", as_failure(outcome.error), tuple(outcome.log_lines))

    def act(self, frame: messages.Action, identity: str | None) -> Answer:
        """Run an action for a connection."""
        args = frame.args[0] if frame.args else {}
        outcome = self.executor.action(frame.udf_path, values.decode(args), _user(identity))
        failure = None if outcome.error is None else as_failure(outcome.error)
        return Answer(frame.request_id, "Action", outcome.text, failure, tuple(outcome.log_lines))

    @staticmethod
    def _commit_id(identity: str | None, key: str) -> str:
        return f"{org_key(caller_of(_user(identity)).org)}|{key}"


def as_failure(error: FunctionError) -> Failure:
    """An error as a message carries it."""
    return Failure(error.message, values.dumps(values.encode(error.data)) if error.has_data else None)


def _user(stored: str | None) -> User | None:
    return User.from_json(json.loads(stored)) if stored else None
