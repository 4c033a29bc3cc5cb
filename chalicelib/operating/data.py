"""Documents, as an operator looks at them and changes them: by declared indexes, with the same rules as a function's writes."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib import MutationCtx, Page, PaginationOptions, QueryCtx, internal_mutation, internal_query
from chalicelib.data import gate
from chalicelib.data.database import Reader
from chalicelib.data.errors import BadRequest
from chalicelib.data.imports import put
from chalicelib.data.records import plain
from chalicelib.data.tables import TABLES, Table
from chalicelib.operating.pages import documents as scanned
from chalicelib.operating.pages import table_of
from chalicelib.operating.specs import readable
from chalicelib.runtime.operators import OperatorAct


@internal_query
def tables(ctx: QueryCtx) -> list[dict[str, Any]]:
    """Every table: fields with their types, primary key, indexes with their fields."""
    return [_described(name, table) for name, table in sorted(TABLES.items())]


def _described(name: str, table: type[Table]) -> dict[str, Any]:
    fields = [
        {"name": field.encode_name, "type": readable(field.type), "optional": not field.required}
        for field in msgspec.structs.fields(table)
    ]
    indexes: list[dict[str, Any]] = [
        {
            "name": index.name,
            "partition": [table.wire(each) for each in index.partition],
            "order": [table.wire(each) for each in index.order],
            "unique": index.unique,
            "readable": not (index.everywhere or index.eventual),
        }
        for index in table.indexes.values()
    ]
    if table.key:
        parts = [table.wire(each) for each in table.key]
        indexes.append({"name": "log", "partition": parts[:1], "order": parts[1:], "unique": False, "readable": True})
    return {
        "name": name,
        "key": [table.wire(each) for each in table.key] or ["_id"],
        "fields": fields,
        "indexes": indexes,
        "searches": [side.name for side in table.sides.values()],
        "ttl": table.wire(table.ttl) if table.ttl else None,
    }


@internal_query
def documents(
    ctx: QueryCtx,
    table: str,
    pagination_opts: PaginationOptions,
    index: str | None = None,
    values: list[Any] | None = None,
    newest: bool = True,
) -> Page[dict[str, Any]]:
    """A page of a table's documents: of one partition of an index, which is live, or of all that the org has, which is not.

    Raises:
        BadRequest: no such table or index, or not one value for each field of its partition.
    """
    kind = table_of(table)
    if index is None:
        return scanned(ctx.db, kind, pagination_opts, newest=newest)
    found = kind.log if index == "log" and kind.key else kind.indexes.get(index)
    if found is None or found.everywhere or found.eventual:
        raise BadRequest(f"{table} has no index {index!r} that can be read in one org.", "NoSuchIndex")
    query = ctx.db.query(found(*(values or [])))
    page: Page[Any] = (query.newest() if newest else query).page(pagination_opts)
    return page.map(plain)


@internal_query
def document(ctx: QueryCtx, table: str, ids: list[Any]) -> dict[str, Any] | None:
    """One document by its id, or by the values of its composite key; null where it is not."""
    found = ctx.db.get(table_of(table), *ids)
    return None if found is None else plain(found)


@internal_mutation
def insert(ctx: MutationCtx, table: str, fields: dict[str, Any]) -> str:
    """Add a document. Returns its id. Raises what a function's insert raises."""
    kind = _changeable(table)
    _known(kind, fields)
    blank = {"_id": "new", "_creationTime": ctx.now, **fields}
    document = gate.check(kind, gate.whole(kind, blank))
    return ctx.db.insert(document if "_id" in fields else msgspec.structs.replace(document, id=""))


@internal_mutation
def patch(ctx: MutationCtx, table: str, ids: list[Any], fields: dict[str, Any], unset: list[str] | None = None) -> None:
    """Change fields of a document, and take away those in `unset`. Raises what a function's write raises."""
    kind = _changeable(table)
    _known(kind, fields)
    for name in {"_id", "_creationTime", *(kind.wire(each) for each in kind.key)} & fields.keys():
        raise BadRequest(f"{table}: {name} says which document it is, and cannot be changed.", "BadField")
    current = _there(ctx.db, kind, ids)
    after = {**current, **fields}
    for name in unset or ():
        after.pop(name, None)
    ctx.db.replace(gate.check(kind, gate.whole(kind, after)))


@internal_mutation
def remove(ctx: MutationCtx, table: str, ids: list[Any]) -> dict[str, Any]:
    """Remove a document. Returns it, for `restore`."""
    kind = _changeable(table)
    current = _there(ctx.db, kind, ids)
    ctx.db.delete(kind, *ids)
    return current


@internal_mutation
def restore(ctx: MutationCtx, table: str, document: dict[str, Any]) -> bool:
    """Put a removed document back, with its id and creation time. False where its id is taken again."""
    return put(ctx.db, _changeable(table), document)


def _changeable(name: str) -> type[Table]:
    """A table whose documents operators may write by hand. Raises `BadRequest`."""
    table = table_of(name)
    if table is OperatorAct:
        raise BadRequest("What operators did is written by the engine alone: nobody adds, changes or removes it.", "NotAllowed")
    return table


def _known(table: type[Table], fields: dict[str, Any]) -> None:
    """Whether the table has all these fields: a misspelt one would be kept, and read by nobody. Raises `BadRequest`."""
    names = {field.encode_name for field in msgspec.structs.fields(table)}
    for name in sorted(fields.keys() - names):
        raise BadRequest(f"{table.table_name} has no field {name}; it has {', '.join(sorted(names))}.", "BadField")


def _there(db: Reader, table: type[Table], ids: list[Any]) -> dict[str, Any]:
    found = db.get(table, *ids)
    if found is None:
        raise BadRequest(f"{table.table_name} has no document {ids!r}.", "DocumentNotFound")
    return dict(plain(found))
