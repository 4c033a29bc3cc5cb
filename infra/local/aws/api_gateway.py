"""API Gateway's WebSocket side on a laptop: its walls, and the connections behind `@connections`.

No socket and no clock in here: bytes come in through `receive`, bytes go out through a `Wire`, the time is handed in. So
the walls are tested with a fake wire and a fake clock, and `server.py` is only plumbing. Everything runs on one thread
(the event loop), therefore two posts to a connection are written in the order in which they were accepted.

The walls are API Gateway's quotas ("WebSocket APIs" page of its developer guide): they cannot be raised in the cloud, so
they hold here too. A test may set each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING, OPEN
from websockets.server import ServerProtocol


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


class Wire(Protocol):
    """The TCP connection, as little of it as is needed."""

    def write(self, data: bytes) -> None:
        """Send bytes, in order, without waiting."""

    def buffered(self) -> int:
        """Bytes that were written but have not left this process."""

    def finish(self) -> None:
        """Half-close: the peer reads what was written, then the end. Reading goes on until it has closed too."""

    def expire(self) -> None:
        """The goodbye was said: cut the connection if the peer has not answered it after a short grace."""


@dataclass
class Connection:
    """One WebSocket client. It cannot be posted to before `accept` (the `$connect` integration has not returned yet)."""

    id: str
    wire: Wire
    walls: Walls
    opened: float
    identity: dict[str, str | None] = field(default_factory=dict)
    seen: float = 0.0
    protocol: ServerProtocol = field(init=False)
    _parts: list[bytes] = field(default_factory=list)
    _refused: bool = False

    def __post_init__(self) -> None:
        self.seen = self.opened
        # A tuple: the whole message, and each fragment of it. The parser refuses from the frame's header, unread.
        self.protocol = ServerProtocol(max_size=(self.walls.message_bytes, self.walls.frame_bytes))

    @property
    def open(self) -> bool:
        """Messages may pass in both directions."""
        return self.protocol.state is OPEN

    def accept(self, request: Request, headers: Iterable[tuple[str, str]] = ()) -> int:
        """Answer the handshake; `headers` are what `$connect` returned. Returns the HTTP status sent (101 = open)."""
        self.protocol.receive_data(request.serialize())  # h11 has parsed it, but the protocol's own parser begins with it too
        if not self.protocol.events_received():
            self.wire.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            self.wire.finish()
            return 400
        response = self.protocol.accept(request)
        for name, value in headers:
            response.headers[name] = value
        return self._respond(response)

    def reject(self, status: int, text: str) -> int:
        """Refuse the handshake. Returns the status."""
        return self._respond(self.protocol.reject(status, text))

    def _respond(self, response: Response) -> int:
        self.protocol.send_response(response)
        self._flush()
        return response.status_code

    def receive(self, data: bytes, now: float) -> list[str]:
        """Take bytes from the client. Returns the complete text messages in them, oldest first."""
        self.seen = now
        self.protocol.receive_data(data)
        messages = []
        for event in self.protocol.events_received():
            if isinstance(event, Frame) and not self._refused:
                text = self._frame(event)
                if text is not None:
                    messages.append(text)
        self._flush()
        return messages

    def _frame(self, frame: Frame) -> str | None:
        if frame.opcode is Opcode.BINARY:
            self._refuse(CloseCode.UNSUPPORTED_DATA, "binary frames are not supported")
            return None
        if frame.opcode not in (Opcode.TEXT, Opcode.CONT):
            return None
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return None
        message, self._parts = b"".join(self._parts), []
        try:
            return message.decode()
        except UnicodeDecodeError:
            self._refuse(CloseCode.INVALID_DATA, "text must be UTF-8")
            return None

    def _refuse(self, code: CloseCode, reason: str) -> None:
        self._refused = True  # what came in the same packet after the bad frame is not read either
        self.protocol.fail(code, reason)

    def end(self) -> None:
        """The client closed its side of the TCP connection."""
        self.protocol.receive_eof()
        self._flush()

    def send(self, text: str, now: float) -> int:
        """Write one text message. Returns the status of PostToConnection: 200, 410, 413 or 429."""
        data = text.encode()
        if not self.open:
            return 410
        if len(data) > self.walls.post_bytes:
            return 413
        if self.wire.buffered() + len(data) > self.walls.outbound_bytes:
            return 429
        self.seen = now
        self.protocol.send_text(data)
        self._flush()
        return 200

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye; nothing can be posted from here on."""
        if self.open:
            self.protocol.send_close(code, reason)
            self._flush()

    def tick(self, now: float) -> None:
        """Close when the connection has been idle, or has lived, for too long (1001 both, as API Gateway does)."""
        if now - self.opened >= self.walls.life_s:
            self.close(CloseCode.GOING_AWAY, "Connection duration limit")
        elif now - self.seen >= self.walls.idle_s:
            self.close(CloseCode.GOING_AWAY, "Idle timeout")

    def closing(self) -> tuple[int, str]:
        """Why it ended: the code and the reason, the client's if it closed first."""
        first = self.protocol.close_rcvd if self.protocol.close_rcvd_then_sent else self.protocol.close_sent
        close = first or self.protocol.close_rcvd
        return (int(close.code), close.reason) if close else (int(CloseCode.ABNORMAL_CLOSURE), "")

    def _flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.wire.write(data)
            else:
                self.wire.finish()
        if self.protocol.state is not CONNECTING and self.protocol.close_expected():
            self.wire.expire()


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
