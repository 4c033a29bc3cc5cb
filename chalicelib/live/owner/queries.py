"""The live queries of a process: each is evaluated once for all who may share its value.

A query is shared by who asks the same (path, arguments, journal) within an org. Whether its function looks at the caller is
known only when it has run, and may change with the data: then the query is one caller's own. Two runs over the same data
are the same up to the first look, so a value whose function did not look is true for everybody of the org.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from chalicelib.data.reads import Touched, Watch
from chalicelib.live.dialect import Dialect
from chalicelib.live.owner.watches import Watches
from chalicelib.live.value import Value

_REQUEST_ID = re.compile(r"Request ID: [0-9a-f]{16}")


class Subscriber(Protocol):
    """A socket, as its queries know it."""

    user: str | None
    """Its identity, as JSON text."""
    watching: int
    """Documents and ranges that its queries watch together."""


S = TypeVar("S", bound=Subscriber)


class Key(NamedTuple):
    """What a query is shared by."""

    path: str
    args: str
    org: str
    who: str | None
    """An identity (JSON text, "" is nobody) when the value is its own; None: everybody's of the org."""
    journal: str | None


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A value, the number of the commit up to which it shows everything, and what it has read."""

    number: int
    value: Value
    watches: frozenset[Watch]
    said: tuple[object, ...]
    """Equal for two values that a client cannot tell apart."""


def evaluated(number: int, value: Value) -> Evaluated:
    """A value as it came from the executor."""
    failure = value.failure
    failed = None if failure is None else (_REQUEST_ID.sub("", failure.message), failure.data)
    said = (value.ok, value.text, failed, tuple(value.log_lines), value.journal)
    return Evaluated(number, value, frozenset(value.reads.watches), said)


@dataclass(eq=False)
class Subscription(Generic[S]):
    """One query of one socket."""

    socket: S
    query_id: int
    path: str
    args: str
    journal: str | None
    query: SharedQuery[S] | None = None
    """None: it is refused, and stays so until the client asks anew."""
    shown: Evaluated | None = None
    """What the client has."""
    since: int = 0
    """A value that was read at a lower number than this is too old for it: it asked later than that."""


@dataclass(eq=False)
class SharedQuery(Generic[S]):
    """A query with everybody who is subscribed to it."""

    key: Key
    identity: str | None
    """As whom it is evaluated."""
    subscribers: dict[Subscription[S], None] = field(default_factory=dict)
    now: Evaluated | None = None
    stale: bool = True
    running: bool = False
    failures: int = 0
    """Evaluations in a row that came to nothing."""
    failing_since: int = 0
    """When (ms) the first of them was."""
    due: int = 0
    """When (ms) it is tried again after a failure."""
    why: tuple[Touched, ...] = ()
    """What was written when it was marked last."""
    texts: dict[tuple[Dialect, int], str] = field(default_factory=dict)

    @property
    def watches(self) -> frozenset[Watch]:
        """What it watches."""
        return self.now.watches if self.now is not None else frozenset()

    def text(self, dialect: Dialect, query_id: int) -> str:
        """Its value as a modification: made once for all who call it by the same number."""
        found = self.texts.get((dialect, query_id))
        if found is None:
            assert self.now is not None
            found = self.texts[(dialect, query_id)] = dialect.modification(query_id, self.now.value)
        return found


class Queries(Generic[S]):
    """All live queries, by what they are shared by."""

    def __init__(self) -> None:
        self.by_key: dict[Key, SharedQuery[S]] = {}
        self.watches: Watches[SharedQuery[S]] = Watches()
        self.stale: dict[SharedQuery[S], None] = {}

    def join(self, subscription: Subscription[S], org: str, identity: str | None, since: int, *, fresh: bool) -> SharedQuery[S]:
        """Subscribe.

        Args:
            since: the number of this moment; unless the query is known to be true, it is evaluated again, and told from then on.
            fresh: whether a value that nothing has touched is true.
        """
        asked = (subscription.path, subscription.args, org)
        public = Key(*asked, None, subscription.journal)
        own = Key(*asked, identity or "", subscription.journal)
        query = self.by_key.get(public) or self.by_key.get(own)
        if query is None:
            query = self.by_key[own] = SharedQuery(own, identity)
        self._enter(subscription, query)
        if query.now is None or not fresh or query.stale or query.running:
            subscription.since = since
            self.mark(query)
        return query

    def _enter(self, subscription: Subscription[S], query: SharedQuery[S]) -> None:
        subscription.query = query
        query.subscribers[subscription] = None
        subscription.socket.watching += len(query.watches)

    def leave(self, subscription: Subscription[S]) -> None:
        """Unsubscribe; a query that nobody is subscribed to is forgotten."""
        query, subscription.query = subscription.query, None
        if query is None:
            return
        del query.subscribers[subscription]
        subscription.socket.watching -= len(query.watches)
        if not query.subscribers:
            self._forget(query)

    def _forget(self, query: SharedQuery[S]) -> None:
        self.watches.move(query, query.watches, frozenset())
        self.stale.pop(query, None)
        del self.by_key[query.key]

    def mark(self, query: SharedQuery[S]) -> None:
        """It has to be evaluated again."""
        query.stale = True
        self.stale[query] = None

    def touched(self, touched: Iterable[Touched]) -> set[SharedQuery[S]]:
        """The queries that these writes make untrue; they are marked."""
        places = tuple(touched)
        found = self.watches.touched(places)
        for query in found:
            query.why = places
            self.mark(query)
        return found

    def take(self, now_ms: int, may: Callable[[SharedQuery[S]], bool]) -> list[SharedQuery[S]]:
        """What is to be evaluated now, and may be. Until it is settled nobody else takes it."""
        found = [query for query in self.stale if not query.running and query.due <= now_ms and may(query)]
        for query in found:
            query.stale, query.running = False, True
            del self.stale[query]
            if query.key.who is None:
                query.identity = next(iter(query.subscribers)).socket.user  # whoever asked first may be gone
        return found

    def settle(self, query: SharedQuery[S], found: Evaluated) -> SharedQuery[S] | None:
        """A query has a new value. Returns the query under which it is kept from now on; None: nobody asks any more."""
        query.running, query.failures = False, 0
        if not query.subscribers:
            return None
        if query.key.who is None and found.value.private:
            self._part(query)
            if not query.subscribers:
                return None
        who = (query.identity or "") if found.value.private else None
        home = query.key._replace(who=who, journal=found.value.journal)
        query = self._moved(query, home)
        if query.now is not None and query.now.number > found.number:
            return query  # somebody else has read later
        for subscription in query.subscribers:
            subscription.socket.watching += len(found.watches) - len(query.watches)
        self.watches.move(query, query.watches, found.watches)
        if query.now is None or query.now.said != found.said:
            query.texts = {}
        query.now = found
        return query

    def _part(self, query: SharedQuery[S]) -> None:
        """The function has looked at its caller: everybody else's value is their own."""
        for subscription in [each for each in query.subscribers if each.socket.user != query.identity]:
            self.leave(subscription)
            identity = subscription.socket.user
            own = query.key._replace(who=identity or "")
            other = self.by_key.get(own)
            if other is None:
                other = self.by_key[own] = SharedQuery(own, identity)
            self._enter(subscription, other)
            self.mark(other)

    def _moved(self, query: SharedQuery[S], home: Key) -> SharedQuery[S]:
        """The query under another key, together with who is there already."""
        if query.key == home:
            return query
        there = self.by_key.get(home)
        if there is None:
            del self.by_key[query.key]
            query.key = home
            self.by_key[home] = query
            return query
        for subscription in list(query.subscribers):
            self.leave(subscription)
            self._enter(subscription, there)
        if query.stale:
            self.mark(there)
        return there

    def ask_on(self, subscription: Subscription[S], args: str) -> None:
        """A subscription asks with other arguments from now on; what it has read last is under watch still."""
        query = subscription.query
        subscription.args = args
        if query is None or query.key.args == args:
            return
        home = query.key._replace(args=args)
        if len(query.subscribers) == 1 and home not in self.by_key:
            self._moved(query, home)
            return
        self.leave(subscription)
        self.join(subscription, home.org, subscription.socket.user, subscription.since, fresh=False)
