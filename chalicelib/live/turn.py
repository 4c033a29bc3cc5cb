"""A holder's turn: look, evaluate, look again, tell, settle (DESIGN section 6).

The order is the whole point; each step was found by breaking its absence:

1. **look** reads the note counter, the notes and the inbox, *then* evaluation starts: a value that is shared between
   connections must not be older than any of their notes. Identity is stored before its frame is deleted and before
   anything is evaluated.
2. **evaluate** runs what is noted, new, or touched by an answered mutation. A read set that is not covered by watches is
   watched first and run again: no commit slips between reading and watching.
3. **look again** for answers that appeared meanwhile; what their commits touched is evaluated too, until nothing new
   appears. So an answer is never behind its own effect, nor ahead of it.
4. **tell**: answers, then one Transition. A post with any outcome but "ok" closes the connection; nothing is posted twice.
5. **settle**: state, hashes and handled frames in one transaction, and the lease goes back only if no note came since
   the look. Every write is conditional on the lease.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Any, Protocol

from chalicelib.data.commit import from_row
from chalicelib.data.errors import Conflict, Contention, StoreFailed
from chalicelib.data.reads import ReadSet, Touched, Watch, overlap
from chalicelib.data.store import Action, Delete, Item, Key, Path, Put, Store
from chalicelib.live import messages, rows, session
from chalicelib.live.mailbox import Clock, Held, LeaseLost, Mailboxes
from chalicelib.live.messages import Add, Failure
from chalicelib.live.rows import Subscription
from chalicelib.live.session import Absorbed, Answer, State, Waiting

ROUNDS = 8
"""How often a query whose read set keeps changing is watched and run again."""


class Value(Protocol):
    """A query's value as the executor gives it."""

    ok: bool
    text: str
    log_lines: list[str]
    reads: ReadSet
    journal: str | None

    @property
    def failure(self) -> Failure | None: ...
    @property
    def private(self) -> bool: ...


class Evaluate(Protocol):
    """Runs a query for a stored identity: (path, arguments as JSON, identity as JSON or None, journal) → value."""

    def __call__(self, path: str, args: str, identity: str | None, journal: str | None) -> Value: ...


class Gateway(Protocol):
    """Where messages go."""

    def post(self, connection: str, text: str) -> str: ...
    def close(self, connection: str) -> bool: ...


@dataclass(frozen=True)
class Identity:
    """What an Authenticate frame came to: an identity (JSON text, None = anonymous) with its expiry, or an error."""

    stored: str | None = None
    org: str = ""
    expires: int | None = None
    error: str = ""


@dataclass(frozen=True)
class World:
    """What a turn works with."""

    store: Store
    mailboxes: Mailboxes
    gateway: Gateway
    clock: Clock
    evaluate: Evaluate
    identify: Callable[[messages.Authenticate], Identity]
    org_of: Callable[[str | None], str]
    settle_ms: int
    later: Callable[[str, int], None]
    """Ask for another turn on a connection after some milliseconds."""
    mutations_waiting: Callable[[str], None]
    """Ask for the connection's mutations to be run."""
    ping_ms: Callable[[Item], int]
    pause_s: float = 1.0
    """Before closing after an AuthError: clients with a bad token come back at once."""


class Shared:
    """Values of one moment, made once for all connections that ask the same."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.values: dict[tuple[str, str, str, str | None, str | None], Value] = {}
        self.private: set[tuple[str, str]] = set()

    def get(self, sub: Subscription, identity: str | None, journal: str | None) -> Value:
        """The value of a query for an identity. Who did not look at the caller shares it within the org."""
        org = self.world.org_of(identity)
        call = (sub.path, sub.args)
        for who in ((identity,) if call in self.private else (None, identity)):
            found = self.values.get((*call, org, who, journal))
            if found is not None:
                return found
        value = self.world.evaluate(sub.path, sub.args, identity, journal)
        if value.private:
            self.private.add(call)
        self.values[(*call, org, identity if value.private else None, journal)] = value
        return value


class Closed(Exception):
    """The connection is over; the reason is for the log."""


class Turn:
    """One connection, held."""

    def __init__(self, world: World, held: Held) -> None:
        self.world, self.held = world, held
        self.connection = held.connection
        self.state: State = rows.state_of(held.row)
        self.subs: dict[int, Subscription] = {}
        self.stale: set[int] = set()
        self.changed: dict[int, Value] = {}
        self.answers: dict[int, Answer] = {}
        self.done: set[str] = set()
        self.gone_watches: set[tuple[int, Watch]] = set()
        self.marks_seen: dict[str, Any] = {}
        self.told_marks: dict[str, Any] = {}
        self.seen = 0
        self.lane_waits = False
        self.posts = 0
        self.rounds = 0
        self.released = False
        self.told = self.state.version

    # 1. Look -----------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Read notes and inbox, and take in what can be taken in. Raises `LeaseLost`, `Closed`."""
        if self.rounds:
            self.world.mailboxes.refresh(self.held)
        self.rounds += 1
        row = self.held.row
        self.seen, marks = int(row["notes"]), dict(row.get("dirty", {}))
        self.marks_seen = marks
        self.state = rows.state_of(row)
        self.told = self.state.version
        inbox = self.world.store.query("inbox", self.connection).items
        now = self.world.clock.now_ms()
        control = [Waiting(each["sk"], int(each["at"]), _control(each)) for each in inbox if each["sk"] < rows.MUTATION]
        found = session.absorb(self.state, control, now, self.world.settle_ms)
        if found.broken:
            raise Closed(found.broken)
        self._identify(found)
        self._expiry(now)
        self.state = found.state
        if not self.state.settled:
            if found.wake_ms:
                self.world.later(self.connection, found.wake_ms)
            return
        self._load()
        self._change(found)
        self._collect(inbox)
        again = {int(mark) for mark, token in marks.items() if mark.isdigit() and self.told_marks.get(mark) != token}
        self.stale |= (again & self.subs.keys()) | ({*self.subs} if found.authenticate else set())
        self.done |= set(found.done)

    def _identify(self, found: Absorbed) -> None:
        for frame in found.authenticate:
            who = self.world.identify(frame)
            if who.error:
                self._post(messages.auth_error(who.error, frame.base_version, True))
                self.world.clock.sleep(self.world.pause_s)
                raise Closed(f"AuthError: {who.error}")
            sets: dict[Path, Any] = {("user",): who.stored or "", ("expires",): who.expires or 0, ("settled",): True}
            # Stored before the frame is deleted and before anything is evaluated: the lane looks here, too.
            self.world.mailboxes.save(self.held, {**sets, ("ident",): frame.base_version + 1, ("owed",): True})

    def _expiry(self, now: int) -> None:
        expires = int(self.held.row.get("expires", 0))
        if expires and now > expires:
            self._post(messages.auth_error("The token has expired.", int(self.held.row.get("ident", 1)), False))
            self.world.clock.sleep(self.world.pause_s)
            raise Closed("the token has expired")

    def _load(self) -> None:
        if not self.subs:
            found = self.world.store.query("subscriptions", self.connection).items
            self.subs = {int(row["sk"]): Subscription.of(row) for row in found}

    def _change(self, found: Absorbed) -> None:
        """Take queries out of the set and into it."""
        for query_id in found.removed | (found.added.keys() & self.subs.keys()):
            gone = self.subs.pop(query_id, None)
            if gone is not None:
                watches = [Delete(Key("watches", **_keyed(self.connection, query_id, watch))) for watch in gone.watches]
                self.world.mailboxes.beside(self.held, [Delete(Key("subscriptions", self.connection, str(query_id))), *watches])
            self.changed.pop(query_id, None)
            self.stale.discard(query_id)
        new: list[Action] = []
        for query_id, add in found.added.items():
            sub = _subscription(add)
            self.subs[query_id] = sub
            self.stale.add(query_id)
            new.append(Put("subscriptions", sub.row(self.connection, self._ttl())))
        if new:
            self.world.mailboxes.beside(self.held, new)

    def _collect(self, inbox: Iterable[Item]) -> bool:
        """Take in answers that are ready; what their commits touched becomes stale. Returns whether there were new ones."""
        asked: dict[Key, Item] = {}
        fresh: dict[int, tuple[Answer, list[Touched]]] = {}
        self.lane_waits = False
        for row in inbox:
            number = rows.number_of(row)
            if row["sk"].startswith(rows.ANSWER) and number not in self.answers:
                fresh[number] = (rows.answer_of(row), [])
            elif row["sk"].startswith(rows.MUTATION) and number not in self.answers:
                if "commit" in row:
                    asked[Key("commits", row["commit"])] = row
                self.lane_waits = self.lane_waits or not row.get("ran")
        for key, commit in self._commits(list(asked)).items():
            receipt = from_row(commit)
            number = rows.number_of(asked[key])
            answer = Answer(number, "Mutation", receipt.result, None, tuple(receipt.log_lines))
            fresh[number] = (_fitting(answer), receipt.touched)
        for number, (answer, touched) in fresh.items():
            self.answers[number] = answer
            self.stale |= self._touched(touched)
        return bool(fresh)

    def _commits(self, keys: list[Key]) -> dict[Key, Item]:
        """The `commits` rows that exist, read by TransactGetItems: a plain read may miss half a transaction."""
        found: dict[Key, Item] = {}
        for start in range(0, len(keys), 100):
            part = keys[start : start + 100]
            while True:
                try:
                    items = self.world.store.transact_get(part)
                    break
                except Contention:
                    self.world.mailboxes.keep(self.held)
                    self.world.clock.sleep(0.02)
            found |= {key: item for key, item in zip(part, items, strict=True) if item is not None}
        return found

    def _touched(self, touched: list[Touched]) -> set[int]:
        return {sub.query_id for sub in self.subs.values() if any(overlap(place, watch) for watch in sub.watches for place in touched)}

    # 2. and 3. Evaluate, look again ------------------------------------------------------------------------------------

    def evaluate(self, shared: Shared) -> None:
        """Run what is stale with values of this moment, then look for answers that appeared, until nothing new does."""
        if not self.state.settled:
            return
        self._run(shared)
        while self._collect(self.world.store.query("inbox", self.connection, low=rows.MUTATION).items):
            self._run(Shared(self.world))

    def _run(self, shared: Shared) -> None:
        identity = self.held.row.get("user") or None
        for query_id in sorted(self.stale):
            self.world.mailboxes.keep(self.held)
            sub = self.subs[query_id]
            try:
                self.changed[query_id] = self._value(sub, identity, shared)
            except (Conflict, StoreFailed) as error:
                raise Closed(f"{sub.path} could not be evaluated: {error}") from error
        self.stale.clear()

    def _value(self, sub: Subscription, identity: str | None, shared: Shared) -> Value:
        """The value of a query whose read set is watched: watch what is new and run again until nothing is."""
        value = shared.get(sub, identity, sub.journal)
        for _ in range(ROUNDS):
            sub.journal = value.journal
            missing = value.reads.watches - set(sub.watches)
            if not missing:
                self.gone_watches |= {(sub.query_id, watch) for watch in sub.watches if watch not in value.reads.watches}
                sub.watches = [watch for watch in sub.watches if watch in value.reads.watches]
                return value
            ttl = self._ttl()
            self.gone_watches -= {(sub.query_id, watch) for watch in missing}
            sub.watches = [*sub.watches, *sorted(missing)]
            writes: list[Action] = [Put("watches", rows.watch_row(self.connection, sub.query_id, watch, ttl)) for watch in missing]
            self.world.mailboxes.beside(self.held, [Put("subscriptions", sub.row(self.connection, ttl)), *writes])
            value = self.world.evaluate(sub.path, sub.args, identity, sub.journal)
        raise Conflict(sub.path)

    # 4. Tell -----------------------------------------------------------------------------------------------------------

    def tell(self) -> None:
        """Post answers, then one Transition. Raises `Closed` when a post's outcome is not certain."""
        modifications = []
        for query_id, value in sorted(self.changed.items()):
            text = _modification(query_id, value)
            digest = sha256(text.encode()).hexdigest()[:20]
            sub = self.subs[query_id]
            if digest != sub.digest:
                sub.digest = digest
                modifications.append(text)
        ready = [answer for answer in self.answers.values() if not self._answered(answer)]
        told = session.tell(self.told, self.state, ready, modifications, self.world.clock.now_ns())
        for post in told.posts:
            self._post(post)
        waiting = {answer.request_id for answer in told.held}
        for answer in ready:
            if answer.request_id not in waiting:
                self.done |= {f"{kind}|{answer.request_id:010d}" for kind in self._keys_of(answer)}
        self.state = told.state
        quiet = self.world.clock.now_ms() - int(self.held.row.get("last", self.state.opened))
        if not told.posts and quiet >= self.world.ping_ms(self.held.row):
            self._post(messages.PING)

    def _answered(self, answer: Answer) -> bool:
        return f"{rows.MUTATION if answer.kind == 'Mutation' else rows.ACTION}|{answer.request_id:010d}" in self.done

    @staticmethod
    def _keys_of(answer: Answer) -> tuple[str, ...]:
        asked = rows.MUTATION if answer.kind == "Mutation" else rows.ACTION
        return (asked,) if answer.committed else (asked, rows.ANSWER)

    def _post(self, text: str) -> None:
        outcome = self.world.gateway.post(self.connection, text)
        self.posts += 1
        if outcome != "ok":
            raise Closed(f"a post came to {outcome!r}")

    # 5. Settle ---------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Store what was told, and give the lease back unless notes came meanwhile (`released`)."""
        sets = rows.state_sets(self.state)
        if self.posts:
            sets[("last",)] = self.world.clock.now_ms()
        beside: list[Action] = [Delete(Key("inbox", self.connection, sk)) for sk in sorted(self.done)]
        for query_id in self.changed:
            beside.append(Put("subscriptions", self.subs[query_id].row(self.connection, self._ttl())))
        beside += [Delete(Key("watches", **_keyed(self.connection, query_id, watch))) for query_id, watch in sorted(self.gone_watches)]
        for start in range(90, len(beside), 90):
            self.world.mailboxes.beside(self.held, beside[start : start + 90])
        self.released = self.world.mailboxes.release(self.held, self.seen, sets, beside[:90])
        self.told_marks = self.marks_seen
        self.changed, self.answers, self.done, self.gone_watches, self.posts = {}, {}, set(), set(), 0
        if self.released and self.lane_waits and self.state.settled:
            self.world.mutations_waiting(self.connection)

    def _ttl(self) -> int:
        return self.world.clock.now_ms() // 1000 + rows.LIFE_S


def serve(world: World, helds: list[Held]) -> list[tuple[str, str]]:
    """Serve held mailboxes together until each is released or closed. Returns (connection, reason) of those to be closed."""
    turns, closed = [Turn(world, held) for held in helds], list[tuple[str, str]]()
    while turns:
        turns = [turn for turn in turns if _guarded(turn, turn.look, closed)]
        shared = Shared(world)  # made after every note and inbox was read
        turns = [turn for turn in turns if _guarded(turn, partial(turn.evaluate, shared), closed)]
        turns = [turn for turn in turns if _guarded(turn, turn.tell, closed)]
        turns = [turn for turn in turns if _guarded(turn, turn.settle, closed) and not turn.released]
    return closed


def _guarded(turn: Turn, step: Callable[[], None], closed: list[tuple[str, str]]) -> bool:
    try:
        step()
    except LeaseLost:
        return False
    except Closed as reason:
        turn.world.mailboxes.condemn(turn.connection)
        closed.append((turn.connection, str(reason)))
        return False
    return True


def _control(row: Item) -> Any:
    return messages.read_frame(row["body"])


def _keyed(connection: str, query_id: int, watch: Watch) -> dict[str, str]:
    return rows.watch_key(connection, query_id, watch)


def _subscription(add: Add) -> Subscription:
    args = add.args[0] if add.args else {}
    return Subscription(add.query_id, add.udf_path, json.dumps(args, sort_keys=True), journal=add.journal)


def _modification(query_id: int, value: Value) -> str:
    if value.failure is None:
        text = messages.query_updated(query_id, value.text, value.log_lines, value.journal)
        if len(text.encode()) < messages.LARGEST_POST - 1024:
            return text
        return messages.query_failed(query_id, Failure(_too_large(len(text.encode()), "query", "Return a page.")), [], value.journal)
    return messages.query_failed(query_id, value.failure, value.log_lines, value.journal)


def _fitting(answer: Answer) -> Answer:
    """A committed answer that fits a post; one that does not says so, as a value that clients can read."""
    size = len(answer.result.encode())
    if size < messages.LARGEST_POST - 4096:
        return answer
    return replace(answer, failure=Failure(_too_large(size, "mutation", "It did commit; read its effect with a query.")))


def _too_large(size: int, kind: str, way_out: str) -> str:
    return f"[Request ID: 0000000000000000] Server Error\nResultTooLarge: a {kind}'s value of {size} bytes; a message holds {messages.LARGEST_POST}. {way_out}"
