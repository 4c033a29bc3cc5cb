"""Runs functions: a query at one instant, a mutation in one commit, an action outside both.

* **Query:** run, then ask whether one instant held for all that was read; else run again (`data/snapshot.py`).
* **Mutation:** run, then commit; on a conflict run again, until a deadline (`transactor.py`).
* **Action:** no transaction; what it calls has its own.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from typing import Any

from chalicelib.data import values
from chalicelib.data.building import Building
from chalicelib.data.commit import Receipt
from chalicelib.data.database import Reader, Writer
from chalicelib.data.errors import BadRequest, Conflict, LimitExceeded, Refused, StoreFailed
from chalicelib.data.paging import Journal
from chalicelib.data.reads import ReadSet
from chalicelib.data.store import Item, Store
from chalicelib.data.tables import Index, Table
from chalicelib.data.transaction import Transaction
from chalicelib.runtime import validate
from chalicelib.runtime.contexts import NO_LIMITS, ActionCtx, Caller, Log, MutationCtx, QueryCtx, caller_of
from chalicelib.runtime.errors import FunctionError, describe
from chalicelib.runtime.identity import User, service
from chalicelib.runtime.outcome import Evaluation, Outcome
from chalicelib.runtime.registry import Function, Registry
from chalicelib.runtime.scheduling import Direct, Run, wire_args
from chalicelib.runtime.single_rows import append, listed
from chalicelib.runtime.transactor import RETRY_MS, Clock, Transactor

logger = logging.getLogger("concave")
SNAPSHOT_RUNS = 12
LARGEST_RESULT = 350_000
"""Bytes of an encoded result: a `commits` row holds it, and a row holds 400 KB."""


class Executor:
    """Runs registered functions against a store.

    Args:
        committed: called after each commit with its receipt and org (hand-over of jobs; may fail silently).
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
    ) -> None:
        self.store, self.registry, self.clock = store, registry, clock
        self.development, self.committed, self.parts = development, committed, parts
        self.limits = limits
        self._transactor = Transactor(
            store, clock, self.resolve, self._lines, lambda done, org: self.committed(done, org), rng or random.Random()
        )

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
        try:
            function = self.registry.public(path, "mutation")
            caller = caller_of(user)
            return self.commit(function, args, caller, key=key, connection=connection, retry_ms=retry_ms)
        except Exception as error:  # noqa: BLE001 - the door answers every error
            return self.failed(error)

    def action(self, path: str, args: dict[str, Any], user: User | None) -> Outcome:
        """Run a public action for a caller. Never repeated by us."""
        log = Log()
        try:
            function = self.registry.public(path, "action")
            return Outcome(True, self._act(function, args, caller_of(user), log), log_lines=self._lines(log))
        except Exception as error:  # noqa: BLE001 - the door answers every error
            return self.failed(error, log)

    def evaluate(self, path: str, args: dict[str, Any], user: User | None, journal: str | None = None) -> Evaluation:
        """Run a public query and keep what it read. An error of the function is a value too: it can change with the data."""
        reads, log = ReadSet(), Log()
        try:
            function = self.registry.public(path, "query")
        except BadRequest as error:
            return Evaluation(False, error=describe(error, development=self.development), reads=reads)
        return self.ask(function, args, caller_of(user), journal, log)

    # Queries -----------------------------------------------------------------------------------------------------------

    def ask(
        self, function: Function[..., Any], args: dict[str, Any], caller: Caller, journal: str | None, log: Log
    ) -> Evaluation:
        """Run any query, internal ones too, with decoded wire arguments, until one instant held for all that it read."""
        for attempt in range(SNAPSHOT_RUNS):
            tx = Transaction(self.store, caller.org, pause=self.clock.sleep, building=self.building)
            kept, lines = Journal(journal), Log()
            found = Evaluation(True, reads=tx.reads, runs=attempt + 1)
            try:
                result = function.handler(QueryCtx(caller, lines, Reader(tx, kept), self.limits), **validate.bind(function, args))
                found.text = self._encode(function, result)
            except (Conflict, StoreFailed):
                self._transactor.backoff(attempt, 50)
                continue
            except Exception as error:  # noqa: BLE001 - an error is this query's value
                found.ok, found.error = False, describe(error, development=self.development)
            if self._transactor.held(tx):
                found.looked, found.journal, found.log_lines = caller.looked, kept.kept, self._lines(lines)
                return found
            self._transactor.backoff(attempt, 30)
        raise Conflict(next(iter(tx.reads.versions)).table if tx.reads.versions else "")

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
        also: Callable[[Writer], None] | None = None,
    ) -> Outcome:
        """Run a mutation until it commits. `also` writes beside the function, in the same commit.

        Raises: what the function raises; `Conflict` when the deadline came first.
        """

        def body(run: Run) -> str:
            ctx = MutationCtx(caller, run.log, run.db, run.now, run.jobs, self.limits)
            text = self._encode(function, function.handler(ctx, **validate.bind(function, args)))
            if also is not None:
                also(run.db)
            return text

        call = values.digest([function.path, args])
        return self.transact(caller.org, function.path, body, call=call, key=key, connection=connection, retry_ms=retry_ms)

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
    ) -> Outcome:
        """Run `body` in a transaction until it commits. It returns the result as JSON text, and may run several times."""
        return self._transactor.transact(org, label, body, call=call, key=key, connection=connection, retry_ms=retry_ms)

    # Actions -----------------------------------------------------------------------------------------------------------

    def _act(
        self, function: Function[..., Any], args: dict[str, Any], caller: Caller, log: Log, deadline: int | None = None
    ) -> str:
        jobs = Direct(self.transact, caller.org)
        ctx = ActionCtx(caller, log, self, lambda: float(self.clock.now_ms()), jobs, self.parts, deadline)
        return self._encode(function, function.handler(ctx, **validate.bind(function, args)))

    def perform(
        self, function: Function[..., Any], args: dict[str, Any], caller: Caller, log: Log, deadline: int | None = None
    ) -> Any:
        """Run an action, internal ones too, with decoded wire arguments. `deadline`: when (ms) this process is ended."""
        return values.loads(self._act(function, args, caller, log, deadline))

    def run(self, function: Function[..., Any], args: dict[str, Any], caller: Caller, log: Log) -> Any:
        """A function called by an action: internal ones too. Arguments and result pass the wire's encoding, as from outside."""
        encoded = values.decode(values.encode(wire_args(function, args)))
        if function.kind == "query":
            found = self.ask(function, encoded, caller, None, log)
            if not found.ok:
                raise _reraised(found.error)
            return found.value
        if function.kind == "mutation":
            return self.commit(function, encoded, caller).value
        return values.loads(self._act(function, encoded, caller, log))

    def resolve(self, function: Function[..., Any] | str) -> Function[..., Any]:
        """A function, or the one at a path. Raises `NotFound`, `BadRequest`."""
        return self.registry.resolve(function)

    # For appends and sweeps -----------------------------------------------------------------------------------------------

    def append(self, org: str, doc: Table) -> bool:
        """Add one row to a streamed log by a single conditional write. See `single_rows.append`."""
        return append(self.store, self.clock.now_ms(), org, doc)

    def listed(
        self, index: Index, values_: tuple[Any, ...], until: float | None = None, limit: int = 500, *, org: str = ""
    ) -> list[Item]:
        """Items of an eventual index, each read again by its key. See `single_rows.listed`."""
        return listed(self.store, index, values_, until, limit, org=org)

    def call(self, org: str, function: Function[..., Any] | str, **args: Any) -> Any:
        """Run an internal mutation as the service of an org."""
        function = self.resolve(function)
        return self.commit(function, values.decode(values.encode(wire_args(function, args))), caller_of(service(org))).value

    def repair(self, org: str, function: Function[..., Any] | str, **args: Any) -> None:
        """`call` for a sweep: what fails is logged, and keeps nobody else's from being repaired. Raises `StoreFailed`."""
        try:
            self.call(org, function, **args)
        except StoreFailed:
            raise
        except Exception:
            logger.exception("%s failed for %s", function, args)

    # Inside ------------------------------------------------------------------------------------------------------------

    def failed(self, error: Exception, log: Log | None = None) -> Outcome:
        """An exception as an outcome."""
        return Outcome(False, error=describe(error, development=self.development), log_lines=self._lines(log or Log()))

    def _encode(self, function: Function[..., Any], result: Any) -> str:
        text = values.dumps(validate.check_return(function, result))
        if len(text.encode()) > LARGEST_RESULT:
            raise LimitExceeded(
                f"{function.path} returned {len(text.encode())} bytes; a result holds {LARGEST_RESULT}. Return a page.",
                "ResultTooLarge",
            )
        return text

    def _lines(self, log: Log) -> list[str]:
        return log.lines if self.development else []


def _reraised(error: FunctionError | None) -> Exception:
    if error is not None and error.has_data and isinstance(error.data, dict):
        refused = Refused(error.tag, error.detail)
        refused.data = error.data
        return refused
    return BadRequest(error.detail if error else "", error.tag if error else "BadRequest")
