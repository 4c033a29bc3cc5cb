"""What a function gets as `ctx`. Its shape is what it may do.

    QueryCtx      db (read), user, org, env, log
    MutationCtx   db (read and write), user, org, env, log, now, new_id, scheduler
    ActionCtx     run_query, run_mutation, run_action, user, org, env, log, now, new_id, scheduler

A query has no clock and no randomness, because its value must follow from the data alone. `now` and a mutation's time
are frozen for the run. Reading `user` or `org` marks the result as the caller's own, so that it is shared with nobody else.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from chalicelib.data.database import Hit, Reader, Writer
from chalicelib.data.errors import BadRequest, LimitExceeded
from chalicelib.data.side_index import SideIndex, Vector
from chalicelib.runtime import app_environment
from chalicelib.runtime.identity import User
from chalicelib.runtime.logs import Log
from chalicelib.runtime.registry import Function

R = TypeVar("R")
ANONYMOUS_ORG = "_public"
"""The org of callers without a token. Functions decide what such callers may do; the built-in chat refuses them."""
NO_LIMITS: Mapping[str, int] = MappingProxyType({})


def new_id(prefix: str = "") -> str:
    """A fresh id that nobody can guess: the prefix and 20 letters and digits (100 bits)."""
    return prefix + base64.b32encode(secrets.token_bytes(13)).decode().lower()[:20]


@dataclass
class Caller:
    """Who calls, and whether the function looked. `user` None is nobody; the org is then the shared anonymous one."""

    user: User | None
    org: str
    looked: bool = False

    @property
    def name(self) -> str:
        """Who it is, for the operator's eyes; empty for nobody."""
        if self.user is None:
            return ""
        return f"{self.user.subject} (operator {self.user.operator_name})" if self.user.operator else self.user.subject

    @property
    def role(self) -> str:
        """An operator's role; empty for everybody else."""
        return self.user.operator_role if self.user is not None else ""


def caller_of(user: User | None) -> Caller:
    """The caller behind a user, or behind nobody."""
    return Caller(user, user.org if user is not None else ANONYMOUS_ORG)


class _Ctx:
    def __init__(self, caller: Caller, log: Log) -> None:
        self._caller, self.log = caller, log

    @property
    def user(self) -> User | None:
        """Who calls, or None for an anonymous caller. In a job: the service, for the org that scheduled it."""
        self._caller.looked = True
        return self._caller.user

    @property
    def org(self) -> str:
        """The org whose data this run sees. There is no way to name another."""
        return self._caller.org


class QueryCtx(_Ctx):
    """The context of a query: it reads."""

    def __init__(
        self,
        caller: Caller,
        log: Log,
        db: Reader,
        limits: Mapping[str, Any] = NO_LIMITS,
        viewed: Callable[[str, dict[str, Any]], Any] | None = None,
    ) -> None:
        super().__init__(caller, log)
        self.db = db
        self.limits = limits
        """What the operator allows, by name (settings)."""
        self._viewed = viewed

    @property
    def env(self) -> Mapping[str, str]:
        """The app's variables, which operators set; the query is run again when one changes."""
        return app_environment.watched(self.db)

    def vector_search(self, index: Vector, vector: Sequence[float], /, *, limit: int = 16, **named: Any) -> list[Hit[Any]]:
        """As `ctx.db.vector_search`."""
        return self.db.vector_search(index, vector, limit=limit, **named)

    def view(self, path: str, /, **args: Any) -> Any:
        """The value of an internal query, which has no caller but the org, and is evaluated once for all who ask it at a moment.

        A live query that differs for each of its subscribers is a shared view and a small rest, and costs its org one view. The
        view is of one instant, which may be another than that of the rest: what decides whether somebody may see it belongs into
        it. Do not change what is returned.

        Raises: what the query raises.
        """
        if self._viewed is None:
            raise BadRequest("ctx.view() is for queries that the backend evaluates.")
        return self._viewed(path, args)


class Scheduling(Protocol):
    """Where scheduled calls go."""

    def schedule(self, function: Function[..., Any] | str, args: dict[str, Any], due_ms: float) -> str: ...
    def start(self, function: Function[..., Any] | str, args: dict[str, Any], now_ms: float) -> None: ...
    def cancel(self, job_id: str) -> None: ...


class Scheduler:
    """`ctx.scheduler`: calls that happen later. From a mutation they commit with it, or not at all."""

    def __init__(self, target: Scheduling, now: Callable[[], float]) -> None:
        self._target, self._now = target, now

    def run_after(self, delay_ms: float, function: Any, /, **args: Any) -> str:
        """Call a function (or the one at a path, `"notes:remind"`) after a delay in milliseconds (0 = as soon as this commits).

        Returns the job's id.
        """
        if not (isinstance(delay_ms, (int, float)) and delay_ms >= 0):  # nor NaN
            raise BadRequest(f"run_after: a delay is zero or more milliseconds, not {delay_ms}.")
        return self._target.schedule(function, args, self._now() + delay_ms)

    def run_at(self, at_ms: float, function: Any, /, **args: Any) -> str:
        """Call a function at a time in milliseconds since the epoch (the past = at once). Returns the job's id."""
        return self._target.schedule(function, args, at_ms)

    def start(self, function: Any, /, **args: Any) -> None:
        """Have an action begun as soon as this commits, without a job: nothing is kept of it, and nothing takes it back.

        For an action whose own documents say whether it is still to be done: it may be begun twice, and who runs it must claim it
        there. A sweep of those documents asks again for what was begun and came to nothing.

        Raises:
            BadRequest: it is no action.
        """
        self._target.start(function, args, self._now())

    def cancel(self, job_id: str) -> None:
        """Take a call back. One that has started goes on; one that is done stays done.

        Raises:
            BadRequest: this is no job's id. (A job that ended more than a week ago is known no more: then nothing happens.)
        """
        self._target.cancel(job_id)


class MutationCtx(_Ctx):
    """The context of a mutation: it reads and writes, all in one commit."""

    def __init__(
        self, caller: Caller, log: Log, db: Writer, now: float, scheduling: Scheduling, limits: Mapping[str, Any] = NO_LIMITS
    ) -> None:
        super().__init__(caller, log)
        self.db, self.now = db, now
        self.limits = limits
        """What the operator allows, by name (settings): for functions whose rules depend on it."""
        self.scheduler = Scheduler(scheduling, lambda: now)

    @property
    def env(self) -> Mapping[str, str]:
        """The app's variables, which operators set, as they are now; no condition of the commit."""
        return app_environment.seen(self.db)

    @staticmethod
    def new_id(prefix: str = "") -> str:
        """A fresh id."""
        return new_id(prefix)


class Embedder(Protocol):
    """What turns texts into vectors. `name` says which it is, and belongs beside what it has made."""

    name: str
    dimensions: int

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector of length one for each text, in order. Raises `EmbedderFailed`: try again later."""


class Calls(Protocol):
    """What an action may call."""

    embedder: Embedder | None

    def read(self, org: str, ask: Callable[[Reader], Any]) -> Any: ...
    def settle(self, org: str, index: SideIndex, named: dict[str, Any]) -> None: ...
    def resolve(self, function: Function[..., Any] | str, caller: str = "") -> Function[..., Any]: ...
    def run(self, function: Function[..., Any], args: dict[str, Any], caller: Caller, log: Log) -> Any: ...


class ActionCtx(_Ctx):
    """The context of an action: it may talk to the world, and reaches data only through queries and mutations."""

    def __init__(
        self,
        caller: Caller,
        log: Log,
        calls: Calls,
        clock: Callable[[], float],
        scheduling: Scheduling,
        parts: Any = None,
        deadline: float | None = None,
    ) -> None:
        super().__init__(caller, log)
        self._calls, self._clock = calls, clock
        self.deadline = deadline
        """When (ms since the epoch) this process will be ended from outside; None where nobody says. End in good time before."""
        self.scheduler = Scheduler(scheduling, clock)
        self.embedder = calls.embedder
        """What turns texts into vectors (EMBEDDER); None where callers bring theirs."""
        self.parts = parts
        """What the wiring lends to built-in actions (the model, single-item appends); None for users' actions."""

    @property
    def env(self) -> Mapping[str, str]:
        """The app's variables, which operators set, as they are now."""
        found: Mapping[str, str] = self._calls.read(self.org, app_environment.seen)
        return found

    @property
    def now(self) -> float:
        """Milliseconds since the epoch, now."""
        return self._clock()

    @staticmethod
    def new_id(prefix: str = "") -> str:
        """A fresh id."""
        return new_id(prefix)

    def vector_search(self, index: Vector, vector: Sequence[float], /, *, limit: int = 16, **named: Any) -> list[Hit[Any]]:
        """The documents whose vectors are nearest, at one instant; see `ctx.db.vector_search`."""
        found: list[Hit[Any]] = self._calls.read(self.org, lambda db: db.vector_search(index, vector, limit=limit, **named))
        return found

    def settle(self, index: SideIndex, /, **named: Any) -> None:
        """When this returns, no row of this partition of an index holds words or vectors of what was deleted before.

        A deletion is never found from its commit on; its words leave the rows of the index when a sweep comes by, or here.
        """
        self._calls.settle(self.org, index, named)

    def run_query(self, function: Any, /, **args: Any) -> Any:
        """The value of a query, at an instant of its own."""
        return self._run("query", function, args)

    def run_mutation(self, function: Any, /, **args: Any) -> Any:
        """The result of a mutation, in a transaction of its own."""
        return self._run("mutation", function, args)

    def run_action(self, function: Any, /, **args: Any) -> Any:
        """The result of another action."""
        return self._run("action", function, args)

    def _run(self, kind: str, function: Any, args: dict[str, Any]) -> Any:
        target = self._calls.resolve(function, self.log.path)
        if target.kind != kind:
            raise BadRequest(f"run_{kind}: {target.path} is a {target.kind}.")
        return self._calls.run(target, args, self._caller, self.log)


def check_jobs(count: int) -> None:
    """A commit holds few jobs; more is a sign that one job should schedule the next."""
    if count > 20:
        raise LimitExceeded(f"One mutation may schedule 20 jobs, not {count}; let one job schedule the next.", "TooManyJobs")
