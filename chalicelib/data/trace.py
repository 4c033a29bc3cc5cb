"""The id of the request that all this is about, from a client's frame to the messages that others are told because of it.

The platform's request id is set around every invocation; a frame keeps it in the inbox, a commit in its row, and the fan-out
says in the log whose commits it tells of. Reading the log by one id gives the whole walk. Nothing depends on it.

Where somebody listens (`listen`), steps of the walk are spans too, in the sense of OpenTelemetry. Processes agree on their ids
without telling each other more than the request's id: the trace's id is made of it, and a commit's span of the commit's id, so
that who reads the commit in a stream, or runs its job, knows what it follows. Where nobody listens a step is one comparison.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

_current: ContextVar[str] = ContextVar("trace", default="")


def current() -> str:
    """The id; empty where nobody has said one."""
    return _current.get()


@contextmanager
def tracing(request: str) -> Iterator[None]:
    """Everything inside this block is about this request."""
    token = _current.set(request or current())
    try:
        yield
    finally:
        _current.reset(token)


# Spans --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """One step of a request's walk, over. Ids are hexadecimal (32 and 16 digits), times nanoseconds since the epoch."""

    trace: str
    id: str
    parent: str
    name: str
    started: int
    ended: int


Place = tuple[str, str]
"""A trace's id, and the id of the span in it that comes next above."""

_above: ContextVar[tuple[Place, ...]] = ContextVar("above", default=())
_listeners: list[Callable[[Span], object]] = []


@contextmanager
def listening(take: Callable[[Span], object]) -> Iterator[None]:
    """Inside this block every span of this process is handed to `take`, when it is over."""
    listen(take)
    try:
        yield
    finally:
        _listeners.remove(take)


def listen(take: Callable[[Span], object]) -> None:
    """From now on every span of this process is handed to `take`."""
    _listeners.append(take)


def trace_of(request: str) -> str:
    """The id of a request's trace."""
    return hashlib.sha256(request.encode()).hexdigest()[:32]


def span_of(commit: str) -> str:
    """The id of a commit's span."""
    return hashlib.sha256(b"commit " + commit.encode()).hexdigest()[:16]


def moment() -> int:
    """Now, for a span that `over` tells of; 0 where nobody listens."""
    return time.time_ns() if _listeners else 0


def over(name: str, started: int, *, span_id: str = "") -> None:
    """Tell of a step that began at a `moment` and is over now, below the one that this is in. It is told once in each trace."""
    if started and _listeners:
        _tell([(trace, parent, span_id or _new()) for trace, parent in _places()], name, started)


@contextmanager
def step(name: str) -> Iterator[None]:
    """A step that takes as long as this block; what is told inside it stands below it."""
    if not _listeners:
        yield
        return
    made = [(trace, parent, _new()) for trace, parent in _places()]
    token, started = _above.set(tuple((trace, mine) for trace, _, mine in made)), time.time_ns()
    try:
        yield
    finally:
        _above.reset(token)
        _tell(made, name, started)


@contextmanager
def following(commits: Sequence[tuple[str, str]]) -> Iterator[None]:
    """What is told inside this block follows from these commits, each a request's id and the commit's own; of none: no change."""
    if not commits:
        yield
        return
    token = _above.set(tuple((trace_of(request), span_of(commit)) for request, commit in commits))
    try:
        yield
    finally:
        _above.reset(token)


def told_on(commit: str) -> dict[str, list[str]]:
    """What a job's payload carries, so that its run is known to follow from a commit; empty where nobody listens."""
    return {"follows": [current(), commit]} if _listeners and commit and current() else {}


def _places() -> Sequence[Place]:
    return _above.get() or ([(trace_of(current()), "")] if current() else [])


def _new() -> str:
    return secrets.token_hex(8)


def _tell(made: Sequence[tuple[str, str, str]], name: str, started: int) -> None:
    ended = time.time_ns()
    for trace, parent, mine in made:
        for take in _listeners:
            take(Span(trace, mine, parent, name, started, ended))
