"""One attempt at a commit: of one call alone, or of several calls in one transaction.

In a group every call is planned after a savepoint, with its own caller, log and clock, and sees what the calls before it have
written. One that is refused is taken back; what it had read stays a condition of the commit, and it hears of its refusal only
after that. Calls stand in the order in which they came: the first that does not fit any more ends the group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Protocol

from chalicelib.data import snapshot, trace
from chalicelib.data.building import Building
from chalicelib.data.commit import commit, commit_all
from chalicelib.data.database import Writer
from chalicelib.data.errors import BadRequest, Conflict, StoreFailed
from chalicelib.data.receipts import Intent, Planned, Receipt, commit_rows, receipt
from chalicelib.data.savepoint import Savepoint
from chalicelib.data.store import Item, Key, Store
from chalicelib.data.touched import touched_between
from chalicelib.data.transaction import Transaction
from chalicelib.runtime.capacity import MOST_ACTIONS, Capacity
from chalicelib.runtime.contexts import check_jobs, new_id
from chalicelib.runtime.logs import Log
from chalicelib.runtime.moments import Moments
from chalicelib.runtime.scheduling import JobWriter, Resolve, Run

LONG_MS = 50
"""A function whose last run took longer does not stand in the one writer's line: it races, and others go on."""


class Clock(Protocol):
    """Time."""

    def now_ms(self) -> int: ...
    def sleep(self, seconds: float) -> None: ...


@dataclass
class Wanted:
    """What is to be committed, in however many attempts.

    `suspects` are keys at which an earlier attempt found a document that it had not looked for; `seen` what it has read.
    """

    org: str
    label: str
    body: Callable[[Run], str]
    commit_id: str
    call: str
    connection: str
    log: Log
    keyed: bool = False
    suspects: set[Key] = field(default_factory=set)
    seen: set[Key] = field(default_factory=set)
    trace: str = field(default_factory=trace.current)
    context: Context = field(default_factory=copy_context)
    """Of the request that it came with, whoever runs it."""


@dataclass(frozen=True)
class Verdict:
    """What became of a call: its receipt, or why it was refused."""

    receipt: Receipt | None = None
    refusal: Exception | None = None


@dataclass(frozen=True)
class _Ran:
    """One call that has run within a group, and is not committed yet."""

    wanted: Wanted
    log: Log
    planned: Planned | None = None
    refusal: Exception | None = None


class Attempts:
    """Runs bodies, and commits what they did.

    Args:
        resolve: finds the functions that a body schedules.
        kept_lines: the log lines of a run that its commit keeps for the client.
    """

    def __init__(self, store: Store, clock: Clock, resolve: Resolve, kept_lines: Callable[[Log], list[str]]) -> None:
        self.store, self.clock = store, clock
        self.building = Building(store, clock)
        self._resolve, self._kept_lines = resolve, kept_lines
        self._moments = Moments()
        self._slow: set[str] = set()

    def alone(self, wanted: Wanted, before_commit: Callable[[Transaction], None] = lambda _tx: None) -> Receipt:
        """Run and commit one call.

        Args:
            before_commit: may raise, and then nothing is committed.

        Raises: what the function raises; `Conflict`, `StoreFailed` to be tried again.
        """
        now = self.clock.now_ms()
        tx = self._transaction(wanted.org, now, wanted.suspects)
        run = self._run(tx, wanted, now)
        try:
            result = self._result(wanted, run)
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
        finally:
            wanted.seen.update(key for key in tx.reads.versions if key.table != "fences")
        before_commit(tx)
        try:
            done = commit(self.store, tx, self._intent(wanted, run, result, new_id(), now))
        except BadRequest:
            # It cannot fit, or not any more: a first try of it may have.
            done = receipt(self.store, wanted.commit_id, wanted.call, self.clock.sleep)
            if done is None:
                raise
        wanted.log.take(run.log)
        return done

    def together(self, group: Sequence[Wanted]) -> list[Verdict]:
        """Run calls of one org one after the other, and commit them at once.

        Returns: what became of the first ones; the others did not fit, and have not been run.

        Raises: `Conflict` (its `done` are rows of calls committed before), `StoreFailed`: nobody's fate is decided.
        """
        group = _distinct(group)
        stamp, now = new_id(), self.clock.now_ms()
        tx = self._transaction(group[0].org, now, set().union(*(each.suspects for each in group)))
        tx.known = self._looked_up(group)
        ran: list[_Ran] = []
        capacity = Capacity()
        for wanted in group:
            now = self.clock.now_ms()
            mark = tx.savepoint(self._moments.next(now))
            one = self._one(tx, wanted, stamp, now, mark)
            if one.refusal is not None:
                tx.roll_back(mark, keep_reads=True)
            if not capacity.holds(tx, 0 if one.planned is None else len(one.planned.intent.result)) and ran:
                tx.roll_back(mark)
                break
            ran.append(one)
        return self._decided(tx, ran)

    def _looked_up(self, group: Sequence[Wanted]) -> dict[Key, Item | None]:
        """In one request, what earlier attempts of these calls have read. Raises `Conflict` when one of them is committed."""
        rows = [Key("commits", each.commit_id) for each in group if each.seen or each.keyed]
        keys = sorted(set[Key]().union(*(each.seen for each in group if len(each.seen) <= MOST_ACTIONS)))
        if not keys:
            return {}
        found = dict(zip([*rows, *keys], self.store.batch_get([*rows, *keys]), strict=True))
        done = {row.pk: item for row in rows if (item := found.pop(row)) is not None}
        if done:
            raise Conflict("", done=done)
        return found

    def _one(self, tx: Transaction, wanted: Wanted, stamp: str, now: int, mark: Savepoint) -> _Ran:
        run = self._run(tx, wanted, now)
        try:
            result = self._result(wanted, run)
        except (Conflict, StoreFailed):
            raise
        except Exception as error:  # noqa: BLE001 - what a function raises is its caller's, whatever it is
            return _Ran(wanted, run.log, refusal=error)
        intent = self._intent(wanted, run, result, stamp, now)
        return _Ran(wanted, run.log, Planned(intent, touched_between(tx.org, mark.writes, tx.writes)))

    def _decided(self, tx: Transaction, ran: Sequence[_Ran]) -> list[Verdict]:
        planned = [one.planned for one in ran if one.planned is not None]
        refused = [one.wanted.commit_id for one in ran if one.planned is None]
        if planned:
            receipts = iter(commit_all(self.store, tx, planned, refused))
        else:
            receipts = iter(())
            done = commit_rows(self.store, refused, self.clock.sleep)
            if done or not self.held(tx):
                raise Conflict("", done=done)
        for one in ran:
            one.wanted.log.take(one.log)
        return [Verdict(refusal=one.refusal) if one.planned is None else Verdict(next(receipts)) for one in ran]

    def _transaction(self, org: str, now: int, suspects: set[Key]) -> Transaction:
        return Transaction(
            self.store,
            org,
            now_ms=self._moments.next(now),
            writable=True,
            pause=self.clock.sleep,
            building=self.building,
            suspects=suspects,
        )

    def _run(self, tx: Transaction, wanted: Wanted, now: int) -> Run:
        db = Writer(tx, new_id)
        return Run(db, float(now), JobWriter(db, wanted.org, self._resolve, wanted.log.path), wanted.log.inside(wanted.log.path))

    def _result(self, wanted: Wanted, run: Run) -> str:
        """What the body returns. How long it took is remembered."""
        began = self.clock.now_ms()
        try:
            result = wanted.context.copy().run(wanted.body, run)
            check_jobs(len(run.jobs.listed))
            return result
        finally:
            if self.clock.now_ms() - began > LONG_MS:
                self._slow.add(wanted.label)
            else:
                self._slow.discard(wanted.label)

    def slow(self, label: str) -> bool:
        """Whether others should not have to wait for this function: its last run took long."""
        return label in self._slow

    def _intent(self, wanted: Wanted, run: Run, result: str, stamp: str, now: int) -> Intent:
        return Intent(
            id=wanted.commit_id,
            stamp=stamp,
            call=wanted.call,
            path=wanted.label,
            org=wanted.org,
            result=result,
            now_s=now // 1000,
            connection=wanted.connection,
            jobs=tuple(run.jobs.listed),
            log_lines=tuple(self._kept_lines(run.log)),
            kept=wanted.keyed,
            trace=wanted.trace,
        )

    def held(self, tx: Transaction) -> bool:
        """Whether one instant held for what was read; a store that does not say is asked by running again."""
        try:
            return snapshot.holds(self.store, tx.reads, self.clock.sleep)
        except (Conflict, StoreFailed):
            return False


def _distinct(group: Sequence[Wanted]) -> Sequence[Wanted]:
    """The calls before the first repetition of one of them: it has to wait for the answer."""
    ids: set[str] = set()
    for position, wanted in enumerate(group):
        if wanted.commit_id in ids:
            return group[:position]
        ids.add(wanted.commit_id)
    return group
