"""The event source mapping on a laptop: changes of the store become DynamoDB Streams events for `on_change`.

One pump per streamed table, as one table has one stream. A pump takes batches in order, invokes, and moves its cursor past
what was dealt with: at least once, never out of order. `batchItemFailures` and exceptions are treated as Lambda treats them
("Reporting batch item failures", Lambda's developer guide): everything *before* the lowest failed sequence is done,
everything from there on comes again, after a growing pause and without end, so a bad record holds up its own table
and nobody can overlook it in the log.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol

from chalicelib.data.store import Change
from infra.local.aws.streams import DynamoStreams, Record, event, lambda_record

log = logging.getLogger("concave.local")

BATCH = 100
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 5.0
POLL_S = 0.05
"""A DynamoDB engine does not call; it is asked this often."""


class Feed(Protocol):
    """The changes of one table."""

    def read(self) -> list[Record]:
        """The next records in order, at most a batch; the same ones again until they are done."""

    def done(self, through: str) -> None:
        """Every record up to this sequence has been dealt with."""

    def wait(self) -> None:
        """Block until there may be more."""

    def stop(self) -> None:
        """End every `wait`, now and later."""


class Log(Protocol):
    """What a feed needs of the SQLite store."""

    def changes(self, after: str | None = None, limit: int = 100) -> list[Change]:
        """Records of every table behind this sequence (None: from the oldest kept), in commit order."""

    def listen(self, callback: Callable[[], None], table: str | None = None) -> Callable[[], None]:
        """Call this when there are more of a table; returns the way to stop it."""

    def cursor(self, name: str) -> str | None:
        """The sequence that this pump has durably dealt with."""

    def set_cursor(self, sequence: str, name: str) -> None:
        """Remember it."""


def nothing_known(_change: Change) -> bool:
    """Everything is news."""
    return False


class LogFeed:
    """One table of the SQLite store's log. The cursor is in the same file, so it survives whatever the data survives.

    Args:
        known: whether a record of the table says nothing to anybody any more; it is passed over.
    """

    def __init__(self, source: Log, table: str, known: Callable[[Change], bool] = nothing_known) -> None:
        self._source, self._table, self._name, self._known = source, table, f"pump:{table}", known
        self._position = source.cursor(self._name)
        self._more, self._stopped = threading.Event(), False
        self._deafen = source.listen(self._more.set, table)

    def read(self) -> list[Record]:
        """Records of other tables, and those that are known, are passed over, and the cursor moves past them."""
        self._more.clear()
        while batch := self._source.changes(self._position, BATCH):
            mine = [lambda_record(change) for change in batch if change.table == self._table and not self._known(change)]
            if mine:
                return mine
            self.done(batch[-1].sequence)
        return []

    def done(self, through: str) -> None:
        self._position = through
        self._source.set_cursor(through, self._name)

    def wait(self) -> None:
        if not self._stopped:
            self._more.wait()

    def stop(self) -> None:
        self._stopped = True
        self._deafen()
        self._more.set()


class StreamFeed:
    """One table's stream on a DynamoDB engine, from the moment of the start on.

    What was committed before the start needs no telling: no client of this server had asked by then, and the jobs and runs
    of a server that died are found by the sweep. A second server on the same engine reads everything for itself.
    """

    def __init__(self, streams: DynamoStreams, poll_s: float = POLL_S) -> None:
        self._streams, self._poll_s = streams, poll_s
        self._batches: list[list[Record]] = []
        self._stopped = threading.Event()

    def read(self) -> list[Record]:
        """One shard's batch at a time."""
        if not self._batches:
            self._batches = self._streams.poll(BATCH)
        return self._batches[0] if self._batches else []

    def done(self, through: str) -> None:
        rest = [record for record in self._batches[0] if int(_sequence(record)) > int(through)]
        self._batches[:1] = [rest] if rest else []

    def wait(self) -> None:
        self._stopped.wait(self._poll_s)

    def stop(self) -> None:
        self._stopped.set()


class Pump:
    """Moves one feed.

    Args:
        name: what the log calls it (the table).
        feed: the changes.
        invoke: `on_change` with an event; returns its answer, or raises.
        pause: waits this many seconds before a batch comes again; by default it stops waiting when the pump stops.
        gather_s: what comes within so long goes together (Lambda: the batching window of an event source mapping).
    """

    def __init__(
        self,
        name: str,
        feed: Feed,
        invoke: Callable[[Record], Any],
        pause: Callable[[float], object] | None = None,
        gather_s: float = 0.0,
    ) -> None:
        self._name, self._feed, self._invoke = name, feed, invoke
        self._stopped = threading.Event()
        self._pause = pause or self._stopped.wait
        self._failures, self._gather_s = 0, gather_s
        self._thread = threading.Thread(target=self._run, name=f"pump-{name}", daemon=True)

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def stop(self, timeout_s: float = 0.5) -> None:
        """Stop after the batch that is on its way. What was not finished comes again at the next start."""
        self._stopped.set()
        self._feed.stop()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                moved = self.step()
            except Exception:  # the pump must outlive a failing store: without it no subscriber hears anything again
                if self._stopped.is_set():
                    return
                log.exception("cannot read the changes of %s", self._name)
                self._retry()
                continue
            if not moved:
                self._feed.wait()
                if self._gather_s:
                    self._stopped.wait(self._gather_s)

    def step(self) -> bool:
        """Move one batch. Returns False when there was nothing to move."""
        batch = self._feed.read()
        if not batch:
            return False
        failed = self._deliver(batch)
        done = [_sequence(record) for record in batch]
        if failed is not None:
            done = [sequence for sequence in done if int(sequence) < int(failed)]
        if done:
            self._feed.done(done[-1])
        if failed is None:
            self._failures = 0
        else:
            self._retry()
        return True

    def _deliver(self, batch: list[Record]) -> str | None:
        """Invoke once. Returns the lowest sequence that has to come again, or None."""
        first = _sequence(batch[0])
        try:
            answer = self._invoke(event(batch))
            failures = [entry["itemIdentifier"] for entry in (answer or {}).get("batchItemFailures", [])]
        except Exception as error:  # noqa: BLE001 (whatever it was, the whole batch comes again)
            log.warning("on_change: %s from %s on comes again after %s", self._name, first, type(error).__name__)
            return first
        if not failures:
            return None
        # An answer that names no record of the batch counts as a failure of all of it.
        return min(failures, key=int) if set(failures) <= set(map(_sequence, batch)) else first

    def _retry(self) -> None:
        self._failures += 1
        self._pause(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10)))


def _sequence(record: Record) -> str:
    return str(record["dynamodb"]["SequenceNumber"])
