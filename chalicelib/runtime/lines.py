"""Calls that want the same, waiting in line; whoever stands first runs the next group for all who are in it.

A line belongs to an item that is busy: calls that lost a race for it join, in this process (processes race as before). It is
there as long as somebody stands in it. Where one process alone writes to the store, all its calls may stand in one line
from the start: then nobody races, and a group is one transaction of the store.

Which line a call stands in is a guess at what goes together, and never a promise: a group's commit checks all that it read.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from chalicelib.data.store import Key
from chalicelib.runtime.attempts import Verdict, Wanted

LARGEST_GROUP = 12
Await = Callable[[threading.Event], object]


class Ticket:
    """A call's place in a line.

    Args:
        deadline: when (ms) it is given up.
    """

    def __init__(self, wanted: Wanted, deadline: float) -> None:
        self.wanted, self.deadline = wanted, deadline
        self.runs = 0
        self.verdict: Verdict | None = None
        self.turn: threading.Event | None = None
        """Where another one leads: set when this has its verdict, or leads the next group."""

    def decide(self, verdict: Verdict) -> None:
        """Let the caller go with this."""
        self.verdict = verdict
        if self.turn is not None:
            self.turn.set()


Serve = Callable[[Sequence[Ticket]], None]
"""Decides all of these tickets."""


class Line:
    """The calls of one org that wait for one item."""

    def __init__(self, close: Callable[[Line], bool], wait: Await) -> None:
        self._close, self._await = close, wait
        self._lock = threading.Lock()
        self._waiting: deque[Ticket] = deque()
        self._led = self.closed = False

    def stand(self, ticket: Ticket, serve: Serve) -> bool:
        """Wait until the ticket is decided, and meanwhile serve a group when it is this one's turn. False: the line is closed."""
        with self._lock:
            if self.closed:
                return False
            self._waiting.append(ticket)
            ticket.turn = threading.Event() if self._led else None
            self._led = True
        if ticket.turn is not None:
            self._await(ticket.turn)
        if ticket.verdict is None:
            self._lead(serve)
        return True

    def _lead(self, serve: Serve) -> None:
        with self._lock:
            group = [self._waiting.popleft() for _ in range(min(LARGEST_GROUP, len(self._waiting)))]
        try:
            serve(group)
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        """Who stands first now leads; an empty line is closed."""
        with self._lock:
            if self._waiting:
                first = self._waiting[0].turn
                assert first is not None
                first.set()
                return
            self._led = False
            self.closed = self._close(self)


class Lines:
    """The lines of a process.

    Args:
        one: all calls of an org stand in one line from the start: this process alone writes to the store.
        wait: waits for an event; a simulation does so in its own time.
    """

    def __init__(self, *, one: bool = False, wait: Await = threading.Event.wait) -> None:
        self.one = one
        self._await = wait
        self._lock = threading.Lock()
        self._lines: dict[tuple[str, Key], Line] = {}

    def of(self, org: str, keys: Iterable[Key]) -> Line | None:
        """The line of the first of these items that has one; else a new one, for the first item."""
        wanted = [(org, key) for key in keys]
        with self._lock:
            for each in wanted:
                if each in self._lines:
                    return self._lines[each]
            return self._open(wanted[0]) if wanted else None

    def busy(self, org: str, keys: Iterable[Key]) -> Line | None:
        """The line of one of these items, if there is one."""
        if not self._lines:
            return None
        with self._lock:
            return next((self._lines[org, key] for key in keys if (org, key) in self._lines), None)

    def _open(self, place: tuple[str, Key]) -> Line:
        def close(line: Line) -> bool:
            with self._lock:
                return self._lines.pop(place, None) is line

        self._lines[place] = Line(close, self._await)
        return self._lines[place]
