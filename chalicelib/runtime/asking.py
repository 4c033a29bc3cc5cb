"""Asks queries: runs one until a single instant held for all that it read (`data/snapshot.py`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from chalicelib.data import snapshot, values
from chalicelib.data.database import Reader
from chalicelib.data.errors import Conflict, StoreFailed, StoreRefused
from chalicelib.data.paging import Journal
from chalicelib.data.transaction import Transaction
from chalicelib.runtime.calling import called, encode
from chalicelib.runtime.contexts import Caller, QueryCtx, caller_of
from chalicelib.runtime.errors import describe
from chalicelib.runtime.identity import service
from chalicelib.runtime.logs import Log
from chalicelib.runtime.operators import still
from chalicelib.runtime.outcome import Evaluation
from chalicelib.runtime.registry import Function
from chalicelib.runtime.scheduling import Resolve, wire_args
from chalicelib.runtime.transactor import Transactor

SNAPSHOT_RUNS = 12
Views = dict[Any, Any]
"""The views of one moment: by org, path and arguments, each with its evaluation and its value."""


class Asking:
    """Asks the queries of one executor.

    Args:
        by: whose store, clock and knowledge of indexes it is.
        resolve: functions by their paths.
        kept: which lines of a log a client is told.
        limits: what the operator allows, by name.
        development: whether clients are told details of faults.
    """

    def __init__(
        self,
        by: Transactor,
        resolve: Resolve,
        kept: Callable[[Log], list[str]],
        limits: Mapping[str, Any],
        *,
        development: bool,
    ) -> None:
        self._by, self._resolve, self._kept = by, resolve, kept
        self._limits, self._development = limits, development

    def read(self, org: str, ask: Callable[[Reader], Any]) -> Any:
        """What somebody who is no query reads at one instant. Raises `Conflict` when none held."""
        for attempt in range(SNAPSHOT_RUNS):
            with snapshot.look(self._by.store) as look:
                now_ms = float(self._by.clock.now_ms())
                tx = Transaction(look.store, org, now_ms=now_ms, pause=self._by.clock.sleep, building=self._by.building)
                found = ask(Reader(tx))
                if look.holds(tx.reads, self._by.clock.sleep):
                    return found
            self._by.backoff(attempt, 30)
        raise Conflict

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
        began = self._by.clock.now_ms()
        missed: Conflict | StoreFailed | None = None
        for attempt in range(SNAPSHOT_RUNS):
            if attempt and most_ms is not None and self._by.clock.now_ms() - began > most_ms:
                break
            try:
                found = self._looked(function, args, caller, journal, log, views)
            except (Conflict, StoreFailed) as error:
                missed = error
                self._by.backoff(attempt, 50)
                continue
            if found is not None:
                found.runs = attempt + 1
                return found
            self._by.backoff(attempt, 30)
        raise Conflict(getattr(missed, "table", "")) from missed

    def _looked(
        self,
        function: Function[..., Any],
        args: dict[str, Any],
        caller: Caller,
        journal: str | None,
        log: Log,
        views: Views | None,
    ) -> Evaluation | None:
        """One run of a query; None when no instant held for what it read. Raises `Conflict`, `StoreFailed`."""
        kept, lines = Journal(journal), log.inside(function.path)
        with snapshot.look(self._by.store) as look:
            now_ms = float(self._by.clock.now_ms())
            tx = Transaction(look.store, caller.org, now_ms=now_ms, pause=self._by.clock.sleep, building=self._by.building)
            found = Evaluation(True, reads=tx.reads, number=look.number)
            try:
                viewed = partial(self._view, tx, lines, found, {} if views is None else views)
                ctx = QueryCtx(caller, lines, Reader(tx, kept), self._limits, viewed)
                still(ctx.db, caller.user, watched=True)
                found.text = encode(function, called(function, ctx, args))
            except (Conflict, StoreFailed):
                raise
            except Exception as error:  # noqa: BLE001 - an error is this query's value
                found.ok, found.raised = False, error
            if not isinstance(found.raised, StoreRefused) and not look.holds(tx.reads, self._by.clock.sleep):
                return None
        log.take(lines)
        if found.raised is not None:
            found.error = describe(found.raised, development=self._development, request=log.request)
        found.looked, found.journal, found.log_lines = caller.looked, kept.kept, self._kept(lines)
        return found

    def _view(self, tx: Transaction, log: Log, whole: Evaluation, views: Views, path: str, args: dict[str, Any]) -> Any:
        """A view within a query: made once in a moment; whoever asks for it watches what it has read, and is as old as it."""
        function = self._resolve(path, log.path)
        given = values.decode(values.encode(wire_args(function, args)))
        place = (tx.org, function.path, values.digest(given))
        if place not in views:
            found = self.ask(function, given, caller_of(service(tx.org)), None, log, views=views)
            views[place] = (found, None if found.raised is not None else found.value)
        found, value = views[place]
        tx.reads.watches |= found.reads.watches
        if whole.number is not None and found.number is not None:
            whole.number = min(whole.number, found.number)
        if found.raised is not None:
            raise found.raised
        return value
