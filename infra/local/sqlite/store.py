"""The store on one SQLite file (or in memory): the whole backend on a laptop, with DynamoDB's semantics and refusals.

One connection behind one lock: a call takes some ten microseconds, so a line of callers is shorter than the switching
between connections would be, and every transaction is alone while it runs; those that wait share one COMMIT (`writer.py`).
WAL: with `sync` "normal" a commit survives `kill -9` of the process, with "full" a power cut, too. Conditions are evaluated
on the decoded item by the same words that DynamoDB would use (`values.py`); what DynamoDB refuses is refused by the rules that
both stores share (`aws/rules.py`).
The change record of a streamed table is written in the transaction of the change itself, so it can neither be lost nor
run ahead. **One process per file**: a lock beside it makes the second one fail at once. `faults` adds what a laptop
never shows: lag, half-visible transactions, conflicts, lost answers.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path as File
from typing import Any, Literal

from chalicelib.aws import rules
from chalicelib.data.errors import StoreFailed
from chalicelib.data.store import (
    Action,
    Change,
    Item,
    TableSpec,
    Update,
    Write,
)
from infra.local.sqlite.file import lock_file
from infra.local.sqlite.instants import Instants
from infra.local.sqlite.log import ChangeLog
from infra.local.sqlite.plan import Step, plan
from infra.local.sqlite.reads import Reads
from infra.local.sqlite.schema import PRAGMAS, READER_PRAGMAS, TableSql, migrate
from infra.local.sqlite.values import decode
from infra.local.sqlite.writer import Writer

MEMORY = ":memory:"
Sync = Literal["normal", "full"]


class SqliteStore(Reads):
    """The store port on SQLite, plus `changes`, cursors and `expire` for the local pump.

    Args:
        path: the file (its folder is made), or ":memory:".
        specs: the tables. On an existing file missing tables and indexes are made and filled.
        sync: "full": every COMMIT waits until the disk has it, so that a commit survives a power cut.

    Raises:
        StoreFailed: another process has the file open, or it cannot be opened.
        BadRequest: a table changed its primary key, or a name that DynamoDB would refuse.
    """

    exact_indexes = one_writer = True

    def __init__(self, path: str | File, specs: Sequence[TableSpec], *, sync: Sync = "normal") -> None:
        tables = {spec.name: TableSql(spec) for spec in rules.check_specs(specs).values()}
        self._release = lock_file(File(path)) if str(path) != MEMORY else None
        try:
            super().__init__(_open(str(path), specs, sync), tables, threading.RLock())
        except BaseException:
            self._unlock()
            raise
        self._log = ChangeLog(self._db)
        self._writer = Writer(self._db, self._lock, self._log.notify, self._log.keep_cursors)
        self._instants = Instants(lambda: _reader(File(path)))
        self.instant = None if str(path) == MEMORY else lambda: self._instants.view(self._tables)
        """`with store.instant() as view`: the file at one instant (`chalicelib/data/capabilities.py`)."""

    def declare(self, specs: Sequence[TableSpec]) -> None:
        """Make and fill what these tables lack while the store is in use: code was reloaded. Tables known before stay.

        Raises `BadRequest` for declarations that cannot be; the store then goes on with the old ones.
        """
        tables = {spec.name: TableSql(spec) for spec in rules.check_specs(specs).values()}
        with self._guard():
            migrate(self._db, specs)
            self._tables = {**self._tables, **tables}

    def close(self) -> None:
        """Close the file, let another process have it, and wake whoever waits for changes."""
        with self._lock:
            with suppress(sqlite3.Error):  # a file that cannot be written to is closed all the same
                self._log.keep_cursors()
            self._db.close()
        self._instants.close()
        self._log.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._release is not None:
            self._release()
            self._release = None

    # Writes -----------------------------------------------------------------------------------------------------------

    def write(self, write: Write) -> Item | None:
        """One write; the new item of an Update, else None."""

        def body(changed: list[int]) -> bytes | None:
            (step,) = plan(self._db, self._table, [write])
            changed.append(self._apply(step))
            return step.new_data

        new = self._writer.run(body)
        return decode(new) if isinstance(write, Update) and new is not None else None

    def transact(self, actions: Sequence[Action]) -> int | None:
        """All of these, or none; names every action whose condition failed. Returns the commit's number."""
        rules.check_transaction([rules.action_key(self._table(rules.action_table(one)).spec, one) for one in actions])

        def body(changed: list[int]) -> int | None:
            changed.extend([self._apply(step) for step in plan(self._db, self._table, actions)])
            return max(changed, default=0) or None

        return self._writer.run(body)

    def _apply(self, step: Step) -> int:
        """Write the item, its index entries and its change record; returns the record's sequence, or 0 without one."""
        if not step.writes or step.old_data == step.new_data:
            return 0
        sql, db = step.sql, self._db
        moves = [
            (
                index.name,
                rules.indexed_at(sql.spec, index, step.old),
                None if step.new is None else rules.index_entry(sql.spec, index, step.new),
            )
            for index in sql.spec.indexes
        ]
        if step.new is None:
            db.execute(sql.delete, step.key)
        else:
            db.execute(sql.put, (*step.key, step.new_data, _ttl(step.new)))
        for name, before, after in moves:
            if before != after:
                if before is not None:
                    db.execute(sql.leave[name], (*before, *step.key))
                if after is not None:
                    db.execute(sql.enter[name], (*after, *step.key))
        return self._log.append(sql.spec.name, step.old_data, step.new_data) if sql.spec.stream else 0

    # Time to live and changes -----------------------------------------------------------------------------------------

    def expire(self, now_s: float) -> int:
        """Remove the items of `ttl` tables whose time (epoch seconds) has come; returns how many. Not seen as changes."""
        return sum(self._expire(sql, int(now_s)) for sql in self._tables.values() if sql.spec.ttl)

    def _expire(self, sql: TableSql, now_s: int) -> int:
        def body(_changed: list[int]) -> int:
            batch = self._db.execute(sql.expired, (now_s,)).fetchall()
            for pk, sk, data in batch:
                self._db.execute(sql.delete, (pk, sk))
                for index in sql.spec.indexes:
                    entry = rules.indexed_at(sql.spec, index, decode(data))
                    if entry is not None:
                        self._db.execute(sql.leave[index.name], (*entry, pk, sk))
            return len(batch)

        gone = 0
        while batch := self._writer.run(body):
            gone += batch
        return gone

    def changes(self, after: str | None = None, limit: int = 100) -> list[Change]:
        """The next records of the streamed tables behind this sequence (None: from the oldest kept), in commit order."""
        with self._guard():
            return self._log.read(after, limit)

    def wait(self, timeout: float | None = None, after: str | None = None) -> bool:
        """Block until there is a record behind `after` (None: any new one); False when the seconds pass or on close."""
        return self._log.wait(timeout, after)

    def listen(self, callback: Callable[[], None], table: str | None = None) -> Callable[[], None]:
        """Call this after every commit that left a record, on the committing thread; returns the way to stop it.

        With a table, only where the record is that table's, and after some hundred of others.
        The callback must be quick and must not raise: the write that woke it has already happened.
        """
        return self._log.listen(callback, table)

    def cursor(self, name: str = "pump") -> str | None:
        """The sequence that a pump has dealt with, or None before its first."""
        with self._guard():
            return self._log.cursor(name)

    def set_cursor(self, sequence: str, name: str = "pump") -> None:
        """Remember how far a pump is, across restarts; records behind every cursor are trimmed now and then.

        It is stored with the next commit: who is killed before that is told the last records again.
        """
        with self._guard():
            self._log.set_cursor(sequence, name)

    # The connection ---------------------------------------------------------------------------------------------------


def _open(path: str, specs: Sequence[TableSpec], sync: Sync) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=1024)
    try:
        for pragma in (*PRAGMAS, f"PRAGMA synchronous = {sync.upper()}"):
            db.execute(pragma).fetchall()
        migrate(db, specs)
    except sqlite3.Error as error:
        db.close()
        raise StoreFailed(f"cannot open the store {File(path).name}: {error}") from error
    except BaseException:
        db.close()
        raise
    return db


def _reader(path: File) -> sqlite3.Connection:
    """A connection of its own, for views."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512)
    for pragma in READER_PRAGMAS:
        db.execute(pragma).fetchall()
    return db


def _ttl(item: Item) -> int | None:
    ttl: Any = item.get("ttl")
    return int(ttl) if isinstance(ttl, int | float) and not isinstance(ttl, bool) and abs(ttl) < 2**53 else None
