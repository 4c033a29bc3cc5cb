"""Between a server of WebSockets and the owner of their sessions: two small ports, and nothing about either side's insides.

A server opens a socket with `doors/owned.py::accept(backend, wire, path, headers, query)`, before it answers the handshake:
it gets a `Handle`, or the HTTP status that refuses. Then

    handle.started()      the handshake is answered: from here on the wire may be written to
    handle.frame(text)    one whole text message; the messages of one socket in their order, by one thread at a time
    handle.closed()       the socket is gone, whoever closed it; once, and nothing after it

`accept` may block (a token's keys may have to be fetched), so it is called from a worker thread. The three methods of a
handle never wait for a store, a key set or a function: they may be called on an event loop. Binary messages are refused by
the server (close code 1003, RFC 6455 section 7.4.1).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class _Gathering(threading.local):
    """What a thread has put off until what it says now is said; None: it puts nothing off."""

    put_off: dict[Callable[[], None], None] | None = None


_gathering = _Gathering()


@contextmanager
def together() -> Iterator[None]:
    """What this thread sends within may leave at its end, in one go.

    A server's event loop that is woken for each message takes the interpreter from the thread that sends the next one.
    """
    _gathering.put_off = {}
    try:
        yield
    finally:
        put_off, _gathering.put_off = _gathering.put_off, None
        for work in put_off:
            work()


def at_the_end(work: Callable[[], None]) -> bool:
    """Have this done, once, when what this thread gathers is said. False: it gathers nothing, so it is to be done at once."""
    if _gathering.put_off is None:
        return False
    _gathering.put_off[work] = None
    return True


class Wire(Protocol):
    """One WebSocket, as little of it as its owner needs. Every method may be called from any thread, and returns at once."""

    def send(self, text: str) -> None:
        """Send one text message. Messages leave in the order of these calls; on a closed socket nothing happens."""

    def buffered(self) -> int:
        """Bytes that were sent and have not left this process yet: how far the reader is behind."""

    def close(self, code: int, reason: str) -> None:
        """Say goodbye after what was sent (RFC 6455 section 7.4; a reason has at most 123 bytes). `closed` follows."""


class Handle(Protocol):
    """An open socket, as its server tells what happens to it."""

    @property
    def id(self) -> str:
        """The connection's id, for the log."""

    def started(self) -> None:
        """The handshake is over."""

    def frame(self, text: str) -> None:
        """One text message of the client."""

    def closed(self) -> None:
        """The socket is gone."""
