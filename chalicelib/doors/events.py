"""Chat events on a socket: `{event, data, id?}` in, acknowledgements and events out. Rows, and a dialect.

**In.** A row says which function an event calls, what becomes of its result, and what the sender is told beside the
acknowledgement. The event becomes the frame of a Mutation or an answered Action, like every other door's calls, so it runs
once and in the order of arrival (`line.py`: its rows, or its owner, see to that).

**Out.** There is one live query per socket, `feeds:feed`; its value is what has happened since its cursor
(`live/dialect.py`). Nothing is broadcast: a message is told because the log that the query reads has grown.

**Who.** The token comes with the handshake (`?token=`, an Authorization header) or, in Socket.IO's words, with the first
packet (`auth: {token}`). A missing or bad one is refused. Then the socket is opened in the caller's name: an agent's joins
its conversation by itself. A client that comes back with the `offset` of the last message it got misses nothing.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.data import mount
from chalicelib.data.errors import ConcaveError
from chalicelib.data.json_text import problem as json_problem
from chalicelib.data.store import Item
from chalicelib.doors.all_events import EVENTS
from chalicelib.doors.event_words import OPEN
from chalicelib.doors.line import Line, Noted
from chalicelib.live import salvage
from chalicelib.live.messages import Add, Authenticate, BadFrame, Connect, Failure, ModifyQuerySet, Mutation

if TYPE_CHECKING:
    from chalicelib.backend import Backend

logger = logging.getLogger("concave")
KIND = "chat"
FEED = mount.path("feeds:feed")


class Frame(msgspec.Struct, forbid_unknown_fields=False):
    """A client's event."""

    event: str
    data: Any = None
    id: str | int | None = None


# The socket's life ------------------------------------------------------------------------------------------------------


def admitted(backend: Backend, headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """The token of a handshake by who proves to be somebody; None without a good one."""
    token = token_of(headers, query)
    return None if token is None or backend.world.identify(authenticate(token)).error else token


def token_of(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """The handshake's token: `?token=`, or the Authorization header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return query.get("token") or (token.strip() if scheme.lower() == "bearer" else "") or None


def opening(connection: str, token: str, wishes: Mapping[str, Any]) -> list[Noted]:
    """What a signed-in socket begins with: who it is, its feed, and the call that opens it."""
    wanted = {
        name: part for name in ("offset", "history", "conversationId", "stream") if (part := wishes.get(name)) not in (None, "")
    }
    if isinstance(wanted.get("history"), str):
        wanted["history"] = int(wanted["history"]) if wanted["history"].isdecimal() else 0
    return [
        (Connect(connection[:128]), ""),
        (authenticate(token), ""),
        (ModifyQuerySet(0, 1, [Add(0, FEED, [{"socket": connection}])]), ""),
        (Mutation(1, OPEN, [{"socket": connection, **wanted}]), json.dumps({"event": OPEN, "pid": wishes.get("pid")})),
    ]


def authenticate(token: str) -> Authenticate:
    """A token as the frame that carries one."""
    return Authenticate(0, "User", token)


def ended(backend: Backend, mailbox: Item) -> None:
    """A connection has ended: its socket's user is offline, unless another socket of theirs is there. The sweep repeats it."""
    _say(backend, mailbox, "gateway:closed")


def renew(backend: Backend, mailbox: Item) -> None:
    """A connection that its process owns is there: so is its socket, for another lease."""
    _say(backend, mailbox, "gateway:renew")


def _say(backend: Backend, mailbox: Item, path: str) -> None:
    if mailbox.get("kind") not in ("chat", "socketio") or not mailbox.get("user"):
        return
    try:
        org = backend.world.org_of(mailbox["user"])
        backend.executor.call(org, backend.registry.get(mount.path(path)), socket=mailbox["pk"])
    except ConcaveError as error:
        logger.info("%s of the socket %s is left to the sweep: %s", path, mailbox["pk"], error)


# Its frames -------------------------------------------------------------------------------------------------------------


def message(line: Line, body: str, at: int) -> None:
    """Take in one frame of JSON. Raises `BadFrame`."""
    frame = _read(body)
    take_in(line, frame.event, frame.data, frame.id, at)


def _read(body: str) -> Frame:
    if wrong := json_problem(body):
        raise BadFrame(wrong)
    try:
        return msgspec.json.decode(body, type=Frame)
    except msgspec.ValidationError as error:
        raise BadFrame(f"a frame is {{event, data, id?}}: {error}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        if "\\u" not in body:
            raise BadFrame(f"a frame is {{event, data, id?}}: {error}") from error
    try:  # half of a surrogate pair, which msgspec does not read: the value fails its call
        return msgspec.convert(json.loads(body), Frame)
    except (msgspec.ValidationError, ValueError, RecursionError) as error:
        raise BadFrame(f"a frame is {{event, data, id?}}: {error}") from error


def ack_of(body: str) -> str | int | None:
    """What the sender of a frame that cannot be read wants to be answered under, as far as that can be read."""
    named = salvage.fields(body).get("id")
    return salvage.number(named) if salvage.number(named) is not None else salvage.word(named) or None


def refuse(line: Line, ack: str | int | None, sentence: str, at: int) -> None:
    """Answer a frame that cannot be read, under its acknowledgement where it names one; the connection stays."""
    line.refuse(Failure(sentence, _data("BadFrame", sentence)), json.dumps({"event": "", "ack": ack}), at)


def take_in(line: Line, event: str, data: Any, ack: str | int | None, at: int, counted: int | None = None) -> None:
    """Have an event's function called.

    Args:
        at: when it came (ms).
        counted: which one it is of those that want an acknowledgement, where the client counts them from 0.
    """
    row = EVENTS.get(event)
    asked = data.get("requestId") if row is not None and row.responds and isinstance(data, dict) else None
    note = json.dumps({"event": event, "ack": ack} | ({"requestId": asked} if isinstance(asked, str | int) else {}))
    problem = "" if row is not None else f"There is no event {event[:100]!r}."
    if data is not None and not isinstance(data, dict):
        problem = problem or "An event's data is an object."
    if row is None or problem:
        line.refuse(Failure(problem, _data("BadEvent", problem)), note, at, counted)
        return
    given = {name: part for name, part in (data or {}).items() if not (row.responds and name == "requestId")}
    args = {row.names.get(name, name): part for name, part in given.items()}
    if row.socket:
        args["socket"] = line.id
    (line.ask if row.query else line.call)(row.function, args, note, at, counted)


def _data(code: str, message: str) -> str:
    return json.dumps({"code": code, "message": message})
