"""HTTP/1.1 on one TCP connection: requests out of bytes and answers into bytes, by h11.

`Exchange` does no reading and no writing, so the local server (asyncio) and the scripted model (threads) share it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import h11

from infra.local.aws.shapes import Request
from infra.local.routes import Answer

READ_BYTES = 64 * 1024
HEADER_BYTES = 10_240
"""All headers of a request together (API Gateway's quota)."""
REQUEST_S, IDLE_S = 30.0, 75.0
"""How long a request may take to arrive from its first byte on, and how long a connection may wait for its next one."""


class NeedData:
    """There is no whole request yet. `reply` goes to the client first: it may wait for `100 Continue`."""

    def __init__(self, reply: bytes) -> None:
        self.reply = reply


class Exchange:
    """Requests and answers of one connection, one after the other.

    Args:
        peer: the client's address, for its requests.
        body_bytes: the most that a request may carry.
    """

    def __init__(self, peer: str, body_bytes: int) -> None:
        self._peer, self._most = peer, body_bytes
        self._wire = h11.Connection(h11.SERVER, HEADER_BYTES)
        self._body: list[bytes] = []
        self._size = 0
        self.request: Request | None = None
        """The one that is being read or answered; without its body until `next` has returned it."""

    @property
    def upgrade(self) -> bool:
        """The request that was read wants to speak another protocol."""
        return self._wire.their_state is h11.MIGHT_SWITCH_PROTOCOL

    @property
    def early(self) -> bytes:
        """Bytes of the other protocol that came with the request."""
        return self._wire.trailing_data[0]

    @property
    def begun(self) -> bool:
        """Bytes of a next request are there already."""
        return bool(self._wire.trailing_data[0])

    def receive(self, data: bytes) -> None:
        """Take what came from the client; empty: it will say no more."""
        self._wire.receive_data(data)

    def next(self) -> Request | Answer | NeedData | None:
        """The next request with its body. None: the client is done. An Answer: it cannot be read, and this is to be said."""
        try:
            return self._next()
        except h11.RemoteProtocolError as error:
            if self._wire.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                return Answer.error(error.error_status_hint, "BadRequest", str(error))
            return None

    def _next(self) -> Request | Answer | NeedData | None:
        while True:
            event = self._wire.next_event()
            if event is h11.NEED_DATA:
                if self._wire.they_are_waiting_for_100_continue:
                    return NeedData(self._wire.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                return NeedData(b"")
            if isinstance(event, h11.Request):
                self.request = Request.from_wire(event.method, event.target, event.headers.raw_items(), self._peer)
                self._body, self._size = [], 0
            elif isinstance(event, h11.Data):
                self._size += len(event.data)
                self._body.append(bytes(event.data))
                if self._size > self._most:
                    return Answer.error(413, "PayloadTooLarge", f"a request may have {self._most} bytes")
            elif isinstance(event, h11.EndOfMessage) and self.request is not None:
                read = self.request
                self.request = Request(read.method, read.target, read.headers, b"".join(self._body), self._peer)
                return self.request
            else:  # ConnectionClosed, or PAUSED where nothing more can come
                return None

    def head(self, status: int, headers: Iterable[tuple[str, str]]) -> bytes:
        """The beginning of an answer. Without a length its body is sent in chunks."""
        own = list(headers)
        if self._wire.their_state is not h11.DONE:
            own.append(("Connection", "close"))  # an unread body, or a refused upgrade
        return self._wire.send(h11.Response(status_code=status, headers=own)) or b""

    def body(self, data: bytes) -> bytes:
        """A part of the answer's body."""
        return self._wire.send(h11.Data(data=data)) or b""

    def end(self) -> bytes:
        """The end of the answer."""
        return self._wire.send(h11.EndOfMessage()) or b""

    def again(self) -> bool:
        """Whether another request may follow on this connection, now that the answer has ended."""
        if self._wire.our_state is not h11.DONE or self._wire.their_state is not h11.DONE:
            return False
        self._wire.start_next_cycle()
        self.request = None
        return True

    def whole(self, method: str, answer: Answer) -> bytes:
        """A whole answer to a request of this method."""
        headers = [(name, value) for name, value in answer.headers if name.lower() not in ("content-length", "connection")]
        bodiless = answer.status in (204, 304)  # a length would speak of the file that is not sent again
        if not bodiless:
            headers.append(("Content-Length", str(len(answer.body))))
        data = self.head(answer.status, headers)
        if method != "HEAD" and not bodiless:
            data += self.body(answer.body)
        return data + self.end()


class Http:
    """One client's connection to the local server.

    Args:
        body_bytes: the most that a request may carry.
        request_s: how long one may take to arrive.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body_bytes: int, request_s: float = REQUEST_S
    ) -> None:
        self._reader, self._writer, self._request_s = reader, writer, request_s
        self._exchange = Exchange(str(writer.get_extra_info("peername")[0]), body_bytes)

    @property
    def upgrade(self) -> bool:
        """The request that was read wants to speak another protocol."""
        return self._exchange.upgrade

    @property
    def early(self) -> bytes:
        """Bytes of the other protocol that came with the request."""
        return self._exchange.early

    async def read(self) -> Request | Answer | None:
        """The next request with its body, as `Exchange.next` returns it; in time, or 408."""
        now = asyncio.get_running_loop().time
        began = now() if self._exchange.begun else None
        while isinstance(found := self._exchange.next(), NeedData):
            if found.reply:
                self._writer.write(found.reply)
            left = IDLE_S if began is None else began + self._request_s - now()
            try:
                data = await asyncio.wait_for(self._reader.read(READ_BYTES), max(0.0, left))
            except TimeoutError:
                late = Answer.error(408, "RequestTimeout", f"a request arrives within {self._request_s:g} seconds")
                return None if began is None else late
            began = now() if began is None else began
            self._exchange.receive(data)
        return found

    async def answer(self, method: str, answer: Answer) -> bool:
        """Send the answer to a request of this method. True: another request may follow on this connection."""
        self._writer.write(self._exchange.whole(method, answer))
        await self._writer.drain()
        return self._exchange.again()
