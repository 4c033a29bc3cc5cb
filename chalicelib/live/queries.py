"""The live queries of a held connection: their rows, their watches, their values (`turn.py` says in which order).

A query's row names its watches, and is written before they are; both before anything is told of it. Watches are rows, too: who
wants to know of changes between two positions of an address.

**A query that cannot be evaluated** (what it reads changes too fast, or the store does not answer) keeps its value, its journal
and its mark, and is tried again after pauses that grow. The others are told meanwhile.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any

from chalicelib.data.errors import ConditionFailed, Conflict, Contention, StoreFailed
from chalicelib.data.reads import Touched, Watch, overlap
from chalicelib.data.store import Absent, Action, Delete, Item, Key, Put
from chalicelib.live import messages, rows
from chalicelib.live.dialect import SYNC, Dialect
from chalicelib.live.mailbox import Held, LeaseLost, retry_until_done
from chalicelib.live.rows import Subscription
from chalicelib.live.session import Absorbed, State
from chalicelib.live.value import Refusal, Value
from chalicelib.live.world import Shared, World

logger = logging.getLogger("concave")
ROUNDS = 8
"""How often a query whose read set keeps changing is watched and run again."""
_REQUEST_ID = re.compile(r"Request ID: [0-9a-f]{16}")


PAUSE_MS, LONGEST_PAUSE_MS = 100, 5_000
"""Before a query that could not be evaluated is tried again: the first pause, doubled up to the longest."""


HOT = 16
"""So many queries of a connection have the digest of their value in its mailbox: a new value costs no write of its own."""
PLAIN = 30
"""So many rows of queries that are over are removed one by one, which costs half; more of them together, which is quicker."""
WARM_BYTES = 400
"""Arguments that have moved on are kept there, too, if all of them together are not longer: a mailbox stays below 1 KB."""


class Closed(Exception):
    """The connection is over; the reason is for the log. `pause`: close slowly, the client will be back at once."""

    def __init__(self, reason: str, *, pause: bool = False) -> None:
        super().__init__(reason)
        self.pause = pause


class Queries:
    """The queries of one connection, held."""

    def __init__(self, world: World, held: Held) -> None:
        self.world, self.held = world, held
        self.connection = held.connection
        self.dialect: Dialect = world.dialects.get(str(held.row.get("kind")), SYNC)
        self.state: State = rows.state_of(held.row)
        self.subs: dict[int, Subscription] | None = None
        self.hot: dict[int, Any] = {}
        """Digests, and arguments that have moved on, that are in the mailbox; its queries' rows have older ones."""
        self.renamed = False
        """Whether an identity was taken in, and nothing told since."""
        self.put: list[Key] = []
        """Watches that were stored since the lease was looked at."""
        self.beat: Callable[[], None] = self.keep
        """Called before anything that takes long: keeps the leases of the whole slice."""
        self.kept: dict[int, tuple[int, int]] = {}
        """Queries that could not be evaluated: how often, and when (ms) they are tried again."""
        self._start_queries()

    def _start_queries(self) -> None:
        self.stale: set[int] = set()
        self.changed: dict[int, Value] = {}
        self.removed: set[int] = set()
        self.overdue: set[int] = set()
        self.ran = False
        """Whether a query was run since the last look for answers."""
        self.tried = False
        """Whether a query was tried that could not be evaluated."""
        self.beyond: list[int] = []
        self.gone_watches: set[tuple[int, Watch]] = set()
        self.leaving: list[Key] = []
        """Rows of queries that are over, their watches first."""

    def keep(self) -> None:
        """Renew the lease when that is due. Raises `LeaseLost`."""
        self.world.mailboxes.keep(self.held)

    @property
    def queries(self) -> dict[int, Subscription]:
        """The connection's queries, read when they are first needed."""
        if self.subs is None:
            found = retry_until_done(self.world.clock, lambda: self.world.store.query("subscriptions", self.connection).items)
            self.subs = {int(row["sk"]): Subscription.of(row) for row in found}
            self.hot = {int(query): kept for query, kept in self.held.row.get("hot", {}).items()}
            for query_id in self.hot.keys() & self.subs.keys():
                self.subs[query_id].warmed(self.hot[query_id])
        return self.subs

    def _change(self, found: Absorbed) -> None:
        """Take queries out of the set and into it. The row of a new one is written with its watches."""
        for query_id in found.removed | (found.added.keys() & self.queries.keys()):
            gone = self.queries.pop(query_id, None)
            if gone is None:
                continue
            over = [rows.watch_place(self.connection, query_id, watch) for watch in gone.watches]
            over.append(Key("subscriptions", self.connection, str(query_id)))
            if query_id in found.added:
                self.world.mailboxes.beside(self.held, [Delete(key) for key in over])
            else:
                self.leaving += over
            self.removed.add(query_id)
            self.hot.pop(query_id, None)
        for query_id, add in found.added.items():
            if len(self.queries) >= self.world.subscriptions:
                self.beyond.append(query_id)  # no row is made of it
                continue
            self.queries[query_id] = Subscription(query_id, messages.path_of(add), messages.args_of(add), journal=add.journal)
            self.stale.add(query_id)

    def _shown(self, sub: Subscription) -> bool:
        """Whether a query may be evaluated: it is known for whom, or it is for nobody, too.

        Raises: `Closed`, once for a session: the client says on its next connection who it is, if it is somebody.
        """
        if self.state.known or self.world.open_to_nobody(sub.path):
            return True
        if self.state.session and not self.state.again:
            raise Closed(f"{sub.path} waits, and nobody has said for whom")
        return False

    def _touched(self, touched: list[Touched]) -> set[int]:
        return {
            sub.query_id
            for sub in self.queries.values()
            if any(overlap(place, watch) for watch in sub.watches for place in touched)
        }

    # Values --------------------------------------------------------------------------------------------------------------

    def _run(self, shared: Shared) -> None:
        identity = self.held.row.get("user") or None
        due = sorted(self.stale & self.queries.keys(), key=lambda one: (one in self.kept, one))
        shown = [self.queries[query_id] for query_id in due if self._shown(self.queries[query_id])]
        self.ran = self.ran or bool(shown)
        read = self._first_values([sub for sub in shown if sub.stored is None], identity, shared)
        for sub in shown:
            self.beat()
            try:
                self.changed[sub.query_id] = self._value(sub, identity, shared, read.get(sub.query_id))
                self.kept.pop(sub.query_id, None)
            except (Conflict, StoreFailed) as error:
                self._keep(sub, error)
        self.stale.clear()

    def _first_values(self, new: list[Subscription], identity: str | None, shared: Shared) -> dict[int, Value]:
        """What new queries read before that is watched: now it is, of all of them for one look at the lease."""
        read: dict[int, Value] = {}
        missing: list[tuple[Subscription, set[Watch]]] = []
        room = self.world.watches - sum(len(each.watches) for each in self.queries.values())
        for sub in new:
            self.beat()
            try:
                value = shared.get(sub, identity, sub.journal)
            except (Conflict, StoreFailed):
                continue  # it is tried once more, by itself
            watches = value.reads.watches - set(sub.watches)
            room -= len(watches)
            if watches and room >= 0:
                read[sub.query_id] = value
                missing.append((sub, watches))
        if missing:
            self._watch(missing)
        return read

    def _keep(self, sub: Subscription, error: Exception) -> None:
        """Leave a query as it is, to be tried again. Raises: `Closed`, where its value is another identity's."""
        if self.renamed and sub.digest:
            raise Closed(f"{sub.path} could not be evaluated for a new identity: {error}") from error
        logger.info("%s of %s could not be evaluated: %s", sub.path, self.connection, error)
        tries, _ = self.kept.get(sub.query_id, (0, 0))
        pause = min(PAUSE_MS * 2 ** min(tries, 10), LONGEST_PAUSE_MS)
        self.kept[sub.query_id] = tries + 1, self.world.clock.now_ms() + pause
        self.gone_watches = {each for each in self.gone_watches if each[0] != sub.query_id}
        self.tried = True

    def _recall(self, row: Item, now: int) -> None:
        """What the mailbox says of queries that could not be evaluated."""
        kept = {int(query): (int(tries), int(due)) for query, (tries, due) in row.get("kept", {}).items()}
        self.kept = {query: each for query, each in kept.items() if query in self.queries} if kept else {}
        self.overdue = {query for query, (_, due) in self.kept.items() if due <= now}

    def _wait_for_kept(self) -> None:
        """Have what could not be evaluated tried again, at its time. If that is lost, the sweep sees the marks."""
        if self.kept and (self.tried or self.overdue):
            due = min(due for _, due in self.kept.values())
            self.world.later(self.connection, max(PAUSE_MS // 5, due - self.world.clock.now_ms()))

    def _value(self, sub: Subscription, identity: str | None, shared: Shared, read: Value | None = None) -> Value:
        """The value of a query whose read set is watched: watch what is new and run again until nothing is.

        Args:
            read: what it was before its read set was watched.
        """
        if read is None:
            value = shared.get(sub, identity, sub.journal)
        else:
            value = self.world.evaluate(sub.path, sub.args, identity, read.journal)
        for _ in range(ROUNDS):
            missing = value.reads.watches - set(sub.watches)
            if not missing:
                sub.journal = value.journal
                self.gone_watches |= {(sub.query_id, watch) for watch in sub.watches if watch not in value.reads.watches}
                sub.watches = [watch for watch in sub.watches if watch in value.reads.watches]
                return value
            if sum(len(each.watches) for each in self.queries.values()) + len(missing) > self.world.watches:
                return self._unwatched(sub)
            self._watch([(sub, missing)])
            self.beat()
            value = self.world.evaluate(sub.path, sub.args, identity, value.journal)
        raise Conflict(sub.path)

    def _unwatched(self, sub: Subscription) -> Value:
        """A query that would watch more than a connection may: it fails, and what it watched is given up."""
        self.gone_watches |= {(sub.query_id, watch) for watch in sub.watches}
        sub.watches = []
        return Refusal(messages.too_many("TooManyWatches", "documents and ranges under watch", self.world.watches), sub.journal)

    def _watch(self, new: list[tuple[Subscription, set[Watch]]]) -> None:
        """Be told of changes there, from now on. Raises `LeaseLost`; `Closed`, when nobody knows what of it is stored.

        The rows of the queries name every watch that there may be, and are written first: whoever ends the connection finds
        them there. A row that is there already is written under the lease: late, it would bring back an older one. New rows
        and watches are plain writes, which cost half and need no look. What comes when the lease is gone is taken back.
        """
        ttl = self._ttl()
        named: list[Put] = []
        again: list[Action] = []
        puts: list[Put] = []
        for sub, missing in new:
            self.gone_watches -= {(sub.query_id, watch) for watch in missing}
            leaving = [watch for query_id, watch in self.gone_watches if query_id == sub.query_id]
            sub.watches = [*sub.watches, *sorted(missing)]
            row = sub.row(self.connection, ttl)
            row["watches"] += [list(watch) for watch in leaving]
            if sub.stored is None:
                named.append(Put("subscriptions", row, Absent()))
            else:
                again.append(Put("subscriptions", row))
            puts += [Put("watches", rows.watch_row(self.connection, sub.query_id, watch, ttl)) for watch in sorted(missing)]
        if again:
            self.world.mailboxes.beside(self.held, again)
        try:
            self._put_all(named)
            self.beat()
            self._put_all(puts)
            self._remove_left()
        except (Contention, StoreFailed) as error:
            raise Closed(f"queries and watches could not be stored: {error}") from error
        for sub, _ in new:
            sub.saved()

    def _put_all(self, puts: list[Put]) -> None:
        self.put = [*(Key(put.table, put.item["pk"], put.item["sk"]) for put in puts), *self.put]
        self.world.parallel([partial(self._put, put) for put in puts])

    def _put(self, put: Put) -> None:
        try:
            retry_until_done(self.world.clock, lambda: self.world.store.write(put))
        except ConditionFailed as refused:
            if refused.old != put.item:
                raise LeaseLost from refused
            # else it is our own write, whose answer was lost

    def _remove_left(self) -> None:
        """Remove what queries that are over have left. None comes back under its number, so nothing is removed too late."""
        left, self.leaving = self.leaving, []
        if len(left) > PLAIN:
            self.world.mailboxes.beside(self.held, [Delete(key) for key in left])
            return
        for table in ("watches", "subscriptions"):
            self.world.parallel([partial(self._remove, key) for key in left if key.table == table])

    def _remove(self, key: Key) -> None:
        retry_until_done(self.world.clock, lambda: self.world.store.write(Delete(key)))

    def abandon(self) -> None:
        """The lease is somebody else's, who ends the connection: take back the watches that may have come after that."""
        put, self.put = self.put, []
        for key in put:
            self._remove(key)

    def _refusals(self) -> list[str]:
        """Queries beyond what a connection may hold."""
        refusal = Refusal(messages.too_many("TooManySubscriptions", "live queries", self.world.subscriptions))
        return [self.dialect.modification(query_id, refusal) for query_id in self.beyond]

    def _modifications(self) -> list[str]:
        """What has changed since it was last told."""
        texts: list[str] = []
        for query_id, value in sorted(self.changed.items()):
            text = self.dialect.modification(query_id, value)
            digest = sha256(_REQUEST_ID.sub("", text).encode()).hexdigest()[:16]
            sub = self.queries[query_id]
            if digest != sub.digest:
                sub.digest = digest
                texts.append(text)
        return texts

    def _rows_left(self) -> list[Action]:
        """What the turn leaves to be written: watches that are over, queries that have changed."""
        self._remove_left()
        gone = sorted(self.gone_watches)
        left: list[Action] = [Delete(rows.watch_place(self.connection, query_id, watch)) for query_id, watch in gone]
        moved = {query_id for query_id, _ in self.gone_watches}
        unseen = {query_id for query_id, sub in (self.subs or {}).items() if sub.stored is None}
        for query_id in sorted(self.changed.keys() | unseen):
            sub = self.queries[query_id]
            if sub.stored is None or query_id in moved:
                left.append(Put("subscriptions", sub.row(self.connection, self._ttl())))
            elif sub.unsaved():
                if self._warm(sub):
                    continue
                left.append(sub.update(self.connection, self._ttl()))
            self.hot.pop(query_id, None)
            sub.saved()
        return left

    def _warm(self, sub: Subscription) -> bool:
        """Keep a new digest, and arguments, in the mailbox, where the release writes them. False: the query's row must say it."""
        query_id = sub.query_id
        if sub.stored is None or sub.stored[1] != sub.journal or not (query_id in self.hot or len(self.hot) < HOT):
            return False
        kept = {**self.hot, query_id: sub.warm()}
        if sub.moved and sum(len(each[1]) for each in kept.values() if not isinstance(each, str)) > WARM_BYTES:
            return False
        self.hot = kept
        return True

    def _ttl(self) -> int:
        return self.world.clock.now_ms() // 1000 + rows.LIFE_S
