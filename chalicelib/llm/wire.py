"""The socket under the SDK: cut it from another thread, and know when bytes last came.

A reader that waits for the next token sits in `recv`, and closing the response from outside neither wakes it nor tells the
server anything. Shutting the socket down does both within a millisecond. The SDK has no word for that, but the HTTP library
announces each connection it opens (its `trace` extension), and bytes pass through a stream that can be wrapped.

This file imports the HTTP library, so `claude.py` imports it late.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import httpx2


class Line:
    """One request's connection. `heard` is when bytes last came (seconds of `clock`), None before the first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut = False
        self.heard: float | None = None

    def cut(self) -> bool:
        """End the connection now, whoever is reading; later ones of this line end as they open.

        Returns:
            True when there was a connection: its reader wakes at once. False: the reader is still connecting.
        """
        with self._lock:
            self._cut = True
            return self._shut()

    def opened(self, found: socket.socket) -> None:
        """The HTTP library opened a connection, or wrapped it in TLS (which makes a new object of it)."""
        with self._lock:
            self._socket = found
            if self._cut:
                self._shut()

    def touch(self) -> None:
        """Bytes of the answer came."""
        self.heard = self._clock()

    def _shut(self) -> bool:
        if self._socket is None:
            return False
        # The plain socket's method, also for TLS: no goodbye is owed to a server whose answer is no longer wanted.
        with contextlib.suppress(OSError):  # it is closed already, which is what was asked for
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        return True


class _Watched(httpx2.SyncByteStream):
    """An answer's body that reports each arrival to its line."""

    def __init__(self, body: httpx2.SyncByteStream, line: Line) -> None:
        self._body = body
        self._line = line

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._body:
            self._line.touch()
            yield chunk

    def close(self) -> None:
        self._body.close()


class _LineTransport(httpx2.HTTPTransport):
    """The ordinary transport, with a line beside it."""

    def __init__(self, line: Line, **options: Any) -> None:
        super().__init__(**options)
        self._line = line

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions["trace"] = self._trace
        response = super().handle_request(request)
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Watched(response.stream, self._line)
        return response

    def _trace(self, event: str, info: dict[str, Any]) -> None:
        """Steps that yield a stream (connect, TLS, a proxy's tunnel) are the ones that make a socket."""
        if event.endswith(".complete") and hasattr(info.get("return_value"), "get_extra_info"):
            found = info["return_value"].get_extra_info("socket")
            if isinstance(found, socket.socket):
                self._line.opened(found)


@functools.lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """Reading the list of authorities takes tens of milliseconds; once a process is enough."""
    return httpx2.create_ssl_context()


def client(url: str, line: Line, read_s: float, connect_s: float, certificates: ssl.SSLContext | None = None) -> httpx2.Client:
    """An HTTP client for one request to `url`, whose connection is the line's. Close it from the thread that uses it.

    Args:
        read_s: seconds without a byte after which a read fails.
        connect_s: seconds for the connection to be made.
        certificates: whom to trust; default: the usual authorities.
    """
    address = httpx2.URL(url)
    # Plain HTTP never looks at certificates, so their list is not read for it.
    verify = (certificates or _certificates()) if address.scheme == "https" else False
    transport = _LineTransport(line, verify=verify, proxy=_proxy(address.scheme, address.host))
    return httpx2.Client(transport=transport, timeout=httpx2.Timeout(read_s, connect=connect_s), trust_env=False)


def _proxy(scheme: str, host: str) -> str | None:
    """The environment's proxy for this host. A client with its own transport would ignore it; one on this machine needs none."""
    if host in ("127.0.0.1", "localhost", "::1") or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(scheme)
