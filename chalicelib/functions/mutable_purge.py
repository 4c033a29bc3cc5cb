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


@internal_mutation
def of_user(ctx: MutationCtx, user_id: str) -> int:
    """Delete the next values of a user, in all spaces: a part of the erasure of its data. Returns how many; 0: none is left."""
    return purging.of_user(ctx, user_id)
