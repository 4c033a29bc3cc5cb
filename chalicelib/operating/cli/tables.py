"""The tables of a deployment."""

from __future__ import annotations

from typing import Any

from chalicelib import Page, PaginationOptions, QueryCtx, internal_query
from chalicelib.data.tables import TABLES


@internal_query
def default(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[dict[str, Any]]:
    """The names of all tables, on one page."""
    return Page(page=[{"name": name} for name in sorted(TABLES)], is_done=True, continue_cursor="")
