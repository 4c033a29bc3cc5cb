"""In which words a connection is told what has changed. The turn, its order and its leases are the same for all.

A connection's mailbox names its `kind`; the kind chooses the dialect. Convex's sync protocol (`SYNC`) tells values:
a Transition with the new value of each query. A dialect of events (`doors/events.py`) tells what has happened: it
subscribes to queries whose value is `{events, next}`, tells the events, and has the turn ask with the arguments `next` from
then on (`Told.moved`). The cursor is thus a part of the stored subscription, written under the lease with everything else
that the turn leaves, and moves only after the post was certain: nothing is told twice on a connection, and a holder that
dies between the two closes it, as ever. A value that holds a page of what there is asks for another round (`Told.again`).

Frames of all dialects are stored as the same rows: whatever a client sends becomes a Connect, an Authenticate, a
ModifyQuerySet, a Mutation or an answered Action, so sign-in, lanes, exactly-once and own-writes-first need no second copy.
What a dialect needs to answer by (the name of an event, the number of an acknowledgement) travels beside a frame as its
`note`, and comes back on its answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from chalicelib.live import messages, session
from chalicelib.live.messages import Version
from chalicelib.live.session import Answer, State, Told
from chalicelib.live.value import Value


class Dialect(Protocol):
    """How changes become messages."""

    @property
    def ping(self) -> str:
        """What keeps a quiet connection alive."""

    @property
    def only_pings_count(self) -> bool:
        """Whether its clients give up without a ping, however much else they hear."""

    def modification(self, query_id: int, value: Value) -> str:
        """A query's new value; equal texts are told once."""

    def removed(self, query_id: int) -> str:
        """A query that is no more."""

    def compose(self, told: Version, state: State, answers: Iterable[Answer], modifications: list[str], now_ns: int) -> Told:
        """The messages to post, and the state after them. No I/O: it may be thrown away."""

    def fault(self, error: str) -> str:
        """What is said of a frame that cannot be read and names no call; the connection stays."""

    def refused(self, error: str, base_version: int, attempted: bool) -> str:
        """The last message of a connection whose token is not accepted, or over."""


class Sync:
    """Convex's sync protocol."""

    ping = messages.PING
    only_pings_count = False

    def modification(self, query_id: int, value: Value) -> str:
        """As a part of a Transition."""
        if value.failure is None:
            return messages.query_updated(query_id, value.text, value.log_lines, value.journal)
        return messages.query_failed(query_id, value.failure, value.log_lines, value.journal)

    def removed(self, query_id: int) -> str:
        """As a part of a Transition."""
        return messages.query_removed(query_id)

    def compose(self, told: Version, state: State, answers: Iterable[Answer], modifications: list[str], now_ns: int) -> Told:
        """Answers, then one Transition."""
        return session.tell(told, state, answers, modifications, now_ns)

    def fault(self, error: str) -> str:
        """FatalError: the client would only send the frame again at each reconnect."""
        return messages.fatal_error(error)

    def refused(self, error: str, base_version: int, attempted: bool) -> str:
        """AuthError."""
        return messages.auth_error(error, base_version, attempted)


SYNC = Sync()
