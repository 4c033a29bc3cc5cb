"""A mutation that runs at once: nothing waits before it, so its frame is not stored.

One write says in the mailbox that the call runs, before it does; one takes the lease to answer it; the release removes it. That
is what most calls of most clients come to. Any other call goes through the inbox and the lane (`lane.py`): one that overtakes
another, or whose connection does not yet know whose it is; one of a client that does not come back with the same session.

**Order.** A call runs at once only if the request before it was answered, and the lane waits while one runs.

**An effect is never ahead of its answer.** Whoever holds the mailbox meanwhile reads the row again after evaluating, and then the
`commits` row of the call that is open there (`turn.py`).

**Deaths.** A call that is open for longer than it may run is looked at by the sweep: if it has committed it is answered, else
the connection is closed, and the client says it again with the same key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chalicelib.data.store import Action, Item, Put
from chalicelib.live import messages, rows
from chalicelib.live.called import Called
from chalicelib.live.lane import Lane
from chalicelib.live.mailbox import Held, retry_until_done
from chalicelib.live.session import fitted

logger = logging.getLogger("concave")


@dataclass(frozen=True)
class AtOnce:
    """Calls that run at once, of all connections."""

    lane: Lane
    serve: Callable[[Held], None]
    """Serve a held mailbox."""

    def run(self, connection: str, frame: messages.Mutation, body: str, store: Callable[[], object]) -> bool:
        """Run a call and have it answered. False: not now; its frame was stored, for the lane.

        Args:
            store: puts the frame into the inbox.
        """
        try:
            return self._run(connection, frame, body, store)
        except Exception:
            # The client calls again, with the same key.
            logger.exception("a call of %s failed", connection)
            self.lane.close(connection)
            return True

    def _run(self, connection: str, frame: messages.Mutation, body: str, store: Callable[[], object]) -> bool:
        world, fingerprint = self.lane.world, self.lane.call_of(frame)
        call = world.mailboxes.begin_call(connection, frame.request_id, fingerprint, self.lane.lanes.lease_ms)
        if call is None:
            store()
            return False
        if not self._in_turn(call.row, frame):
            return self._leave(call, store)
        marks = self.lane.marks(call.row, frame)
        identity = marks["as"] or None
        called = self.lane.mutate(frame, identity, marks["key"], connection)
        if not called.commit and identity is None:
            return self._leave(call, store)  # it has left nothing, and who is nobody may be signing in: the lane waits for that
        row = {**rows.frame_row(connection, rows.MUTATION, frame.request_id, body, world.clock.now_ms()), **marks, "ran": True}
        self._tell(call, row, called)
        return True

    def _leave(self, call: Held, store: Callable[[], object]) -> bool:
        """To the lane. The frame first: a process that dies in between leaves a call that is found, and not one that is lost."""
        store()
        self.lane.world.mailboxes.end_call(call, notes=0)
        return False

    def _in_turn(self, mailbox: Item, frame: messages.Mutation) -> bool:
        """Whether it is known whose this call is, and that nothing comes before it."""
        state, now = rows.state_of(mailbox), self.lane.world.clock.now_ms()
        replied = {int(number) for number in mailbox.get("replied", ())}
        before = frame.request_id == 0 or frame.request_id - 1 in replied
        open_to_nobody = state.known or self.lane.world.open_to_nobody(messages.path_of(frame))
        known = state.callable(open_to_nobody) and not rows.changing(mailbox) and not rows.expired(mailbox, now)
        return known and before and frame.request_id not in replied

    def _tell(self, call: Held, row: Item, called: Called) -> None:
        world = self.lane.world
        told = [row]
        if not called.commit:
            told.append(rows.answer_row(call.connection, fitted(called.answer), world.clock.now_ms()))
        held = world.mailboxes.finish_call(call)
        if held is not None:
            held.given, held.called = told, called
            self.serve(held)
            return
        stored: list[Action] = [Put("inbox", each) for each in told]
        retry_until_done(world.clock, lambda: world.store.transact(stored))
        world.mailboxes.end_call(call)
        self.lane.deliver(call.connection)


def open_call(mailbox: Item) -> tuple[int, str] | None:
    """The request that runs at once, and the fingerprint of its call."""
    found: Any = mailbox.get("open")
    return (int(found[0]), str(found[1])) if found and "call" in mailbox else None
