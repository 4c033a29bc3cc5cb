"""Lines of calls leave together: writing each by itself wakes the reader of the log, and takes the interpreter from who works."""

from __future__ import annotations

import logging
import threading
from typing import TextIO

GATHER_S = 0.05
"""A line waits for others for so long at most."""


class Gathered(logging.Handler):
    """Writes the lines of calls and requests that come within `GATHER_S` in one go. All else, and every warning and error, is
    written at once, and with it all that came before.

    `logging.shutdown`, which runs when a process ends by itself, writes the rest.

    Args:
        out: where to. One that cannot be written to is reported as `logging` reports it, and the lines are lost.
    """

    def __init__(self, out: TextIO, gather_s: float = GATHER_S) -> None:
        super().__init__()
        self._out, self._gather_s = out, gather_s
        self._lines: list[str] = []
        self._begun, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._wait, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line. Called under the handler's lock."""
        try:
            self._lines.append(self.format(record))
            if record.levelno > logging.INFO or not hasattr(record, "door"):
                self.flush()
            elif len(self._lines) == 1:
                self._begun.set()
        except Exception:  # noqa: BLE001 (a log never fails whoever speaks)
            self.handleError(record)

    def flush(self) -> None:
        """Write what waits. Raises what the stream raises."""
        with self._held():
            lines, self._lines = self._lines, []
            if lines:
                self._out.write("\n".join(lines) + "\n")
                self._out.flush()

    def close(self) -> None:
        """Write what waits, and gather no more."""
        self._ended.set()
        self._begun.set()
        try:
            self.flush()
        finally:
            super().close()

    def _held(self) -> threading.RLock:
        assert self.lock is not None  # every handler has one
        return self.lock

    def _wait(self) -> None:
        while not self._ended.is_set():
            self._begun.wait()
            self._begun.clear()
            self._ended.wait(self._gather_s)
            try:
                self.flush()
            except (OSError, ValueError):  # the reader has gone; what is said next says so
                self.handleError(logging.makeLogRecord({"name": __name__, "msg": "log lines were lost"}))
