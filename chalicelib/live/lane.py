"""A connection's mutations, one at a time and in order, outside the send lease (DESIGN section 6).

A slow mutation must not freeze a streaming reply, so mutations have a lease of their own: the lane. The frame is in the
inbox before anybody tries the lane, and stays there until it is answered. Before a mutation runs, its commit id is
written on the frame, so that the mailbox's holder knows which `commits` row to look at; that row *is* the answer. Only a
failure leaves an answer in the inbox.

Frames overtake each other. The next request waits 200 ms for a predecessor that was never seen, then runs: holes are
legal after a reconnect, and actions share the counter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from chalicelib.data.errors import ConditionFailed
from chalicelib.data.store import Exists, Item, Key, Put, Store, Update
from chalicelib.live import messages, rows
from chalicelib.live.mailbox import Clock, Held, LeaseLost, Mailboxes
from chalicelib.live.session import Answer

PREDECESSOR_MS = 200


class Mutate(Protocol):
    """Runs a mutation: (path, args, identity, idempotency key, connection) → None when it committed, else the answer."""

    def __call__(self, frame: messages.Mutation, identity: str | None, key: str, connection: str) -> Answer | None: ...


@dataclass(frozen=True)
class Lane:
    """The lanes of all connections."""

    store: Store
    lanes: Mailboxes
    clock: Clock
    mutate: Mutate
    commit_id: Callable[[str | None, str], str]
    """(identity, idempotency key) → the id of the `commits` row that will be the proof."""
    deliver: Callable[[str], None]
    """Have the connection's mailbox served."""

    def knock(self, connection: str) -> None:
        """Run the connection's waiting mutations, or leave a note for whoever is running them."""
        visit = self.lanes.knock(lane_of(connection))
        if visit.held is None:
            return
        try:
            while not self._round(connection, visit.held):
                self.lanes.refresh(visit.held)
        except LeaseLost:
            return

    def _round(self, connection: str, held: Held) -> bool:
        """Run what waits; True when the lane was given back."""
        seen = int(held.row["notes"])
        last = int(held.row.get("ran", -1))
        while True:
            mailbox = self.store.get(Mailboxes.key(connection))
            if mailbox is None or mailbox.get("closing") or not mailbox.get("settled"):
                break  # a holder that settles the identity knocks again
            row = self._next(connection, last)
            if row is None:
                break
            self.lanes.keep(held)
            self._one(connection, mailbox, row)
            last = max(last, rows.number_of(row))
        return self.lanes.release(held, seen, {("ran",): last})

    def _next(self, connection: str, last: int) -> Item | None:
        """The waiting mutation with the lowest request id; waits a moment for one that is missing before it."""
        while True:
            inbox = self.store.query("inbox", connection, low=rows.MUTATION, high=rows.ANSWER).items
            waiting = [row for row in inbox if row["sk"].startswith(rows.MUTATION) and not row.get("ran")]
            if not waiting:
                return None
            first = min(waiting, key=rows.number_of)
            known = {rows.number_of(row) for row in inbox} | {last}
            remaining = int(first["at"]) + PREDECESSOR_MS - self.clock.now_ms()
            if rows.number_of(first) <= last or rows.number_of(first) - 1 in known or remaining <= 0:
                return first
            self.clock.sleep(min(remaining, 50) / 1000)

    def _one(self, connection: str, mailbox: Item, row: Item) -> None:
        frame = messages.read_frame(row["body"])
        assert isinstance(frame, messages.Mutation)
        identity = mailbox.get("user") or None
        key = f"sync:{mailbox.get('session') or connection}:{frame.request_id}"
        place = Key("inbox", connection, row["sk"])
        if not self._mark(place, {("commit",): self.commit_id(identity, key)}):
            return  # answered already, by a lane that was slower than its lease
        answer = self.mutate(frame, identity, key, connection)
        if answer is not None:
            self.store.write(Put("inbox", rows.answer_row(connection, answer, self.clock.now_ms())))
        self._mark(place, {("ran",): True})
        self.deliver(connection)

    def _mark(self, place: Key, sets: dict[tuple[str, ...], Any]) -> bool:
        try:
            self.store.write(Update(place, sets, {}, (), Exists()))
        except ConditionFailed:
            return False
        return True


def lane_of(connection: str) -> str:
    """The mailbox key of a connection's lane."""
    return f"{connection}|lane"
