"""WebSockets that are told without waiting: frames are parsed by websockets, under uvicorn.

ASGI's `send` waits where a socket's buffer is full, while whoever tells a thousand sockets something must not wait for the
slowest. So a socket's scope carries a `Wire`, as the extension `concave.wire`. `ws=` of uvicorn's configuration takes a class
like `Socket`; its release is pinned, and `tests/local` drives it by real sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import OPEN

from infra.local.aws.api_gateway import Walls
from infra.local.http_protocol import plain

GRACE_S = 2.0
"""How long a peer may take to answer a goodbye before the TCP connection is cut."""


@lru_cache(maxsize=1)
def framed(data: bytes) -> bytes:
    """A whole text message as a server sends it without extensions: the same bytes to everybody, made once for many."""
    return Frame(Opcode.TEXT, data).serialize(mask=False)


@dataclass(eq=False)
class Wire:
    """A WebSocket's way out, for the thread of the event loop: nothing here waits.

    `seen` is when the client last sent a byte, by the server's clock.
    """

    _socket: Socket
    seen: float
    hear: Callable[[str], None] | None = None
    """Takes each text message at once, without a wait and without fail; None: the application receives them."""

    @property
    def open(self) -> bool:
        """Messages may pass in both directions."""
        return self._socket.conn.state is OPEN and not self._socket.disconnected

    def send(self, data: bytes) -> None:
        """Write one text message (UTF-8) of an open socket, in order."""
        if self._socket.conn.extensions:  # compression knows what it has sent before
            self._socket.conn.send_text(data)
            self._socket.flush()
        elif not self._socket.transport.is_closing():
            self._socket.transport.write(framed(data))

    def buffered(self) -> int:
        """Bytes that were sent but have not left this process."""
        return self._socket.transport.get_write_buffer_size()

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye to an open socket; it is cut if the peer does not answer within `GRACE_S` seconds."""
        self._socket.conn.send_close(code, reason)
        self._socket.leave()

    def closing(self) -> tuple[int, str]:
        """Why it ended: the code and the reason, the client's if it closed first (1006: neither has said goodbye)."""
        conn = self._socket.conn
        first = conn.close_rcvd if conn.close_rcvd_then_sent else conn.close_sent
        close = first or conn.close_rcvd
        return (int(close.code), close.reason) if close else (int(CloseCode.ABNORMAL_CLOSURE), "")


class Socket(WebSocketsSansIOProtocol):
    """One WebSocket, from its handshake on."""

    def __init__(self, *args: Any, walls: Walls, clock: Callable[[], float], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The whole message, and each fragment of it. The parser refuses from the frame's header, unread.
        self.conn.max_message_size, self.conn.max_fragment_size = walls.message_bytes, walls.frame_bytes
        self.close_timeout = GRACE_S
        self._clock = clock
        self.wire = Wire(self, clock())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket takes the connection over."""
        super().connection_made(transport)
        self.client = plain(self.client)

    def handle_connect(self, event: Handshake) -> None:
        """Hand the socket to the application, with its `Wire`."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["extensions"]["concave.wire"] = {"wire": self.wire}

    def data_received(self, data: bytes) -> None:
        """Parse; what came before a frame that cannot be read counts."""
        self.wire.seen = self._clock()
        self.conn.receive_data(data)
        self.handle_events()
        if self.conn.parser_exc is not None and not self.handshake_complete:
            self.transport.abort()  # frames before the handshake was answered, and broken ones
        elif self.conn.parser_exc is not None and not self.close_sent:
            self.leave()
        elif self.conn.handshake_exc is not None and not self.handshake_complete:
            self.handshake_complete = True
            self.flush()
            self.transport.close()

    async def send(self, message: ASGISendEvent) -> None:
        """As uvicorn's; the application hears of a client that went away during its handshake."""
        if not self.handshake_complete and self.transport.is_closing():
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True  # refused: uvicorn would report that nobody has answered

    def send_receive_event_to_app(self) -> None:
        """Hand a whole message over, and read no further until it is taken. Text that is no UTF-8 closes."""
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        try:
            text = bytes(data).decode() if self.curr_msg_data_type == "text" else None
        except UnicodeDecodeError:
            self.wire.close(CloseCode.INVALID_DATA, "text must be UTF-8")
            return
        if text is None:
            self.queue.put_nowait({"type": "websocket.receive", "bytes": data})
        elif self.wire.hear is not None and self.queue.empty():  # nothing waits that came before it
            self.wire.hear(text)
            return
        else:
            self.queue.put_nowait({"type": "websocket.receive", "text": text})
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def handle_close(self, event: Frame) -> None:
        """The client said goodbye, or answered ours. One that does not read the answer is cut."""
        super().handle_close(event)
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def flush(self) -> None:
        """Write what the protocol has to say."""
        if not self.transport.is_closing():
            self.transport.write(b"".join(self.conn.data_to_send()))

    def leave(self) -> None:
        """The close frame is said: half-close after it, read on until the peer has closed too, and cut it if that takes too long.

        Closing at once would reset a peer that is still sending, and its reset overtakes the close frame.
        """
        self.stop_keepalive()
        self.close_sent = True
        ended = self.conn.eof_sent
        self.flush()
        code, reason = self.wire.closing()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        if ended and not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
