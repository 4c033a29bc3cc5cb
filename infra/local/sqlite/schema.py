"""The local store's file: one SQLite table per TableSpec and one per index, made and kept up to date on open.

`items.<table>` holds (pk, sk, item) with keys as UTF-8 bytes, so that SQLite's memcmp order is DynamoDB's order; `sk` is
empty where the table has none. `index.<table>.<index>` holds (hash, range, pk, sk). `changes` is the stream, `cursors` says
how far each pump has read. `specs` remembers what the file was made for: an index that is new or that names other
attributes is filled from the items when the file is opened, one that is gone is dropped, and a table that is not asked for
is left as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from chalicelib.aws.rules import indexed_at
from chalicelib.data.errors import BadRequest
from chalicelib.data.store import IndexSpec, TableSpec
from infra.local.sqlite.values import decode

PRAGMAS = (
    "PRAGMA page_size = 8192",
    "PRAGMA journal_mode = WAL",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -65536",
)
READER_PRAGMAS = ("PRAGMA query_only = ON", "PRAGMA busy_timeout = 5000", "PRAGMA cache_size = -8192")
_BASE = (
    "CREATE TABLE IF NOT EXISTS specs (name TEXT PRIMARY KEY, spec BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS cursors (name TEXT PRIMARY KEY, sequence INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS changes (sequence INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, old BLOB, new BLOB)",
)
_BATCH = 500


class TableSql:
    """The statements of one table, written once."""

    def __init__(self, spec: TableSpec) -> None:
        items = items_table(spec)
        self.spec = spec
        self.get = f"SELECT item FROM {items} WHERE pk = ? AND sk = ?"
        self.scan = f"SELECT item FROM {items} WHERE (pk, sk) > (?, ?) ORDER BY pk, sk LIMIT ?"
        self.put = f"INSERT OR REPLACE INTO {items} (pk, sk, item, ttl) VALUES (?, ?, ?, ?)"
        self.delete = f"DELETE FROM {items} WHERE pk = ? AND sk = ?"
        self.expired = f"SELECT pk, sk, item FROM {items} WHERE ttl <= ? LIMIT {_BATCH}"
        tables = {index.name: index_table(spec, index) for index in spec.indexes}
        self.enter = {name: f"INSERT INTO {table} (hash, range, pk, sk) VALUES (?, ?, ?, ?)" for name, table in tables.items()}
        self.leave = {name: f"DELETE FROM {t} WHERE hash = ? AND range = ? AND pk = ? AND sk = ?" for name, t in tables.items()}

    def select(self, index: IndexSpec | None, bounded: tuple[bool, bool], newest: bool) -> str:
        """The SELECT of a query; its parameters are the partition, then the bounds that are there."""
        table = items_table(self.spec) if index is None else index_table(self.spec, index)
        columns = "item" if index is None else "hash, range, pk, sk"
        hash_, range_ = ("pk", "sk") if index is None else ("hash", "range")
        low, high = (f" AND {range_} >= ?" if bounded[0] else "", f" AND {range_} <= ?" if bounded[1] else "")
        way = "DESC" if newest else "ASC"
        order = f"{range_} {way}" if index is None else f"{range_} {way}, pk {way}, sk {way}"
        return f"SELECT {columns} FROM {table} WHERE {hash_} = ?{low}{high} ORDER BY {order}"


def items_table(spec: TableSpec) -> str:
    """The quoted SQLite table of a table's items."""
    return f'"items.{spec.name}"'


def index_table(spec: TableSpec, index: IndexSpec) -> str:
    """The quoted SQLite table of an index."""
    return f'"index.{spec.name}.{index.name}"'


def migrate(db: sqlite3.Connection, specs: Iterable[TableSpec]) -> None:
    """Make what is missing and fill new indexes, in one transaction. Raises `BadRequest` for a changed primary key."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in _BASE:
            db.execute(statement)
        known = {name: msgspec.json.decode(data, type=TableSpec) for name, data in db.execute("SELECT name, spec FROM specs")}
        for spec in specs:
            _migrate_table(db, known.get(spec.name), spec)
            db.execute("INSERT OR REPLACE INTO specs (name, spec) VALUES (?, ?)", (spec.name, msgspec.json.encode(spec)))
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _migrate_table(db: sqlite3.Connection, known: TableSpec | None, spec: TableSpec) -> None:
    if known is not None and known.sorted != spec.sorted:
        raise BadRequest(f"the table {spec.name} was made {'with' if known.sorted else 'without'} a sort key; give it a new name")
    db.execute(
        f"CREATE TABLE IF NOT EXISTS {items_table(spec)} "
        "(pk BLOB NOT NULL, sk BLOB NOT NULL, item BLOB NOT NULL, ttl INTEGER, PRIMARY KEY (pk, sk)) WITHOUT ROWID"
    )
    if spec.ttl:
        db.execute(f'CREATE INDEX IF NOT EXISTS "ttl.{spec.name}" ON {items_table(spec)} (ttl) WHERE ttl IS NOT NULL')
    before = set(known.indexes) if known is not None else set()
    for gone in before - set(spec.indexes):
        db.execute(f"DROP TABLE IF EXISTS {index_table(spec, gone)}")
    for index in spec.indexes:
        if index not in before:
            _make_index(db, spec, index)


def _make_index(db: sqlite3.Connection, spec: TableSpec, index: IndexSpec) -> None:
    db.execute(
        f"CREATE TABLE {index_table(spec, index)} (hash BLOB NOT NULL, range BLOB NOT NULL, pk BLOB NOT NULL, sk BLOB NOT NULL, "
        "PRIMARY KEY (hash, range, pk, sk)) WITHOUT ROWID"
    )
    enter = TableSql(spec).enter[index.name]
    for pk, sk, data in db.execute(f"SELECT pk, sk, item FROM {items_table(spec)}"):
        entry = indexed_at(spec, index, decode(data))
        if entry is not None:
            db.execute(enter, (*entry, pk, sk))
