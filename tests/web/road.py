"""A TCP road to a server, that can be cut: connections end at once, and none gets through until it is mended."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit

HOST = "127.0.0.2"
"""Another address of this machine, so that the server has to allow it (ALLOWED_HOSTS), as it would a real proxy."""


class Road:
    """Passes bytes on.

    Args:
        url: the server's address.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 80)
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._open = True
        self.connections = 0
        self._listener = socket.create_server((HOST, 0))
        self.url = f"http://{HOST}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:  # the road was closed
                return
            if not self._open:
                near.close()
                continue
            try:
                far = socket.create_connection(self._target, timeout=5)
            except OSError:  # the server is down: so is the road
                near.close()
                continue
            far.settimeout(None)
            with self._lock:
                cut = not self._open  # while the far end was being reached
                if not cut:
                    self._sockets |= {near, far}
                    self.connections += 1
            if cut:
                near.close()
                far.close()
                continue
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):  # cut, or either side has gone
            while data := source.recv(65536):
                target.sendall(data)
        self._end(source, target)

    def _end(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._sockets -= set(sockets)
        for each in sockets:
            with contextlib.suppress(OSError):  # it may have ended by itself
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def cut(self) -> None:
        """End every connection; refuse new ones until `mend`."""
        with self._lock:
            self._open = False
            sockets = list(self._sockets)
        self._end(*sockets)

    def mend(self) -> None:
        """Let connections through again."""
        self._open = True

    def close(self) -> None:
        """The end."""
        self.cut()
        self._listener.close()
