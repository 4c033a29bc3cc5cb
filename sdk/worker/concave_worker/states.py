"""The states of a worker process, and of an agent's session: which may follow which."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

HISTORY = 100
"""Changes that a machine remembers; older ones are forgotten."""

S = TypeVar("S", bound=StrEnum)


class WorkerState(StrEnum):
    """A worker process."""

    UNINITIALIZED = "uninitialized"
    REGISTERING = "registering"
    WAITING_APPROVAL = "waiting_approval"
    CONNECTING = "connecting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    ERROR = "error"


class EngineState(StrEnum):
    """An agent's session."""

    NONE = "none"
    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    LOST = "lost"
    ERROR = "error"
    CLOSED = "closed"


class Forbidden(Exception):
    """A change that the table does not hold. `before` and `after` are the states."""

    def __init__(self, before: StrEnum, after: StrEnum) -> None:
        super().__init__(f"{before.name} is not followed by {after.name}")
        self.before, self.after = before, after


@dataclass(frozen=True)
class Change(Generic[S]):
    """One change: from which state to which, when (seconds since the epoch), and why."""

    before: S
    after: S
    at: float
    why: str


W, E = WorkerState, EngineState
WORKER: Mapping[WorkerState, frozenset[WorkerState]] = {
    W.UNINITIALIZED: frozenset({W.REGISTERING, W.CONNECTING, W.STOPPED, W.ERROR}),
    W.REGISTERING: frozenset({W.WAITING_APPROVAL, W.STOPPING, W.ERROR}),
    W.WAITING_APPROVAL: frozenset({W.CONNECTING, W.STOPPING, W.ERROR}),
    W.CONNECTING: frozenset({W.READY, W.WAITING_APPROVAL, W.STOPPING, W.ERROR}),
    W.READY: frozenset({W.CONNECTING, W.STOPPING, W.ERROR}),
    W.STOPPING: frozenset({W.STOPPED, W.ERROR}),
    W.ERROR: frozenset({W.CONNECTING, W.STOPPING, W.STOPPED}),
    W.STOPPED: frozenset(),
}
"""Whoever is enrolled begins with CONNECTING; ERROR is left by connecting anew (RECOVER) or for good."""

ENGINE: Mapping[EngineState, frozenset[EngineState]] = {
    E.NONE: frozenset({E.STARTING, E.CLOSED}),
    E.STARTING: frozenset({E.READY, E.LOST, E.ERROR, E.NONE, E.CLOSED}),
    E.READY: frozenset({E.BUSY, E.NONE, E.CLOSED}),
    E.BUSY: frozenset({E.READY, E.NONE, E.ERROR, E.CLOSED}),
    E.LOST: frozenset({E.STARTING, E.READY, E.CLOSED}),
    E.ERROR: frozenset({E.NONE, E.CLOSED}),
    E.CLOSED: frozenset(),
}
"""NONE: no process; BUSY to NONE: it died during a turn, READY to NONE: it was idle and was closed."""


class Machine(Generic[S]):
    """A state that changes only as its table says.

    Args:
        table: for each state the ones that may follow; a state without any is final and refuses every change.
        start: the first state.
        told: called after each change.
    """

    def __init__(
        self, table: Mapping[S, frozenset[S]], start: S, told: Callable[[Change[S]], None] = lambda change: None
    ) -> None:
        self._table, self._told = table, told
        self.state = start
        self.history: deque[Change[S]] = deque(maxlen=HISTORY)

    @property
    def final(self) -> bool:
        """Whether nothing may follow."""
        return not self._table[self.state]

    def to(self, state: S, why: str = "") -> None:
        """Change. The state that it has already is no change.

        Raises:
            Forbidden: the table does not hold it, or the state is final.
        """
        if self.final or (state != self.state and state not in self._table[self.state]):
            raise Forbidden(self.state, state)
        if state != self.state:
            change = Change(self.state, state, time.time(), why)
            self.state = state
            self.history.append(change)
            self._told(change)
