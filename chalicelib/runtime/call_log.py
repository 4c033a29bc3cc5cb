"""The last calls of this process, for the operator: what was called, by whom, how long it took, what it said, why it failed."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import deque
from typing import Any, Protocol

import msgspec

from chalicelib.runtime.logs import Log

MOST = 10_000


def units(reads: int, writes: int) -> tuple[int, int]:
    """About how many read and write request units a call would cost on DynamoDB: one for each item read, two for each item
    written in a transaction, and two for the row of its commit (items of at most 4 KB and 1 KB)."""
    return max(1, reads), 2 * writes + 2 if writes else 0


class Call(msgspec.Struct, rename="camel", frozen=True):
    """One call. `at`: when it ended, in milliseconds since the epoch; `number` counts the calls of this process."""

    number: int
    at: float
    ms: float
    request: str
    path: str
    kind: str
    org: str
    caller: str
    runs: int
    reads: int
    writes: int
    read_units: int = 0
    write_units: int = 0
    lines: tuple[str, ...] = ()
    error: str = ""
    traceback: str = ""


class KeptCalls(Protocol):
    """Who keeps calls: a ring in this process' memory, or a stage's log groups (`aws/call_log.py`)."""

    def since(self, number: int, most: int = 1_000, wait_s: float = 0.0) -> tuple[list[Call], int]:
        """The calls after the one of this number, oldest first, and the number to ask with next. Waits so long for one."""
        ...

    def last(self, most: int = 200, span_s: float | None = None, **wanted: Any) -> list[Call]:
        """The newest calls first, only those whose fields contain these texts. `span_s`: so far back is far enough."""
        ...


def call_of(record: logging.LogRecord, number: int) -> Call | None:
    """What a record of the logger `concave.calls` tells of a call; None of anything else."""
    log: Log | None = getattr(record, "call", None)
    if log is None:
        return None
    trace = "".join(traceback.format_exception(log.reported[-1])) if log.failure and log.reported else ""
    return Call(
        number,
        record.created * 1000,
        float(getattr(record, "took", 0.0)) * 1000,
        log.request,
        log.path,
        log.kind,
        log.org,
        log.caller,
        log.runs,
        log.reads,
        log.writes,
        *units(log.reads, log.writes),
        tuple(log.lines),
        log.failure,
        trace[-20_000:],
    )


class CallLog(logging.Handler):
    """Keeps the last 10,000 calls; a handler of the logger `concave.calls`."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._kept: deque[Call] = deque(maxlen=MOST)
        self._came = threading.Condition()
        self._number = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a call. Records of anything else are none of its business."""
        with self._came:
            call = call_of(record, self._number + 1)
            if call is None:
                return
            self._number += 1
            self._kept.append(call)
            self._came.notify_all()

    def since(self, number: int, most: int = 1_000, wait_s: float = 0.0) -> tuple[list[Call], int]:
        """See `KeptCalls`."""
        until = time.monotonic() + wait_s
        with self._came:
            while self._number <= number and (left := until - time.monotonic()) > 0:
                self._came.wait(left)
            new = [call for call in self._kept if call.number > number][:most]
        return new, new[-1].number if new else max(number, 1)

    def last(self, most: int = 200, span_s: float | None = None, **wanted: Any) -> list[Call]:
        """See `KeptCalls`."""
        with self._came:
            kept = list(self._kept)
        fits = (call for call in reversed(kept) if all(str(text) in str(getattr(call, name)) for name, text in wanted.items()))
        return [call for call, _ in zip(fits, range(most), strict=False)]

    def after(self, at_ms: float) -> list[Call]:
        """The calls that have ended since then, oldest first."""
        with self._came:
            return [call for call in self._kept if call.at >= at_ms]

    @property
    def newest(self) -> int:
        """The number of the last call."""
        return self._number
