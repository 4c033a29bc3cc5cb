"""A TCP road to a server of this machine: what comes back is counted, and all of it can be cut, also amid an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

HOST = "127.0.0.2"
"""Where a road begins; a server behind it has it among its ALLOWED_HOSTS."""


class Road:
    """Carries connections until it is closed. `bytes` came back so far.

    Args:
        port: of the server.
        lose: asked for each part of an answer; True cuts the connection instead of handing it over.
    """

    def __init__(self, port: int, lose: Callable[[bytes], bool] = lambda part: False) -> None:
        self.bytes = self.lost = 0
        self._port, self._lose = port, lose
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._server = socket.create_server((HOST, 0))
        self.port = int(self._server.getsockname()[1])
        self.url = f"http://{HOST}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return  # closed
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                near.close()  # nobody is there: as if it had been asked directly
                continue
            with self._lock:
                self._open |= {near, far}
            threading.Thread(target=self._carry, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, True), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):  # one side is gone: so is the other, now
            while part := source.recv(65536):
                if answers and self._lose(part):
                    self.lost += 1
                    break
                self.bytes += len(part) if answers else 0
                sink.sendall(part)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        with self._lock:
            self._open -= {source, sink}

    def cut(self) -> int:
        """Cut every connection there is. Returns how many."""
        with self._lock:
            now = list(self._open)
        for each in now:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        return len(now) // 2

    def close(self) -> None:
        """No more connections."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # `accept` returns
        self._server.close()
        self.cut()
