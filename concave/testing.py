"""Testing an app: its functions on a real store in memory, as any caller, with time and jobs under the test's control.

    from concave.testing import App
    from myapp import messages

    def test_a_message_is_seen() -> None:
        with App("myapp") as app:
            ada, bob = app.user("ada"), app.user("bob")
            seen = bob.subscribe(messages.newest)
            ada.mutation(messages.send, text="Hello")
            assert [each["text"] for each in seen.value] == ["Hello"]

Nothing runs by itself: `app.advance(hours=1)` lets time pass and runs what is due by then. Functions run exactly as on a server:
the same transactions, checks and limits, on SQLite. Arguments are Python's names; results are what a client gets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar

from chalicelib import MutationCtx, Refused, wiring
from chalicelib.data import values
from chalicelib.data.reads import overlap
from chalicelib.data.receipts import Receipt
from chalicelib.data.tables import all_specs
from chalicelib.runtime.contexts import ANONYMOUS_ORG, caller_of
from chalicelib.runtime.identity import User, service
from chalicelib.runtime.logs import Log
from chalicelib.runtime.outcome import Outcome
from chalicelib.runtime.registry import Function, load
from chalicelib.runtime.scheduling import Run, wire_args
from chalicelib.settings import Settings
from infra.local.sqlite.store import SqliteStore

__all__ = ["App", "Caller", "Failed", "Live"]

ISSUER = "https://testing.concave"
MOST_JOBS = 10_000
"""Jobs that one `advance` runs: a job that schedules itself without end is a fault of the app."""
R = TypeVar("R")
Callee = Function[..., Any] | str


class Failed(AssertionError):
    """A function raised something that is no refusal: a fault, as a client would hear of it."""


class Caller:
    """Somebody who calls an app's functions. Made by `App.user`, `App.anonymous` and `App.service`.

    A refusal of the function is raised as `concave.Refused`, a fault as `Failed`.
    """

    def __init__(self, app: App, user: User | None) -> None:
        self.app, self.identity = app, user

    def query(self, function: Callee, **args: Any) -> Any:
        """Ask a public query. Returns what a client gets."""
        return _result(self._call("query", function, args))

    def mutation(self, function: Callee, **args: Any) -> Any:
        """Run a public mutation; jobs that it schedules for now are run, too. Returns what a client gets."""
        found = _result(self._call("mutation", function, args))
        self.app.run_jobs()
        return found

    def action(self, function: Callee, **args: Any) -> Any:
        """Run a public action. Returns what a client gets."""
        found = _result(self._call("action", function, args))
        self.app.run_jobs()
        return found

    def subscribe(self, function: Callee, **args: Any) -> Live:
        """Follow a public query: it is asked again whenever a commit has touched what it read."""
        return self.app.follow(Live(lambda: self._call("query", function, args)))

    def _call(self, kind: Literal["query", "mutation", "action"], function: Callee, args: dict[str, Any]) -> Any:
        found = self.app.backend.registry.resolve(function)
        call = getattr(self.app.backend.executor, kind)
        return call(found.path, values.decode(values.encode(wire_args(found, args))), self.identity)


class Live:
    """A live query: its value now, and every value that it has had."""

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask = ask
        self.history: list[Any] = []
        """Each value that differs from the one before it, the first one too."""
        self.reruns = -1
        """How often it was asked again."""
        self.look()

    @property
    def value(self) -> Any:
        """What a client would show. Raises `concave.Refused` or `Failed` where the query does."""
        return _result(self._found)

    def look(self) -> None:
        """Ask again."""
        self._found = self._ask()
        self.reruns += 1
        told = _result(self._found) if self._found.ok else self._found.error
        if not self.history or self.history[-1] != told:
            self.history.append(told)

    def touched(self, places: Sequence[tuple[str, str]]) -> bool:
        """Whether a commit that wrote these places can have changed it."""
        return any(overlap(place, watch) for place in places for watch in self._found.reads.watches)


class App:
    """An app in memory. Use it as a context manager, or call `close`.

    Args:
        apps: packages of tables and functions, as in `[tool.concave] apps`.
        settings: fields of `chalicelib.settings.Settings` that the test needs to be otherwise.

    Raises:
        WrongDeclaration: something in the packages cannot work as it is written.
    """

    def __init__(self, *apps: str, **settings: Any) -> None:
        self.clock = Clock()
        self._asked: list[tuple[str, dict[str, Any], int]] = []
        self._live: list[Live] = []
        registry = load(apps)
        self._store = SqliteStore(":memory:", all_specs())
        config = Settings(apps=apps, **settings)
        parts = wiring.Parts(self._store, _Later(self), _Nobody(), self.clock, [], settings=config)
        self.backend = wiring.build(config, registry, parts)
        before = self.backend.executor.committed

        def committed(receipt: Receipt, org: str) -> None:
            before(receipt, org)
            for each in [live for live in self._live if live.touched(receipt.touched)]:
                each.look()

        self.backend.executor.committed = committed

    # Who calls -----------------------------------------------------------------------------------------------------------

    def user(self, subject: str, *, org: str = "test", roles: Sequence[str] = (), **claims: Any) -> Caller:
        """Somebody who is signed in. `claims` are those of the token, under Convex's names (`email`, `name` …)."""
        return Caller(self, User(subject=subject, issuer=ISSUER, org=org, roles=tuple(roles), claims=claims))

    def anonymous(self) -> Caller:
        """Somebody without a token."""
        return Caller(self, None)

    def service(self, org: str = "test") -> Caller:
        """The backend itself: what jobs and crons call as."""
        return Caller(self, service(org))

    # What only a test may ------------------------------------------------------------------------------------------------

    def call(self, function: Callee, *, org: str = "test", **args: Any) -> Any:
        """Run any function as the service of an org, internal ones too."""
        found = self.backend.registry.resolve(function)
        executor, caller, log = self.backend.executor, caller_of(service(org)), Log(found.path, org)
        given = values.decode(values.encode(wire_args(found, args)))
        if found.kind == "query":
            return _result(executor.ask(found, given, caller, None, log))
        told = executor.commit(found, given, caller, log=log).value if found.kind == "mutation" else None
        if found.kind == "action":
            told = executor.perform(found, given, caller, log)
        self.run_jobs()
        return told

    def run(self, work: Callable[[MutationCtx], R], *, org: str | None = "test") -> R:
        """Work on the data directly, in one commit: `app.run(lambda ctx: ctx.db.insert(…))`. It may be called more than once.

        Args:
            org: whose data; None is that of crons and of callers without a token.
        """
        kept: list[R] = []
        org = ANONYMOUS_ORG if org is None else org

        def body(run: Run) -> str:
            kept.append(work(MutationCtx(caller_of(service(org)), run.log, run.db, run.now, run.jobs)))
            return "null"

        self.backend.executor.transact(org, "test", body)
        return kept[-1]

    # Time and jobs -------------------------------------------------------------------------------------------------------

    def advance(self, *, ms: int = 0, seconds: float = 0, minutes: float = 0, hours: float = 0, days: float = 0) -> int:
        """Let time pass; jobs and crons that are due by then run, each at its time. Returns how many ran.

        Raises:
            Failed: more than 10,000 jobs ran.
        """
        end = self.clock.now_ms() + ms + round(1000 * (seconds + 60 * (minutes + 60 * (hours + 24 * days))))
        ran = 0
        while True:
            self.backend.jobs.tick()
            self.backend.jobs.sweep()
            due = min((due for *_, due in self._asked), default=None)
            step = min(end, self.clock.now_ms() + 30_000) if due is None else min(end, max(due, self.clock.now_ms()))
            self.clock.set(step)
            ran += self.run_jobs()
            if ran > MOST_JOBS:
                raise Failed(f"more than {MOST_JOBS} jobs ran: a job schedules itself without end")
            if step >= end and not any(due <= end for *_, due in self._asked):
                return ran

    def run_jobs(self) -> int:
        """Run every job that is due now. Returns how many ran."""
        ran = 0
        while ready := [each for each in self._asked if each[2] <= self.clock.now_ms()]:
            for each in ready:
                self._asked.remove(each)
                self.backend.run_job(each[1])
                ran += 1
                if ran > MOST_JOBS:
                    raise Failed(f"more than {MOST_JOBS} jobs ran: a job schedules itself without end")
        return ran

    def follow(self, live: Live) -> Live:
        """Keep a live query true. `Caller.subscribe` is what tests call."""
        self._live.append(live)
        return live

    def later(self, function: str, payload: dict[str, Any], delay_ms: int) -> None:
        """Keep a job until it is due."""
        asked = (function, payload, self.clock.now_ms() + delay_ms)
        if function in ("run_job", "generate") and not any(each[1] == payload for each in self._asked):
            self._asked.append(asked)

    # Its life ------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let go of the store."""
        self._store.close()

    def __enter__(self) -> App:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Clock:
    """A test's time, in milliseconds since the epoch: it begins at 2030-01-01 and stands still until it is moved."""

    def __init__(self) -> None:
        self._now = 1_893_456_000_000

    def now_ms(self) -> int:
        """The time."""
        return self._now

    def now_ns(self) -> int:
        """The time in nanoseconds."""
        return self._now * 1_000_000

    def sleep(self, seconds: float) -> None:
        """Let time pass, without waiting."""
        self._now += round(seconds * 1000)

    def set(self, ms: int) -> None:
        """Move on to a time; never back."""
        self._now = max(self._now, ms)


class _Later:
    """Hands the backend's own calls to the test."""

    def __init__(self, app: App) -> None:
        self._app = app

    def invoke(self, function: str, payload: dict[str, Any]) -> None:
        self._app.later(function, payload, 0)

    def later(self, function: str, payload: dict[str, Any], delay_ms: int) -> None:
        self._app.later(function, payload, delay_ms)


class _Nobody:
    """There are no sockets: live queries are followed by `subscribe`."""

    def post(self, connection: str, text: str) -> Literal["gone"]:
        return "gone"

    def is_open(self, connection: str) -> bool:
        return False

    def close(self, connection: str) -> bool:
        return True


def _result(outcome: Outcome) -> Any:
    if outcome.ok:
        return outcome.value
    error = outcome.error
    assert error is not None
    if error.has_data and isinstance(error.data, dict) and "code" in error.data:
        details = {name: part for name, part in error.data.items() if name not in ("code", "message")}
        raise Refused(error.data["code"], error.data.get("message", ""), **details)
    raise Failed(error.detail or error.message)
