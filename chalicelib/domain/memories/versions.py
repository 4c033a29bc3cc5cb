"""What a memory has said before: its versions, which never change."""

from __future__ import annotations

from chalicelib import QueryCtx
from chalicelib.domain.answer_size import beginning
from chalicelib.domain.conversations.codes import refused
from chalicelib.domain.memories.views import VersionView, version_view
from chalicelib.schema import Memory, MemoryVersion

LOOKED_AT = 900
"""Versions that one call looks at, the newest."""


def one(ctx: QueryCtx, row: Memory | None, version: int) -> VersionView | None:
    """A version by its number, or None."""
    if row is None or version > row.version:
        return None
    if version == row.version:
        return version_view(row)
    kept = ctx.db.get(MemoryVersion, row.id, version)
    return None if kept is None else version_view(kept)


def history(ctx: QueryCtx, row: Memory | None, limit: int, offset: int) -> list[VersionView]:
    """Versions, oldest first, after `offset` of them, as many as one answer holds."""
    if row is None or offset >= row.version:
        return []
    if limit > LOOKED_AT:
        limit = LOOKED_AT
    kept = ctx.db.query(MemoryVersion.log(row.id).after(offset)).take(min(limit, row.version - 1 - offset))
    found = [*kept, row] if offset + len(kept) == row.version - 1 and len(kept) < limit else kept
    return beginning(version_view(each) for each in found)


def at(ctx: QueryCtx, row: Memory | None, timestamp: float) -> VersionView | None:
    """The version that was current at a moment; None before the first. Raises `Refused` beyond 900 versions."""
    if row is None or timestamp < row.creation_time:
        return None
    if timestamp >= row.updated_at:
        return version_view(row)
    kept = ctx.db.query(MemoryVersion.log(row.id)).newest().take(LOOKED_AT)
    found = next((each for each in kept if each.at <= timestamp), None)
    if found is None and len(kept) == LOOKED_AT:
        raise refused("INVALID_TIMESTAMP", f"this is before the newest {LOOKED_AT} versions; ask by getVersion", "timestamp")
    return None if found is None else version_view(found)
