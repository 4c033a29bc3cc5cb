"""The state machine of one sync connection: frames in, decisions out. No I/O, no clock of its own.

Rule 1: everything that decides what a client may be told, and in which order, is in this file.
Rule 2: this file does not know where rows are, what a query is, or how a message travels.

**State.** What the client has confirmed to be told: the version (query set, identity, ts), whether its first
ModifyQuerySet is in, and the highest ts it saw on earlier connections. A new connection starts at 0/0/0 on both sides.

**Order.** Frames arrive in any order, because each is its own invocation. ModifyQuerySet and Authenticate name the
version they start from, so those that come early wait; a duplicate (its base is behind) is dropped; a gap that stays
open means a lost frame, and only closing the connection repairs that.

**Identity first.** A Mutation does not say whose it is, and a query's value depends on it. So nothing is evaluated until
the connection's identity is settled: an Authenticate came, or the wait for one is over. The wait begins with the first frame
that asks for something. A wait that is over proves nothing: the frame may be ten seconds late, or lost. So whose name has not
come by then is served only what is open to nobody (`World.open_to_nobody`). For the rest the connection is closed once, and
the client says on its next one who it is; there, queries go on waiting, and calls are refused.

**ts is the connection's own clock**, ticked when something is told: max(now, last + 1, the client's maximum). Answers and
Transitions are stamped from it, never from a commit, so the skew between workers' clocks does not matter. Until the
first ModifyQuerySet is in, Transitions keep ts 0 and no success is told: a promise would resolve over old values.

**Answer first.** A mutation's answer (ts = T) precedes the first Transition that ends at or after T; that one always
follows, even when nothing changed.

**Nothing waits behind a stale query.** A call may have touched a query that cannot be evaluated just now. Its answer goes out
with a T that lies ahead (`PROMISE_NS`), and Transitions of other queries stay below that until all that the call touched is
evaluated. So its promise resolves over its own effect, and nobody else waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.live import messages
from chalicelib.live.messages import Add, Authenticate, Connect, Failure, ModifyQuerySet, Remove, Version

PROMISE_NS = 10_000_000_000
"""How far ahead the T of an answer lies whose effect cannot be shown yet; after so long the connection is closed."""
GAP_MS = 5_000
"""A frame that waits this long for its predecessor will not get it: the predecessor's invocation died."""


@dataclass(frozen=True)
class State:
    """What is known of a connection; stored in its mailbox row."""

    version: Version = Version(0, 0, 0)
    opened: int = 0
    first: bool = False
    floor: int = 0
    session: str = ""
    settled: bool = False
    owed: bool = False
    again: bool = False
    """This is not the session's first connection."""
    reserved: int = 0
    """Transitions end below this T, because what its call touched cannot be evaluated; 0: nothing is promised."""
    promised: int = 0
    """The highest T that was told and is not reached."""
    low: bool = False
    """A client has come back, and a query of it has no value on this connection yet: whatever T it was promised before, and
    waits for, Transitions end below it. Said anew by each turn."""
    pending: frozenset[int] = frozenset()
    """The queries that it waits for."""
    since: int = 0
    """When (ms) the wait began."""

    @property
    def known(self) -> bool:
        """Whether the client has said who it is, or that it is nobody."""
        return self.version.identity > 0

    def told(self, version: Version) -> State:
        """The state of a client that has been told everything up to this version. Each socket has one at each Transition, so it
        is copied without the checks of `dataclasses.replace`, which take ten times as long."""
        copied = object.__new__(State)
        copied.__dict__.update(self.__dict__, version=version, owed=False)
        return copied

    def callable(self, open_to_nobody: bool) -> bool:
        """Whether a mutation may run (or be refused): its session and its caller are known, or it is open to nobody.

        A session that comes late would make a repeat after a reconnect another call; so would one that never comes (npm can
        lose its Connect frame), and then only another connection helps.
        """
        return self.settled and self.session != "" and (self.known or open_to_nobody or self.again)


@dataclass(frozen=True)
class Waiting:
    """A stored control frame: its key in the inbox, when it came (ms), and what it says."""

    id: str
    at: int
    frame: Connect | ModifyQuerySet | Authenticate


@dataclass
class Absorbed:
    """What a look at the inbox came to."""

    state: State
    done: list[str] = field(default_factory=list)
    """Inbox keys of the frames taken in or dropped."""
    authenticate: list[Authenticate] = field(default_factory=list)
    added: dict[int, Add] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    broken: str = ""
    """Why the connection must be closed, if it must."""
    look_at: int | None = None
    """When (ms) a frame that waits for its predecessor will have waited too long."""
    wake_at: int | None = None
    """When (ms) the wait for somebody's word is over: for an identity, or for a query set that never comes."""
    identity_waits: bool = False
    """An Authenticate frame is here that cannot be taken in yet."""


def absorb(state: State, waiting: Iterable[Waiting], now_ms: int, settle_ms: int, called: Sequence[int] = ()) -> Absorbed:
    """Take in the control frames that can be taken in now, in the order of their versions.

    Args:
        called: when (ms) the mutations and actions came that wait for an answer.
    """
    frames = sorted(waiting, key=lambda one: one.at)
    found = Absorbed(state)
    for one in frames:
        if isinstance(one.frame, Connect):
            floor = messages.read_ts(one.frame.max_observed_timestamp) if one.frame.max_observed_timestamp else 0
            ahead = floor > found.state.version.ts and found.state.first
            again = one.frame.connection_count != 0
            owed = found.state.owed or ahead
            found.state = replace(found.state, session=one.frame.session_id, again=again, floor=floor, owed=owed)
            found.done.append(one.id)
    _identity(found, [one for one in frames if isinstance(one.frame, Authenticate)], now_ms)
    if not found.state.settled and not found.identity_waits:
        _settle(found, [*called, *(one.at for one in frames if isinstance(one.frame, ModifyQuerySet))], now_ms, settle_ms)
    if found.state.settled:
        _query_set(found, [one for one in frames if isinstance(one.frame, ModifyQuerySet)], now_ms)
    if found.state.settled and not found.state.first and called:
        _no_queries(found, min(called), now_ms, settle_ms)
    return found


def _no_queries(found: Absorbed, since: int, now_ms: int, settle_ms: int) -> None:
    """A Rust-based client without a query sends no query set; its calls must be answered all the same."""
    if now_ms - since >= settle_ms:
        found.state = replace(found.state, first=True)
    else:
        found.wake_at = since + settle_ms


def _settle(found: Absorbed, asked: list[int], now_ms: int, settle_ms: int) -> None:
    """A client with a token sends it just before its first query set, so the wait for it starts when that set is here."""
    if asked and now_ms - min(asked) >= settle_ms:
        found.state = replace(found.state, settled=True)
    elif asked:
        found.wake_at = min(asked) + settle_ms


def _identity(found: Absorbed, frames: list[Waiting], now_ms: int) -> None:
    for one in sorted(frames, key=lambda each: each.frame.base_version):  # type: ignore[union-attr]
        assert isinstance(one.frame, Authenticate)
        version = found.state.version
        if one.frame.base_version < version.identity:
            found.done.append(one.id)
        elif one.frame.base_version == version.identity:
            found.state = replace(found.state, version=version._replace(identity=version.identity + 1), settled=True, owed=True)
            found.authenticate.append(one.frame)
            found.done.append(one.id)
        else:
            found.identity_waits = True
            _gap(found, one, now_ms, f"Authenticate {version.identity}")


def _query_set(found: Absorbed, frames: list[Waiting], now_ms: int) -> None:
    for one in sorted(frames, key=lambda each: each.frame.base_version):  # type: ignore[union-attr]
        assert isinstance(one.frame, ModifyQuerySet)
        version = found.state.version
        if one.frame.base_version < version.query_set:
            found.done.append(one.id)
        elif one.frame.base_version == version.query_set:
            for change in one.frame.modifications:
                _modify(found, change)
            new = version._replace(query_set=max(one.frame.new_version, version.query_set + 1))
            found.state = replace(found.state, version=new, first=True, owed=True)
            found.done.append(one.id)
        else:
            _gap(found, one, now_ms, f"ModifyQuerySet {version.query_set}")


def _gap(found: Absorbed, one: Waiting, now_ms: int, missing: str) -> None:
    """A frame waits for its predecessor: not for ever."""
    if now_ms - one.at > GAP_MS:
        found.broken = f"{missing} never came"
    due = one.at + GAP_MS + 1
    found.look_at = due if found.look_at is None else min(found.look_at, due)


def _modify(found: Absorbed, change: Add | Remove) -> None:
    if isinstance(change, Add):
        found.added[change.query_id] = change
        found.removed.discard(change.query_id)
    else:
        found.added.pop(change.query_id, None)
        found.removed.add(change.query_id)


@dataclass(frozen=True)
class Answer:
    """What a request came to: a result (JSON text) or a failure. `kind` is the frame's."""

    request_id: int
    kind: str
    result: str = "null"
    failure: Failure | None = None
    log_lines: tuple[str, ...] = ()
    note: str = ""
    """What the dialect left with the request's frame."""
    late: bool = False
    """Its commit touched a query that cannot be evaluated just now."""

    @property
    def committed(self) -> bool:
        """Whether a Transition must follow."""
        return self.kind == "Mutation" and self.failure is None


def fitted(answer: Answer) -> Answer:
    """An answer that fits a message and an inbox row: a result that does not becomes a failure that says so."""
    lines = tuple(messages.fitting_lines(answer.log_lines))
    if answer.failure is not None:
        return replace(answer, failure=messages.fitting(answer.failure), log_lines=lines)
    if messages.answer_fits(answer.result):
        return replace(answer, log_lines=lines)
    size, mutation = len(answer.result.encode()), answer.kind == "Mutation"
    way_out = (
        "It did commit; read its effect with a query."
        if mutation
        else "It did run; store what it made, and read that with a query."
    )
    return replace(answer, result="null", failure=messages.too_large(size, answer.kind.lower(), way_out), log_lines=lines)


@dataclass(frozen=True)
class Told:
    """The messages to post, in order, and the state after them. `held` are answers that must wait."""

    posts: list[str]
    state: State
    held: list[Answer]
    moved: dict[int, str] = field(default_factory=dict)
    """Queries that ask with these arguments (JSON text) from now on."""
    again: frozenset[int] = frozenset()
    """Queries that have more to say at once."""
    close: str = ""
    """Why the connection is to be closed after the posts, if it is."""


def tell(told: Version, state: State, answers: Iterable[Answer], modifications: list[str], now_ns: int) -> Told:
    """Answers, then one Transition from the version last told to the state's, if anything is owed.

    Args:
        told: the version at which the client is.
        state: what was absorbed since; its version's ts is still the told one.
        modifications: changed queries, as JSON texts.
    """
    posts: list[str] = []
    held: list[Answer] = []
    ts, committed, told_failure = told.ts, False, False
    for answer in sorted(answers, key=lambda one: one.request_id):
        if answer.committed and not state.first:
            held.append(answer)
        elif answer.committed and answer.late:
            state = _promise(state, ts, now_ns)
            posts.append(messages.mutation_response(answer.request_id, answer.result, state.promised, answer.log_lines))
        elif answer.committed:
            ts, committed = _next(state, ts, now_ns), True
            posts.append(messages.mutation_response(answer.request_id, answer.result, ts, answer.log_lines))
        elif answer.failure is not None:
            kind = "Mutation" if answer.kind == "Mutation" else "Action"
            posts.append(messages.failed_response(kind, answer.request_id, answer.failure, answer.log_lines))  # type: ignore[arg-type]
            # Rust-based clients resolve a mutation that failed with data only at the next Transition.
            told_failure = told_failure or kind == "Mutation"
        else:
            posts.append(messages.action_response(answer.request_id, answer.result, answer.log_lines))
    if state.promised and not state.pending:
        state = replace(state, floor=max(state.floor, state.promised), reserved=0, promised=0, owed=True)
    if modifications or committed or told_failure or state.owed:
        if state.first:
            ts = _next(state, ts, now_ns)
        end = Version(state.version.query_set, state.version.identity, ts)
        posts += messages.transitions(told, end, modifications)
        state = state.told(end)
    return Told(posts, state, held)


def _next(state: State, ts: int, now_ns: int) -> int:
    """The connection's clock, ticked; below what is reserved."""
    if state.low:
        return ts + 1
    floor = state.floor if not state.reserved or state.floor < state.reserved else 0
    later = max(now_ns, ts + 1, floor)
    return later if not state.reserved or later < state.reserved else ts + max(1, (state.reserved - ts) // 1000)


def _promise(state: State, ts: int, now_ns: int) -> State:
    """Tell a T that will be reached when what its call touched is evaluated."""
    ahead = max(now_ns, ts, state.floor) + PROMISE_NS
    since = state.since if state.reserved else now_ns // 1_000_000
    return replace(state, reserved=state.reserved or ahead, promised=max(ahead, state.promised + 1), since=since)
