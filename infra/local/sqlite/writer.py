"""One writer: transactions that wait for each other share one COMMIT, and so one sync of the disk.

A transaction is a savepoint inside a larger one. Whoever finds nobody at work leads: it carries out its own and all that have
come meanwhile, each after a savepoint, then commits. A refused one (a condition that does not hold) is rolled back to its
savepoint, alone. **Nobody is told anything before COMMIT has returned**, refusals included: they may rest on what others of the
group have written. If COMMIT fails nothing has happened, and all are told that the store failed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from chalicelib.data.errors import ConcaveError, StoreFailed
from infra.local.sqlite.reads import told

T = TypeVar("T")
LARGEST_GROUP = 64
Body = Callable[[list[int]], T]
"""Writes, and adds the sequences of the change records that it left to the list."""


class _Work(Generic[T]):
    """One transaction that waits."""

    def __init__(self, body: Body[T]) -> None:
        self.body = body
        self.turn: threading.Lock | None = None
        """Where another one leads: let go when this is committed or has failed, or when its thread is to lead."""
        self.decided = False
        self.result: Any = None
        self.error: BaseException | None = None


class Writer:
    """Carries out transactions on one connection.

    Args:
        db: the connection, in autocommit mode.
        lock: held while a group is being carried out, so that nobody reads what is not committed.
        committed: called after each COMMIT with the last sequence of the change records that it made visible.
        beside: writes what rides along with a COMMIT.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        lock: threading.RLock,
        committed: Callable[[int], None],
        beside: Callable[[], None] = lambda: None,
    ) -> None:
        self._db, self._lock, self._committed, self._beside = db, lock, committed, beside
        self._gate = threading.Lock()
        self._waiting: deque[_Work[Any]] = deque()
        self._led = False

    def run(self, body: Body[T]) -> T:
        """Carry out a transaction; returns when it is committed. Raises what the body raises, or `StoreFailed`."""
        work = _Work(body)
        with self._gate:
            self._waiting.append(work)
            leads, self._led = not self._led, True
            if not leads:
                work.turn = threading.Lock()
                work.turn.acquire()
        if work.turn is not None:
            work.turn.acquire()
        if not work.decided:
            self._lead(work)
        if work.error is not None:
            raise work.error
        result: T = work.result
        return result

    def _lead(self, mine: _Work[Any]) -> None:
        with self._gate:
            group = [self._waiting.popleft() for _ in range(min(LARGEST_GROUP, len(self._waiting)))]
        try:
            self._carry_out(group)
        finally:
            with self._gate:
                for work in group:
                    work.decided = True
                self._led = bool(self._waiting)
                waiting = [self._waiting[0], *group] if self._waiting else group
            for work in waiting:
                if work.turn is not None and work is not mine:
                    work.turn.release()

    def _carry_out(self, group: list[_Work[Any]]) -> None:
        changed: list[int] = []
        try:
            with self._lock, told():
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    if len(group) == 1:
                        group[0].result = group[0].body(changed)
                    else:
                        for work in group:
                            self._one(work, changed)
                    self._beside()
                    self._commit()
                except BaseException:
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
        except BaseException as error:
            for work in group:
                work.error = error if isinstance(error, ConcaveError) else StoreFailed("the process that wrote was stopped")
            if not isinstance(error, ConcaveError):
                raise
            return
        if any(changed):
            self._committed(max(changed))

    def _one(self, work: _Work[Any], changed: list[int]) -> None:
        """One transaction of a group. One that is refused leaves nothing; a failure of the file ends the whole group."""
        mine: list[int] = []
        self._db.execute("SAVEPOINT work")
        try:
            work.result = work.body(mine)
        except ConcaveError as refused:
            work.error = refused
            self._db.execute("ROLLBACK TO work")
        else:
            changed += mine
        self._db.execute("RELEASE work")

    def _commit(self) -> None:
        self._db.execute("COMMIT")
