"""Chat sockets that are rows: what a client says is stored as a frame of the sync protocol, then whoever is free works on it."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from chalicelib.data.errors import ConditionFailed
from chalicelib.data.store import Absent, Exists, Item, Put, Update
from chalicelib.doors import sync
from chalicelib.doors.line import Noted
from chalicelib.live import rows
from chalicelib.live.keepalive import bucket_of
from chalicelib.live.mailbox import Mailboxes, retry_until_done
from chalicelib.live.messages import Authenticate, BadFrame, Connect, Failure, ModifyQuerySet
from chalicelib.live.session import Answer, fitted

if TYPE_CHECKING:
    from chalicelib.backend import Backend

FIRST, ARRIVED, STEP = 2, 2**20, 2**32
"""Where a client counts its acknowledgements, its frames have dense numbers from the first on, and are run in that order.
Others are numbered by the millisecond of their arrival since the connection opened, times a step, and their place in it
(`_Places`), above all those."""
HANDSHAKE_MS = 5_000


def open_mailbox(backend: Backend, connection: str, kind: str, **more: Any) -> RowLine:
    """Make the rows of a connection, and have it spoken to when its handshake is over."""
    now = backend.clock.now_ms()
    bucket, ttl = bucket_of(connection), now // 1000 + rows.LIFE_S
    row = {"opened": now, "kind": kind, "sparse": ARRIVED, "bucket": bucket, "ttl": ttl, **more}
    backend.lane.open(connection)
    backend.mailboxes.open(connection, row)
    return RowLine(backend, connection, row)


def welcome(backend: Backend, connection: str) -> None:
    """Speak first, as soon as the handshake is over: before that, a post would count as one to a client that is gone."""
    deadline, pause = backend.clock.now_ms() + HANDSHAKE_MS, 0.005
    while not backend.gateway.is_open(connection) and backend.clock.now_ms() < deadline:
        backend.clock.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    _start(backend, connection)


def _start(backend: Backend, connection: str) -> None:
    """Serve what was stored for a connection."""
    backend.wake(connection)
    backend.lane.wake(connection)


@dataclass(frozen=True)
class RowLine:
    """A chat socket whose session is in its mailbox row."""

    backend: Backend
    id: str
    mailbox: Item

    @property
    def kind(self) -> str:
        """Which words it speaks."""
        return str(self.mailbox.get("kind"))

    @property
    def settled(self) -> bool:
        """Whether it is known who is there."""
        return bool(self.mailbox.get("settled"))

    @property
    def begun(self) -> Mapping[str, Any]:
        """The row itself has it."""
        return self.mailbox

    def begin(self, frames: Sequence[Noted]) -> None:
        """Store them, and serve."""
        self.store_first(frames)
        _start(self.backend, self.id)

    def store_first(self, frames: Sequence[Noted]) -> None:
        """Store them; they are served when the handshake is over."""
        for frame, note in frames:
            kind, number = rows.MUTATION, getattr(frame, "request_id", 0)
            if isinstance(frame, Connect | Authenticate | ModifyQuerySet):
                kind = {Connect: rows.CONNECT, Authenticate: rows.AUTHENTICATE, ModifyQuerySet: rows.MODIFY}[type(frame)]
            store(self.backend, self.id, kind, number, msgspec.json.encode(frame).decode(), note)

    def call(self, function: str, args: dict[str, Any], note: str, at: int, counted: int | None = None) -> None:
        """Store the call, and have it run."""
        self._numbered(rows.MUTATION, self._number(at, counted), {"type": "Mutation", "udfPath": function, "args": [args]}, note)
        self.backend.lane.wake(self.id)

    def ask(self, function: str, args: dict[str, Any], note: str, at: int, counted: int | None = None) -> None:
        """Ask at once; the answer goes through the inbox, as an action's does."""
        frame = {"type": "Action", "udfPath": function, "args": [args]}
        number = self._numbered(rows.ACTION, self._number(at, counted), frame, note)
        self._answer(self.backend.ask(function, args, self.mailbox.get("user") or None, number, self.id))

    def refuse(self, failure: Failure, note: str, at: int, counted: int | None = None) -> None:
        """Store a call of nothing, with its answer."""
        nothing = {"type": "Action", "udfPath": "", "args": [{}]}
        number = self._numbered(rows.ACTION, self._number(at, counted), nothing, note)
        self._answer(Answer(number, "Action", "null", failure))

    def fault(self, body: str, error: BadFrame) -> None:
        """As a frame of the sync protocol that cannot be read."""
        sync.refuse(self.backend, self.id, body, error)

    def say(self, text: str) -> bool:
        """Post it: it needs no lease, for nothing is told before it."""
        return self.backend.gateway.post(self.id, text) == "ok"

    def forget_token(self) -> None:
        """Who is there stands in the row from now on."""
        row = Update(Mailboxes.key(self.id), {}, {}, (("token",),), Exists())
        retry_until_done(self.backend.clock, lambda: self.backend.store.write(row))

    def again(self) -> RowLine:
        """Read the row again."""
        return RowLine(self.backend, self.id, self.backend.mailboxes.read(self.id) or self.mailbox)

    def close(self) -> None:
        """End the connection."""
        self.backend.close(self.id)

    def _number(self, at: int, counted: int | None) -> int:
        """The number of a frame: as its client counts it, else by when it came (ms)."""
        if counted is not None and counted < ARRIVED - FIRST:
            return FIRST + counted
        return ARRIVED + max(0, at - int(self.mailbox["opened"])) * STEP + _places.within(at)

    def _answer(self, answer: Answer) -> None:
        row = rows.answer_row(self.id, fitted(answer), self.backend.clock.now_ms())
        retry_until_done(self.backend.clock, lambda: self.backend.store.write(Put("inbox", row)))
        self.backend.wake(self.id)

    def _numbered(self, kind: str, number: int, frame: dict[str, Any], note: str) -> int:
        """Store a frame under the first free number from here on. Raises `BadFrame` when its values are none of JSON."""
        try:
            while not store(
                self.backend, self.id, kind, number, json.dumps({**frame, "requestId": number}, allow_nan=False), note
            ):
                number += 1
        except ValueError as error:
            raise BadFrame(str(error)) from error
        return number


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


def store(backend: Backend, connection: str, kind: str, number: int, body: str, note: str = "") -> bool:
    """Put a frame in the inbox; False when another is in its place."""
    ours = secrets.token_hex(8)  # tells our own write, whose answer was lost, from another one's
    row = {**rows.frame_row(connection, kind, number, body, backend.clock.now_ms()), "by": ours, "note": note}
    try:
        retry_until_done(backend.clock, lambda: backend.store.write(Put("inbox", row, Absent())))
    except ConditionFailed as refused:
        return refused.old is not None and refused.old.get("by") == ours
    return True
