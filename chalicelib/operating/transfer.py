"""Documents of an export, taken in by a deployment that runs."""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx, internal_mutation
from chalicelib.data.errors import BadRequest
from chalicelib.data.imports import put
from chalicelib.operating.pages import table_of

MOST = 20
"""Documents of one commit: with the entries of indexes and claims they are well within one transaction."""


@internal_mutation
def write(ctx: MutationCtx, table: str, documents: list[dict[str, Any]]) -> int:
    """Write documents of one table into the org of the caller. Returns how many were new; others stay as they are.

    Raises:
        BadRequest: more than 20, no such table, or one that the table does not allow.
    """
    if len(documents) > MOST:
        raise BadRequest(f"One call takes {MOST} documents, not {len(documents)}.", "TooManyDocuments")
    return sum(put(ctx.db, table_of(table), document) for document in documents)
