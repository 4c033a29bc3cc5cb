"""The file as it was at one instant: a read transaction on a connection of its own.

In WAL mode a reader sees the commits that were there when its transaction first read, and keeps nobody from writing; so an
evaluation on such a view is true at one instant, indexes included (https://www.sqlite.org/isolation.html). The number of that
instant is the sequence of the newest change record that the view shows: every commit leaves one.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from chalicelib.data.errors import BadRequest, StoreFailed
from chalicelib.data.store import Action, Item, Write
from infra.local.sqlite.reads import Reads, told
from infra.local.sqlite.schema import TableSql

_KEPT = 8
"""Connections that wait for the next reader; a view beyond them opens one, and closes it afterwards."""
_LAST = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes'"


class View(Reads):
    """The store port without its writes; `number` is the last commit that it shows."""

    exact_indexes = True
    one_writer = False
    instant = None

    def __init__(self, db: sqlite3.Connection, tables: Mapping[str, TableSql], number: int) -> None:
        super().__init__(db, tables, threading.RLock())
        self.number = number

    def write(self, write: Write) -> Item | None:
        """Refused: nothing is written to the past."""
        raise BadRequest("a view of one instant cannot be written to")

    def transact(self, actions: Sequence[Action]) -> int | None:
        """Refused, as `write` is."""
        raise BadRequest("a view of one instant cannot be written to")


class Instants:
    """Makes views of one file.

    Args:
        connect: a new connection to the file, that only reads.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def view(self, tables: Mapping[str, TableSql]) -> Iterator[View]:
        """The file as it is now, until the block ends. Raises `StoreFailed`."""
        with told():
            db = self._taken() or self._connect()
        try:
            with told():
                db.execute("BEGIN")
                number = int(db.execute(_LAST).fetchone()[0])
            yield View(db, tables, number)
        finally:
            self._give_back(db)

    def _taken(self) -> sqlite3.Connection | None:
        with self._lock:
            if self._closed:
                raise StoreFailed("the store is closed")
            return self._idle.pop() if self._idle else None

    def _give_back(self, db: sqlite3.Connection) -> None:
        if db.in_transaction:
            db.execute("COMMIT")
        with self._lock:
            kept = not self._closed and len(self._idle) < _KEPT
            if kept:
                self._idle.append(db)
        if not kept:
            db.close()

    def close(self) -> None:
        """Close what waits, and what is in use when it is given back."""
        with self._lock:
            self._closed, idle, self._idle = True, self._idle, []
        for db in idle:
            db.close()
