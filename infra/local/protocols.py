"""What uvicorn's two protocols lack for us: limits for half a request, and a WebSocket that is told without waiting.

uvicorn parses HTTP by httptools and frames by websockets, and hands both to the application (`asgi.py`). It has no time limit for
a request's head and body and no size limit for its head, which a server on the internet needs against clients that send half of
something and wait (slowloris); and ASGI's `send` waits where the socket's buffer is full, while whoever tells a thousand sockets
something must not wait for the slowest. So a socket's scope carries a `Wire`, as the extension `concave.wire`.

`http=` and `ws=` of uvicorn's configuration take classes like these; its release is pinned, and `tests/local` drives them by real
sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request as Handshake
from websockets.protocol import OPEN

from infra.local.aws.api_gateway import Walls
from infra.local.routes import Answer

HEAD_BYTES = 10_240
"""A request's line and headers together (API Gateway's quota for headers)."""
GRACE_S = 2.0
"""How long a peer may take to answer a goodbye before the TCP connection is cut."""


class Http(HttpToolsProtocol):
    """HTTP/1.1 on one TCP connection. A request arrives within `integration_s` seconds from its first byte on: else 408."""

    def __init__(self, *args: Any, walls: Walls, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._walls = walls
        self.timeout_keep_alive = walls.keep_alive_s  # type: ignore[assignment] # it is only waited for
        self._deadline: asyncio.TimerHandle | None = None
        self._head = 0
        self._reading: Literal["nothing", "head", "body"] = "nothing"
        self._refusal: Answer | None = None
        self._unread = 0
        """Bytes of an answer that the client had not read when it was last looked."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client that says nothing at all is let go like one that has nothing more to say."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: there is no deadline any more."""
        self._disarm()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, within the limits."""
        if self.cycle is None or self.cycle.response_complete:
            self._arm()
        super().data_received(data)
        if self._reading == "head" and self.transport.get_protocol() is self and not self.transport.is_closing():
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self._refuse(_TOO_LONG)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._reading, self._head = "head", 0
        self._arm()

    def on_headers_complete(self) -> None:
        """The head is here; a broken one is refused by raising, which the parser makes a bad request."""
        self._reading = "body"
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > HEAD_BYTES:
            self._refusal = _TOO_LONG
            raise ValueError("the head is too long")
        if not self.url.isascii() or sum(name == b"host" for name, _ in self.headers) != 1:
            raise ValueError("a request has an ASCII target and one Host (RFC 9112, section 3.2)")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The whole request is here."""
        self._reading = "nothing"
        self._disarm()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """From here on another protocol has the connection."""
        self._disarm()
        self._unset_keepalive_if_required()
        super().handle_websocket_upgrade()

    def on_response_complete(self) -> None:
        """The answer is written, though not yet read."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._unread = 0
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came for a while. A client that has read nothing of its answer meanwhile is cut; a slow one goes on."""
        before, self._unread = self._unread, self.transport.get_write_buffer_size()
        if not self._unread:
            super().timeout_keep_alive_handler()
        elif before and self._unread >= before:
            self.transport.abort()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request."""
        self._refuse(self._refusal or Answer.error(400, "BadRequest", msg))

    def _refuse(self, answer: Answer) -> None:
        """Answer what will never be a whole request, and end the connection. Nothing is written into another answer."""
        self._disarm()
        if not self._busy():
            self.transport.write(_raw(answer))
        self.transport.close()

    def _busy(self) -> bool:
        """An answer is being written or worked for, or waits for its turn; or it is the answer to what is still being read."""
        if self.cycle is None or self.cycle.response_complete:
            return self.cycle is not None and self._reading == "body"
        return bool(self.pipeline) or self.cycle.response_started or not self.cycle.more_body

    def _arm(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._walls.integration_s, self._late)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        seconds = self._walls.integration_s
        self._refuse(Answer.error(408, "RequestTimeout", f"a request arrives within {seconds:g} seconds"))


_TOO_LONG = Answer.error(431, "HeadersTooLarge", f"the headers of a request may have {HEAD_BYTES} bytes")


def _raw(answer: Answer) -> bytes:
    head = [*answer.secured().headers, ("Content-Length", str(len(answer.body))), ("Connection", "close")]
    lines = "".join(f"{name}: {value}\r\n" for name, value in head)
    return STATUS_LINE[answer.status] + lines.encode("latin-1") + b"\r\n" + answer.body


@dataclass(eq=False)
class Wire:
    """A WebSocket's way out, for the thread of the event loop: nothing here waits.

    `seen` is when the client last sent a byte, by the server's clock.
    """

    _socket: Socket
    seen: float

    @property
    def open(self) -> bool:
        """Messages may pass in both directions."""
        return self._socket.conn.state is OPEN and not self._socket.disconnected

    def send(self, data: bytes) -> None:
        """Write one text message (UTF-8) of an open socket, in order."""
        self._socket.conn.send_text(data)
        self._socket.flush()

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
            if self.curr_msg_data_type == "text":
                self.queue.put_nowait({"type": "websocket.receive", "text": bytes(data).decode()})
            else:
                self.queue.put_nowait({"type": "websocket.receive", "bytes": data})
        except UnicodeDecodeError:
            self.wire.close(CloseCode.INVALID_DATA, "text must be UTF-8")
            return
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
