"""The reading half of the store port, on one connection."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from chalicelib.aws import rules
from chalicelib.data.errors import BadRequest, StoreFailed, StoreRefused
from chalicelib.data.store import IndexSpec, Item, Key, Rows, TableSpec
from infra.local.sqlite.schema import TableSql
from infra.local.sqlite.values import decode

FOR_GOOD = ("SQLITE_AUTH", "SQLITE_CORRUPT", "SQLITE_FULL", "SQLITE_NOTADB", "SQLITE_PERM", "SQLITE_READONLY", "SQLITE_TOOBIG")
"""SQLite's names for what no repetition can mend (https://www.sqlite.org/rescode.html)."""


@contextmanager
def told() -> Iterator[None]:
    """What SQLite raises, in the store's words."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", None) or ""
        if code.startswith(FOR_GOOD):
            raise StoreRefused(code, f"the local store: {error}") from error
        raise StoreFailed(f"the local store failed: {error}") from error


class Reads:
    """Reads items and ranges.

    Args:
        db: the connection. It is used under `lock` only.
        tables: the statements of each table.
    """

    def __init__(self, db: sqlite3.Connection, tables: Mapping[str, TableSql], lock: threading.RLock) -> None:
        self._db, self._tables, self._lock = db, tables, lock

    def get(self, key: Key) -> Item | None:
        """One item, strongly consistent."""
        sql = self._table(key.table)
        place = rules.check_key(sql.spec, key)
        with self._guard():
            row = self._db.execute(sql.get, place).fetchone()
        return None if row is None else decode(row[0])

    def batch_get(self, keys: Sequence[Key]) -> list[Item | None]:
        """Many items in the order asked."""
        places = [(self._table(key.table).get, rules.check_key(self._table(key.table).spec, key)) for key in keys]
        with self._guard():
            rows = [self._db.execute(get, place).fetchone() for get, place in places]
        return [None if row is None else decode(row[0]) for row in rows]

    def transact_get(self, keys: Sequence[Key]) -> list[Item | None]:
        """At most 100 items at one instant (the lock makes every `batch_get` one)."""
        rules.check_transaction(keys)
        items = self.batch_get(keys)
        rules.check_total(sum(rules.item_bytes(item) for item in items if item is not None))
        return items

    def query(
        self,
        table: str,
        partition: str,
        *,
        low: str | None = None,
        high: str | None = None,
        newest: bool = False,
        limit: int | None = None,
        index: str | None = None,
    ) -> Rows:
        """A range of one partition; a page ends at its limit or at 1 MB, and goes on by itself without limit."""
        sql = self._table(table)
        by = None if index is None else rules.index_of(sql.spec, index)
        usable = rules.bounds(sql.spec, by, partition, low, high, limit)
        if usable is None:
            return Rows([], False)
        low, high = usable
        ends = [bound.encode() for bound in (low, high) if bound is not None]
        text = sql.select(by, (low is not None, high is not None), newest)
        size, found, more = 0, [], False
        with self._guard():
            for row in self._db.execute(text, (partition.encode(), *ends)):
                found.append(row)
                size += sum(map(len, row))
                if limit is not None and (len(found) == limit or size >= rules.PAGE_BYTES):
                    more = True
                    break
        return Rows([decode(row[0]) if by is None else _index_item(sql.spec, by, row) for row in found], more)

    def scan(self, table: str, after: Key | None = None, limit: int = 200) -> Rows:
        """A page of a whole table, in the order of its keys."""
        sql = self._table(table)
        place = (b"", b"") if after is None else rules.check_key(sql.spec, after)
        with self._guard():
            rows = self._db.execute(sql.scan, (*place, limit + 1)).fetchall()
        return Rows([decode(row[0]) for row in rows[:limit]], len(rows) > limit)

    def _table(self, name: str) -> TableSql:
        sql = self._tables.get(name)
        if sql is None:
            raise BadRequest(f"there is no table {name}")
        return sql

    @contextmanager
    def _guard(self) -> Iterator[None]:
        with self._lock, told():
            yield


def _index_item(spec: TableSpec, index: IndexSpec, row: tuple[bytes, bytes, bytes, bytes]) -> Item:
    hash_, range_, pk, sk = row
    item = {index.hash: hash_.decode(), index.range: range_.decode(), "pk": pk.decode()}
    return {**item, "sk": sk.decode()} if spec.sorted else item
