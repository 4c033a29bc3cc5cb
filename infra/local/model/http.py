"""The scripted model's sockets: HTTP/1.1 by h11 (`http11.Exchange`), one thread a connection.

Its faults need the socket itself: a reset is a linger of zero, a broken chunk is written past h11, which would refuse it. And an
answer that waits (for its pace, or because a directive says so) waits in `select` on its socket, so a client that goes away is
noticed at that moment and recorded: tests see in `requests` whether a stop really closed the connection.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import parse_qs

from infra.local.aws.shapes import Request
from infra.local.model.http11 import READ_BYTES, Exchange, NeedData
from infra.local.model.wire import fresh_id
from infra.local.routes import Answer

MAX_BODY = 32 * 1024 * 1024
"""The Messages API's own limit, in bytes."""
PATIENCE_S = 300
"""How long a client may say nothing, and how long a stalled answer stays open."""


@dataclass
class Recorded:
    """One request, as it arrived and as it ended. Moments are of `time.monotonic()`.

    `sent` counts the chunks of the answer that were written; `done` is set when the server is through with the request, and
    `closed_early` says that this was because the client had gone.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any
    at: float
    status: int = 0
    sent: int = 0
    closed_early: bool = False
    ended_at: float | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Gone(ConnectionError):
    """The client closed its side while an answer was being written."""


class Server(ThreadingTCPServer):
    """Threads that nobody waits for, and sockets that can all be closed.

    Args:
        port: 0 takes any free one; only programs of this machine reach it.
        answer: what is said to a request. It may raise `ConnectionError` to end the connection.
        stopping: set when the server goes down.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, answer: Callable[[Call], None], stopping: threading.Event) -> None:
        self.answer, self.stopping = answer, stopping
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that are left; their threads wake and close them."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):  # its client was faster
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle of a write is no news; everything else is printed as usual."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Connection(BaseRequestHandler):
    """One client; several requests may follow each other."""

    request: socket.socket
    server: Server

    def handle(self) -> None:
        """Answer until one side ends it."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request.settimeout(PATIENCE_S)
        exchange = Exchange(self.client_address[0], MAX_BODY)
        while True:
            found = exchange.next()
            if isinstance(found, NeedData):
                self.request.sendall(found.reply)
                exchange.receive(self.request.recv(READ_BYTES))
                continue
            if found is None or exchange.request is None:
                if isinstance(found, Answer):
                    self.request.sendall(exchange.whole("GET", found))
                return
            refused = found if isinstance(found, Answer) else None
            call = Call(self.request, exchange, exchange.request, self.server.stopping, refused)
            call.run(self.server.answer)
            if not exchange.again():
                return


class Call:
    """One request and the way back to its client.

    `refused` is the answer to a request that could not be read to its end.
    """

    def __init__(
        self, client: socket.socket, exchange: Exchange, request: Request, stopping: threading.Event, refused: Answer | None
    ) -> None:
        self._client, self._exchange, self._stopping = client, exchange, stopping
        self.refused = refused
        path, _, query = request.target.partition("?")
        headers = {name.lower(): value for name, value in request.headers}
        body = None
        with suppress(ValueError):  # no JSON is no body, and is refused as such
            body = json.loads(request.body) if request.body else None
        self.request_id = fresh_id("req")
        self.recorded = Recorded(request.method, path, parse_qs(query), headers, body, time.monotonic())

    def run(self, answer: Callable[[Call], None]) -> None:
        """Have it answered; how the request ended is recorded, also when the client was gone."""
        try:
            answer(self)
        except ConnectionError:
            self.recorded.closed_early = True
            raise
        finally:
            self.recorded.ended_at = time.monotonic()
            self.recorded.done.set()

    def json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        """A whole answer."""
        data = json.dumps(value).encode()
        self.head(status, {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})})
        self.finish(data)

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status and the headers."""
        self.recorded.status = status
        self._client.sendall(self._exchange.head(status, {**headers, "request-id": self.request_id}.items()))

    def write(self, data: bytes, chunks: int = 0) -> None:
        """Send a part of the body, which holds so many chunks of the answer."""
        self._client.sendall(self._exchange.body(data))
        self.recorded.sent += chunks

    def finish(self, data: bytes) -> None:
        """Send the last part of the body and its end in one: who has read the last event has not left early."""
        self._client.sendall(self._exchange.body(data) + self._exchange.end())

    def wait(self, seconds: float) -> None:
        """Let time pass; a client that leaves meanwhile ends it at once.

        Raises:
            Gone: the client closed the connection, or the server stops.
        """
        until = time.monotonic() + seconds
        with selectors.DefaultSelector() as client:  # select() takes no file number over 1023
            client.register(self._client, selectors.EVENT_READ)
            while (left := until - time.monotonic()) > 0:
                if client.select(left):
                    if self._client.recv(1, socket.MSG_PEEK) == b"":
                        raise Gone
                    # The next request is already there; it has to wait its turn.
                    if self._stopping.wait(min(left, 0.05)):
                        raise Gone

    def break_off(self, fault: str | None) -> None:
        """End the connection the way this fault does; without one, after what was written."""
        match fault:
            case "stall":
                self.wait(PATIENCE_S)
            case "broken":
                self._client.sendall(b"400\r\nevent: content_block_delta\ndata: {")
            case "reset":
                # Closing with a linger of zero seconds sends RST instead of FIN.
                self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._client.close()
