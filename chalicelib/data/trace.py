"""The id of the request that all this is about, from a client's frame to the messages that others are told because of it.

The platform's request id is set around every invocation; a frame keeps it in the inbox, a commit in its row, and the fan-out
says in the log whose commits it tells of. Reading the log by one id gives the whole walk. Nothing depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

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
