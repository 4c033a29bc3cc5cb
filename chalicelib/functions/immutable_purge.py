"""The parts of a deletion of records: `domain/immutable/purging.py` says how they follow each other."""

from __future__ import annotations

from typing import Any

from chalicelib import MutationCtx, QueryCtx, internal_mutation, internal_query
from chalicelib.domain.immutable import purging


@internal_query
def planned(ctx: QueryCtx, space: str | None, type: str | None, user_id: str | None) -> dict[str, Any]:
    """The records that would be deleted for the caller."""
    return purging.planned(ctx, space, type, user_id)


@internal_mutation
def part(ctx: MutationCtx, space: str | None, ids: list[str]) -> dict[str, Any]:
    """Delete some records for the caller."""
    return purging.part(ctx, space, ids)


@internal_mutation
def clear(ctx: MutationCtx, record: str, first: int, last: int) -> None:
    """The job: erase versions that nobody can read any more."""
    purging.clear(ctx, record, first, last)
