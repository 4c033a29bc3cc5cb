"""Socket.IO 4 over WebSocket: the events of `events.py` in the packets that an unmodified `socket.io-client` speaks.

    0{sid, pingInterval, …}        we open (Engine.IO 4)          2 / 3    ping, pong
    40/chat,{token, pid?, offset?} the client signs in            40/chat,{sid, pid}    it is in; 44/chat,{message}  it is not
    42/chat,7["message:send",{…}]  an event that wants an ack     43/chat,7[{success, …}]

The codec is python-engineio's and python-socketio's, and nothing else of theirs: rooms, sessions and sending are ours.
Connection state recovery is Socket.IO's own: each `message:new` ends with an offset, which the client gives back at a
reconnect with the `pid` that it was told. A client may begin with polls (`polling.py`) and then goes on here: 2probe, 3probe, 5.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalicelib.data.json_text import problem
from chalicelib.doors import events, polling
from chalicelib.doors.event_words import Events
from chalicelib.doors.line import Line
from chalicelib.live import salvage
from chalicelib.live.messages import BadFrame, Version

if TYPE_CHECKING:
    from chalicelib.backend import Backend

KIND = "socketio"
NAMESPACE = "/chat"
ASKS = re.compile(r"42/chat,(\d{1,9})\[")
"""An event that wants an acknowledgement, and the number of that."""
PROBE, PROBED, UPGRADE = "2probe", "3probe", "5"
PID = re.compile(r"[A-Za-z0-9_-]{8,64}")


def begun(backend: Backend, headers: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any] | int:
    """What a handshake leaves: who it is comes with the first packet; a token in the handshake counts, too.

    Returns the HTTP status that refuses it, if something is wrong with it.
    """
    if query.get("EIO") != "4" or query.get("transport") != "websocket":
        return 400
    token = events.token_of(headers, query)
    if token is not None and backend.world.identify(events.authenticate(token)).error:
        return 401
    found: dict[str, Any] = {"token": token} if token else {}
    if "sid" in query:  # the session was opened by a poll, so nothing is said of that here
        if polling.read(backend, query["sid"]) is None:
            return 400
        found |= {"sid": query["sid"], "ts": backend.clock.now_ns()}
    return found


def message(backend: Backend, line: Line, body: str, at: int) -> None:
    """Take in one packet. Raises `BadFrame`."""
    from engineio import packet as engine

    if body.startswith(str(engine.PONG)) or body == str(engine.NOOP):
        return
    if body.startswith(str(engine.CLOSE)):
        line.close()
        return
    if "sid" in line.begun and body in (PROBE, UPGRADE):
        _upgrade(backend, line, body, at)
        return
    _packet(line, _decoded(body), at)


def _upgrade(backend: Backend, line: Line, body: str, at: int) -> None:
    """The steps from polls to this socket: answer its probe, then take in what came by the polls.

    The answer to a probe stands outside of what a connection is told.
    """
    if body == PROBE:
        polling.probed(backend, line.begun["sid"])
        if not line.say(PROBED):
            line.close()
        return
    for packet in polling.packets_of(backend, line.begun["sid"]):
        if packet.startswith("4"):
            message(backend, line.again(), packet, at)


def refuse(line: Line, body: str, error: BadFrame, at: int) -> None:
    """Answer a packet that cannot be read, by its acknowledgement where it wants one. Who is not signed in is closed."""
    if not line.settled:
        line.close()
        return
    match = ASKS.match(body)
    events.refuse(line, int(match[1]) if match else None, salvage.fault(error), at)


def _decoded(body: str) -> Any:
    if wrong := problem(body):
        raise BadFrame(wrong)
    from engineio import packet as engine
    from socketio import packet as socketio

    try:
        outer = engine.Packet(encoded_packet=body)
        if outer.packet_type != engine.MESSAGE or not isinstance(outer.data, str):
            raise BadFrame("an Engine.IO packet that no client sends over WebSocket")
        inner = socketio.Packet(encoded_packet=outer.data)
    except (ValueError, TypeError, IndexError, KeyError, RecursionError) as error:
        raise BadFrame(f"not a Socket.IO packet: {error}") from error
    if inner.attachment_count:
        raise BadFrame("binary events are not supported")
    return inner


def _packet(line: Line, packet: Any, at: int) -> None:
    from socketio import packet as socketio

    if packet.packet_type == socketio.CONNECT:
        _sign_in(line, packet)
    elif packet.packet_type == socketio.DISCONNECT:
        line.close()
    elif packet.packet_type == socketio.EVENT:
        data = packet.data
        if not line.settled or packet.namespace != NAMESPACE:
            raise BadFrame("an event before its namespace was connected")
        if not isinstance(data, list) or not data or not isinstance(data[0], str) or len(data) > 2:
            raise BadFrame("an event is a name and at most one object")
        told = data[1] if len(data) == 2 else None
        events.take_in(line, data[0], told, packet.id, at, counted=packet.id)
    else:
        raise BadFrame("a packet that no client sends")


def _sign_in(line: Line, packet: Any) -> None:
    wishes = packet.data if isinstance(packet.data, dict) else {}
    if packet.namespace != NAMESPACE:
        raise BadFrame(f"the namespace is {NAMESPACE}")
    token = wishes.get("token") or line.begun.get("token")
    plain = {name: part for name, part in wishes.items() if isinstance(part, str | int) and not isinstance(part, bool)}
    # Without a token, or with a bad one, the dialect says so (CONNECT_ERROR), and the socket is closed.
    if "token" in line.begun:
        line.forget_token()
    line.begin(events.opening(line.id, token.removeprefix("Bearer ").strip() if isinstance(token, str) else "", plain))


class Packets(Events):
    """Events as Socket.IO packets."""

    ping = "2"
    only_pings_count = True

    def hello(self, told: Version) -> list[str]:
        """Engine.IO's handshake."""
        if told.ts:
            return []
        return [polling.opening(secrets.token_urlsafe(15), [])]

    def opened(self, posts: list[str], note: dict[str, Any], result: Any, failed: dict[str, Any] | None) -> str:
        """The namespace is connected, or refused."""
        if failed is not None:
            posts.append(self._error(failed["error"], failed))
            return f"refused: {failed['error']}"
        pid = note.get("pid")
        known = isinstance(pid, str) and PID.fullmatch(pid) is not None and result["recovered"]
        sid = result["socketId"]
        posts.append(self._connected({"sid": sid, "pid": pid if known else secrets.token_urlsafe(15)}))
        return super().opened(posts, note, result, None)

    def event(self, name: str, data: Any, offset: str | None = None) -> str:
        """EVENT; an offset is the last argument, where the client looks for it."""
        from socketio import packet as socketio

        return self._message(socketio.EVENT, [name, data] if offset is None else [name, data, offset])

    def ack(self, ack: str | int, data: Any) -> str:
        """ACK."""
        from socketio import packet as socketio

        return self._message(socketio.ACK, [data], int(ack))

    def refused(self, error: str, base_version: int, attempted: bool) -> str:
        """CONNECT_ERROR: `connect_error` in the client."""
        return self._error(error, {"code": "Unauthorized"})

    def _connected(self, data: dict[str, Any]) -> str:
        from socketio import packet as socketio

        return self._message(socketio.CONNECT, data)

    def _error(self, message: str, data: dict[str, Any]) -> str:
        from socketio import packet as socketio

        return self._message(socketio.CONNECT_ERROR, {"message": message, "data": data})

    @staticmethod
    def _message(kind: int, data: Any, number: int | None = None) -> str:
        from engineio import packet as engine
        from socketio import packet as socketio

        inner = socketio.Packet(kind, data, namespace=NAMESPACE, id=number).encode()
        return str(engine.Packet(engine.MESSAGE, inner).encode())
