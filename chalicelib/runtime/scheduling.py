"""Where scheduled calls are written: beside a mutation's documents, or by an action in a commit of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from chalicelib.data import gate, values
from chalicelib.data.database import Writer
from chalicelib.data.errors import BadRequest
from chalicelib.data.records import plain
from chalicelib.runtime import validate
from chalicelib.runtime.contexts import new_id
from chalicelib.runtime.jobs import Job
from chalicelib.runtime.logs import Log
from chalicelib.runtime.registry import Function


def wire_args(function: Function[..., Any], args: dict[str, Any]) -> dict[str, Any]:
    """Python keyword arguments under their wire names. None is null, as in an argument of a client; UNSET is absence."""
    names = validate.wire_names(function)
    unknown = args.keys() - names.keys()
    if unknown:
        raise BadRequest(f"{function.path} has no arguments {sorted(unknown)}.")
    return {names[name]: plain(part) for name, part in args.items() if part is not msgspec.UNSET}


_JOB_ID = re.compile(r"job-[a-z2-7]{20}")
Resolve = Callable[[Function[..., Any] | str, str], Function[..., Any]]
"""(a function or its path, the path of who says it) → the function."""


class JobWriter:
    """Scheduling from a mutation: job rows among its writes."""

    def __init__(self, db: Writer, org: str, resolve: Resolve, caller: str = "") -> None:
        self._db, self._org, self._resolve, self._caller = db, org, resolve, caller
        self.listed: list[dict[str, Any]] = []

    def schedule(self, function: Function[..., Any] | str, args: dict[str, Any], due_ms: float) -> str:
        """Write a job row. Returns its id. What the function would refuse then is refused now (`ArgumentValidationError`)."""
        function = self._resolve(function, self._caller)
        if function.kind == "query":
            raise BadRequest(f"{function.path} is a query; only mutations and actions are scheduled.")
        if not gate.moment_ms(due_ms):
            raise BadRequest(f"{function.path} cannot be scheduled: {due_ms!r} is no moment in milliseconds since the epoch.")
        given = self._checked(function, args)
        job = Job(id=new_id("job-"), org=self._org, path=function.path, args=given, due=due_ms)
        self._db.insert(job, fresh=True)
        self.listed.append({"id": job.id, "due": int(due_ms), "runner": function.options.get("runner", "run_job")})
        return job.id

    def start(self, function: Function[..., Any] | str, args: dict[str, Any], now_ms: float) -> None:
        """Have an action begun after the commit, which alone says so."""
        function = self._resolve(function, self._caller)
        if function.kind != "action":
            raise BadRequest(f"{function.path} is a {function.kind}; only actions are started, the others are scheduled.")
        given = self._checked(function, args)
        runner = function.options.get("runner", "run_job")
        self.listed.append({"id": new_id("job-"), "due": int(now_ms), "runner": runner, "path": function.path, "args": given})

    @staticmethod
    def _checked(function: Function[..., Any], args: dict[str, Any]) -> dict[str, Any]:
        given = wire_args(function, args)
        validate.bind(function, given)
        return given

    def cancel(self, job_id: str) -> None:
        """Cancel a job that has not started; any other is left as it is. Raises `BadRequest` for what is no job's id."""
        if not isinstance(job_id, str) or not _JOB_ID.fullmatch(job_id):
            raise BadRequest(f"scheduler.cancel: {job_id!a:.40} is no job's id; run_after and run_at return one.", "NoSuchJob")
        job = self._db.get(Job, job_id)
        if job is not None and job.state == "pending":
            self._db.patch(job, state="canceled")
            self.listed[:] = [one for one in self.listed if one["id"] != job_id]


@dataclass
class Run:
    """One attempt at a transaction: what its body works with."""

    db: Writer
    now: float
    jobs: JobWriter
    log: Log


class Transact(Protocol):
    """Runs a body in a transaction: (org, label, body) → the outcome."""

    def __call__(self, org: str, label: str, body: Callable[[Run], str], /) -> Any: ...


class Direct:
    """Scheduling from an action: a small commit of its own."""

    def __init__(self, transact: Transact, org: str) -> None:
        self._transact, self._org = transact, org

    def schedule(self, function: Function[..., Any] | str, args: dict[str, Any], due_ms: float) -> str:
        """Write a job row. Returns its id."""

        def body(run: Run) -> str:
            return values.dumps(run.jobs.schedule(function, args, due_ms))

        return str(self._transact(self._org, "scheduler:schedule", body).value)

    def start(self, function: Function[..., Any] | str, args: dict[str, Any], now_ms: float) -> None:
        """Have an action begun."""

        def body(run: Run) -> str:
            run.jobs.start(function, args, now_ms)
            return "null"

        self._transact(self._org, "scheduler:start", body)

    def cancel(self, job_id: str) -> None:
        """Cancel a job that has not started."""

        def body(run: Run) -> str:
            run.jobs.cancel(job_id)
            return "null"

        self._transact(self._org, "scheduler:cancel", body)
