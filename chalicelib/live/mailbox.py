"""One holder at a time for each connection: leave the note first, then try to take the lease (ARCHITECTURE.md, "Connections").

A mailbox is a small row. Whoever has something for a connection adds 1 to `notes` and marks the queries it concerns in
`dirty`; then it tries to take the lease. Either it gets the lease and serves, or a holder is there and will see the note:
a release is conditional on "no note since I looked". Trying first and noting second loses wake-ups.

**An expired lease is never continued.** Its holder may still be about to post. So the update that takes it over also sets
`closing`, and whoever reads `closing` may only close the connection: a late post of the old holder then lands on an
unbroken chain, or on nothing. Rows are deleted when the close is certain, the mailbox last.

The same rows with the key `<connection>|lane` order a connection's mutations. A mutation is idempotent by its commit
row, so a lane's expired lease is simply taken.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from chalicelib.data.errors import ConditionFailed, Contention, StoreFailed
from chalicelib.data.meters import measure
from chalicelib.data.store import (
    Absent,
    All,
    Check,
    Condition,
    Delete,
    Equals,
    Exists,
    Item,
    Key,
    Lacks,
    Less,
    Path,
    Put,
    Store,
    Update,
)
from chalicelib.data.store import Action as StoreAction
from chalicelib.live import rows
from chalicelib.live.called import Called

NO_MARKS: tuple[str, ...] = ()
NO_DIRT: dict[str, str] = {}
LEASE: tuple[Path, ...] = (("lease",), ("until",), ("writer",))
CALL: tuple[Path, ...] = (("call",), ("call_until",), ("open",))
READY: tuple[tuple[str, str | bool], ...] = (("kind", "npm"), ("settled", True), ("first", True), ("rest", False))
"""Of a connection on which a call may run at once: it is known whose it is, no frame waits, and its client
comes back with the same session (Rust-based ones do not)."""
TRIES = 10
T = TypeVar("T")


class Clock(Protocol):
    """Time, as a mailbox needs it."""

    def now_ms(self) -> int: ...
    def now_ns(self) -> int: ...
    def sleep(self, seconds: float) -> None: ...


def retry_until_done(clock: Clock, ask: Callable[[], T]) -> T:
    """Ask the store until it answers, for about two seconds: for reads, and for writes that may happen twice.

    Raises: `StoreFailed` or `Contention`, when patience ends.
    """
    for attempt in range(TRIES):
        try:
            return ask()
        except (StoreFailed, Contention):
            if attempt == TRIES - 1:
                raise
            clock.sleep(min(0.4, 0.005 * 2**attempt))
    raise AssertionError("unreachable")


class LeaseLost(Exception):
    """The lease is somebody else's now: stop at once, post nothing, write nothing."""


@dataclass
class Held:
    """A lease on a mailbox, and the row as it was when last read."""

    connection: str
    token: str
    row: Item
    until: int
    given: list[Item] = field(default_factory=list)
    """Rows of the inbox that the holder brings with it, and that are stored only if they must wait."""
    called: Called | None = None
    """What the call came to that the holder has run: nobody has to look for its commit."""
    alone: bool = False
    """Nobody has left a note since the last holder left, and the inbox was empty then: only what is given is new."""
    ends: tuple[Path, ...] = ()
    """What is removed from the row with the lease: a call that is over."""
    lasts: int = 0
    """How long (ms) the lease goes without being renewed, where that is not what leases last here."""
    taken: set[str] = field(default_factory=set)
    """Frames in the row that are taken in: the release removes them."""
    unsaved: dict[Path, Any] = field(default_factory=dict)
    """What the row is to say when the lease is given back. Nobody misses it should the holder die: the connection is closed."""

    def has_run(self, row: Item) -> bool:
        """Whether this is the frame of the call that the holder has run, and that has committed."""
        return self.called is not None and self.called.commit != "" and rows.number_of(row) == self.called.answer.request_id


@dataclass(frozen=True)
class Waking:
    """What came of leaving a note: a lease, or why there is none."""

    held: Held | None
    state: str
    """held · busy (a holder will see the note) · gone (no such mailbox) · closing (only to be closed)."""


class Mailboxes:
    """The mailboxes in a store.

    Args:
        lease_ms: how long a holder may go without renewing.
        takeover: what an expired lease means: True (a lane) takes it, False (a connection) only closes it.
    """

    def __init__(self, store: Store, clock: Clock, lease_ms: int, *, takeover: bool = False) -> None:
        self.store, self.clock, self.lease_ms, self.takeover = store, clock, lease_ms, takeover

    @staticmethod
    def key(connection: str) -> Key:
        """Where a mailbox is."""
        return Key("mailboxes", connection)

    def open(self, connection: str, row: Item) -> None:
        """Make a mailbox. One that is there already stays as it is."""
        put = Put("mailboxes", {"pk": connection, "notes": 0, "seen": 0, "dirty": {}, **row}, Absent())
        try:
            retry_until_done(self.clock, lambda: self.store.write(put))
        except ConditionFailed:
            return

    def read(self, connection: str) -> Item | None:
        """The row, strongly consistent."""
        return retry_until_done(self.clock, lambda: self.store.get(self.key(connection)))

    def wake(self, connection: str, marks: Iterable[str] = NO_MARKS, *, auth: int = 0, stored: bool = True) -> Waking:
        """Leave a note that names queries, then try to become the holder.

        Args:
            auth: the identity version that an Authenticate frame leads to, written with the note: calls wait for it.
            stored: whether the note may be about something in the inbox.
        """
        marked = list(marks)
        held = self.try_first(connection, marked, auth=auth)
        if held is None:
            return self.note_first(connection, marked, auth=auth)
        held.alone = held.alone and not stored
        return Waking(held, "held")

    def try_first(self, connection: str, marks: Iterable[str] = NO_MARKS, *, auth: int = 0) -> Held | None:
        """Leave a note and become the holder in one write, if nobody is; else nothing has happened."""
        token, now = self._token(), self.clock.now_ms()
        both = self._update(connection, token, list(marks), now, lease=True, auth=auth)
        return self._held(connection, token, both, now) if both is not None else None

    def hold(self, connection: str, marks: Iterable[str], writer: str, lasts: int) -> Held | None:
        """Become the holder as `try_first` does, in order to stay for the pieces of a log; None: somebody else is.

        Args:
            marks: the queries that watch the log. They are not written: should the holder die, the connection is closed.
            writer: names the log (`rows.log_mark`). While the row says so, others leave its pieces to this holder.
            lasts: how long (ms) it may go without renewing.
        """
        token, now = self._token(), self.clock.now_ms()
        sets: dict[Path, Any] = {("lease",): token, ("until",): now + lasts, ("writer",): writer}
        free = All((Exists(), Lacks(("lease",)), Lacks(("closing",))))
        row = self._try(Update(self.key(connection), sets, {("notes",): 1}, (), free))
        if row is None:
            return None
        held = self._held(connection, token, {**row, "dirty": {**row["dirty"], **dict.fromkeys(marks, token)}}, now)
        held.until, held.lasts = now + lasts, lasts
        return held

    def announce(self, connection: str, auth: int) -> None:
        """Say that an identity is on its way, before its frame is stored."""
        self._try(Update(self.key(connection), {("auth",): auth}, {}, (), Exists()))

    def begins(self, connection: str) -> None:
        """Say that a call of the lane is about to run: whoever evaluates meanwhile looks for its answer in the inbox."""
        self._try(Update(self.key(connection), {}, {("notes",): 1}, (), Exists()))

    def note_first(self, connection: str, marks: Iterable[str] = NO_MARKS, *, auth: int = 0) -> Waking:
        """Leave a note for whoever is the holder; become it if nobody is any more."""
        noted = self._update(connection, self._token(), list(marks), self.clock.now_ms(), lease=False, auth=auth)
        if noted is None:
            return Waking(None, "gone")
        # Only this second try makes the first one safe: the holder that refused it may have left before our note.
        return self.take(connection, noted)

    def bring(self, connection: str, frame: Item, *, auth: int = 0) -> Item | None:
        """Leave a note together with its frame, for whoever is the holder. Returns the row; None: the frame must be stored."""
        sets: dict[Path, Any] = {(frame["sk"],): rows.packed(frame)}
        if auth:
            sets[("auth",)] = auth
        room = All((Exists(), Less(("queued",), rows.BROUGHT)))
        return self._try(Update(self.key(connection), sets, {("notes",): 1, ("queued",): 1}, (), room))

    def take(self, connection: str, row: Item | None = None) -> Waking:
        """Try to become the holder without leaving a note."""
        row = row or self.read(connection)
        if row is None:
            return Waking(None, "gone")
        if row.get("closing"):
            return Waking(None, "closing")
        token, now = self._token(), self.clock.now_ms()
        expired = "lease" in row and int(row["until"]) < now
        free: Condition = Lacks(("lease",))
        if expired:
            free = All((Equals(("lease",), row["lease"]), Less(("until",), now)))
        sets: dict[Path, Any] = {("lease",): token, ("until",): now + self.lease_ms}
        if expired and not self.takeover:
            sets[("closing",)] = True
        elif "lease" in row and not expired:
            return Waking(None, "busy")
        taken = self._try(Update(self.key(connection), sets, {}, (), All((Exists(), Lacks(("closing",)), free))))
        if taken is None:
            return Waking(None, "busy")
        if taken.get("closing"):
            measure("ExpiredLeases")
            return Waking(None, "closing")
        return Waking(Held(connection, token, taken, now + self.lease_ms, alone=rows.only_brought(taken, 0)), "held")

    # Calls: a mutation that runs without having been stored -------------------------------------------------------------

    def begin_call(self, connection: str, request: int, call: str, lease_ms: int) -> Held | None:
        """Say that a call runs, where nothing waits before it; None: then its frame must be stored.

        It is said before the call runs, so whoever is the holder meanwhile looks for its commit.

        Args:
            call: the fingerprint of function and arguments.
            lease_ms: so long it may run.
        """
        token, now = self._token(), self.clock.now_ms()
        sets: dict[Path, Any] = {("call",): token, ("call_until",): now + lease_ms, ("open",): [request, call]}
        ready = [Equals((name,), value) for name, value in READY]
        free = All((Exists(), Lacks(("closing",)), Lacks(("call",)), *ready))
        begun = self._try(Update(self.key(connection), sets, {}, (), free))
        return Held(connection, token, begun, now + lease_ms) if begun is not None else None

    def finish_call(self, call: Held) -> Held | None:
        """Become the holder, to answer a call that is over; the release removes it. None: there is a holder."""
        token, now = self._token(), self.clock.now_ms()
        sets: dict[Path, Any] = {("lease",): token, ("until",): now + self.lease_ms}
        free = All((Lacks(("lease",)), Lacks(("closing",)), Equals(("call",), call.token)))
        both = self._try(Update(self.key(call.connection), sets, {("notes",): 1}, (), free))
        if both is None:
            return None
        held = self._held(call.connection, token, both, now)
        held.ends = CALL
        return held

    def end_call(self, call: Held, notes: int = 1) -> None:
        """Say that a call is over, and leave a note for whoever is the holder."""
        self._try(Update(self.key(call.connection), {}, {("notes",): notes}, CALL, Equals(("call",), call.token)))

    def mark_closing(self, connection: str) -> None:
        """Mark a connection as only to be closed, whoever holds it."""
        self._try(Update(self.key(connection), {("closing",): True}, {}, (), Exists()))

    def mark_lane(self, connection: str) -> bool:
        """Say that a connection has a lane, before there is one. False: it is only to be closed, or gone."""
        goes_on = All((Exists(), Lacks(("closing",))))
        return self._try(Update(self.key(connection), {("lane",): True}, {}, (), goes_on)) is not None

    def keep(self, held: Held) -> None:
        """Renew the lease when a third of it is used, or half of one that is kept between pieces. Raises `LeaseLost` when it is
        somebody else's."""
        now, lasts = self.clock.now_ms(), held.lasts or self.lease_ms
        if held.until - now > lasts * (0.5 if held.lasts else 0.7):
            return
        until = now + lasts
        if self._try(Update(self.key(held.connection), {("until",): until}, {}, (), self._mine(held))) is None:
            raise LeaseLost
        held.until = until

    def refresh(self, held: Held) -> None:
        """Read the row again, as if what is unsaved were there. Raises `LeaseLost`."""
        held.row = self.reread(held) | {path[0]: value for path, value in held.unsaved.items()}

    def reread(self, held: Held) -> Item:
        """The row as it is now; what the holder has read of it stays. Raises `LeaseLost`."""
        row = self.read(held.connection)
        if row is None or row.get("lease") != held.token or row.get("closing"):
            raise LeaseLost
        return row

    def save(self, held: Held, sets: dict[Path, Any]) -> None:
        """Write parts of the row as the holder. Raises `LeaseLost`."""
        if self._try(Update(self.key(held.connection), sets, {}, (), self._mine(held))) is None:
            raise LeaseLost
        held.row.update({path[0]: value for path, value in sets.items() if len(path) == 1})
        held.unsaved = {path: value for path, value in held.unsaved.items() if path not in sets}

    def beside(self, held: Held, actions: list[StoreAction]) -> None:
        """Write other rows of the connection, only while the lease is ours. Raises `LeaseLost`."""
        for start in range(0, len(actions), 90):
            whole = [Check(self.key(held.connection), self._mine(held)), *actions[start : start + 90]]
            try:
                retry_until_done(self.clock, lambda whole=whole: self.store.transact(whole))  # type: ignore[misc]
            except ConditionFailed as refused:
                raise LeaseLost from refused

    def release(self, held: Held, seen: int, sets: dict[Path, Any], dirty: dict[str, str] = NO_DIRT) -> bool:
        """Write, and give the lease back if no note came since `seen`. False: notes came, the lease is still ours, and the rest
        is unsaved. Raises `LeaseLost`.

        Args:
            dirty: the marks of queries that stay to be evaluated.

        One plain write of one row: everything else that the holder wrote is visible before the next holder can look.
        """
        held.unsaved |= sets
        whole = {**held.unsaved, ("dirty",): dict(dirty), ("seen",): seen, ("left",): held.token}
        if "queued" in held.row:
            whole[("queued",)] = sum(each["sk"] not in held.taken for each in rows.brought(held.row))
        quiet = All((self._mine(held), Equals(("notes",), seen)))
        if self._try(Update(self.key(held.connection), whole, {}, self._over(held), quiet)) is not None:
            return True
        self.reread(held)
        return False

    def leave(self, held: Held) -> None:
        """Give the lease back although notes may have come: somebody else was asked to go on. Raises `LeaseLost`."""
        sets = {**held.unsaved, ("left",): held.token}
        update = Update(self.key(held.connection), sets, {}, self._over(held), self._mine(held))
        if self._try(update) is None:
            raise LeaseLost

    def drop_taken(self, held: Held) -> None:
        """Remove frames that are taken in, as the holder: a row that grows makes each write dearer. Raises `LeaseLost`."""
        names = tuple((name,) for name in sorted(held.taken))
        if self._try(Update(self.key(held.connection), {}, {("queued",): -len(names)}, names, self._mine(held))) is None:
            raise LeaseLost
        held.taken = set()

    def delete(self, connection: str) -> None:
        """Remove the row, last of all."""
        retry_until_done(self.clock, lambda: self.store.write(Delete(self.key(connection))))

    # Inside ------------------------------------------------------------------------------------------------------------

    @staticmethod
    def _token() -> str:
        """Names one attempt to hold; also tells one note on a query from the next."""
        return secrets.token_hex(8)

    def _held(self, connection: str, token: str, row: Item, now: int) -> Held:
        return Held(connection, token, row, now + self.lease_ms, alone=rows.only_brought(row, 1))

    @staticmethod
    def _over(held: Held) -> tuple[Path, ...]:
        """What is removed from the row with a lease."""
        return (*LEASE, *held.ends, *((name,) for name in sorted(held.taken)))

    @staticmethod
    def _mine(held: Held) -> Condition:
        return All((Equals(("lease",), held.token), Lacks(("closing",))))

    def _update(self, connection: str, token: str, marked: list[str], now: int, *, lease: bool, auth: int = 0) -> Item | None:
        sets: dict[Path, Any] = {("dirty", mark): token for mark in marked}
        if auth:
            sets[("auth",)] = auth
        condition: Condition = Exists()
        if lease:
            sets |= {("lease",): token, ("until",): now + self.lease_ms}
            condition = All((Exists(), Lacks(("lease",)), Lacks(("closing",))))
        return self._try(Update(self.key(connection), sets, {("notes",): 1}, (), condition))

    def _try(self, update: Update) -> Item | None:
        """The new row, or None when the condition does not hold. A lost answer is asked for again."""
        try:
            return retry_until_done(self.clock, lambda: self.store.write(update))
        except ConditionFailed as refused:
            return self._own_write(update, refused.old)

    @staticmethod
    def _own_write(update: Update, old: Item | None) -> Item | None:
        """A refused condition may be our own write, whose answer was lost: the row already carries our token."""
        if old is None:
            return None
        taken, left, call = (update.set.get((name,)) for name in ("lease", "left", "call"))
        if call is not None:
            return old if old.get("call") == call else None
        if taken is not None and old.get("lease") == taken and bool(old.get("closing")) == (("closing",) in update.set):
            return old
        return old if left is not None and old.get("left") == left else None
