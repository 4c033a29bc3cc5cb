"""The WebSocket doors' entry: which path speaks what, and whose frame it is.

    /api/sync, /api/{version}/sync   Convex's sync protocol (`sync.py`)
    /chat                            chat events as JSON frames (`events.py`)
    /socket.io/, /chat with EIO=4    the same as Socket.IO packets (`socketio.py`)
    /conversations/ID/stream         one conversation's replies as they are written, as JSON frames

After the handshake API Gateway names no path any more, so a frame tells by its form what it is, and the connection's mailbox
whether it may be that.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote

from chalicelib.doors import edge, events, row_lines, socketio, sync
from chalicelib.doors.line import Line
from chalicelib.live import salvage
from chalicelib.live.messages import BadFrame

if TYPE_CHECKING:
    from chalicelib.backend import Backend

logger = logging.getLogger("concave")
CHAT = re.compile(r"^/(chat|socket\.io)/?$")
STREAM = re.compile(r"^/conversations/([^/]+)/stream/?$")
IS_PACKET = re.compile(r"[0-9b]")
IS_EVENT = re.compile(r'\s*\{\s*"(event|data|id)"\s*:')


def connect(backend: Backend, connection: str, path: str, headers: Mapping[str, str], query: Mapping[str, str]) -> int:
    """Open a connection. Returns an HTTP status."""
    if not edge.passed(backend.settings.origin_secret, headers):
        return 403
    path = re.sub("/+", "/", path)
    chat = asked(path, query)
    if chat is None:
        return sync.connect(backend, connection, path, dict(headers))
    kind, wishes = chat
    if kind == socketio.KIND:
        begun = socketio.begun(backend, headers, query)
        if isinstance(begun, int):
            return begun
        row_lines.open_mailbox(backend, connection, kind, **begun)
    else:
        token = events.admitted(backend, headers, wishes)
        if token is None:
            return 401
        row_lines.open_mailbox(backend, connection, kind).store_first(events.opening(connection, token, wishes))
    backend.invoker.invoke("welcome", {"connectionId": connection})
    return 200


def asked(path: str, query: Mapping[str, str]) -> tuple[str, Mapping[str, str]] | None:
    """Which kind of chat socket a path asks for, and with which wishes; None: it is none of theirs."""
    if stream := STREAM.match(path):
        return events.KIND, {"token": query.get("token", ""), "stream": unquote(stream[1])}
    if not CHAT.match(path):
        return None
    if "EIO" in query or not path.strip("/").startswith("chat"):
        return socketio.KIND, query
    return events.KIND, query


def message(backend: Backend, connection: str, body: str, at: int) -> None:
    """Take in one frame that came at `at` (ms). What goes wrong on our side closes the connection."""
    packet, event = IS_PACKET.match(body) is not None, IS_EVENT.match(body) is not None
    if not packet and not event:
        sync.message(backend, connection, body)
        return
    if packet and body.startswith("3"):
        return  # a pong
    try:
        mailbox = backend.mailboxes.read(connection)
        if mailbox is None or mailbox.get("closing"):
            backend.wake(connection)  # which closes it
        else:
            hear(backend, row_lines.RowLine(backend, connection, mailbox), body, at)
    except Exception:
        logger.exception("a frame of %s could not be taken in", connection)
        backend.close(connection)


def hear(backend: Backend, line: Line, body: str, at: int) -> None:
    """Take in a frame of a chat socket; one that cannot be read is answered, and the connection stays."""
    packet = IS_PACKET.match(body) is not None
    try:
        if packet and line.kind == socketio.KIND:
            socketio.message(backend, line, body, at)
        elif IS_EVENT.match(body) and line.kind == events.KIND:
            events.message(line, body, at)
        else:
            raise BadFrame("a frame of another protocol than the connection's")
    except BadFrame as error:
        logger.warning("%s sent a frame that no client sends: %s", line.id, error)
        if packet and line.kind == socketio.KIND:
            socketio.refuse(line, body, error, at)
        elif not packet and line.kind == events.KIND:
            events.refuse(line, events.ack_of(body), salvage.fault(error), at)
        else:
            line.fault(body, error)


def disconnect(backend: Backend, connection: str) -> None:
    """The client is gone: remove its rows."""
    backend.close(connection)


def welcome(backend: Backend, connection: str) -> None:
    """The handshake is over, or nearly: speak first where a protocol wants it."""
    mailbox = backend.mailboxes.read(connection)
    if mailbox is not None and mailbox.get("kind") in (events.KIND, socketio.KIND):
        row_lines.welcome(backend, connection)
    else:
        sync.welcome(backend, connection)
