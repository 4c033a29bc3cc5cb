"""A mutation's loop: run a body, commit it, and run it again while others commit first.

A conflict runs it again, with full jitter, until a deadline. A deadline and not a count: a hundred callers who want one
document all get their turn, and the deadline ends before any lease this runs under. A commit id that exists already answers
with its first result, before anything is run.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chalicelib.data import snapshot, trace
from chalicelib.data.building import Building
from chalicelib.data.commit import Intent, Receipt, commit, receipt
from chalicelib.data.database import Writer
from chalicelib.data.errors import Conflict, StoreFailed
from chalicelib.data.meters import measure
from chalicelib.data.store import Key, Store
from chalicelib.data.tables import org_key
from chalicelib.data.transaction import Transaction
from chalicelib.runtime.contexts import check_jobs, new_id
from chalicelib.runtime.logs import Log
from chalicelib.runtime.outcome import Outcome
from chalicelib.runtime.scheduling import JobWriter, Resolve, Run

logger = logging.getLogger("concave")
RETRY_MS = 20_000
"""How long a conflicting mutation is run again, unless its caller's lease ends earlier."""


class Clock(Protocol):
    """Time."""

    def now_ms(self) -> int: ...
    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class _Wanted:
    """What is to be committed, in however many runs."""

    org: str
    label: str
    body: Callable[[Run], str]
    commit_id: str
    call: str
    connection: str
    log: Log
    keyed: bool


class Transactor:
    """Runs bodies in transactions.

    Args:
        resolve: finds the functions that a body schedules.
        kept_lines: the log lines of a run that its commit keeps for the client.
        committed: called after each commit with its receipt and org (hand-over of jobs); that it fails is logged, no more.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        resolve: Resolve,
        kept_lines: Callable[[Log], list[str]],
        committed: Callable[[Receipt, str], None],
        rng: random.Random,
    ) -> None:
        self.store, self.clock = store, clock
        self.building = Building(store, clock)
        self._resolve, self._kept_lines, self._committed, self._rng = resolve, kept_lines, committed, rng

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
        """Run `body` in a transaction until it commits. It returns the result as JSON text, and may run several times.

        Args:
            log: gets what the last run said.
        """
        commit_id = f"{org_key(org)}|{key or new_id('c-')}"
        wanted = _Wanted(org, label, body, commit_id, call, connection, log or Log(label, org), key is not None)
        deadline = self.clock.now_ms() + retry_ms
        attempt = 0
        taken: set[Key] = set()
        while True:
            try:
                done = receipt(self.store, commit_id, call, self.clock.sleep) if key or attempt else None
                if done is None:
                    done = self._once(wanted, taken)
                return self._answer(done, org, attempt + 1)
            except (Conflict, StoreFailed) as error:
                attempt += 1
                taken.update(getattr(error, "taken", ()))
                measure("CommitRetries", table=getattr(error, "table", "") or "unknown")
                if self.clock.now_ms() >= deadline:
                    raise self._given_up(wanted, error) from error
                self.backoff(attempt, 400)

    @staticmethod
    def _given_up(wanted: _Wanted, error: Conflict | StoreFailed) -> Conflict:
        if isinstance(error, Conflict):
            return error
        logger.error(
            "the store did not answer until the deadline", extra={"path": wanted.label, "org": wanted.org}, exc_info=error
        )
        return Conflict()

    def _once(self, wanted: _Wanted, taken: set[Key]) -> Receipt:
        now = self.clock.now_ms()
        tx = Transaction(
            self.store,
            wanted.org,
            now_ms=float(now),
            writable=True,
            pause=self.clock.sleep,
            building=self.building,
            suspects=taken,
        )
        db = Writer(tx, new_id)
        run = Run(db, float(now), JobWriter(db, wanted.org, self._resolve, wanted.log.path), wanted.log.inside(wanted.log.path))
        try:
            result = wanted.body(run)
        except (Conflict, StoreFailed):
            raise
        except Exception:
            # What made the function refuse must itself have been true: a torn read may have invented it, and an earlier
            # attempt of this very call, whose answer was lost, may have made it so.
            done = receipt(self.store, wanted.commit_id, wanted.call, self.clock.sleep)
            if done is not None:
                return done
            if not self.held(tx):
                raise Conflict from None
            wanted.log.take(run.log)
            raise
        check_jobs(len(run.jobs.listed))
        intent = Intent(
            id=wanted.commit_id,
            stamp=new_id(),
            call=wanted.call,
            path=wanted.label,
            org=wanted.org,
            result=result,
            now_s=now // 1000,
            connection=wanted.connection,
            jobs=tuple(run.jobs.listed),
            log_lines=tuple(self._kept_lines(run.log)),
            kept=wanted.keyed,
        )
        done = commit(self.store, tx, intent)
        wanted.log.take(run.log)
        return done

    def _answer(self, done: Receipt, org: str, runs: int = 1) -> Outcome:
        """The outcome of what has been committed: nothing that comes after can make a failure of it."""
        about = {"touched": len(done.touched), "retries": runs - 1, "trace": trace.current()}
        logger.info("commit", extra={"quiet": True, **about})
        try:
            self._committed(done, org)
        except Exception:
            logger.exception("what follows a commit failed; the stream and the sweep make it good", extra={"org": org})
        return Outcome(True, done.result, log_lines=done.log_lines, receipt=done, runs=runs)

    def held(self, tx: Transaction) -> bool:
        """Whether one instant held for what was read; a store that does not say is asked by running again."""
        try:
            return snapshot.holds(self.store, tx.reads, self.clock.sleep)
        except (Conflict, StoreFailed):
            return False

    def backoff(self, attempt: int, most_ms: int) -> None:
        """Wait before another attempt: full jitter, doubled each time up to `most_ms`."""
        self.clock.sleep(self._rng.uniform(0, min(most_ms, 10 * 2 ** min(attempt, 8))) / 1000)
