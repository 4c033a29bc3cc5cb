"""HTTP/1.1 on one TCP connection: what uvicorn lacks for us is limits for half a request and for an answer that nobody reads.

uvicorn parses by httptools. It has no time limit for a request's head and body and no size limit for its head, which a server
on the internet needs against clients that send half of something and wait (slowloris). `http=` of its configuration takes a
class like this one; its release is pinned, and `tests/local` drives it by real sockets.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from infra.local.aws.api_gateway import Walls
from infra.local.routes import Answer

HEAD_BYTES = 10_240
"""A request's line and headers together (API Gateway's quota for headers)."""


def plain(client: tuple[str, int] | None) -> tuple[str, int] | None:
    """An IPv4 client of a socket that listens at `::` comes as `::ffff:a.b.c.d` (RFC 4291, section 2.5.5.2)."""
    return client and (client[0].removeprefix("::ffff:") if "." in client[0] else client[0], client[1])


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
        self.client = plain(self.client)
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
