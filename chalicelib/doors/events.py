"""Chat events on a socket: `{event, data, id?}` in, acknowledgements and events out. Rows, and a dialect.

**In.** A row says which function an event calls, what becomes of its result, and what the sender is told beside the
acknowledgement. The event is stored as the frame of a Mutation or an answered Action, like every other door's calls, so it
runs once, in the order of arrival, and survives the death of any process.

**Out.** There is one live query per socket, `feeds:feed`; its value is what has happened since its cursor
(`live/dialect.py`). Nothing is broadcast: a message is told because the log that the query reads has grown.

**Who.** The token comes with the handshake (`?token=`, an Authorization header) or, in Socket.IO's words, with the first
packet (`auth: {token}`). A missing or bad one is refused. Then the socket is opened in the caller's name: an agent's joins
its conversation by itself. A client that comes back with the `offset` of the last message it got misses nothing.
"""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.data import mount
from chalicelib.data.errors import ConcaveError, ConditionFailed
from chalicelib.data.json_text import problem as json_problem
from chalicelib.data.store import Absent, Item, Put
from chalicelib.doors.all_events import EVENTS
from chalicelib.doors.event_rows import Row
from chalicelib.doors.event_words import OPEN
from chalicelib.live import rows, salvage
from chalicelib.live.keepalive import bucket_of
from chalicelib.live.lane import lane_of
from chalicelib.live.mailbox import retry_until_done
from chalicelib.live.messages import Authenticate, BadFrame, Failure
from chalicelib.live.session import Answer, fitted

if TYPE_CHECKING:
    from chalicelib.backend import Backend

logger = logging.getLogger("concave")
KIND = "chat"
FEED = mount.path("feeds:feed")
FIRST, ARRIVED, STEP = 2, 2**20, 2**32
"""Where a client counts its acknowledgements, its frames have dense numbers from the first on, and are run in that order.
Others are numbered by the millisecond of their arrival since the connection opened, times a step, and their place in it
(`_Places`), above all those."""
HANDSHAKE_MS = 5_000


class Frame(msgspec.Struct, forbid_unknown_fields=False):
    """A client's event."""

    event: str
    data: Any = None
    id: str | int | None = None


# The socket's life ------------------------------------------------------------------------------------------------------


def connect(backend: Backend, connection: str, headers: Mapping[str, str], query: Mapping[str, str]) -> int:
    """Open a connection of JSON frames for who proves to be somebody. Returns an HTTP status: 401 without a good token."""
    token = token_of(headers, query)
    if token is None or backend.world.identify(authenticate(token)).error:
        return 401
    open_mailbox(backend, connection, KIND)
    sign_in(backend, connection, token, query)
    backend.invoker.invoke("welcome", {"connectionId": connection})
    return 200


def token_of(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    """The handshake's token: `?token=`, or the Authorization header."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return query.get("token") or (token.strip() if scheme.lower() == "bearer" else "") or None


def open_mailbox(backend: Backend, connection: str, kind: str, **more: Any) -> None:
    """Make the rows of a connection."""
    now = backend.clock.now_ms()
    bucket, ttl = bucket_of(connection), now // 1000 + rows.LIFE_S
    row = {"opened": now, "kind": kind, "sparse": ARRIVED, "bucket": bucket, "ttl": ttl, **more}
    backend.lanes.open(lane_of(connection), {"ttl": now // 1000 + rows.LIFE_S})
    backend.mailboxes.open(connection, row)


def sign_in(backend: Backend, connection: str, token: str, wishes: Mapping[str, Any]) -> None:
    """Store what a signed-in socket begins with: who it is, its feed, and the call that opens it."""
    who = {"type": "Connect", "sessionId": connection[:128]}
    feed = {"type": "Add", "queryId": 0, "udfPath": FEED, "args": [{"socket": connection}]}
    watch = {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [feed]}
    wanted = {
        name: part for name in ("offset", "history", "conversationId", "stream") if (part := wishes.get(name)) not in (None, "")
    }
    if isinstance(wanted.get("history"), str):
        wanted["history"] = int(wanted["history"]) if wanted["history"].isdecimal() else 0
    call = {"type": "Mutation", "requestId": 1, "udfPath": OPEN, "args": [{"socket": connection, **wanted}]}
    note = json.dumps({"event": OPEN, "pid": wishes.get("pid")})
    store(backend, connection, rows.CONNECT, 0, json.dumps(who))
    store(backend, connection, rows.AUTHENTICATE, 0, msgspec.json.encode(authenticate(token)).decode())
    store(backend, connection, rows.MODIFY, 0, json.dumps(watch))
    store(backend, connection, rows.MUTATION, 1, json.dumps(call), note)


def authenticate(token: str) -> Authenticate:
    """A token as the frame that carries one."""
    return Authenticate(0, "User", token)


def welcome(backend: Backend, connection: str) -> None:
    """Speak first, as soon as the handshake is over: before that, a post would count as one to a client that is gone."""
    deadline, pause = backend.clock.now_ms() + HANDSHAKE_MS, 0.005
    while not backend.gateway.is_open(connection) and backend.clock.now_ms() < deadline:
        backend.clock.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    start(backend, connection)


def start(backend: Backend, connection: str) -> None:
    """Serve what was stored for a connection."""
    backend.wake(connection)
    backend.lane.wake(connection)


def ended(backend: Backend, mailbox: Item) -> None:
    """A connection has ended: its socket's user is offline, unless another socket of theirs is there. The sweep repeats it."""
    if mailbox.get("kind") not in ("chat", "socketio") or not mailbox.get("user"):
        return
    try:
        org = backend.world.org_of(mailbox["user"])
        backend.executor.call(org, backend.registry.get(mount.path("gateway:closed")), socket=mailbox["pk"])
    except ConcaveError as error:
        logger.info("the socket of %s was not removed yet: %s", mailbox["pk"], error)


def message(backend: Backend, connection: str, mailbox: Item, body: str, at: int) -> None:
    """Take in one frame of JSON. Raises `BadFrame`."""
    frame = _read(body)
    take_in(backend, connection, mailbox, frame.event, frame.data, frame.id, at)


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


def refuse(backend: Backend, connection: str, mailbox: Item, ack: str | int | None, sentence: str, at: int) -> None:
    """Answer a frame that cannot be read, under its acknowledgement where it names one; the connection stays."""
    note = json.dumps({"event": "", "ack": ack})
    _answered(backend, connection, arrival(mailbox, at), note, Failure(sentence, _data("BadFrame", sentence)))


def arrival(mailbox: Item, at: int) -> int:
    """The number of a frame that its client does not count: by when it came (ms)."""
    return ARRIVED + max(0, at - int(mailbox["opened"])) * STEP + _places.within(at)


def take_in(
    backend: Backend,
    connection: str,
    mailbox: Item,
    event: str,
    data: Any,
    ack: str | int | None,
    at: int,
    counted: int | None = None,
) -> None:
    """Store an event as a call, and have it run.

    Args:
        at: when it came (ms).
        counted: which one it is of those that want an acknowledgement, where the client counts them from 0.
    """
    number = arrival(mailbox, at)
    if counted is not None and counted < ARRIVED - FIRST:
        number = FIRST + counted
    row = EVENTS.get(event)
    asked = data.get("requestId") if row is not None and row.responds and isinstance(data, dict) else None
    note = json.dumps({"event": event, "ack": ack} | ({"requestId": asked} if isinstance(asked, str | int) else {}))
    problem = "" if row is not None else f"There is no event {event[:100]!r}."
    if data is not None and not isinstance(data, dict):
        problem = problem or "An event's data is an object."
    if row is None or problem:
        _answered(backend, connection, number, note, Failure(problem, _data("BadEvent", problem)))
        return
    given = {name: part for name, part in (data or {}).items() if not (row.responds and name == "requestId")}
    args = {row.names.get(name, name): part for name, part in given.items()}
    if row.socket:
        args["socket"] = connection
    if row.query:
        _asked(backend, connection, mailbox, row, number, note, args)
        return
    frame = {"type": "Mutation", "udfPath": row.function, "args": [args]}
    _numbered(backend, connection, rows.MUTATION, number, frame, note)
    backend.lane.wake(connection)


def _asked(backend: Backend, connection: str, mailbox: Item, row: Row, number: int, note: str, args: dict[str, Any]) -> None:
    """Ask a query in the caller's name; the answer goes through the inbox, as an action's does."""
    frame = {"type": "Action", "udfPath": row.function, "args": [args]}
    number = _numbered(backend, connection, rows.ACTION, number, frame, note)
    answer = backend.ask(row.function, args, mailbox.get("user") or None, number, connection)
    _store_answer(backend, connection, answer)


def _answered(backend: Backend, connection: str, number: int, note: str, failure: Failure) -> None:
    """Refuse an event that calls nothing."""
    number = _numbered(backend, connection, rows.ACTION, number, {"type": "Action", "udfPath": "", "args": [{}]}, note)
    _store_answer(backend, connection, Answer(number, "Action", "null", failure))


def _store_answer(backend: Backend, connection: str, answer: Answer) -> None:
    row = rows.answer_row(connection, fitted(answer), backend.clock.now_ms())
    retry_until_done(backend.clock, lambda: backend.store.write(Put("inbox", row)))
    backend.wake(connection)


class _Places:
    """Where frames of one millisecond stand: in their order in this process, and apart from other processes' by chance.

    A number is never used again, also when its frame is answered and gone: the connection would take the next frame for one
    that it has answered. Nor is one shared by a call and a question, whose answers have one place.
    """

    ORDER, CHANCE = 2**12, 20

    def __init__(self) -> None:
        self._lock, self._at, self._count = threading.Lock(), 0, 0

    def within(self, at: int) -> int:
        """A place below `STEP` for a frame that came then (ms)."""
        with self._lock:
            self._count = 0 if at > self._at else self._count + 1
            self._at = max(at, self._at)
            return (self._count % self.ORDER << self.CHANCE) + secrets.randbits(self.CHANCE)


_places = _Places()


def _numbered(backend: Backend, connection: str, kind: str, number: int, frame: dict[str, Any], note: str) -> int:
    """Store a frame under the first free number from here on. Raises `BadFrame` when its values are none of JSON."""
    try:
        while not store(backend, connection, kind, number, json.dumps({**frame, "requestId": number}, allow_nan=False), note):
            number += 1
    except ValueError as error:
        raise BadFrame(str(error)) from error
    return number


def store(backend: Backend, connection: str, kind: str, number: int, body: str, note: str = "") -> bool:
    """Put a frame in the inbox; False when another is in its place."""
    ours = secrets.token_hex(8)  # tells our own write, whose answer was lost, from another one's
    row = {**rows.frame_row(connection, kind, number, body, backend.clock.now_ms()), "by": ours, "note": note}
    try:
        retry_until_done(backend.clock, lambda: backend.store.write(Put("inbox", row, Absent())))
    except ConditionFailed as refused:
        return refused.old is not None and refused.old.get("by") == ours
    return True


def _data(code: str, message: str) -> str:
    return json.dumps({"code": code, "message": message})
