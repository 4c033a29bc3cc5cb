"""Socket.IO's first steps over HTTP: a client with its default transports begins with long polls and goes on over WebSocket.

    GET  ?transport=polling                  0{sid, upgrades: ["websocket"], …}   the session is open
    POST ?transport=polling&sid=…            ok                                  packets wait for the socket
    GET  ?transport=polling&sid=…            6                                   nothing to say: go on over the socket
    WS   ?transport=websocket&sid=…          2probe, 3probe, 5                   then the waiting packets are taken in

No function of a cloud can hold a poll until there is something to say, so polls carry nothing but the way to the socket
(the Engine.IO protocol, "Upgrading"). Where no WebSocket gets through, the client is told so when its session is over.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import TYPE_CHECKING

from chalicelib.data.errors import ConditionFailed
from chalicelib.data.store import Absent, Exists, Item, Key, Put, Update
from chalicelib.doors import events
from chalicelib.doors.web import HttpRequest, HttpResponse, json_answer
from chalicelib.live.mailbox import retry_until_done

if TYPE_CHECKING:
    from chalicelib.doors.web import Backend

PING_MS, PATIENCE_MS = 60_000, 90_000
"""The client waits for a ping so long, and so much longer: the sweep that sends it may be a minute late, and another one."""
LARGEST_PACKET = 32 * 1024
"""API Gateway takes no larger frame, so none is taken here."""
SESSION_MS = 30_000
"""A client that has not come over WebSocket by then cannot."""
WAITING_PACKETS = 16
POLL_MS, LOOK_MS = 400, 50
SID = re.compile(r"[A-Za-z0-9_-]{20,64}")
SEPARATOR = "\x1e"
"""Between the packets of one body (the Engine.IO protocol, "Payload")."""
UNKNOWN_TRANSPORT, UNKNOWN_SID, BAD_REQUEST, UNSUPPORTED = 0, 1, 3, 5
"""Engine.IO's codes of a refused request."""


def opening(sid: str, upgrades: list[str]) -> str:
    """The packet that opens an Engine.IO session."""
    sizes = {"pingInterval": PING_MS, "pingTimeout": PATIENCE_MS, "maxPayload": LARGEST_PACKET}
    return f"0{json.dumps({'sid': sid, 'upgrades': upgrades, **sizes})}"


def handle(b: Backend, request: HttpRequest) -> HttpResponse:
    """One request of the polling transport."""
    if request.query.get("EIO") != "4":
        return _refused(UNSUPPORTED, "Unsupported protocol version; Socket.IO 4 speaks Engine.IO 4.")
    if request.query.get("transport") != "polling":
        return _refused(UNKNOWN_TRANSPORT, "Transport unknown; there are polling and websocket.")
    sid = request.query.get("sid")
    if sid is None:
        return _opened(b, request) if request.method == "GET" else _refused(BAD_REQUEST, "A session begins with GET.")
    row = read(b, sid)
    if row is None:
        return _refused(UNKNOWN_SID, "Session ID unknown, or over: it goes on over WebSocket within 30 seconds.")
    return _polled(b, sid, row) if request.method == "GET" else _posted(b, sid, request.body)


def _opened(b: Backend, request: HttpRequest) -> HttpResponse:
    token = events.token_of(request.headers, request.query)
    if token is not None:
        b.verifier.verify(token)  # a bad one is refused at once, as it is over WebSocket; most come with the first packet
    sid, now = secrets.token_urlsafe(24), b.clock.now_ms()
    row = {**_key(sid).attributes(), "at": now, "packets": [], "ttl": now // 1000 + 120}
    retry_until_done(b.clock, lambda: b.store.write(Put("inbox", row, Absent())))
    return _text(opening(sid, ["websocket"]))


def _polled(b: Backend, sid: str, row: Item) -> HttpResponse:
    """Say after a moment that there is nothing; at once to a client that is on its way to the socket."""
    until = b.clock.now_ms() + POLL_MS
    while not row.get("probed") and b.clock.now_ms() < until:
        b.clock.sleep(LOOK_MS / 1000)
        row = read(b, sid) or row
    return _text("6")


def _posted(b: Backend, sid: str, body: bytes) -> HttpResponse:
    """Keep packets for the socket, in their order: the client sends its next body when this one is answered."""
    row = read(b, sid)
    kept = [] if row is None else [*row["packets"], body.decode(errors="replace")]
    if len(body) > LARGEST_PACKET or len(kept) > WAITING_PACKETS or sum(map(len, kept)) > 2 * LARGEST_PACKET:
        return _refused(BAD_REQUEST, f"Before the socket is open, {LARGEST_PACKET} bytes are taken.")
    _change(b, sid, "packets", kept)
    return _text("ok")


def read(b: Backend, sid: str) -> Item | None:
    """The session's row; None of one that never was or is over."""
    if not SID.fullmatch(sid):
        return None
    row = retry_until_done(b.clock, lambda: b.store.get(_key(sid)))
    return row if row is not None and b.clock.now_ms() - int(row["at"]) <= SESSION_MS else None


def probed(b: Backend, sid: str) -> None:
    """The client tries the socket: its open poll is answered, and then it goes over."""
    _change(b, sid, "probed", True)


def packets_of(b: Backend, sid: str) -> list[str]:
    """The packets that came before the socket, in their order; only once."""
    row = read(b, sid)
    if row is None or not row["packets"]:
        return []
    _change(b, sid, "packets", [])
    return [packet for body in row["packets"] for packet in body.split(SEPARATOR)]


def _change(b: Backend, sid: str, name: str, value: object) -> None:
    update = Update(_key(sid), {(name,): value}, {}, (), Exists())
    try:
        retry_until_done(b.clock, lambda: b.store.write(update))
    except ConditionFailed:
        return  # it was over, and TTL has taken it


def _key(sid: str) -> Key:
    return Key("inbox", f"poll|{sid}", "0")


def _text(text: str) -> HttpResponse:
    return HttpResponse(200, {"content-type": "text/plain; charset=UTF-8", "cache-control": "no-store"}, text)


def _refused(code: int, message: str) -> HttpResponse:
    return json_answer({"code": code, "message": message}, 400)
