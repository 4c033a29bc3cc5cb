"""What a turn works with: the ports of the live room, and the values that connections share."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from chalicelib.data.meters import measure
from chalicelib.data.store import Item, Store
from chalicelib.data.trace import current
from chalicelib.live import messages
from chalicelib.live.dialect import Dialect
from chalicelib.live.mailbox import Clock, Mailboxes
from chalicelib.live.rows import Subscription
from chalicelib.live.value import Value

logger = logging.getLogger("concave")
T = TypeVar("T")


class Evaluate(Protocol):
    """Runs a query for a stored identity: (path, arguments as JSON, identity as JSON or None, journal) → value.

    `views`: what queries of the same moment have made for one another; a value is not older than they are. An error of the
    function, or wrong arguments, are a value. Raises `Conflict` or `StoreFailed` when there is none.
    """

    def __call__(
        self, path: str, args: str, identity: str | None, journal: str | None, views: dict[Any, Any] | None = None
    ) -> Value: ...


class Parallel(Protocol):
    """Does work whose parts are independent, at once or one after another, and returns their results in order."""

    def __call__(self, work: Sequence[Callable[[], T]]) -> list[T]: ...


def one_by_one(work: Sequence[Callable[[], T]]) -> list[T]:
    """The plainest way."""
    return [each() for each in work]


class Gateway(Protocol):
    """Where messages go. Only "ok" means that a post arrived; `close` is True when nothing can arrive any more."""

    def post(self, connection: str, text: str) -> str: ...
    def close(self, connection: str) -> bool: ...


def log_post(connection: str, outcome: str) -> None:
    """Say that a message was posted, whatever came of it: a metric, and a line with the request that it is about. The line is for
    debugging where all went well: a fan-out counts those in one line."""
    measure("Posts", outcome=outcome)
    about = {"quiet": True, "connection_id": connection, "outcome": outcome, "trace": current()}
    logger.log(logging.DEBUG if outcome == "ok" else logging.INFO, "posted", extra=about)


@dataclass(frozen=True)
class Identity:
    """What an Authenticate frame came to: an identity (JSON text, None = anonymous) with its expiry (ms), or an error."""

    stored: str | None = None
    org: str = ""
    expires: int | None = None
    error: str = ""


@dataclass(frozen=True)
class World:
    """The parts of the live room, and its times."""

    store: Store
    mailboxes: Mailboxes
    gateway: Gateway
    clock: Clock
    evaluate: Evaluate
    identify: Callable[[messages.Authenticate], Identity]
    org_of: Callable[[str | None], str]
    settle_ms: int
    """How long a connection waits to be told whose it is."""
    later: Callable[[str, int], None]
    """Ask for another turn on a connection after some milliseconds. May be lost."""
    mutations_waiting: Callable[[str], None]
    """Run the connection's mutations."""
    ping_ms: Callable[[Item], int]
    session_ms: int = 1_000
    """How long a connection's mutations wait for its session; then it is closed."""
    commit_of: Callable[[Item, int], str] = lambda mailbox, request: ""
    """The id of the `commits` row that will prove a call of a connection."""
    open_to_nobody: Callable[[str], bool] = lambda path: True
    """Whether the function of this path is for callers who do not say who they are."""
    pause_s: float = 1.0
    """Before closing after an AuthError: clients with a bad token come back at once."""
    hand_over_ms: int = 10_000
    """A holder that has worked so long lets another invocation go on."""
    dialects: Mapping[str, Dialect] = field(default_factory=dict)
    """By a mailbox's kind; any other kind speaks Convex's sync protocol."""
    subscriptions: int = 1000
    """Live queries of one connection."""
    watches: int = 10_000
    """Documents and ranges that the queries of one connection may watch together."""
    parallel: Parallel = one_by_one
    """How slices of a fan-out are served."""
    wave: int = 1
    """Slices that are served together."""
    sweep_share: int = 1000
    """Connections that one invocation of the sweep looks at."""
    ended: Callable[[Item], None] = lambda mailbox: None
    """Told of a connection that is certainly closed, before its rows go. May fail silently."""


class Shared:
    """Values of one moment, made once for all connections that ask the same."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.values: dict[tuple[str, str, str, str | None, str | None], Value] = {}
        self.private: set[tuple[str, str]] = set()
        self.views: dict[Any, Any] = {}

    def get(self, sub: Subscription, identity: str | None, journal: str | None) -> Value:
        """The value of a query for an identity. A value whose function did not look at its caller is shared within the org."""
        org = self.world.org_of(identity)
        call = (sub.path, sub.args)
        for who in (identity,) if call in self.private else (None, identity):
            found = self.values.get((*call, org, who, journal))
            if found is not None:
                return found
        value = self.world.evaluate(sub.path, sub.args, identity, journal, self.views)
        if value.private:
            self.private.add(call)
        self.values[(*call, org, identity if value.private else None, journal)] = value
        return value
