"""What operators did."""

from __future__ import annotations

from typing import Any

from chalicelib import ActionCtx, Page, PaginationOptions, QueryCtx, internal_action, internal_query
from chalicelib.data.building import SYSTEM_ORG
from chalicelib.runtime.operators import OperatorAct

MOST = 500


@internal_query
def acts(ctx: QueryCtx, pagination_opts: PaginationOptions) -> Page[OperatorAct]:
    """The mutations and actions that operators called in this org within 90 days, the newest first."""
    found: Page[Any] = ctx.db.query(OperatorAct.by_time()).newest().page(pagination_opts)
    return found


@internal_action(reads=True)
def deployment(ctx: ActionCtx, limit: float = 100) -> list[OperatorAct]:
    """What operators did to the deployment as a whole within 90 days, such as setting variables; the newest first.

    Args:
        limit: 1 to 500.
    """
    many = int(max(1, min(limit, MOST)))
    read = ctx.parts.backend.executor.read
    found: list[OperatorAct] = read(SYSTEM_ORG, lambda db: db.query(OperatorAct.by_time()).newest().take(many))
    return found
