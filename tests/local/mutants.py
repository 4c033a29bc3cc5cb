"""The protective steps of the server, each switched off by replacing the code that takes it.

Nothing in the product knows of these switches: a mutant swaps a function while it is active.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from infra.local import http_protocol
from infra.local.http_protocol import Http
from infra.local.socket_protocol import Socket
from infra.local.sqlite import backup


def nothing(*_: Any, **__: Any) -> None:
    """In the place of a step."""


def closes_at_once(self: Socket) -> None:
    """The TCP connection is closed with the close frame, while the peer is still sending."""
    self.close_sent = True
    self.flush()
    self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006, "reason": ""})
    self.transport.close()


def waits_for_ever(self: Socket) -> None:
    """A peer that does not read is waited for when it must go."""
    leave(self)
    if self.close_timer is not None:
        self.close_timer.cancel()
    self.close_timer = self.loop.call_later(self.close_timeout, self.transport.close)


leave = Socket.leave


def one_limit(self: Socket, *args: Any, **kwargs: Any) -> None:
    """A frame may be as large as a message."""
    init(self, *args, **kwargs)
    self.conn.max_fragment_size = None


init = Socket.__init__


def broken_first(self: Socket, data: bytes) -> None:
    """A broken frame is seen before what came in front of it."""
    self.conn.receive_data(data)
    if self.conn.parser_exc is not None:
        if not self.close_sent:
            self.leave()
        return
    self.handle_events()


def the_file_alone(data: Any) -> None:
    """The log of the file that was there stays beside the one that is restored."""
    (data / backup.FILE).rename(data / "old.db")


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """While it lasts, `owner.name` is another."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


Switch = tuple[Any, str, Any]

SWITCHES: dict[str, Switch] = {
    "a request may take as long as it likes": (Http, "_arm", nothing),
    "a head may be as long as it likes": (http_protocol, "HEAD_BYTES", 10**9),
    "a head is not looked at": (Http, "on_headers_complete", HttpToolsProtocol.on_headers_complete),
    "an answer is written into another": (Http, "_busy", lambda self: False),
    "a client may leave its answer unread": (Http, "timeout_keep_alive_handler", HttpToolsProtocol.timeout_keep_alive_handler),
    "a client may leave its last answer unread": (Http, "on_response_complete", HttpToolsProtocol.on_response_complete),
    "a silent client stays": (Http, "connection_made", HttpToolsProtocol.connection_made),
    "a socket is closed with its close frame": (Socket, "leave", closes_at_once),
    "a socket that does not read is waited for": (Socket, "leave", waits_for_ever),
    "a frame has the limit of a message": (Socket, "__init__", one_limit),
    "a broken frame takes with it what came before": (Socket, "data_received", broken_first),
    "text may be any bytes": (Socket, "send_receive_event_to_app", WebSocketsSansIOProtocol.send_receive_event_to_app),
    "a copy is not read through": (backup, "verify", nothing),
    "the log of the old file stays": (backup, "_set_aside", the_file_alone),
    "keys are not copied": (backup, "_copy_keys", nothing),
}


def off(step: str) -> Any:
    """A context in which this step is not taken."""
    owner, name, value = SWITCHES[step]
    return replaced(owner, name, value)
