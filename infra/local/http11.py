"""HTTP/1.1 on one TCP connection: requests out of bytes and answers into bytes, by h11."""

from __future__ import annotations

import asyncio

import h11

from infra.local.aws.shapes import Request
from infra.local.routes import Answer

READ_BYTES = 64 * 1024
HEADER_BYTES = 10_240
"""All headers of a request together (API Gateway's quota)."""
REQUEST_S, IDLE_S = 30.0, 75.0
"""How long a request may take to arrive from its first byte on, and how long a connection may wait for its next one."""


class Http:
    """One client's connection.

    Args:
        body_bytes: the most that a request may carry.
        request_s: how long one may take to arrive.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body_bytes: int, request_s: float = REQUEST_S
    ) -> None:
        self._reader, self._writer, self._most, self._request_s = reader, writer, body_bytes, request_s
        self._peer = str(writer.get_extra_info("peername")[0])
        self._wire = h11.Connection(h11.SERVER, HEADER_BYTES)

    @property
    def upgrade(self) -> bool:
        """The request that was read wants to speak another protocol."""
        return self._wire.their_state is h11.MIGHT_SWITCH_PROTOCOL

    @property
    def early(self) -> bytes:
        """Bytes of the other protocol that came with the request."""
        return self._wire.trailing_data[0]

    async def read(self) -> Request | Answer | None:
        """The next request with its body. None: the client is done. An Answer: it cannot be read, and this is to be said."""
        try:
            return await self._request()
        except h11.RemoteProtocolError as error:
            if self._wire.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                return Answer.error(error.error_status_hint, "BadRequest", str(error))
            return None

    async def _request(self) -> Request | Answer | None:
        request: Request | None = None
        body: list[bytes] = []
        size = 0
        began: float | None = asyncio.get_running_loop().time() if self._wire.trailing_data[0] else None
        while True:
            event = self._wire.next_event()
            if event is h11.NEED_DATA:
                if self._wire.they_are_waiting_for_100_continue:
                    self._writer.write(self._wire.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
                try:
                    data = await self._more(began)
                except TimeoutError:
                    if began is None:
                        return None
                    return Answer.error(408, "RequestTimeout", f"a request arrives within {self._request_s:g} seconds")
                began = asyncio.get_running_loop().time() if began is None else began
                self._wire.receive_data(data)
            elif isinstance(event, h11.Request):
                request = Request.from_wire(event.method, event.target, event.headers.raw_items(), self._peer)
            elif isinstance(event, h11.Data):
                size += len(event.data)
                body.append(bytes(event.data))
                if size > self._most:
                    return Answer.error(413, "PayloadTooLarge", f"a request may have {self._most} bytes")
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                return Request(request.method, request.target, request.headers, b"".join(body), self._peer)
            else:  # ConnectionClosed, or PAUSED where nothing more can come
                return None

    async def _more(self, began: float | None) -> bytes:
        """What comes next. Raises `TimeoutError` when a request that began has not arrived in its time, or none begins."""
        now = asyncio.get_running_loop().time()
        left = IDLE_S if began is None else began + self._request_s - now
        return await asyncio.wait_for(self._reader.read(READ_BYTES), max(0.0, left))

    async def answer(self, method: str, answer: Answer) -> bool:
        """Send the answer to a request of this method. True: another request may follow on this connection."""
        headers = [(name, value) for name, value in answer.headers if name.lower() not in ("content-length", "connection")]
        bodiless = answer.status in (204, 304)  # a length would speak of the file that is not sent again
        if not bodiless:
            headers.append(("Content-Length", str(len(answer.body))))
        if self._wire.their_state is not h11.DONE:
            headers.append(("Connection", "close"))  # an unread body, or a refused upgrade
        data = self._wire.send(h11.Response(status_code=answer.status, headers=headers)) or b""
        if method != "HEAD" and not bodiless:
            data += self._wire.send(h11.Data(data=answer.body)) or b""
        self._writer.write(data + (self._wire.send(h11.EndOfMessage()) or b""))
        await self._writer.drain()
        if self._wire.our_state is not h11.DONE or self._wire.their_state is not h11.DONE:
            return False
        self._wire.start_next_cycle()
        return True
