"""The documents of a table."""

from __future__ import annotations

from typing import Any, Literal

from chalicelib import Page, PaginationOptions, QueryCtx, internal_query
from chalicelib.operating.pages import documents, table_of


@internal_query
def default(
    ctx: QueryCtx, table: str, pagination_opts: PaginationOptions, order: Literal["asc", "desc"] = "desc"
) -> Page[dict[str, Any]]:
    """A page of the documents that the org has in a table."""
    return documents(ctx.db, table_of(table), pagination_opts, newest=order == "desc")
