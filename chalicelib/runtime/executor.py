"""Runs functions: a query at one instant, a mutation in one commit, an action outside both.

* **Query:** run, then ask whether one instant held for all that was read; else run again (`data/snapshot.py`).
* **Mutation:** run, then commit; on a conflict run again, until a deadline (`transactor.py`).
* **Action:** no transaction; what it calls has its own.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from chalicelib.data import values
from chalicelib.data.building import Building
from chalicelib.data.database import Reader, Writer
from chalicelib.data.errors import BadRequest, Refused, StoreFailed
from chalicelib.data.reads import ReadSet
from chalicelib.data.receipts import Receipt
from chalicelib.data.side_index import SideIndex
from chalicelib.data.store import Item, Store
from chalicelib.data.tables import Index, Table
from chalicelib.runtime import side_rows
from chalicelib.runtime.asking import Asking, Views
from chalicelib.runtime.attempts import Clock
from chalicelib.runtime.calling import called, encode
from chalicelib.runtime.contexts import NO_LIMITS, ActionCtx, Caller, Embedder, MutationCtx, caller_of
from chalicelib.runtime.errors import describe, report
from chalicelib.runtime.identity import User, service
from chalicelib.runtime.lines import Lines
from chalicelib.runtime.logs import Log, Repeats
from chalicelib.runtime.operators import audited, still
from chalicelib.runtime.outcome import Evaluation, Outcome
from chalicelib.runtime.parallel import IN_TURN
from chalicelib.runtime.registry import Function, Registry
from chalicelib.runtime.scheduling import Direct, Run, wire_args
from chalicelib.runtime.single_rows import append, listed
from chalicelib.runtime.transactor import RETRY_MS, Transactor

logger = logging.getLogger("concave")


class Executor:
    """Runs registered functions against a store.

    Args:
        committed: called after each commit with its receipt and org (hand-over of jobs; may fail silently).
        lines: where mutations that want the same document wait for each other; None: they race.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        clock: Clock,
        *,
        development: bool = False,
        committed: Callable[[Receipt, str], None] = lambda _receipt, _org: None,
        parts: Any = None,
        limits: Mapping[str, Any] = NO_LIMITS,
        rng: random.Random | None = None,
        lines: Lines | None = None,
    ) -> None:
        self.store, self.registry, self.clock = store, registry, clock
        self.development, self.committed, self.parts = development, committed, parts
        registry.hints = development
        self.limits = limits
        self.embedder: Embedder | None = None
        """What turns texts into vectors; None where callers bring theirs."""
        self.parallel = IN_TURN
        """How the shards of an index are read by a sweep."""
        self._repeats = Repeats()
        self._transactor = Transactor(
            store,
            clock,
            self.resolve,
            self._lines,
            lambda done, org: self.committed(done, org),
            rng or random.Random(),
            lines,
        )
        self._asking = Asking(self._transactor, self.resolve, self._lines, limits, development=development)

    @property
    def building(self) -> Building:
        """Which indexes are being built, as this process knows it."""
        return self._transactor.building

    @building.setter
    def building(self, known: Building) -> None:
        self._transactor.building = known

    # The three kinds, by path ------------------------------------------------------------------------------------------

    def query(self, path: str, args: dict[str, Any], user: User | None) -> Evaluation:
        """Run a public query for a caller."""
        return self.evaluate(path, args, user)

    def mutation(
        self,
        path: str,
        args: dict[str, Any],
        user: User | None,
        key: str | None = None,
        connection: str = "",
        retry_ms: int = RETRY_MS,
    ) -> Outcome:
        """Run a public mutation for a caller. `key`: the same key takes effect once, other arguments under it are refused."""
        caller = caller_of(user)
        with Log(path, caller.org, kind="mutation", caller=caller.name) as log:
            try:
                function = self.registry.public(path, "mutation", caller.role)
                log.path = function.path
                return self.commit(function, args, caller, key=key, connection=connection, retry_ms=retry_ms, log=log)
            except Exception as error:  # noqa: BLE001 - the door answers every error
                return self.failed(error, log, "mutation")

    def action(self, path: str, args: dict[str, Any], user: User | None) -> Outcome:
        """Run a public action for a caller. Never repeated by us."""
        caller = caller_of(user)
        with Log(path, caller.org, at_once=True, kind="action", caller=caller.name) as log:
            try:
                function = self.registry.public(path, "action", caller.role)
                log.path = function.path
                if caller.role:
                    self.read(caller.org, partial(still, user=caller.user))
                if caller.role and not function.options.get("reads"):
                    self.transact(caller.org, "operators", partial(_audit, caller.user, function.path, args))
                return Outcome(True, self._act(function, args, caller, log), log_lines=self._lines(log))
            except Exception as error:  # noqa: BLE001 - the door answers every error
                return self.failed(error, log, "action")

    def evaluate(
        self,
        path: str,
        args: dict[str, Any],
        user: User | None,
        journal: str | None = None,
        most_ms: int | None = None,
        views: Views | None = None,
    ) -> Evaluation:
        """Run a public query and keep what it read. An error of the function is a value too: it can change with the data.

        Args:
            most_ms: after so long it is not run again, though no instant held for all that it read.
            views: those of this moment, which others of its queries may have asked before; see `ctx.view`.
        """
        caller = caller_of(user)
        with Log(path, caller.org, kind="query", caller=caller.name) as log:
            try:
                function = self.registry.public(path, "query", caller.role)
                log.path = function.path
                caller.looked = not function.public  # an operator's: nobody else is told its value, nor he what others are told
            except BadRequest as error:
                told = describe(error, development=self.development)
                log.failure = told.detail
                return Evaluation(False, error=told, reads=ReadSet(), looked=True)
            found = self.ask(function, args, caller, journal, log, most_ms, views)
            log.runs, log.reads = found.runs, len(found.reads.versions)
            log.failure = found.error.detail if found.error is not None else ""
            if found.raised is not None or log.said:
                self._told(found, values.digest([function.path, args]), log)
            return found

    def _told(self, found: Evaluation, call: str, log: Log) -> None:
        """Tell the operator what a query said and that it failed, once in a request."""
        said = (call, log.org, tuple(log.lines), found.error and found.error.detail)
        first = self._repeats.request(said, log.request)
        if first != log.request:
            log.request = first
            log.silence()
            log.reported += [found.raised] if found.raised is not None else []
        if found.raised is not None:
            found.error = report(found.raised, log, development=self.development, kind="query")

    def ask(
        self,
        function: Function[..., Any],
        args: dict[str, Any],
        caller: Caller,
        journal: str | None,
        log: Log,
        most_ms: int | None = None,
        views: Views | None = None,
    ) -> Evaluation:
        """Run any query, internal ones too, with decoded wire arguments, until one instant held for all that it read."""
        return self._asking.ask(function, args, caller, journal, log, most_ms, views)

    # Mutations ---------------------------------------------------------------------------------------------------------

    def commit(
        self,
        function: Function[..., Any],
        args: dict[str, Any],
        caller: Caller,
        *,
        key: str | None = None,
        connection: str = "",
        retry_ms: int = RETRY_MS,
        before: Callable[[Writer], None] | None = None,
        also: Callable[[Writer], None] | None = None,
        log: Log | None = None,
    ) -> Outcome:
        """Run a mutation until it commits. `before` and `also` work beside the function, in the same commit.

        Raises: what the function raises; `Conflict` when the deadline came first; `Refused` to an operator who may only read.
        """
        if caller.role == "read":
            raise Refused("ReadOnlyKey", f"{function.path} changes something, and this key may only read.")

        def body(run: Run) -> str:
            ctx = MutationCtx(caller, run.log, run.db, run.now, run.jobs, self.limits)
            if before is not None:
                before(run.db)
            still(run.db, caller.user)
            audited(run.db, caller.user, function.path, args, run.now)
            text = encode(function, called(function, ctx, args))
            if also is not None:
                also(run.db)
            return text

        about: dict[str, Any] = {"key": key, "connection": connection, "retry_ms": retry_ms}
        call = values.digest([function.path, args])
        outcome = self.transact(caller.org, function.path, body, call=call, log=log, **about)
        if log is not None:
            log.runs, log.writes = outcome.runs, len(outcome.receipt.touched) if outcome.receipt is not None else 0
        return outcome

    def transact(
        self,
        org: str,
        label: str,
        body: Callable[[Run], str],
        *,
        call: str = "",
        key: str | None = None,
        connection: str = "",
        retry_ms: int = RETRY_MS,
        log: Log | None = None,
    ) -> Outcome:
        """Run `body` in a transaction until it commits. It returns the result as JSON text, and may run several times."""
        about: dict[str, Any] = {"call": call, "key": key, "connection": connection, "retry_ms": retry_ms}
        return self._transactor.transact(org, label, body, log=log, **about)

    # Searches of actions -----------------------------------------------------------------------------------------------

    def read(self, org: str, ask: Callable[[Reader], Any]) -> Any:
        """What somebody who is no query reads at one instant. Raises `Conflict` when none held."""
        return self._asking.read(org, ask)

    def settle(self, org: str, index: SideIndex, named: dict[str, Any]) -> None:
        """See `ActionCtx.settle`."""
        side_rows.settle(self.store, self.clock, org, index, named)

    # Actions -----------------------------------------------------------------------------------------------------------

    def _act(
        self, function: Function[..., Any], args: dict[str, Any], caller: Caller, log: Log, deadline: int | None = None
    ) -> str:
        jobs = Direct(partial(self.transact, log=Log(function.path, caller.org)), caller.org)
        ctx = ActionCtx(caller, log, self, lambda: float(self.clock.now_ms()), jobs, self.parts, deadline)
        return encode(function, called(function, ctx, args))

    def perform(
        self, function: Function[..., Any], args: dict[str, Any], caller: Caller, log: Log, deadline: int | None = None
    ) -> Any:
        """Run an action, internal ones too, with decoded wire arguments. `deadline`: when (ms) this process is ended."""
        return values.loads(self._act(function, args, caller, log, deadline))

    def run(self, function: Function[..., Any], args: dict[str, Any], caller: Caller, log: Log) -> Any:
        """A function called by an action: internal ones too. Arguments and result pass the wire's encoding, as from outside."""
        encoded = values.decode(values.encode(wire_args(function, args)))
        inner = log.inside(function.path)
        try:
            return self._run(function, encoded, caller, inner)
        except Exception as error:
            report(error, inner, development=self.development, kind=function.kind)
            raise
        finally:
            log.take(inner)

    def _run(self, function: Function[..., Any], args: dict[str, Any], caller: Caller, log: Log) -> Any:
        if function.kind == "query":
            found = self.ask(function, args, caller, None, log)
            if found.raised is not None:
                raise found.raised
            return found.value
        if function.kind == "mutation":
            return self.commit(function, args, caller, log=log).value
        return values.loads(self._act(function, args, caller, log))

    def resolve(self, function: Function[..., Any] | str, caller: str = "") -> Function[..., Any]:
        """A function, or the one at a path. Raises `NotFound`, `BadRequest`."""
        return self.registry.resolve(function, caller)

    # For appends and sweeps -----------------------------------------------------------------------------------------------

    def append(self, org: str, doc: Table, told: bytes = b"") -> bool:
        """Add one row to a streamed log by a single conditional write. See `single_rows.append`."""
        return append(self.store, self.clock.now_ms(), org, doc, told)

    def listed(
        self, index: Index, values_: tuple[Any, ...], until: float | None = None, limit: int = 500, **how: Any
    ) -> list[Item]:
        """Items of an eventual index, each read again by its key. See `single_rows.listed`."""
        moving = index.shards > 1 and not self.building.settled(index)
        return listed(self.store, index, values_, until, limit, moving=moving, parallel=self.parallel, **how)

    def call(self, org: str, function: Function[..., Any] | str, /, **args: Any) -> Any:
        """Run an internal mutation as the service of an org."""
        with self._service_log(org, function) as log:
            return self._call(org, function, args, log)

    def repair(self, org: str, function: Function[..., Any] | str, /, **args: Any) -> None:
        """`call` for a sweep: what fails is logged, and keeps nobody else's from being repaired. Raises `StoreFailed`."""
        with self._service_log(org, function) as log:
            try:
                self._call(org, function, args, log)
            except StoreFailed:
                raise
            except Exception as error:
                if not report(error, log, development=self.development, kind="sweep").ours:
                    logger.exception("a sweep was refused", extra={"path": log.path, "org": org})

    @staticmethod
    def _service_log(org: str, function: Function[..., Any] | str) -> Log:
        return Log(function if isinstance(function, str) else function.path, org)

    def _call(self, org: str, function: Function[..., Any] | str, args: dict[str, Any], log: Log) -> Any:
        function = self.resolve(function)
        given = values.decode(values.encode(wire_args(function, args)))
        return self.commit(function, given, caller_of(service(org)), log=log).value

    # Inside ------------------------------------------------------------------------------------------------------------

    def failed(self, error: Exception, log: Log | None = None, kind: str = "function") -> Outcome:
        """An exception as an outcome; a fault of ours is reported to the operator (`errors.report`)."""
        log = log or Log()
        told = report(error, log, development=self.development, kind=kind)
        log.failure = told.detail
        return Outcome(False, error=told, log_lines=self._lines(log))

    def _lines(self, log: Log) -> list[str]:
        return log.lines if self.development else []


def _audit(user: User | None, path: str, args: dict[str, Any], run: Run) -> str:
    audited(run.db, user, path, args, run.now)
    return "null"
