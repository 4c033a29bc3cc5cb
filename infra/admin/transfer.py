"""Export and import: all documents as lines of JSON; the way from a laptop to the cloud and back.

    {"document": {"_creationTime": …, "_id": …, …}, "org": "acme", "table": "notes"}

Documents only, under their wire names, in Convex's encoding (int64, bytes, special floats survive). Fences, claims and
index attributes are not exported: they are made from the documents, by the same building and audit that a new index gets
(`runtime/indexes.py`). So an import is right by construction, whatever the version of the file.

What ends by itself is left out: sockets, subscriptions, commit rows, scheduled jobs and chunks of replies.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from chalicelib.data import gate, values
from chalicelib.data.errors import BadRequest, ConditionFailed
from chalicelib.data.records import fields
from chalicelib.data.store import Absent, Item, Key, Put, Store
from chalicelib.data.tables import TABLES, Table, places, record_key
from chalicelib.operating.transfer import PASSING, line_of, org_of
from chalicelib.runtime.contexts import new_id
from chalicelib.runtime.indexes import Indexes

PAGE = 200


@dataclass
class Report:
    """What an import did: documents by table, those that were there already, and indexes that could not be made."""

    written: Counter[str] = field(default_factory=Counter)
    there: Counter[str] = field(default_factory=Counter)
    unready: dict[str, list[str]] = field(default_factory=dict)


def exported(store: Store, org: str | None = None, tables: Iterable[str] | None = None) -> Iterator[str]:
    """The lines of an export, table by table.

    Args:
        org: only this org's documents.
        tables: only these; otherwise all but the passing ones.

    Raises:
        BadDocument: one holds what no file of values can; mend it first (`check`).
    """
    names = sorted(set(TABLES) - PASSING) if tables is None else [known(name).table_name for name in tables]
    for name in names:
        for item in items(store, name):
            if org is None or org_of(item) == org:
                yield line_of(name, item)


def checked(lines: Iterable[str]) -> None:
    """Read all lines of an export without writing any.

    Raises:
        BadRequest: a line is none, or names a table that this deployment does not have, or a document that its table does not
            allow; it says which line, and of a document the id, the field and the rule.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            _read(line, number)


def imported(store: Store, lines: Iterable[str], indexes: Indexes) -> Report:
    """Write the documents of an export. One that is there already stays as it is; so an import can be run again.

    Raises: as `checked`; the lines before it have been written then.
    """
    report, entered = Report(), dict[str, set[str]]()
    for number, line in enumerate(lines, 1):
        if line.strip():
            table, org, document = _read(line, number)
            mine = _write(store, table, org, document)
            (report.written if mine else report.there)[table.table_name] += 1
            entered.setdefault(table.table_name, set()).add(org)
    names = [f"{name}.{index}" for name in sorted(entered) for index in (*TABLES[name].indexes, *TABLES[name].sides)]
    indexes.begin(names)
    for name in names:
        audit = indexes.build(name)
        if not audit.clean:
            report.unready[name] = audit.examples
    return report


def items(store: Store, table: str) -> Iterator[Item]:
    """Every item of a table."""
    after: Key | None = None
    while True:
        page = store.scan(table, after, PAGE)
        yield from page.items
        if not page.more:
            return
        last = page.items[-1]
        after = Key(table, last["pk"], last.get("sk"))


def _read(line: str, number: int) -> tuple[type[Table], str, dict[str, Any]]:
    try:
        told = json.loads(line)
        table, org, document = told["table"], told["org"], told["document"]
    except (ValueError, TypeError, KeyError):
        raise BadRequest(f'Line {number} is not {{"table", "org", "document"}} as JSON.', "BadLine") from None
    if not isinstance(document, dict) or not isinstance(document.get("_id"), str) or not isinstance(org, str) or not org:
        raise BadRequest(f"Line {number}: a document is an object with an `_id`, and belongs to an org.", "BadLine")
    try:
        found, decoded = known(table), values.decode(document)
    except BadRequest as error:
        raise BadRequest(f"Line {number}: {error}", error.tag) from None
    try:
        record = gate.whole(found, decoded)
        gate.check(found, record)
        gate.check_size(found, record_key(found, org, record), record, places(found, org, record))
    except BadRequest as error:
        raise BadRequest(f"Line {number}, document {document['_id']!a}: {error}", error.tag) from None
    return found, org, record


def known(name: Any) -> type[Table]:
    """A declared table. Raises `BadRequest`."""
    table = TABLES.get(name) if isinstance(name, str) else None
    if table is None:
        raise BadRequest(f"There is no table {name!r} here; CONCAVE_APPS names the packages that declare tables.", "NoSuchTable")
    return table


def _write(store: Store, table: type[Table], org: str, document: dict[str, Any]) -> bool:
    key = record_key(table, org, document)
    expires = document.get(table.ttl) if table.ttl else None
    ttl = {} if expires is None else {"ttl": int(expires // 1000)}
    item = {**key.attributes(), **fields(document), **ttl, "_v": 1, "_c": f"import-{new_id()}"}
    try:
        store.write(Put(table.table_name, item, Absent()))
    except ConditionFailed:
        return False
    return True
