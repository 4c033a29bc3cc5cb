"""Documents of an export, written by an ordinary commit: subscribers are told, indexes and unique values are kept."""

from __future__ import annotations

from chalicelib.data import gate
from chalicelib.data.database import Writer
from chalicelib.data.pending import Pending
from chalicelib.data.tables import Record, Table, record_key


def put(db: Writer, table: type[Table], document: Record) -> bool:
    """Add a document under its own id and with its own creation time.

    Returns False where its id is taken: that document stays as it is, so an import can be run again.

    Raises:
        BadValue: the table does not allow it.
        NotUnique: another document has its value of a unique index.
    """
    tx = db._tx
    new = gate.whole(table, document)
    gate.check(table, new)
    key = record_key(table, tx.org, new)
    if key in tx.writes or tx.at(key) is not None:
        return False
    tx._write(key, Pending(table, None, tx.reads.versions.get(key), None), new)
    return True
