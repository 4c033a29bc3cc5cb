"""The app's variables."""

from __future__ import annotations

from chalicelib import QueryCtx, internal_query


@internal_query
def default(ctx: QueryCtx) -> list[dict[str, str]]:
    """All variables with their values, by name."""
    return [{"name": name, "value": value} for name, value in sorted(ctx.env.items())]


@internal_query
def get(ctx: QueryCtx, name: str) -> dict[str, str] | None:
    """One variable, or null."""
    value = ctx.env.get(name)
    return None if value is None else {"name": name, "value": value}
