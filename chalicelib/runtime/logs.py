"""`ctx.log`: what a function says while it runs, to whom it is told, and the request id that finds it again.

Every line goes to the operator's log ("concave.log": the laptop's terminal, the stage's log group) with the function's path, the
caller's org and the request id, whether the call succeeds or fails. In development the client's console shows it as well
(Convex's `logLines`). Of a mutation that is run again only the last run speaks. A function that is called by an action speaks
under its own path and the action's request id.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

from chalicelib.data import trace

logger = logging.getLogger("concave.log")
calls = logging.getLogger("concave.calls")
"""One record a call, at DEBUG, with the call's `Log` as `call`: for whoever keeps the last of them (`call_log.py`)."""
LOG_LINES, LOG_CHARS = 256, 4096
"""Convex's own limits of one call's log."""
Level = Literal["DEBUG", "LOG", "INFO", "WARN", "ERROR"]
LEVELS: dict[Level, int] = {
    "DEBUG": logging.DEBUG,
    "LOG": logging.INFO,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
}


@dataclass
class Line:
    """One line, which function said it, and whether the operator's log has it."""

    level: Level
    path: str
    text: str
    told: bool = False

    def __str__(self) -> str:
        return f"[{self.level}] {self.text}"


@dataclass
class Log:
    """The lines of one call. As a context manager it tells the operator's log at its end what it has not told before.

    Args:
        path: the function's.
        org: the caller's.
        at_once: tell each line when it is said: for actions, which are not run again and may take minutes.
        request: the request id that clients see in errors.
    """

    path: str = ""
    org: str = ""
    at_once: bool = False
    request: str = field(default_factory=lambda: secrets.token_hex(8))
    said: list[Line] = field(default_factory=list)
    reported: list[BaseException] = field(default_factory=list)
    """Faults that the operator's log has already."""
    kind: str = ""
    """What is called: query, mutation, action; empty: nobody is told of the call as such."""
    caller: str = ""
    """Who calls."""
    runs: int = 1
    """How often it was run until it held."""
    reads: int = 0
    """Items of the store that its last run has read."""
    writes: int = 0
    """Places that its commit has touched."""
    failure: str = ""
    """Why it failed, and where."""
    began: float = field(default_factory=time.perf_counter)

    def __call__(self, *parts: Any) -> None:
        """Note something, as `console.log` would."""
        self._say("LOG", parts)

    def debug(self, *parts: Any) -> None:
        """Note something that only matters while looking for a fault."""
        self._say("DEBUG", parts)

    def info(self, *parts: Any) -> None:
        """Note something."""
        self._say("INFO", parts)

    def warn(self, *parts: Any) -> None:
        """Note something that looks wrong."""
        self._say("WARN", parts)

    def error(self, *parts: Any) -> None:
        """Note something that is wrong."""
        self._say("ERROR", parts)

    @property
    def lines(self) -> list[str]:
        """The lines as clients read them: `[LEVEL] text`."""
        return [str(line) for line in self.said]

    def inside(self, path: str) -> Log:
        """The log of a function that this call calls, or of one more run of it: under the same request id."""
        return Log(path, self.org, request=self.request, reported=self.reported)

    def take(self, inner: Log) -> None:
        """Make the lines of an `inside` log this call's."""
        for line in inner.said:
            self._add(line)

    def tell(self) -> None:
        """Write what was not written yet to the operator's log."""
        for line in self.said:
            if line.told:
                continue
            line.told = True
            about = {"path": line.path, "org": self.org, "request": self.request, "trace": trace.current()}
            logger.log(LEVELS[line.level], "%s", line.text, extra=about)

    def silence(self) -> None:
        """Tell the operator's log nothing of what was said so far: another run of the same call has told it."""
        for line in self.said:
            line.told = True

    def __enter__(self) -> Log:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.tell()
        if self.kind and calls.isEnabledFor(logging.DEBUG):
            calls.debug("%s", self.path, extra={"call": self, "quiet": True, "took": time.perf_counter() - self.began})

    def _say(self, level: Level, parts: tuple[Any, ...]) -> None:
        self._add(Line(level, self.path, mend(" ".join(map(_shown, parts)))[:LOG_CHARS]))

    def _add(self, line: Line) -> None:
        if len(self.said) < LOG_LINES:
            self.said.append(line)
            if self.at_once:
                self.tell()


class Repeats:
    """Runs of one query inside one request that say the same: a live query is run again when its watch has been set.

    The operator's log has each once, and the client is told the request id that stands there.
    """

    def __init__(self, most: int = 256) -> None:
        self._most = most
        self._known: dict[Hashable, str] = {}
        self._gate = threading.Lock()

    def request(self, said: Hashable, request: str) -> str:
        """The request id under which this was said first in this request; of something new the one that is given."""
        if not trace.current():
            return request
        with self._gate:
            while len(self._known) >= self._most:
                del self._known[next(iter(self._known))]
            return self._known.setdefault((trace.current(), said), request)


def mend(text: str) -> str:
    """The text with U+FFFD in place of half a surrogate pair, which no message and no terminal can carry."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _shown(part: Any) -> str:
    """A value as a console shows it. A log never fails, whatever it is given."""
    if isinstance(part, str):
        return f"'{part}'"
    try:
        return json.dumps(part, default=str, ensure_ascii=False)
    except Exception:  # noqa: BLE001 - a circle, a key that is no text, a `__str__` that raises
        return f"<{type(part).__name__}>"
