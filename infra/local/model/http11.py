"""HTTP/1.1 on one TCP connection: requests out of bytes and answers into bytes, by h11.

`Exchange` does no reading and no writing: `http.py` has the sockets. The scripted model parses for itself because its faults are
faults of the wire, which a well-kept server would not let it make.
"""

from __future__ import annotations

from collections.abc import Iterable

import h11

from infra.local.aws.shapes import Request
from infra.local.routes import Answer

READ_BYTES = 64 * 1024
HEADER_BYTES = 10_240
"""All headers of a request together (API Gateway's quota)."""


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
