"""The parts of a deletion of many values: `domain/mutable/purging.py` says how they follow each other."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib import MutationCtx, QueryCtx, internal_mutation, internal_query
from chalicelib.domain.mutable import purging
from chalicelib.domain.mutable.listing import Filters


@internal_query
def planned(ctx: QueryCtx, space: str | None, filters: dict[str, Any], after: str | None) -> dict[str, Any]:
    """The next values that would be deleted for the caller."""
    return purging.planned(ctx, space, msgspec.convert(filters, Filters), after)


@internal_mutation
def part(ctx: MutationCtx, space: str | None, filters: dict[str, Any], after: str | None) -> dict[str, Any]:
    """Delete the next values for the caller."""
    return purging.part(ctx, space, msgspec.convert(filters, Filters), after)
