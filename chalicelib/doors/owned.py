"""Sockets that this process owns: which path speaks what, and who is let in. The words are those of `sockets.py`.

See `live/owner/wire.py` for how a server of WebSockets uses it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chalicelib.doors import edge, events, socketio, sockets, sync
from chalicelib.doors.line import Noted
from chalicelib.live.messages import BadFrame, Failure, Mutation
from chalicelib.live.owner.owner import Owner
from chalicelib.live.owner.ports import Hear
from chalicelib.live.owner.socket import Socket
from chalicelib.live.owner.wire import Handle, Wire
from chalicelib.live.session import Answer

if TYPE_CHECKING:
    from chalicelib.backend import Backend


def accept(
    backend: Backend, wire: Wire, connection: str, path: str, headers: Mapping[str, str], query: Mapping[str, str]
) -> Handle | int:
    """A client asks for a socket. Returns its handle, or the HTTP status that refuses it. May wait for a token's keys.

    Args:
        connection: the id under which the socket is known; never used again.
        headers: their names in lower case.
    """
    assert backend.owner is not None
    if not edge.passed(backend.settings.origin_secret, headers):
        return 403
    path = re.sub("/+", "/", path)
    chat = sockets.asked(path, query)
    if chat is None:
        if not sync.PATH.match(path or "/api/sync"):
            return 404
        return backend.owner.open(wire, connection, sync.kind_of(headers))
    kind, wishes = chat
    if kind == socketio.KIND:
        begun = socketio.begun(backend, headers, query)
        return begun if isinstance(begun, int) else backend.owner.open(wire, connection, kind, **begun)
    token = events.admitted(backend, headers, wishes)
    if token is None:
        return 401
    return backend.owner.open(wire, connection, kind, events.opening(connection, token, wishes))


def hears(backend: Backend) -> dict[str, Hear]:
    """Which door reads the frames of which kind of socket."""

    def hear(socket: Socket, body: str, at: int) -> None:
        sockets.hear(backend, OwnedLine(backend, socket), body, at)

    return {events.KIND: hear, socketio.KIND: hear}


@dataclass(frozen=True)
class OwnedLine:
    """A chat socket of this process. Its frames come in their order, so they are numbered as they come."""

    backend: Backend
    socket: Socket

    @property
    def id(self) -> str:
        """The connection's id."""
        return self.socket.id

    @property
    def kind(self) -> str:
        """Which words it speaks."""
        return self.socket.kind

    @property
    def settled(self) -> bool:
        """Whether it is known who is there."""
        return self.socket.state.settled

    @property
    def begun(self) -> Mapping[str, Any]:
        """What the handshake left."""
        return self.socket.begun

    @property
    def owner(self) -> Owner:
        """Whose socket it is."""
        assert self.backend.owner is not None
        return self.backend.owner

    def begin(self, frames: Sequence[Noted]) -> None:
        """Take them in, one after the other."""
        for frame, note in frames:
            self.owner.hearer.take(self.socket, frame, note)

    def call(self, function: str, args: dict[str, Any], note: str, at: int, counted: int | None = None) -> None:
        """It runs after the calls before it."""
        self.owner.hearer.take(self.socket, Mutation(self.socket.next_number(), function, [_json(args)]), note)

    def ask(self, function: str, args: dict[str, Any], note: str, at: int, counted: int | None = None) -> None:
        """It is answered beside everything else."""
        self.owner.caller.ask(self.socket, function, _json(args), self.socket.next_number(), note)

    def refuse(self, failure: Failure, note: str, at: int, counted: int | None = None) -> None:
        """As the answer of an action."""
        self.owner.held.answer(self.socket, Answer(self.socket.next_number(), "Action", "null", failure, (), note))

    def fault(self, body: str, error: BadFrame) -> None:
        """In the words of its dialect."""
        self.owner.hearer.unreadable(self.socket, body, error)

    def say(self, text: str) -> bool:
        """Send it."""
        self.socket.wire.send(text)
        return True

    def forget_token(self) -> None:
        """Who is there is known from now on."""
        self.socket.begun.pop("token", None)

    def again(self) -> OwnedLine:
        """This one."""
        return self

    def close(self) -> None:
        """End the socket."""
        self.owner.held.end(self.socket, "closed by its client")


def _json(args: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(args, allow_nan=False)
    except ValueError as error:
        raise BadFrame(str(error)) from error
    return args
