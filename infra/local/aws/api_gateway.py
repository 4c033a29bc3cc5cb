"""API Gateway's WebSocket side on a laptop: its walls, and the connections behind `@connections`.

Frames are parsed and their sizes held in `socket_protocol.py`; here is what is known of a connection, what may be posted to it
and when its time is over. The time is handed in. Everything runs on one thread (the event loop), therefore two posts to a
connection are written in the order in which they were accepted.

The walls are API Gateway's quotas ("WebSocket APIs" page of its developer guide): they cannot be raised in the cloud, so
they hold here too. A test may set each of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Protocol

from websockets.frames import CloseCode


@dataclass
class Walls:
    """The limits of API Gateway. Times in seconds, sizes in bytes.

    `outbound_bytes` is ours: AWS answers 429 when "the WebSocket client side buffer is full" and does not say how big it is.
    """

    frame_bytes: int = 32 * 1024
    message_bytes: int = 128 * 1024
    post_bytes: int = 128 * 1024
    outbound_bytes: int = 1024 * 1024
    idle_s: float = 600.0
    life_s: float = 7200.0
    integration_s: float = 29.0
    body_bytes: int = 10 * 1024 * 1024
    keep_alive_s: float = 75.0
    """How long a connection may wait for its next request, and how long a client may read nothing of its answer."""
    ping_s: float | None = None
    """How often a client is pinged (RFC 6455, section 5.5.2), to notice that it is gone; API Gateway never does."""

    @classmethod
    def machine(cls) -> Walls:
        """The limits of one machine, where no gateway stands in front: GATEWAY_LIMITS=off."""
        return cls(
            frame_bytes=1024 * 1024,
            message_bytes=1024 * 1024,
            post_bytes=8 * 1024 * 1024,
            outbound_bytes=16 * 1024 * 1024,
            idle_s=math.inf,
            life_s=math.inf,
            ping_s=20.0,
        )


class Wire(Protocol):
    """A WebSocket, as little of it as is needed."""

    seen: float
    """When the client last sent a byte."""

    @property
    def open(self) -> bool:
        """The handshake is over, and no goodbye was said."""

    def send(self, data: bytes) -> None:
        """Write one text message of an open socket, in order, without waiting."""

    def buffered(self) -> int:
        """Bytes that were sent but have not left this process."""

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye to an open socket; the connection is cut if the peer does not answer in time."""

    def closing(self) -> tuple[int, str]:
        """Why it ended: the code and the reason, the client's if it closed first (1006: neither has said goodbye)."""


@lru_cache(maxsize=1)
def encoded(text: str) -> bytes:
    """UTF-8: made once for a message that goes to many, one after the other."""
    return text.encode()


@dataclass
class Connection:
    """One WebSocket client. It cannot be posted to before its handshake is over (`$connect` has not returned yet)."""

    id: str
    wire: Wire
    walls: Walls
    opened: float
    identity: dict[str, str | None] = field(default_factory=dict)
    told: float = 0.0

    def __post_init__(self) -> None:
        self.told = self.opened

    @property
    def open(self) -> bool:
        """Messages may pass in both directions."""
        return self.wire.open

    @property
    def seen(self) -> float:
        """When something last passed, in either direction."""
        return max(self.told, self.wire.seen)

    def send(self, text: str, now: float) -> int:
        """Write one text message. Returns the status of PostToConnection: 200, 410, 413 or 429."""
        data = encoded(text)
        if not self.open:
            return 410
        if len(data) > self.walls.post_bytes:
            return 413
        if self.wire.buffered() + len(data) > self.walls.outbound_bytes:
            return 429
        self.told = now
        self.wire.send(data)
        return 200

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye; nothing can be posted from here on."""
        if self.open:
            self.wire.close(code, reason)

    def tick(self, now: float) -> None:
        """Close when the connection has been idle, or has lived, for too long (1001 both, as API Gateway does)."""
        if now - self.opened >= self.walls.life_s:
            self.close(CloseCode.GOING_AWAY, "Connection duration limit")
        elif now - self.seen >= self.walls.idle_s:
            self.close(CloseCode.GOING_AWAY, "Idle timeout")


class Connections:
    """Every connection of this process, by id: what `@connections` is asked about."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._all: dict[str, Connection] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, connection: Connection) -> None:
        """Known from now on, though not yet open."""
        self._all[connection.id] = connection

    def remove(self, connection: Connection) -> None:
        """Gone."""
        self._all.pop(connection.id, None)

    def post(self, connection_id: str, text: str) -> int:
        """PostToConnection. Returns its HTTP status."""
        connection = self._all.get(connection_id)
        return 410 if connection is None else connection.send(text, self._clock())

    def delete(self, connection_id: str) -> int:
        """DeleteConnection. Returns its HTTP status."""
        connection = self._all.get(connection_id)
        if connection is None or not connection.open:
            return 410
        connection.close(CloseCode.NORMAL_CLOSURE)
        return 204

    def get(self, connection_id: str) -> Connection | None:
        """The open connection of this id, for GetConnection."""
        connection = self._all.get(connection_id)
        return connection if connection is not None and connection.open else None

    def times(self, connection: Connection, now: datetime) -> dict[str, str]:
        """`connectedAt` and `lastActiveAt` as GetConnection tells them, given the time of day."""
        ago = self._clock()
        opened, seen = (now - timedelta(seconds=ago - then) for then in (connection.opened, connection.seen))
        return {"connectedAt": opened.isoformat(), "lastActiveAt": seen.isoformat()}

    def tick(self) -> None:
        """Apply the time walls to every connection."""
        now = self._clock()
        for connection in list(self._all.values()):
            connection.tick(now)

    def close_all(self, reason: str) -> None:
        """Say goodbye to everyone (the server stops)."""
        for connection in list(self._all.values()):
            connection.close(CloseCode.GOING_AWAY, reason)
