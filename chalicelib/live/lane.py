"""A connection's mutations, one at a time and in order, outside the send lease (ARCHITECTURE.md, "Connections").

Most calls run at once (`at_once.py`); those that wait for something are here. A slow mutation must not freeze a streaming reply,
so mutations have a lease of their own: the lane. The frame is in the inbox before anybody tries the lane, and stays there until
it is answered. Before a mutation runs, its commit id is written on the frame, so that the mailbox's holder knows which `commits`
row to look at; that row *is* the answer. And a note is left before it runs: where none came while something was evaluated, the
holder need not look for answers of calls that it does not know. Only a failure leaves an answer in the inbox, and only under
the lane's lease.

**Who calls.** A Mutation does not say whose it is. It waits until the connection's identity and session are known, and
until every Connect and Authenticate frame that is here has been taken in. Both are written on the frame with its commit
id: a lane that takes over repeats the same call, not another one. What never becomes known closes the connection (`turn.py`),
and the call runs on the session's next one.

Where nobody may call, who is nobody may be signing in just now, and the frame that says so be overtaken by the call behind it.
So what fails as nobody's call is not answered at once: when an Authenticate comes within a moment, it is called again, as that
one's. A failed call has left nothing.

**Order.** Frames overtake each other. The next request waits 200 ms for a predecessor that was never seen, then runs:
holes are legal after a reconnect, and actions share the counter.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from chalicelib.data.errors import ConditionFailed
from chalicelib.data.store import Exists, Item, Key, Put, Update
from chalicelib.data.trace import tracing
from chalicelib.live import messages, rows
from chalicelib.live.called import Called
from chalicelib.live.mailbox import Held, LeaseLost, Mailboxes, retry_until_done
from chalicelib.live.session import fitted
from chalicelib.live.world import World

logger = logging.getLogger("concave")
PREDECESSOR_MS = 200
SIGN_IN_MS = 250
"""From its arrival on, so long may an Authenticate that was sent before a call come after it (or IDENTITY_WAIT_MS, if less)."""
ARRIVAL_MS = 20
"""From a mailbox's `sparse` on, frames are numbered by when they came: the next waits so long for one that came earlier."""


class Mutate(Protocol):
    """Runs a mutation: (frame, identity, idempotency key, connection) → what it came to."""

    def __call__(self, frame: messages.Mutation, identity: str | None, key: str, connection: str) -> Called: ...


@dataclass(frozen=True)
class Lane:
    """The lanes of all connections."""

    world: World
    lanes: Mailboxes
    mutate: Mutate
    commit_id: Callable[[str | None, str], str]
    """(identity, idempotency key) → the id of the `commits` row that will be the proof."""
    deliver: Callable[[str], None]
    """Leave a note on the connection's mailbox, and have it served."""
    close: Callable[[str], None]
    """Close the connection."""
    serve: Callable[[Held], None]
    """Serve a held mailbox."""
    call_of: Callable[[messages.Mutation], str] = lambda frame: ""
    """The fingerprint of function and arguments, as a `commits` row holds it: a key that is used again is no answer."""

    def wake(self, connection: str) -> None:
        """Run the connection's waiting mutations, or leave a note for whoever is running them."""
        try:
            self._wake(connection)
        except Exception:
            # A handler that fails closes its connection; the client calls again, with the same key.
            logger.exception("the lane of %s failed", connection)
            self.close(connection)

    def open(self, connection: str) -> None:
        """Make the row of a lane. Its connection's mailbox says already that there is one, so whoever ends that looks for it."""
        self.lanes.open(lane_of(connection), {"ttl": self.world.clock.now_ms() // 1000 + rows.LIFE_S})

    def _wake(self, connection: str) -> None:
        lane = lane_of(connection)
        waking = self.lanes.wake(lane)
        if waking.state == "gone" and self.world.mailboxes.mark_lane(connection):
            self.open(connection)
            waking = self.lanes.wake(lane)
        try:
            if waking.held is not None:
                self._run(connection, waking.held)
            elif waking.state == "gone":
                self.deliver(connection)  # which finds no mailbox, and closes
        except LeaseLost:
            # Another lane goes on. Or the connection is over: then waking it removes what came too late to be removed with it.
            self.deliver(connection)

    def _run(self, connection: str, held: Held) -> None:
        started = self.world.clock.now_ms()
        while True:
            seen, last = int(held.row["notes"]), int(held.row.get("ran", -1))
            late = False
            while not late and (found := self._next(connection, last)) is not None:
                self.lanes.keep(held)
                self._one(connection, held, *found)
                last = max(last, rows.number_of(found[1]))
                late = self.world.clock.now_ms() - started > self.world.hand_over_ms
            if late:
                self.lanes.save(held, {("ran",): last})
                self.lanes.leave(held)
                self.world.later(connection, 1)  # a holder sees that mutations wait, and has the lane run
                return
            if self.lanes.release(held, seen, {("ran",): last}):
                return
            self.lanes.refresh(held)

    def _next(self, connection: str, last: int) -> tuple[Item, Item] | None:
        """The mailbox, and the waiting mutation with the lowest request id; waits a moment for one that is missing before it."""
        asked = False
        while True:
            # The time first, then the frames, then the mailbox: an identity is stored before its frame is deleted.
            now = self.world.clock.now_ms()
            inbox = retry_until_done(self.world.clock, lambda: self.world.store.query("inbox", connection).items)
            mailbox = retry_until_done(self.world.clock, lambda: self.world.store.get(Mailboxes.key(connection)))
            if mailbox is None or mailbox.get("closing"):
                self.deliver(connection)  # which closes
                return None
            left = [row for row in inbox if row["sk"].startswith(rows.MUTATION) and not row.get("ran")]
            # What was answered, or has failed under an earlier lane, is not run again: that may have been told.
            replied = {int(number) for number in mailbox.get("replied", ())}
            over = replied | {rows.number_of(row) for row in inbox if row["sk"].startswith(rows.ANSWER)}
            waiting = [row for row in left if rows.number_of(row) not in over]
            if len(waiting) < len(left) or (waiting and not self._callable(mailbox, inbox, now)):
                if not asked:
                    self.deliver(connection)
                    asked = True
                    continue
                if waiting and not self._callable(mailbox, inbox, now):
                    return None  # the holder who saw our note has the lane run when it is time
            if not waiting:
                return None
            first = min(waiting, key=rows.number_of)
            before = rows.number_of(first) - 1
            known = {rows.number_of(row) for row in inbox if row["sk"] >= rows.MUTATION} | {last, *replied}
            by_arrival = "sparse" in mailbox and before >= int(mailbox["sparse"])
            remaining = int(first["at"]) + (ARRIVAL_MS if by_arrival else PREDECESSOR_MS) - now
            if before < last or before in known or remaining <= 0:
                return mailbox, first
            self.world.clock.sleep(min(remaining, 50) / 1000)

    def _callable(self, mailbox: Item, inbox: list[Item], now: int) -> bool:
        """Whether it is known whose these calls are."""
        here = any(row["sk"].startswith((rows.CONNECT, rows.AUTHENTICATE)) for row in [*inbox, *rows.brought(mailbox)])
        if here or "call" in mailbox or rows.changing(mailbox) or rows.expired(mailbox, now):
            return False
        state = rows.state_of(mailbox)
        calls = (row for row in inbox if row["sk"].startswith(rows.MUTATION) and not row.get("ran"))
        return state.callable(state.known or all(self.world.open_to_nobody(rows.called(row)) for row in calls))

    def _one(self, connection: str, held: Held, mailbox: Item, row: Item) -> None:
        frame = messages.stored_frame(row["body"])
        assert isinstance(frame, messages.Mutation)
        place = Key("inbox", connection, row["sk"])
        marks = self.marks(mailbox, frame)
        if "commit" in row:
            marks |= {"as": row["as"], "key": row["key"], "commit": self.commit_id(row["as"] or None, row["key"])}
        identity, key = marks["as"] or None, marks["key"]
        if not self._mark(place, {(name,): value for name, value in marks.items()}):
            return  # answered already, by a lane that was slower than its lease
        self.world.mailboxes.begins(connection)
        with tracing(str(row.get("trace", ""))):
            called = self.mutate(frame, identity, key, connection)
        if not called.commit and identity is None and self._signs_in(connection, int(row["at"])):
            self._mark(place, {}, remove=(("commit",), ("call",), ("as",), ("key",)))
            return
        if not called.commit:
            self.lanes.beside(held, [Put("inbox", rows.answer_row(connection, fitted(called.answer), self.world.clock.now_ms()))])
        self._tell(place, called, first="commit" not in row)

    def _tell(self, place: Key, called: Called, *, first: bool) -> None:
        """Have a call that has run answered: here, where nobody holds the mailbox. Whoever does looks for what has run.

        What is answered here goes at once, so its frame is not marked; should this die before, the next lane finds the commit. A
        frame that was `first` run by an earlier one, or that is still there afterwards, is marked, lest anybody run it for ever.
        """
        held = self.world.mailboxes.try_first(place.pk) if called.commit and first else None
        if held is not None:
            held.alone, held.called = False, called
            self.serve(held)
            return
        self._mark(place, {("ran",): True})
        self.deliver(place.pk)

    def marks(self, mailbox: Item, frame: messages.Mutation) -> dict[str, str]:
        """What is written on a frame before it runs: whose call it is, under which key, and which commit will prove it."""
        identity, key = mailbox.get("user") or None, key_of(mailbox, frame.request_id)
        return {"commit": self.commit_id(identity, key), "call": self.call_of(frame), "as": identity or "", "key": key}

    def _signs_in(self, connection: str, at: int) -> bool:
        """Whether somebody signs in on this connection, until a moment after a call of nobody's came."""
        while True:
            inbox = retry_until_done(self.world.clock, lambda: self.world.store.query("inbox", connection).items)
            mailbox = retry_until_done(self.world.clock, lambda: self.world.store.get(Mailboxes.key(connection)))
            known = mailbox is None or mailbox.get("user") or rows.changing(mailbox)
            if known or any(row["sk"].startswith(rows.AUTHENTICATE) for row in inbox):
                return mailbox is not None
            remaining = at + min(SIGN_IN_MS, self.world.settle_ms) - self.world.clock.now_ms()
            if remaining <= 0:
                return False
            self.world.clock.sleep(min(remaining, 50) / 1000)

    def _mark(self, place: Key, sets: dict[tuple[str, ...], Any], remove: tuple[tuple[str, ...], ...] = ()) -> bool:
        try:
            retry_until_done(self.world.clock, lambda: self.world.store.write(Update(place, sets, {}, remove, Exists())))
        except ConditionFailed:
            return False
        return True


def key_of(mailbox: Item, request: int) -> str:
    """The idempotency key of a connection's call: its session's."""
    return f"sync:{mailbox['session']}:{request}"


def lane_of(connection: str) -> str:
    """The mailbox key of a connection's lane."""
    return f"{connection}|lane"
