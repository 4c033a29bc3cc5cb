"""Find and mend stored documents that their tables do not allow: an older schema's, or items that were made by hand.

Each is told as a line: org, table, id, field, rule, and whether it was mended. A mended document is written by the engine, in
a commit of its own, with all that it must then be; so its indexes are right and its subscribers hear. One that does not become
right by what was asked stays as it is, and is told with what is wrong with it then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from chalicelib.backend import Backend
from chalicelib.data import values
from chalicelib.data.errors import BadDocument, BadRequest, BadValue
from chalicelib.data.store import Delete
from chalicelib.data.tables import TABLES, Table
from chalicelib.runtime.agreement import Disagreement, disagreement
from chalicelib.runtime.scheduling import Run
from infra.admin.transfer import items, known


class Asked(Protocol):
    """The options of a command line, as they were typed."""

    table: list[str] | None
    org: str | None
    id: str | None
    fix: list[str]
    unset: list[str]
    delete: str | None


@dataclass(frozen=True)
class Wanted:
    """Which documents are looked at, and what is done with those that are wrong.

    `changes` are new values by field (a Python or wire name; UNSET takes it away); `delete` is the id of one to remove.
    """

    tables: list[type[Table]]
    org: str | None = None
    id: str | None = None
    changes: dict[str, Any] = field(default_factory=dict)
    delete: str | None = None


def wanted_of(asked: Asked) -> Wanted:
    """The command line's wishes.

    Raises:
        BadRequest: there is no such table or field, or a value that is no JSON.
    """
    tables = [known(name) for name in asked.table] if asked.table else [TABLES[name] for name in sorted(TABLES)]
    changes: dict[str, Any] = dict.fromkeys(asked.unset, msgspec.UNSET)
    for each in asked.fix:
        name, equals, text = each.partition("=")
        try:
            changes[name] = values.decode(json.loads(text))
        except ValueError:
            raise BadRequest(f"--fix {each}: write FIELD=VALUE, the value as JSON, as in --fix 'owner=\"alice\"'.") from None
        if not equals:
            raise BadRequest(f"--fix {each}: write FIELD=VALUE.")
    if (changes or asked.delete) and len(tables) != 1:
        raise BadRequest("Documents of one table are mended at a time: say --table.")
    for name in changes:
        if tables[0].wire(name) not in tables[0].__struct_encode_fields__:
            raise BadRequest(f"{tables[0].table_name} has no field {name!r}.")
    return Wanted(tables, asked.org, asked.id or asked.delete, changes, asked.delete)


def check(backend: Backend, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """Every stored document that is not what its table declares, mended where that was asked for."""
    for table in wanted.tables:
        for item in items(backend.store, table.table_name):
            wrong = disagreement(table, item)
            if wrong is None or wanted.org not in (None, wrong.org) or wanted.id not in (None, wrong.error.id):
                continue
            problem = _mended(backend, table, wrong, wanted)
            rule: BadDocument | BadValue = wrong.error if problem is None else problem
            yield {
                "org": wrong.org,
                "table": table.table_name,
                "id": wrong.error.id,
                "field": rule.path,
                "rule": rule.rule,
                "mended": problem is None,
            }


def _mended(backend: Backend, table: type[Table], wrong: Disagreement, wanted: Wanted) -> BadDocument | BadValue | None:
    """Mend one document. Returns what is still wrong with it."""
    if not wanted.changes and wanted.delete is None:
        return wrong.error
    names = table.key or ("_id",)
    if not all(name in wrong.record for name in names):  # made by hand, under a key that its fields do not give
        if wanted.delete is not None:
            backend.store.write(Delete(wrong.key))
        return None if wanted.delete is not None else wrong.error
    ids = tuple(wrong.record[name] for name in names)

    def body(run: Run) -> str:
        if wanted.delete is not None:
            run.db.delete(table, *ids)
        else:
            run.db.patch(table, *ids, **wanted.changes)
        return "null"

    try:
        backend.executor.transact(wrong.org, f"admin:check {table.table_name}", body)
    except BadValue as error:
        return error
    except BadRequest as error:
        return BadValue(table.table_name, "", error.message)
    return None
