"""Where a deployment is reached."""

from __future__ import annotations

from chalicelib import QueryCtx, internal_query


@internal_query
def cloud_url(ctx: QueryCtx) -> str:
    """The address that clients were given, as far as the deployment knows it; else empty."""
    return str(ctx.limits.get("url") or "")
