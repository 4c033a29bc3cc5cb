"""Convex's command asks for imports that are under way before it begins one: here it is told which command imports."""

from __future__ import annotations

from chalicelib import QueryCtx, Refused, internal_query


@internal_query
def list(ctx: QueryCtx) -> None:
    """Refused: there are no imports of this kind. Raises `Refused`."""
    raise Refused("NotSupported", "Use `concave import FILE`, which takes what `concave export` writes.")
