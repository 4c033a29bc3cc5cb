"""The backend's `Gateway` on one machine: straight to the sockets of this process, and by the cloud's own client to another's.

Several servers may share one DynamoDB, and any of them may have news for any client. A connection id ends with the port of
the server that made it. A refused TCP connection means that that process is dead, and its sockets with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Protocol

from chalicelib.aws.gateway import READ_S, ApiGateway
from chalicelib.runtime.ports import Posted
from infra.local.aws.api_gateway import Connections
from infra.local.loop import Loop

_POSTED: dict[int, Posted] = {200: "ok", 410: "gone", 413: "too_large"}


class Serving(Protocol):
    """The server of this process."""

    port: int
    connections: Connections


class LocalGateway:
    """Posts to the clients of any local server.

    Args:
        server: the one of this process; None: every connection is another's.
        loop: where its sockets live.
    """

    def __init__(self, server: Serving | None = None, loop: Loop | None = None) -> None:
        self._server, self._loop = server, loop
        self._lock = threading.Lock()
        self._others: dict[str, ApiGateway] = {}

    def post(self, connection: str, text: str) -> Posted:
        """Send one message."""
        status = self._here(connection, lambda all_: all_.post(connection, text))
        return self._other(connection).post(connection, text) if status is None else _POSTED.get(status, "unknown")

    def is_open(self, connection: str) -> bool:
        """Whether its handshake is over."""
        status = self._here(connection, lambda all_: 410 if all_.get(connection) is None else 200)
        return self._other(connection).is_open(connection) if status is None else status == 200

    def close(self, connection: str) -> bool:
        """End a connection."""
        status = self._here(connection, lambda all_: all_.delete(connection))
        return self._other(connection).close(connection) if status is None else status in (204, 410)

    def _here(self, connection: str, ask: Callable[[Connections], int]) -> int | None:
        """The status where the socket is this process' own; None where it is another's."""
        if self._server is None or self._loop is None or connection.rpartition(".")[2] != str(self._server.port):
            return None
        connections = self._server.connections
        try:
            return self._loop.do(lambda: ask(connections), READ_S)
        except (TimeoutError, CancelledError):  # nobody knows whether it was done
            return 0
        except RuntimeError:  # the loop has ended, and with it every socket
            return 410

    def _other(self, connection: str) -> ApiGateway:
        port = connection.rpartition(".")[2]
        with self._lock:
            if port not in self._others:
                self._others[port] = ApiGateway(f"http://127.0.0.1:{port}/_aws/ws", sign=False, refused_is_gone=True)
            return self._others[port]
