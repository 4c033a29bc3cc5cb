"""What operators did."""

from __future__ import annotations

from typing import Any

from chalicelib import Page, PaginationOptions, QueryCtx, internal_query
from chalicelib.runtime.operators import OperatorAct


@internal_query
def acts(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[OperatorAct]:
    """The mutations and actions that operators called in this org within 90 days, the newest first."""
    found: Page[Any] = ctx.db.query(OperatorAct.by_time()).newest().page(pagination_opts)
    return found
