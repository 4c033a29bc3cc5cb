"""Runs functions: a query at one instant, a mutation in one commit, an action outside both.

* **Query:** run, then ask whether one instant held for all that was read; else run again (`data/snapshot.py`).
* **Mutation:** run, then commit; on a conflict run again, with full jitter, until a deadline. A deadline and not a count:
  a hundred callers who want one document all get their turn, and the deadline ends before any lease this runs under.
* **Repeats:** a commit id that exists already answers with its first result, before anything is run.
* **Action:** no transaction; what it calls has its own.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from chalicelib.data import snapshot, trace, values
from chalicelib.data.building import Building
from chalicelib.data.commit import Intent, Receipt, commit, receipt
from chalicelib.data.database import Reader, Writer
from chalicelib.data.errors import BadRequest, ConditionFailed, Conflict, LimitExceeded, Refused, StoreFailed
from chalicelib.data.meters import measure
from chalicelib.data.paging import Journal
from chalicelib.data.reads import ReadSet
from chalicelib.data.records import fields, plain
from chalicelib.data.store import Absent, Item, Key, Put, Store
from chalicelib.data.tables import Index, Table, org_key, record_key
from chalicelib.data.transaction import Transaction
from chalicelib.runtime import validate
from chalicelib.runtime.contexts import NO_LIMITS, ActionCtx, Caller, Log, MutationCtx, QueryCtx, check_jobs, new_id
from chalicelib.runtime.errors import FunctionError, describe
from chalicelib.runtime.identity import User, service
from chalicelib.runtime.registry import Function, Registry
from chalicelib.runtime.scheduling import Direct, JobWriter, Run, wire_args

ANONYMOUS_ORG = "_public"
"""The org of callers without a token. Functions decide what such callers may do; the built-in chat refuses them."""
logger = logging.getLogger("concave")
RETRY_MS = 20_000
"""How long a conflicting mutation is run again, unless its caller's lease ends earlier."""
SNAPSHOT_RUNS = 12
LARGEST_RESULT = 350_000
"""Bytes of an encoded result: a `commits` row holds it, and a row holds 400 KB."""


class Clock(Protocol):
    """Time."""

    def now_ms(self) -> int: ...
    def sleep(self, seconds: float) -> None: ...


@dataclass
class Outcome:
    """What a call came to. `text` is the encoded value as JSON; `value` is the same as Python values."""

    ok: bool
    text: str = "null"
    error: FunctionError | None = None
    log_lines: list[str] = field(default_factory=list)
    receipt: Receipt | None = None
    runs: int = 1

    @property
    def value(self) -> Any:
        """The result as Python values."""
        return values.loads(self.text)


@dataclass
class Evaluation(Outcome):
    """A query's outcome with what it read: enough to keep it true."""

    reads: ReadSet = field(default_factory=ReadSet)
    looked: bool = False
    journal: str | None = None


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
        self.building = Building(store, clock)
        self._rng = rng or random.Random()

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
                self._backoff(attempt, 50)
                continue
            except Exception as error:  # noqa: BLE001 - an error is this query's value
                found.ok, found.error = False, describe(error, development=self.development)
            if self._held(tx):
                found.looked, found.journal, found.log_lines = caller.looked, kept.kept, self._lines(lines)
                return found
            self._backoff(attempt, 30)
        raise Conflict(next(iter(tx.reads.versions)).table if tx.reads.versions else "")

    def _held(self, tx: Transaction) -> bool:
        """Whether one instant held for what was read; a store that does not say is asked by running again."""
        try:
            return snapshot.holds(self.store, tx.reads, self.clock.sleep)
        except (Conflict, StoreFailed):
            return False

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
        commit_id = f"{org_key(org)}|{key or new_id('c-')}"
        deadline = self.clock.now_ms() + retry_ms
        attempt = 0
        while True:
            try:
                done = receipt(self.store, commit_id, call, self.clock.sleep) if key or attempt else None
                if done is None:
                    done = self._once(org, label, body, commit_id, call, connection)
                return self._answer(done, org, attempt + 1)
            except (Conflict, StoreFailed) as error:
                attempt += 1
                measure("CommitRetries", table=getattr(error, "table", "") or "unknown")
                if self.clock.now_ms() >= deadline:
                    raise error if isinstance(error, Conflict) else Conflict() from error
                self._backoff(attempt, 400)

    def _once(self, org: str, label: str, body: Callable[[Run], str], commit_id: str, call: str, connection: str) -> Receipt:
        now = self.clock.now_ms()
        tx = Transaction(self.store, org, now_ms=float(now), writable=True, pause=self.clock.sleep, building=self.building)
        db = Writer(tx, new_id)
        run = Run(db, float(now), JobWriter(db, org, self.resolve), Log())
        try:
            result = body(run)
        except (Conflict, StoreFailed):
            raise
        except Exception:
            # What made the function refuse must itself have been true: a torn read may have invented it, and an earlier
            # attempt of this very call, whose answer was lost, may have made it so.
            done = receipt(self.store, commit_id, call, self.clock.sleep)
            if done is not None:
                return done
            if not self._held(tx):
                raise Conflict from None
            raise
        check_jobs(len(run.jobs.listed))
        intent = Intent(
            id=commit_id,
            stamp=new_id(),
            call=call,
            path=label,
            org=org,
            result=result,
            now_s=now // 1000,
            connection=connection,
            jobs=tuple(run.jobs.listed),
            log_lines=tuple(self._lines(run.log)),
        )
        return commit(self.store, tx, intent)

    def _answer(self, done: Receipt, org: str, runs: int = 1) -> Outcome:
        about = {"touched": len(done.touched), "retries": runs - 1, "trace": trace.current()}
        logger.info("commit", extra={"quiet": True, **about})
        self.committed(done, org)
        return Outcome(True, done.result, log_lines=done.log_lines, receipt=done, runs=runs)

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

    # Single-item appends -----------------------------------------------------------------------------------------------

    def append(self, org: str, doc: Table) -> bool:
        """Add one row to a streamed log by a single conditional write: the road of a reply's chunks.

        Returns: True when the row is this one (also when an earlier answer was lost), False when another is in its place.
        Raises: `StoreFailed` when the store did not say; call again with the same document.
        """
        if not doc.id:
            doc.id = new_id()
        now = self.clock.now_ms()
        if not doc.creation_time:
            doc.creation_time = float(now)
        rec = plain(doc)
        key = record_key(type(doc), org, rec)
        item = {**key.attributes(), **fields(rec), "_v": 1, "_c": doc.id}
        for index in type(doc).indexes.values():
            place = index.position(org, rec)
            if place is not None:
                item[f"{index.name}#p"], item[f"{index.name}#o"] = place.shard, place.order
        expires = rec.get(type(doc).ttl) if type(doc).ttl else None
        if expires is not None:
            item["ttl"] = int(expires // 1000)
        try:
            self.store.write(Put(key.table, item, Absent()))
        except ConditionFailed as refused:
            return refused.old is not None and refused.old.get("_c") == doc.id
        return True

    # For sweeps --------------------------------------------------------------------------------------------------------

    def listed(
        self, index: Index, values_: tuple[Any, ...], until: float | None = None, limit: int = 500, *, org: str = ""
    ) -> list[Item]:
        """Items of an eventual index, each read again by its key.

        The index lags, so this is for sweeps: what follows must look again inside a transaction.

        Args:
            until: the largest value of its order field.
            org: whose; nothing for an `everywhere` index, which is over all orgs.
        """
        wanted = index(*values_)
        low, high = (wanted if until is None else wanted.at_most(until)).bounds()
        table = index.table.table_name
        rows = self.store.query(table, index.address(org, values_), low=low, high=high, limit=limit, index=index.name)
        items = self.store.batch_get([Key(table, row["pk"], row.get("sk")) for row in rows.items])
        return [item for item in items if item is not None]

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

    def _backoff(self, attempt: int, most_ms: int) -> None:
        self.clock.sleep(self._rng.uniform(0, min(most_ms, 10 * 2 ** min(attempt, 8))) / 1000)


def caller_of(user: User | None) -> Caller:
    """The caller behind a user, or behind nobody."""
    return Caller(user, user.org if user is not None else ANONYMOUS_ORG)


def _reraised(error: FunctionError | None) -> Exception:
    if error is not None and error.has_data and isinstance(error.data, dict):
        refused = Refused(error.tag, error.detail)
        refused.data = error.data
        return refused
    return BadRequest(error.detail if error else "", error.tag if error else "BadRequest")
