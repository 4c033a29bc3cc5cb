"""Convex's sync protocol on a socket: who is free works on a frame, and what must wait is stored.

A frame's invocation tries to become the holder of the connection's mailbox and takes the frame in at once; where there is a
holder it puts the frame in the inbox (the same frame twice is one row), leaves a note, and tries again. Only a holder posts
(`live/turn.py`). A mutation runs at once where nothing is before it (`live/at_once.py`).
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from chalicelib.calls import as_failure
from chalicelib.data.errors import BadRequest, ConditionFailed
from chalicelib.data.store import Absent, All, Exists, Key, Lacks, Put, Update
from chalicelib.live import messages, rows, salvage
from chalicelib.live.keepalive import bucket_of
from chalicelib.live.mailbox import retry_until_done
from chalicelib.live.messages import BadFrame
from chalicelib.live.session import Answer, fitted
from chalicelib.runtime.errors import describe

if TYPE_CHECKING:
    from chalicelib.backend import Backend

logger = logging.getLogger("concave")
PATH = re.compile(r"^/api/(?:(?P<version>[^/]+)/)?sync/?$")


def connect(backend: Backend, connection: str, path: str, headers: dict[str, str]) -> int:
    """Open a connection: its mailbox exists before the client's first frame. Returns an HTTP status."""
    if not PATH.match(re.sub("/+", "/", path or "/api/sync")):
        return 404
    kind = kind_of(headers)
    now = backend.clock.now_ms()
    # A client of the npm family rarely needs a lane: it is made when a call must wait.
    lane = kind == "rust"
    row = {"opened": now, "kind": kind, "bucket": bucket_of(connection), "rest": False, "ttl": now // 1000 + rows.LIFE_S}
    # The mailbox second: if the client is gone by now, the sweep finds the mailbox, and with it the lane.
    if lane:
        backend.lane.open(connection)
    backend.mailboxes.open(connection, {**row, "lane": lane, "queued": 0})
    return 200


def kind_of(headers: Mapping[str, str]) -> str:
    """Which family of clients this is: `npm`, or `rust` (Python, Swift, Kotlin)."""
    client = headers.get("convex-client", "")
    return "rust" if client and not client.startswith("npm") else "npm"


def message(backend: Backend, connection: str, body: str) -> None:
    """Take in one frame. What goes wrong on our side closes the connection: the client comes back and says it again."""
    try:
        _take_in_or_refuse(backend, connection, body)
    except Exception:
        logger.exception("a frame of %s could not be taken in", connection)
        backend.close(connection)


def _take_in_or_refuse(backend: Backend, connection: str, body: str) -> None:
    try:
        _take_in(backend, connection, body)
    except BadFrame as error:
        refuse(backend, connection, body, error)


def _take_in(backend: Backend, connection: str, body: str) -> None:
    frame = messages.read_frame(body)
    match frame:
        case messages.Event():
            return
        case messages.Connect():
            if frame.max_observed_timestamp is not None:
                messages.read_ts(frame.max_observed_timestamp)
            _hand(backend, connection, rows.CONNECT, 0, body)
        case messages.Authenticate():
            _hand(backend, connection, rows.AUTHENTICATE, frame.base_version, body, auth=frame.base_version + 1)
        case messages.ModifyQuerySet():
            _hand(backend, connection, rows.MODIFY, frame.base_version, body)
        case messages.Mutation():
            store = partial(_store, backend, connection, rows.MUTATION, frame.request_id, body)
            if not backend.at_once.run(connection, frame, body, store):
                backend.lane.wake(connection)
        case messages.Action():
            if _store(backend, connection, rows.ACTION, frame.request_id, body):
                # An action may run for minutes; API Gateway gives the invocation that took its frame in 29 seconds.
                backend.invoker.invoke("act", {"connectionId": connection, "requestId": frame.request_id})


def _hand(backend: Backend, connection: str, kind: str, number: int, body: str, *, auth: int = 0) -> None:
    """Have a frame taken in: at once by ourselves, where nobody serves the connection, else by whoever does.

    A first query set comes just behind a token, which somebody is looking at: then it is not tried to become the holder first.
    """
    fanout, row = backend.fanout, rows.frame_row(connection, kind, number, body, backend.clock.now_ms())
    early, small = kind == rows.CONNECT or (kind == rows.MODIFY and number == 0), len(body) <= rows.BROUGHT_CHARS
    if early and small and fanout.bring(connection, row):
        return
    if fanout.hand(connection, row, auth=auth) or (small and not early and fanout.bring(connection, row, auth=auth)):
        return
    if auth:
        backend.mailboxes.announce(connection, auth)
    new = _store(backend, connection, kind, number, body)
    fanout.noted(connection, auth=auth if new else 0)


def refuse(backend: Backend, connection: str, body: str, error: BadFrame) -> None:
    """Answer a frame that cannot be read: the call or the query that it names fails, else the frame; the connection stays."""
    logger.warning("%s sent a frame that no client sends: %s", connection, error)
    sentence = salvage.fault(error)
    kind, request, queries = salvage.named(body)
    if request is not None and kind in ("Mutation", "Action"):
        _refuse_call(backend, connection, kind, request, sentence)
    elif queries is not None:
        _store(backend, connection, rows.MODIFY, queries["baseVersion"], json.dumps(queries))
    elif kind != "Event":
        _store(backend, connection, rows.FAULT, secrets.randbits(60), sentence)
    backend.wake(connection)


def _refuse_call(backend: Backend, connection: str, kind: str, request: int, sentence: str) -> None:
    """A call that nobody runs, with its answer, in one write: an answer without its call would be taken for an old one."""
    now = backend.clock.now_ms()
    body = json.dumps({"type": kind, "requestId": request, "udfPath": "", "args": []})
    place = rows.MUTATION if kind == "Mutation" else rows.ACTION
    call = {**rows.frame_row(connection, place, request, body, now), "ran": True}
    failure = as_failure(describe(BadRequest(sentence, "BadFrame"), development=backend.settings.development))
    answer = rows.answer_row(connection, Answer(request, kind, "null", failure), now)
    try:
        retry_until_done(backend.clock, lambda: backend.store.transact([Put("inbox", call, Absent()), Put("inbox", answer)]))
    except ConditionFailed:
        return  # it is there: our own first try, or another frame of this number, which has an answer of its own


def disconnect(backend: Backend, connection: str) -> None:
    """The client is gone: remove its rows."""
    backend.close(connection)


def welcome(backend: Backend, connection: str) -> None:
    """Speak first where a protocol wants it; the sync protocol does not, so this only serves what is waiting."""
    backend.wake(connection)


def _store(backend: Backend, connection: str, kind: str, number: int, body: str) -> bool:
    """Put a frame in the inbox; False when another invocation has put it there already."""
    ours = secrets.token_hex(8)  # tells our own write, whose answer was lost, from another one's
    row = {**rows.frame_row(connection, kind, number, body, backend.clock.now_ms()), "by": ours}
    try:
        retry_until_done(backend.clock, lambda: backend.store.write(Put("inbox", row, Absent())))
    except ConditionFailed as refused:
        return refused.old is not None and refused.old.get("by") == ours
    return True


def act(backend: Backend, connection: str, request_id: int) -> None:
    """Run an action that waits in the inbox, beside everything else; its answer goes through the inbox. Never run twice."""
    place = Key("inbox", connection, rows.place(rows.ACTION, request_id))
    row = retry_until_done(backend.clock, lambda: backend.store.get(place))
    if row is not None and _claimed(backend, place):
        frame = messages.stored_frame(row["body"])
        assert isinstance(frame, messages.Action)
        identity = backend.settled_identity(connection)
        if identity is not None:
            answer = rows.answer_row(connection, fitted(backend.act(frame, identity.stored, connection)), backend.clock.now_ms())
            retry_until_done(backend.clock, lambda: backend.store.write(Put("inbox", answer)))
    backend.wake(connection)  # also finds that the connection is gone, or its token over, and ends it


def _claimed(backend: Backend, place: Key) -> bool:
    """Whether this invocation is the one that runs the action: Lambda repeats asynchronous invocations."""
    ours = secrets.token_hex(8)
    claim = Update(place, {("ran",): ours}, {}, (), All((Exists(), Lacks(("ran",)))))
    try:
        retry_until_done(backend.clock, lambda: backend.store.write(claim))
    except ConditionFailed as refused:
        return refused.old is not None and refused.old.get("ran") == ours  # our own claim, whose answer was lost
    return True
