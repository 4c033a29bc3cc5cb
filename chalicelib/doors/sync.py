"""Convex's sync protocol on a socket: each frame is stored first, then whoever is free works on it.

A frame's invocation does three things: put the frame in the connection's inbox (the same frame twice is one row), leave a
note, try to serve. It never answers by itself: only a mailbox's holder posts (`live/turn.py`).
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from chalicelib.data.errors import ConditionFailed
from chalicelib.data.store import Absent, Put
from chalicelib.live import messages, rows
from chalicelib.live.keepalive import bucket_of
from chalicelib.live.lane import lane_of
from chalicelib.live.messages import BadFrame

if TYPE_CHECKING:
    from chalicelib.backend import Backend

logger = logging.getLogger("concave")
PATH = re.compile(r"^/api/(?:(?P<version>[^/]+)/)?sync/?$")


def connect(backend: Backend, connection: str, path: str, headers: dict[str, str]) -> int:
    """Open a connection: its mailbox exists before the client's first frame. Returns an HTTP status."""
    if not PATH.match(re.sub("/+", "/", path or "/api/sync")):
        return 404
    client = headers.get("convex-client", "")
    kind = "rust" if client and not client.startswith("npm") else "npm"
    now = backend.clock.now_ms()
    row = {"opened": now, "kind": kind, "bucket": bucket_of(connection), "ttl": now // 1000 + rows.LIFE_S}
    backend.mailboxes.open(connection, row)
    backend.lanes.open(lane_of(connection), {"ttl": now // 1000 + rows.LIFE_S})
    return 200


def message(backend: Backend, connection: str, body: str) -> None:
    """Take in one frame."""
    try:
        frame = messages.read_frame(body)
    except BadFrame as error:
        logger.warning("%s sent a frame that no client sends: %s", connection, error)
        backend.condemn(connection)
        return
    match frame:
        case messages.Event():
            return
        case messages.Connect():
            _store(backend, connection, rows.CONNECT, 0, body)
            backend.visit(connection)
        case messages.Authenticate():
            _store(backend, connection, rows.AUTHENTICATE, frame.base_version, body)
            backend.visit(connection)
        case messages.ModifyQuerySet():
            _store(backend, connection, rows.MODIFY, frame.base_version, body)
            backend.visit(connection)
        case messages.Mutation():
            _store(backend, connection, rows.MUTATION, frame.request_id, body)
            backend.lane.knock(connection)
            backend.wake_unsettled(connection)
        case messages.Action():
            if _store(backend, connection, rows.ACTION, frame.request_id, body):
                _act(backend, connection, frame)


def disconnect(backend: Backend, connection: str) -> None:
    """The client is gone: remove its rows."""
    backend.mailboxes.condemn(connection)
    backend.ender.finish(connection, "closing")


def welcome(backend: Backend, connection: str) -> None:
    """Speak first where a protocol wants it; the sync protocol does not, so this only serves what is waiting."""
    backend.visit(connection)


def _store(backend: Backend, connection: str, kind: str, number: int, body: str) -> bool:
    """Put a frame in the inbox; False when it is there already."""
    try:
        backend.store.write(Put("inbox", rows.frame_row(connection, kind, number, body, backend.clock.now_ms()), Absent()))
    except ConditionFailed:
        return False
    return True


def _act(backend: Backend, connection: str, frame: messages.Action) -> None:
    """Run an action beside everything else; its answer goes through the inbox. Never run twice for one frame."""
    identity = backend.settled_identity(connection)
    if identity is None:
        return
    answer = backend.act(frame, identity.stored)
    backend.store.write(Put("inbox", rows.answer_row(connection, answer, backend.clock.now_ms())))
    backend.visit(connection)


