"""Sockets whose sessions this process keeps in memory: from the server's connections to their owner, without an event."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from chalicelib.live.owner.wire import at_the_end
from infra.local.aws.api_gateway import Connection
from infra.local.aws.shapes import Request, connect_event

MESSAGE_TOO_BIG, TRY_AGAIN_LATER = 1009, 1013
"""Close codes (RFC 6455, section 7.4.1, and its registry at IANA)."""


class Outbox:
    """What threads have to say to sockets, until the event loop has it: however much that is, the loop is woken once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._waiting: list[tuple[LoopWire, str | tuple[int, str]]] = []
        self._woken = False

    def add(self, wire: LoopWire, what: str | tuple[int, str]) -> None:
        """A message, or a goodbye with its code and reason; in this order for each socket."""
        with self._lock:
            self._waiting.append((wire, what))
            woken = self._woken
        if not woken and not at_the_end(self._wake):
            self._wake()

    def _wake(self) -> None:
        with self._lock:
            if self._woken or not self._waiting or self._loop.is_closed():
                return
            self._woken = True
        self._loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        with self._lock:
            waiting, self._waiting, self._woken = self._waiting, [], False
        for wire, what in waiting:
            wire.write(what)


class LoopWire:
    """A `chalicelib.live.owner.wire.Wire` on a connection that lives on an event loop."""

    def __init__(self, connection: Connection, outbox: Outbox, clock: Callable[[], float]) -> None:
        self._connection, self._outbox, self._clock = connection, outbox, clock
        self._said = self._written = 0

    def send(self, text: str) -> None:
        """Send one text message, in order. One thread at a time speaks to a socket."""
        self._said += len(text)
        self._outbox.add(self, text)

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, after what was sent."""
        self._outbox.add(self, (code, reason))

    def buffered(self) -> int:
        """Characters that wait for the loop, and bytes that wait for the reader."""
        return self._said - self._written + self._connection.wire.buffered()

    def write(self, what: str | tuple[int, str]) -> None:
        """On the loop: hand it to the connection."""
        if isinstance(what, str):
            self._written += len(what)
            status = self._connection.send(what, self._clock())
            if status == 429:  # a message that is left out would break the chain of those that follow
                self._connection.close(TRY_AGAIN_LATER, "the client reads too slowly")
            elif status == 413:
                self._connection.close(MESSAGE_TOO_BIG, "a message for the client is too large")
        else:
            self._connection.close(*what)


class OwnedSockets:
    """The sockets of this process, as the server meets them.

    Args:
        accept: `doors/owned.py::accept` of the code that is loaded, with its backend.
    """

    def __init__(self, accept: Callable[..., Any], clock: Callable[[], float] = time.monotonic) -> None:
        self.accept, self._clock = accept, clock
        self._handles: dict[str, Any] = {}
        self._outbox: Outbox | None = None

    async def open(self, connection: Connection, request: Request) -> int:
        """A handshake: 200, or the HTTP status that refuses it."""
        if self._outbox is None:
            self._outbox = Outbox(asyncio.get_running_loop())
        wire = LoopWire(connection, self._outbox, self._clock)
        event = connect_event(request, connection.id)
        query = dict(event["queryStringParameters"])
        headers = {name.lower(): value for name, value in event["headers"].items()}
        found = await asyncio.to_thread(self.accept, wire, connection.id, query.pop("path"), headers, query)
        if isinstance(found, int):
            return found
        self._handles[connection.id] = found
        return 200

    def started(self, connection: Connection) -> None:
        """The handshake was answered."""
        self._handles[connection.id].started()

    def message(self, connection: Connection, text: str) -> None:
        """One message of the client."""
        self._handles[connection.id].frame(text)

    def closed(self, connection: Connection) -> None:
        """A socket, or one whose handshake came to nothing, is gone."""
        handle = self._handles.pop(connection.id, None)
        if handle is not None:
            handle.closed()
