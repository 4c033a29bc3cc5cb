"""One socket and its session, in memory. What is here is changed under its owner's lock only, and does no I/O.

Frames come in their order (`inbox`), calls run in theirs, one at a time (`calls`). Who calls is fixed when a frame is taken
in: a Mutation behind an Authenticate is that user's, one before it the former one's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from chalicelib.data.store import Item
from chalicelib.live import session
from chalicelib.live.dialect import Dialect
from chalicelib.live.messages import Action, Authenticate, Connect, Frame, ModifyQuerySet, Mutation, Version
from chalicelib.live.owner.queries import Evaluated, Subscription
from chalicelib.live.owner.telling import Effect, Reply, Tellable, tellable
from chalicelib.live.owner.wire import Wire
from chalicelib.live.session import Absorbed, State, Told, Waiting
from chalicelib.live.value import Refusal

SLOW_BYTES = 256 * 1024
"""A reader that is so far behind gets no more until it has caught up; then it gets what is true by then."""


class Ear(Protocol):
    """Who is told what happens to a socket."""

    def started(self, socket: Socket) -> None:
        """Its handshake is over."""

    def frame(self, socket: Socket, text: str) -> None:
        """Its client said something."""

    def closed(self, socket: Socket) -> None:
        """It is gone."""


@dataclass
class Choice(Tellable):
    """What is told now."""

    confirms: bool = True
    """Whether the query set and the identity are told as the client has set them."""


@dataclass(eq=False)
class Call:
    """A mutation that was called: by whom is fixed."""

    frame: Mutation
    identity: str | None
    key: str
    commit: str
    """The id of the commits row that would be the proof."""
    note: str = ""
    effect: Effect | None = None
    """Known as soon as it is known to have committed."""
    size: int = 0
    """Characters of its frame."""


@dataclass(eq=False)
class Socket:
    """A connection's session, subscriptions, calls and answers. Also the `Handle` that its server has."""

    id: str
    kind: str
    wire: Wire
    dialect: Dialect
    opened: int
    ear: Ear
    begun: dict[str, Any] = field(default_factory=dict)
    """What a door keeps from the handshake: a token, or a session that was opened by polls."""
    first: deque[tuple[Frame, str]] = field(default_factory=deque)
    """Frames, with their notes, that are taken in before the client's."""
    user: str | None = None
    """The identity, as JSON text; None: nobody."""
    expires: int = 0
    state: State = field(default_factory=State)
    told: Version = field(default_factory=lambda: Version(0, 0, 0))
    """Where the client is."""
    subscriptions: dict[int, Subscription[Socket]] = field(default_factory=dict)
    watching: int = 0
    """Documents and ranges that its queries watch together."""
    inbox: deque[str] = field(default_factory=deque)
    waiting: int = 0
    """Characters in frames that were not taken in, and in calls that did not begin."""
    taking: int = 0
    """Characters of the frame that is being taken in."""
    hearing: bool = False
    """Somebody takes its frames in."""
    calls: deque[Call] = field(default_factory=deque)
    call: Call | None = None
    """The one that runs."""
    replies: list[Reply] = field(default_factory=list)
    told_effects: list[Effect] = field(default_factory=list)
    """Effects of answered calls that a query may not show yet."""
    changed: set[int] = field(default_factory=set)
    """Queries whose value is not the one that the client has."""
    unshown: set[int] = field(default_factory=set)
    """Queries of which the client has no value yet."""
    gone: set[int] = field(default_factory=set)
    """Queries that were removed since the last Transition."""
    refused: list[tuple[int, Refusal]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    new_user: bool = False
    """The identity has changed: nothing is told before every query has a value for the new one."""
    unconfirmed_since: int = 0
    """Since when (ms) the client waits for its query set, or its identity, to be confirmed; 0: it does not."""
    count: int = 1
    """The last number that was given here to a frame, where clients do not number them."""
    last: int = 0
    """When (ms) it was told something; for clients that count only pings, when it was pinged."""
    renewed: int = 0
    """When (ms) what the domain keeps of it was renewed."""
    begins: bool = False
    """The handshake is over."""
    open: bool = True
    """False from the moment when it is to be closed."""

    def __post_init__(self) -> None:
        self.state = State(opened=self.opened)
        self.last = self.renewed = self.opened
        if "ts" in self.begun:  # its session was opened elsewhere: nothing is said of that here
            self.told = Version(0, 0, int(self.begun["ts"]))
            self.state = replace(self.state, version=self.told)

    # What its server calls -------------------------------------------------------------------------------------------------

    def started(self) -> None:
        """The handshake is over."""
        self.ear.started(self)

    def frame(self, text: str) -> None:
        """One text message of the client."""
        self.ear.frame(self, text)

    def closed(self) -> None:
        """The socket is gone."""
        self.ear.closed(self)

    # Frames ----------------------------------------------------------------------------------------------------------------

    def mailbox(self) -> Item:
        """A connection as the domain hears of it: its id, kind and user."""
        return {"pk": self.id, "kind": self.kind, "user": self.user or "", "opened": self.opened}

    def waits_since(self) -> int:
        """Since when (ms) an answer, or a query set, waits while a query cannot be evaluated; 0: none does."""
        failing = [each.query.failing_since for each in self.subscriptions.values() if each.query and each.query.failures]
        waits = [since for since in (self.unconfirmed_since, *(one.at for one in self.replies)) if since]
        return max(min(failing), min(waits)) if failing and waits else 0

    def absorb(self, frame: Connect | Authenticate | ModifyQuerySet, now_ms: int) -> Absorbed:
        """Take in a control frame. Nobody is waited for: what was said before it is known."""
        found = session.absorb(self.state, [Waiting("", now_ms, frame)], now_ms, 0)
        self.unconfirmed_since = self.unconfirmed_since or now_ms
        if not found.done:
            found.broken = "a frame begins at a version that is not reached"
        self.state = found.state
        return found

    def is_calling(self, now_ms: int) -> None:
        """A call has come: from here on it is settled who calls, and that there may be no query set."""
        if not (self.state.settled and self.state.first):
            self.state = session.absorb(self.state, (), now_ms, 0, (now_ms,)).state

    def key(self, frame: Mutation | Action) -> str:
        """The idempotency key of a call: the same on every connection of a session."""
        return f"sync:{self.state.session or self.id}:{frame.request_id}"

    def next_number(self) -> int:
        """For a frame that its client does not number."""
        self.count += 1
        return self.count

    # What it is told -------------------------------------------------------------------------------------------------------

    def news(self, subscription: Subscription[Socket]) -> bool:
        """Whether a query has a value that the client does not have; one that says the same is only noted."""
        query, shown = subscription.query, subscription.shown
        if query is None or query.now is None or query.now is shown or query.now.number < subscription.since:
            return False
        if shown is not None and shown.said == query.now.said:
            subscription.shown = query.now
            self.changed.discard(subscription.query_id)
            return False
        self.changed.add(subscription.query_id)
        return True

    def choose(self) -> Choice | None:
        """What may be told now. None: nothing, the client may show values of an earlier connection, or of another user."""
        fresh: dict[int, Evaluated] = {}
        for query_id in list(self.changed):
            subscription = self.subscriptions.get(query_id)
            if subscription is None or not self.news(subscription):
                self.changed.discard(query_id)
            else:
                fresh[query_id] = subscription.query.now  # type: ignore[assignment, union-attr]
        unanswered = [self.call.effect] if self.call is not None and self.call.effect is not None else []
        replies, values = list[Reply](), fresh
        if self.replies or unanswered or self.told_effects:
            shown = {each.query_id: each.shown for each in self.subscriptions.values() if each.shown is not None}
            chosen = tellable(self.replies, unanswered, self.told_effects, shown, fresh)
            replies, values = chosen.replies, chosen.values
        new = self.unshown
        if new <= values.keys():
            self.new_user = False
            return Choice(replies, values)
        if self.new_user or self.told.query_set == 0:
            return None
        # The query set with the new ones is not confirmed before each has a value.
        return Choice(replies, {one: value for one, value in values.items() if one not in new}, confirms=False)

    def compose(self, chosen: Choice, now_ns: int) -> Told:
        """The messages, and the state after them. Changes nothing."""
        texts: list[str] = []
        state = self.state if chosen.confirms else replace(self.state, owed=False, version=self.told)
        if chosen.confirms:
            texts += [self.dialect.removed(query_id) for query_id in sorted(self.gone - self.subscriptions.keys())]
            texts += [self.dialect.modification(query_id, refusal) for query_id, refusal in self.refused]
        for query_id in sorted(chosen.values):
            query = self.subscriptions[query_id].query
            assert query is not None
            texts.append(query.text(self.dialect, query_id))
        answers = [one.answer for one in chosen.replies]
        told = self.dialect.compose(self.told, state, answers, texts, now_ns)
        return replace(told, posts=[*map(self.dialect.fault, self.faults), *told.posts]) if self.faults else told

    def has_told(self, chosen: Choice, told: Told, evaluating_since: int | None) -> None:
        """The messages are on their way.

        Args:
            evaluating_since: the lowest number at which an evaluation began that is not over.
        """
        self.told, self.faults = told.state.version, []
        if chosen.confirms:
            self.state, self.gone, self.refused, self.unconfirmed_since = told.state, set(), [], 0
        else:
            self.state = replace(self.state, version=self.state.version._replace(ts=self.told.ts))
        for query_id, value in chosen.values.items():
            self.subscriptions[query_id].shown = value
        self.changed -= chosen.values.keys()
        self.unshown -= chosen.values.keys()
        effects = [one.effect for one in chosen.replies if one.effect is not None]
        if effects or self.told_effects:
            self._remember([*self.told_effects, *effects], evaluating_since)
        if chosen.replies:
            self.replies = [one for one in self.replies if one not in chosen.replies]

    def _remember(self, effects: Sequence[Effect], evaluating_since: int | None) -> None:
        """Only a value that was read before an effect can be behind it: one that is being read, or is not told yet."""
        unseen = [each.query.now for each in self.subscriptions.values() if each.query and each.query.now is not each.shown]
        oldest = min([value.number for value in unseen if value is not None], default=None)
        since = [number for number in (oldest, evaluating_since) if number is not None]
        self.told_effects = [each for each in effects if since and min(since) < each.number]
