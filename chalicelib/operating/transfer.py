"""Documents of an export: given out page by page, and taken in, by a deployment that runs."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from chalicelib import ActionCtx, MutationCtx, internal_action, internal_mutation
from chalicelib.data import mount, values
from chalicelib.data.building import IndexStates
from chalicelib.data.errors import BadDocument, BadRequest, BadValue
from chalicelib.data.imports import put
from chalicelib.data.records import record
from chalicelib.data.store import Item, Key
from chalicelib.data.tables import TABLES
from chalicelib.operating.pages import table_of

MOST = 20
"""Documents of one commit: with the entries of indexes and claims they are well within one transaction."""
PAGE, PAGE_BYTES = 200, 1_000_000
"""Documents, and bytes, that one call gives out."""
PASSING = {
    *(IndexStates.table_name, "jobs", "crons", "rateLimits"),
    *(mount.table(name, "chalicelib.schema") for name in ("chatChunks", "chatSockets", "presences")),
}
"""Tables that are not exported: what they hold says something about this deployment at this moment."""


@internal_mutation
def write(ctx: MutationCtx, table: str, documents: list[dict[str, Any]]) -> int:
    """Write documents of one table into the org of the caller. Returns how many were new; others stay as they are.

    Raises:
        BadRequest: more than 20, no such table, or one that the table does not allow.
    """
    if len(documents) > MOST:
        raise BadRequest(f"One call takes {MOST} documents, not {len(documents)}.", "TooManyDocuments")
    return sum(put(ctx.db, table_of(table), document) for document in documents)


@internal_action(reads=True)
def tables(ctx: ActionCtx) -> list[str]:
    """The tables of an export."""
    return sorted(set(TABLES) - PASSING)


@internal_action(reads=True)
def read(ctx: ActionCtx, table: str, after: str | None = None, org: str | None = None) -> dict[str, Any]:
    """Lines of an export of one table, of all orgs: at most 200 documents and about 1 MB; the pages are of several moments.

    Args:
        after: the `after` of the page before.
        org: only this one's.

    Returns:
        `lines`, and `after` for the next page, null at the end.

    Raises:
        BadRequest: no such table, or `after` is none of this list.
        BadDocument: one holds what no file of values can.
    """
    name = table_of(table).table_name
    try:
        key = Key(name, *json.loads(after)) if after else None
    except (ValueError, TypeError):
        raise BadRequest("`after` is none of this list.", "BadCursor") from None
    page = ctx.parts.backend.store.scan(name, key, PAGE)
    lines, size = list[str](), 0
    for item in page.items:
        key = Key(name, item["pk"], item.get("sk"))
        if org is None or org_of(item) == org:
            lines.append(line_of(name, item))
            size += len(lines[-1])
        if size > PAGE_BYTES:
            break
    ended = not page.more and (not page.items or item is page.items[-1])
    return {"lines": lines, "after": None if ended or key is None else json.dumps([key.pk, key.sk])}


def line_of(table: str, item: Item) -> str:
    """A stored document as a line of an export, in Convex's encoding. Raises `BadDocument` for what has none."""
    found = record(item)
    try:
        line = {"table": table, "org": org_of(item), "document": values.encode(found)}
    except BadValue as error:
        raise BadDocument(table, str(found.get("_id", item["pk"])), error.path, error.rule) from None
    return json.dumps(line, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def org_of(item: Item) -> str:
    """Whose item it is."""
    return unquote(str(item["pk"]).split("|", 1)[0])
