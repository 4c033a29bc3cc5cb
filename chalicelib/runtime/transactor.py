"""A mutation's loop: run a body, commit it, and run it again while others commit first.

First a call races: it runs and commits by itself. When somebody else was first it joins the line of the item that was busy
(`lines.py`), and is run in a group with those who wait there as well (`attempts.py`). Without a line, or alone in it, it is run
again after a pause with full jitter, until a deadline. A deadline and not a count: a hundred callers who want one document
all get their turn, and the deadline ends before any lease this runs under.

A commit id that exists already answers with its first result: a repeat is rare, so nobody looks for it first; it runs, cannot
commit (or is refused), and then has its first answer.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.data import trace
from chalicelib.data.building import Building
from chalicelib.data.errors import BadRequest, Conflict, StoreFailed
from chalicelib.data.meters import measure
from chalicelib.data.receipts import Receipt, from_row, receipt
from chalicelib.data.store import Key, Store
from chalicelib.data.tables import org_key
from chalicelib.data.transaction import Transaction
from chalicelib.runtime.attempts import Attempts, Clock, Verdict, Wanted
from chalicelib.runtime.contexts import new_id
from chalicelib.runtime.lines import Line, Lines, Ticket
from chalicelib.runtime.logs import Log
from chalicelib.runtime.outcome import Outcome
from chalicelib.runtime.scheduling import Resolve, Run

logger = logging.getLogger("concave")
commits = logging.getLogger("concave.commits")
"""One record a commit, at INFO: for a log that counts them, or the line about the invocation that made it."""
RETRY_MS = 20_000
"""How long a conflicting mutation is run again, unless its caller's lease ends earlier."""
WRITER = Key("*", "writer")
"""The one line where one process alone writes."""


class _Busy(Exception):
    """There is a line at something that this call depends on: it is better to stand there than to race."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line


class Transactor:
    """Runs bodies in transactions.

    Args:
        resolve: finds the functions that a body schedules.
        kept_lines: the log lines of a run that its commit keeps for the client.
        committed: called after each commit with its receipt and org (hand-over of jobs); that it fails is logged, no more.
        lines: where calls that lost a race wait; None: they race on.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        resolve: Resolve,
        kept_lines: Callable[[Log], list[str]],
        committed: Callable[[Receipt, str], None],
        rng: random.Random,
        lines: Lines | None = None,
    ) -> None:
        self.store, self.clock, self._lines = store, clock, lines
        self.attempts = Attempts(store, clock, resolve, kept_lines)
        self._committed, self._rng = committed, rng

    @property
    def building(self) -> Building:
        """Which indexes are being built, as this process knows it."""
        return self.attempts.building

    @building.setter
    def building(self, known: Building) -> None:
        self.attempts.building = known

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
        wanted = Wanted(org, label, body, commit_id, call, connection, log or Log(label, org), key is not None)
        ticket, began = Ticket(wanted, self.clock.now_ms() + retry_ms), trace.moment()
        verdict = self._raced(ticket)
        if verdict.refusal is not None:
            raise verdict.refusal
        assert verdict.receipt is not None
        trace.over("commit", began, span_id=trace.span_of(verdict.receipt.id) if began else "")
        return self._answer(verdict.receipt, org, ticket.runs)

    # One call alone ----------------------------------------------------------------------------------------------------

    def _raced(self, ticket: Ticket) -> Verdict:
        """Until it is committed, refused, given up, or has to stand in a line."""
        org = ticket.wanted.org
        line: Line | None = None
        while True:
            if line is None and self._lines is not None and self._lines.one and not self.attempts.slow(ticket.wanted.label):
                line = self._lines.of(org, [WRITER])
            if line is not None and line.stand(ticket, self._serve):
                assert ticket.verdict is not None
                return ticket.verdict
            line = None
            try:
                return self._alone(ticket, self._look_for_a_line)
            except _Busy as busy:
                line = busy.line
            except (Conflict, StoreFailed) as error:
                self._missed([ticket], error)
                if ticket.verdict is not None:
                    return ticket.verdict
                line = self._line_of(org, error)
                if line is None:
                    self.backoff(ticket.runs, 400)

    def _alone(self, ticket: Ticket, before_commit: Callable[[Transaction], None] = lambda _tx: None) -> Verdict:
        """One attempt. A refusal is a verdict; raises `Conflict`, `StoreFailed` to be tried again."""
        wanted = ticket.wanted
        ticket.runs += 1
        try:
            again = ticket.runs > 1
            done = receipt(self.store, wanted.commit_id, wanted.call, self.clock.sleep) if again else None
            return Verdict(done or self.attempts.alone(wanted, before_commit))
        except (Conflict, StoreFailed, _Busy):
            raise
        except Exception as error:  # noqa: BLE001 - what a function raises is its caller's, whatever it is
            return Verdict(refusal=error)

    def _look_for_a_line(self, tx: Transaction) -> None:
        line = None if self._lines is None else self._lines.busy(tx.org, tx.reads.versions.keys() | tx.writes.keys())
        if line is not None:
            raise _Busy(line)

    def _line_of(self, org: str, error: Conflict | StoreFailed) -> Line | None:
        return None if self._lines is None else self._lines.of(org, getattr(error, "where", ()))

    # A group -----------------------------------------------------------------------------------------------------------

    def _serve(self, tickets: Sequence[Ticket]) -> None:
        """Decide all of these. What cannot be committed together is tried by halves."""
        try:
            size, missed = len(tickets), 0
            while waiting := [each for each in tickets if each.verdict is None]:
                group = waiting[:size]
                try:
                    self._attempt(group)
                    size = len(tickets)
                except (Conflict, StoreFailed) as error:
                    missed += 1
                    self._missed(group, error)
                    if all(each.verdict is None for each in group):
                        size = max(1, len(group) // 2)
                    self.backoff(missed, 400)
                except Exception:
                    # The store refuses the group for good, or some rule of the engine does: each is asked by itself.
                    logger.warning("a group of %d calls could not be committed", len(group), exc_info=True)
                    size = 1
        finally:
            for ticket in tickets:
                if ticket.verdict is None:
                    ticket.decide(Verdict(refusal=Conflict()))

    def _attempt(self, group: Sequence[Ticket]) -> None:
        if len(group) == 1:
            group[0].decide(self._alone(group[0]))
            return
        for ticket in group:
            ticket.runs += 1
        for ticket, verdict in zip(group, self.attempts.together([each.wanted for each in group]), strict=False):
            ticket.decide(verdict)

    # Both --------------------------------------------------------------------------------------------------------------

    def _missed(self, group: Sequence[Ticket], error: Conflict | StoreFailed) -> None:
        """After an attempt that committed nothing: who was committed before has the answer, who is late is given up."""
        done = getattr(error, "done", {})
        measure("CommitRetries", table=getattr(error, "table", "") or "unknown")
        for ticket in group:
            wanted = ticket.wanted
            wanted.suspects.update(getattr(error, "taken", ()))
            if wanted.commit_id in done:
                ticket.decide(_first_answer(done[wanted.commit_id], wanted))
            elif self.clock.now_ms() >= ticket.deadline:
                ticket.decide(Verdict(refusal=self._given_up(wanted, error)))

    @staticmethod
    def _given_up(wanted: Wanted, error: Conflict | StoreFailed) -> Conflict:
        if isinstance(error, Conflict):
            return error
        logger.error(
            "the store did not answer until the deadline", extra={"path": wanted.label, "org": wanted.org}, exc_info=error
        )
        return Conflict()

    def _answer(self, done: Receipt, org: str, runs: int = 1) -> Outcome:
        """The outcome of what has been committed: nothing that comes after can make a failure of it."""
        if commits.isEnabledFor(logging.INFO):
            about = {"touched": len(done.touched), "retries": runs - 1, "trace": trace.current()}
            commits.info("commit", extra={"quiet": True, **about})
        try:
            self._committed(done, org)
        except Exception:
            logger.exception("what follows a commit failed; the stream and the sweep make it good", extra={"org": org})
        return Outcome(True, done.result, log_lines=done.log_lines, receipt=done, runs=runs)

    def backoff(self, attempt: int, most_ms: int) -> None:
        """Wait before another attempt: full jitter, doubled each time up to `most_ms`."""
        self.clock.sleep(self._rng.uniform(0, min(most_ms, 10 * 2 ** min(attempt, 8))) / 1000)


def _first_answer(row: dict[str, Any], wanted: Wanted) -> Verdict:
    """What a call was answered when it was committed, or that its key was used for another call."""
    try:
        return Verdict(from_row(row, wanted.call))
    except BadRequest as error:
        return Verdict(refusal=error)
