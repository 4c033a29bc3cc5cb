"""The backend's `Gateway` on a laptop: the cloud's own client, pointed at the server that holds the connection.

Several servers may share one DynamoDB, and any of them may have news for any client. A connection id ends with the port of
the server that made it. A refused TCP connection means that that process is dead, and its sockets with it.
"""

from __future__ import annotations

import threading

from chalicelib.aws.gateway import ApiGateway
from chalicelib.runtime.ports import Posted


class LocalGateway:
    """Posts to the clients of any local server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[str, ApiGateway] = {}

    def warm(self, port: int) -> None:
        """Make the client of this port's server ahead: the first one takes boto3 half a second."""
        self._server(f".{port}").warm()

    def post(self, connection: str, text: str) -> Posted:
        """Send one message."""
        return self._server(connection).post(connection, text)

    def is_open(self, connection: str) -> bool:
        """Whether its handshake is over."""
        return self._server(connection).is_open(connection)

    def close(self, connection: str) -> bool:
        """End a connection."""
        return self._server(connection).close(connection)

    def _server(self, connection: str) -> ApiGateway:
        port = connection.rpartition(".")[2]
        with self._lock:
            if port not in self._servers:
                self._servers[port] = ApiGateway(f"http://127.0.0.1:{port}/_aws/ws", sign=False, refused_is_gone=True)
            return self._servers[port]
