"""Sockets whose sessions this process keeps in memory: from the server's connections to their owner, without an event."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

from infra.local.aws.api_gateway import Connection
from infra.local.aws.shapes import Request, connect_event


class LoopWire:
    """A `chalicelib.live.owner.wire.Wire` on a connection that lives on an event loop.

    Messages are gathered, so that however many are sent while the loop is at something else, it is woken once.
    """

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._connection, self._loop, self._clock = connection, loop, clock
        self._lock = threading.Lock()
        self._waiting: list[str | tuple[int, str]] = []
        self._bytes = 0

    def send(self, text: str) -> None:
        """Send one text message, in order."""
        self._add(text)

    def close(self, code: int, reason: str) -> None:
        """Say goodbye, after what was sent."""
        self._add((code, reason))

    def buffered(self) -> int:
        """Characters that wait for the loop, and bytes that wait for the reader."""
        return self._bytes + self._connection.wire.buffered()

    def _add(self, what: str | tuple[int, str]) -> None:
        with self._lock:
            self._waiting.append(what)
            self._bytes += len(what)
            first = len(self._waiting) == 1
        if first and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._flush)

    def _flush(self) -> None:
        with self._lock:
            waiting, self._waiting, self._bytes = self._waiting, [], 0
        for what in waiting:
            if isinstance(what, str):
                self._connection.send(what, self._clock())
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

    async def open(self, connection: Connection, request: Request) -> int:
        """A handshake: 200, or the HTTP status that refuses it."""
        wire = LoopWire(connection, asyncio.get_running_loop(), self._clock)
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
