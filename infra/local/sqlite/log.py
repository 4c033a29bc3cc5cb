"""The stream of the local store: change records with a growing sequence, a durable cursor per pump, and a wake-up.

A sequence is the record's number with leading zeros, so that it sorts as text too. Records are kept until every cursor
has passed them (without a cursor: for ever), and are removed some hundred at a time.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable

from chalicelib.data.store import Change
from infra.local.sqlite.values import decode

_DIGITS = 20
_TRIM_EVERY = 256


def _text(sequence: int) -> str:
    return f"{sequence:0{_DIGITS}d}"


class ChangeLog:
    """The log on the store's connection. The caller holds the store's lock for all but `notify`, `wait` and `listen`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._grown = threading.Condition()
        self._callbacks: list[tuple[str | None, Callable[[], None]]] = []
        self._tables: set[str] = set()
        """Of the records that nobody was told of."""
        self._closed = False
        self._moved: dict[str, int] = {}
        self._last = self._scalar("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes'")
        self._trimmed = self._scalar("SELECT coalesce(min(sequence), 1) - 1 FROM changes")

    def _scalar(self, text: str) -> int:
        return int(self._db.execute(text).fetchone()[0])

    def append(self, table: str, old: bytes | None, new: bytes | None) -> int:
        """Add a record inside the running transaction and return its sequence, for `notify` after the commit."""
        self._tables.add(table)
        return self._db.execute("INSERT INTO changes (name, old, new) VALUES (?, ?, ?)", (table, old, new)).lastrowid or 0

    def notify(self, last: int) -> None:
        """Wake the pumps of what was written: the records up to this one are committed. Whoever commits next comes after this.

        Now and then all are woken: a cursor that does not move past other tables' records would keep them.
        """
        with self._grown:
            everybody = last // _TRIM_EVERY > self._last // _TRIM_EVERY
            tables, self._tables = self._tables, set()
            self._last = max(self._last, last)
            self._grown.notify_all()
            callbacks = [call for table, call in self._callbacks if everybody or table is None or table in tables]
        for callback in callbacks:
            callback()

    def read(self, after: str | None, limit: int) -> list[Change]:
        """At most `limit` records behind `after`, in commit order."""
        rows = self._db.execute(
            "SELECT sequence, name, old, new FROM changes WHERE sequence > ? ORDER BY sequence LIMIT ?", (int(after or 0), limit)
        )
        return [
            Change(_text(sequence), name, None if old is None else decode(old), None if new is None else decode(new))
            for sequence, name, old, new in rows
        ]

    def wait(self, timeout: float | None, after: str | None) -> bool:
        """Block until a record behind `after` exists (None: behind the newest of now)."""
        with self._grown:
            seen = self._last if after is None else int(after)
            self._grown.wait_for(lambda: self._closed or self._last > seen, timeout)
            return self._last > seen and not self._closed

    def listen(self, callback: Callable[[], None], table: str | None = None) -> Callable[[], None]:
        """Call this on every `notify`, or on those of one table (quick, and without raising); returns the way to stop it."""
        mine = (table, callback)
        with self._grown:
            self._callbacks.append(mine)

        def stop() -> None:
            with self._grown:
                if mine in self._callbacks:
                    self._callbacks.remove(mine)

        return stop

    def cursor(self, name: str) -> str | None:
        """How far a pump is, or None."""
        if name in self._moved:
            return _text(self._moved[name])
        row = self._db.execute("SELECT sequence FROM cursors WHERE name = ?", (name,)).fetchone()
        return None if row is None else _text(row[0])

    def set_cursor(self, sequence: str, name: str) -> None:
        """Remember how far a pump is. It is stored with the next commit (`keep_cursors`), or when the store is closed."""
        self._moved[name] = int(sequence)

    def keep_cursors(self) -> None:
        """Store where the pumps are, in the running transaction, and trim what every pump has behind it."""
        if not self._moved:
            return
        moved, self._moved = self._moved, {}
        for name, sequence in moved.items():
            self._db.execute("INSERT OR REPLACE INTO cursors (name, sequence) VALUES (?, ?)", (name, sequence))
        through = self._scalar("SELECT min(sequence) FROM cursors")
        if through - self._trimmed >= _TRIM_EVERY:
            self._db.execute("DELETE FROM changes WHERE sequence <= ?", (through,))
            self._trimmed = through

    def close(self) -> None:
        """Wake every waiter for the last time."""
        with self._grown:
            self._closed = True
            self._grown.notify_all()
