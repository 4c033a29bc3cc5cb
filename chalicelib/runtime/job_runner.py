"""Runs jobs: claims, executes, finishes. `jobs.py` says what is promised."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from chalicelib.data import trace
from chalicelib.data.database import Writer
from chalicelib.data.errors import BadRequest
from chalicelib.data.receipts import Receipt
from chalicelib.data.store import Store
from chalicelib.data.transaction import Transaction
from chalicelib.runtime.contexts import ANONYMOUS_ORG, caller_of
from chalicelib.runtime.crons import Cron, CronState
from chalicelib.runtime.errors import describe, report
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.identity import service
from chalicelib.runtime.jobs import KEPT_MS, QUEUE_DELAY_MS, Job
from chalicelib.runtime.logs import Log
from chalicelib.runtime.ports import Invoker
from chalicelib.runtime.registry import Function
from chalicelib.runtime.scheduling import Run, wire_args

logger = logging.getLogger("concave")


class NotPending(BadRequest):
    """Another runner has finished the job, or it was cancelled: nothing is to be done."""

    def __init__(self) -> None:
        super().__init__("The job is not pending any more.", "JobNotPending")


class JobRunner:
    """Starts what commits scheduled, and repairs what was left behind.

    Args:
        lease_s: how long a claimed action may run before the sweep calls it failed.
    """

    def __init__(self, executor: Executor, invoker: Invoker, *, lease_s: int) -> None:
        self.executor, self.invoker, self.lease_ms = executor, invoker, lease_s * 1000
        self._running: set[tuple[str, str]] = set()
        self._gate = threading.Lock()

    @property
    def _store(self) -> Store:
        return self.executor.store

    def dispatch(self, jobs: list[dict[str, Any]], org: str, commit: str) -> None:
        """Hand the jobs of a commit over to their runners. May be lost, may be repeated; later ones wait for the sweep.

        Never raises: each is handed over by itself, and the sweep finds what could not be.
        """
        now = self.executor.clock.now_ms()
        for job in jobs:
            wait = int(job["due"]) - now
            if wait <= QUEUE_DELAY_MS:
                try:
                    told: dict[str, Any] = {name: job[name] for name in ("path", "args") if name in job} | trace.told_on(commit)
                    self.invoker.later(job["runner"], {"jobId": job["id"], "org": org, **told}, max(0, wait))
                except Exception:
                    logger.exception("job %s could not be handed over; the sweep starts it", job["id"], extra={"org": org})

    def handed_over(self, done: Receipt, org: str) -> None:
        """The fast path after a commit."""
        if done.jobs and not done.repeated:
            self.dispatch(done.jobs, org, done.id)

    def run(self, payload: dict[str, Any], left_ms: int | None = None) -> None:
        """Run one job if it is still to be run. Safe to call any number of times, from anywhere.

        Args:
            left_ms: after so many milliseconds this process is ended from outside (Lambda's timeout); an action can ask.
        """
        deadline = None if left_ms is None else self.executor.clock.now_ms() + left_ms
        job_id, org = str(payload["jobId"]), str(payload["org"])
        with self._alone(org, job_id) as alone:
            if alone and "path" in payload:
                self._start(org, payload, deadline)
                return
            job = self._peek(org, job_id) if alone else None
            if job is None or job.state not in ("pending", "inProgress"):
                return
            wait = int(job.due) - self.executor.clock.now_ms()
            if wait > 0:
                self.invoker.later("run_job", payload, min(wait, QUEUE_DELAY_MS))
                return
            self._run(org, job, deadline)

    def _start(self, org: str, payload: dict[str, Any], deadline: int | None) -> None:
        """Run an action that has no row: it claims what it works on, and its failure is the operator's to hear."""
        job_id, path = str(payload["jobId"]), str(payload["path"])
        with Log(path, org, at_once=True) as log:
            try:
                function = self.executor.registry.get(path)
                self.executor.perform(function, payload["args"], caller_of(service(org, f"job:{job_id}")), log, deadline)
            except Exception as error:
                if not report(error, log, development=True, kind=f"job {job_id}").ours:
                    logger.exception("job %s was refused", job_id, extra={"path": path, "org": org})

    def _run(self, org: str, job: Job, deadline: int | None) -> None:
        logger.debug("job", extra={"path": job.path})
        try:
            function = self.executor.registry.get(job.path)
        except BadRequest as error:
            # A rollback may have taken the function away: the job stays visible, and says why.
            self._finish(org, job.id, "failed", f"{error}")
            return
        if function.kind == "mutation":
            self._mutation(org, job, function)
        else:
            self._action(org, job, function, deadline)

    @contextmanager
    def _alone(self, org: str, job_id: str) -> Iterator[bool]:
        """Whether this process does not run the job already: it is started twice as a rule, by hand-over and by stream."""
        with self._gate:
            alone = (org, job_id) not in self._running
            self._running.add((org, job_id))
        try:
            yield alone
        finally:
            if alone:
                with self._gate:
                    self._running.discard((org, job_id))

    def _peek(self, org: str, job_id: str) -> Job | None:
        return Writer(Transaction(self._store, org), str).peek(Job, job_id)

    def _mutation(self, org: str, job: Job, function: Function[..., Any]) -> None:
        """Exactly once: the job's id is the commit's, and the job is done in the same commit."""
        caller = caller_of(service(org, f"job:{job.id}"))

        def pending(db: Writer) -> None:
            current = db.get(Job, job.id)
            if current is None or current.state != "pending":
                raise NotPending

        def done(db: Writer) -> None:
            current = db.get(Job, job.id)
            if current is not None:  # pending, or canceled by the function itself
                self._close(db, current, "canceled" if current.state == "canceled" else "success", None)

        with Log(job.path, org, kind="mutation", caller="job") as log:
            try:
                key = f"job:{job.id}"
                self.executor.commit(function, job.args, caller, key=key, before=pending, also=done, log=log)
            except NotPending:
                logger.debug("another runner has finished the job", extra={"path": job.path})
            except Exception as error:  # noqa: BLE001 - a user's function may raise anything; the job says what
                self._failed(org, job, error, log)

    def _action(self, org: str, job: Job, function: Function[..., Any], deadline: int | None) -> None:
        """At most once: claim first; only who claimed runs."""
        claimed = self.executor.transact(org, "jobs:claim", lambda run: self._claim(run, job.id))
        if claimed.value is not True:
            return
        caller = caller_of(service(org, f"job:{job.id}"))
        with Log(job.path, org, at_once=True, kind="action", caller="job") as log:
            try:
                self.executor.perform(function, job.args, caller, log, deadline)
            except Exception as error:  # noqa: BLE001 - a user's function may raise anything; the job says what
                self._failed(org, job, error, log)
                return
        self._finish(org, job.id, "success", None)

    def _claim(self, run: Run, job_id: str) -> str:
        job = run.db.get(Job, job_id)
        if job is None or job.state != "pending":
            return "false"
        # Nobody renews this lease, so it covers the longest life of the function, and a little.
        longest = 1000 * int(self.executor.registry.get(job.path).options.get("timeout_s", 900))
        run.db.patch(job, state="inProgress", lease_until=run.now + longest + self.lease_ms)
        return "true"

    def _failed(self, org: str, job: Job, error: Exception, log: Log) -> None:
        """Record why a job failed. Whoever records it tells the operator: two runners may have failed at once."""
        told = describe(error, development=self.executor.development, request=log.request)
        hidden = told.ours and not self.executor.development  # functions may show a job's row to clients
        if not self._finish(org, job.id, "failed", told.message if hidden else told.detail):
            log.silence()
        elif not report(error, log, development=True, kind=f"job {job.id}").ours:
            logger.error("job %s was refused: %s", job.id, told.detail, extra={"path": job.path, "org": org})

    def _finish(self, org: str, job_id: str, state: str, error: str | None) -> bool:
        """End a job that has not ended. False: it has, already."""

        def body(run: Run) -> str:
            job = run.db.get(Job, job_id)
            if job is None or job.state not in ("pending", "inProgress"):
                return "false"
            self._close(run.db, job, state, error)
            return "true"

        return self.executor.transact(org, f"jobs:{state}", body).value is True

    def _close(self, db: Writer, job: Job, state: str, error: str | None) -> None:
        now = float(self.executor.clock.now_ms())
        db.patch(job, state=state, completed_at=now, error=error, expires_at=now + KEPT_MS, lease_until=None)

    def sweep(self, limit: int = 500) -> int:
        """Start jobs that are due and were not started, and fail those whose runner died. Returns how many it touched."""
        now = self.executor.clock.now_ms()
        touched = 0
        for job in self.executor.listed(Job.by_state_due, ("pending",), now + 60_000, limit):
            self.dispatch([{"id": job["_id"], "due": job["due"], "runner": self._runner(job["path"])}], job["org"], "")
            touched += 1
        for job in self.executor.listed(Job.by_state_due, ("inProgress",), now, limit):
            if job.get("leaseUntil", 0) < now:
                died = "The job's runner died; an action is never run twice."
                touched += self._each(job["path"], partial(self._finish, job["org"], job["_id"], "failed", died))
        return touched

    def tick(self) -> int:
        """Give every cron whose last job has ended its next one. Returns how many."""
        now = self.executor.clock.now_ms()
        return sum(self._each(cron.function.path, partial(self._next, cron, now)) for cron in self.executor.registry.crons())

    def _next(self, cron: Cron, now: int) -> bool:
        outcome = self.executor.transact(ANONYMOUS_ORG, f"crons:{cron.name}", partial(self._next_run, cron, now))
        return outcome.value is True

    def _each(self, path: str, work: Callable[[], bool]) -> bool:
        """One duty of a sweep: that it fails is reported, and keeps no other from being done."""
        log = Log(path, ANONYMOUS_ORG)
        try:
            return work()
        except Exception as error:
            if not report(error, log, development=True, kind="sweep").ours:
                logger.exception("a sweep of jobs failed", extra={"path": path})
            return False

    @staticmethod
    def _next_run(cron: Cron, now: int, run: Run) -> str:
        state = run.db.get(CronState, cron.name)
        last = run.db.get(Job, state.job) if state is not None else None
        if last is not None and last.state in ("pending", "inProgress"):
            return "false"
        due = float(cron.following(now))
        job = run.jobs.schedule(cron.function, wire_args(cron.function, cron.args), due)
        if state is None:
            run.db.insert(CronState(id=cron.name, job=job, due=due))
        else:
            run.db.patch(state, job=job, due=due)
        return "true"

    def _runner(self, path: str) -> str:
        try:
            return str(self.executor.registry.get(path).options.get("runner", "run_job"))
        except BadRequest:
            return "run_job"
