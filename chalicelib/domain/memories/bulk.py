"""Changing and deleting many memories: look first, then part by part, because one transaction does not hold them."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib import ActionCtx, MutationCtx, QueryCtx
from chalicelib.domain.conversations import access as conversations
from chalicelib.domain.conversations.bulk import told
from chalicelib.domain.conversations.codes import refused
from chalicelib.domain.memories import access as may
from chalicelib.domain.memories import listing, storing
from chalicelib.domain.memories.codes import check_importance, check_tags
from chalicelib.domain.memories.listing import Filters
from chalicelib.domain.memories.storing import Change
from chalicelib.domain.memories.views import MemoriesDeleted, MemoriesUpdated
from chalicelib.domain.memory import erasure
from chalicelib.domain.memory.layers import MEMORIES
from chalicelib.schema import Memory

AT_ONCE = 10
"""Memories that one commit changes."""
MOST_MEANT = listing.MOST_READ


def planned(ctx: QueryCtx, wanted: dict[str, Any], memory_ids: list[str] | None) -> list[str]:
    """See `memories:planned`."""
    filters = msgspec.convert(wanted, Filters)
    if memory_ids is not None:
        listing.check(filters)
        named = [may.found(ctx, filters.space, each) for each in memory_ids]
        return [each.id for each in named if each is not None and listing.fits(each, filters)]
    return [each.id for each in listing.select(ctx, filters, MOST_MEANT)]


def update_many(ctx: ActionCtx, wanted: Filters, importance: int | None, tags: list[str] | None) -> MemoriesUpdated:
    """See `memories:updateMany`."""
    conversations.signed_in(ctx, "change memories")
    if importance is None and tags is None:
        raise refused("MISSING_REQUIRED_FIELD", "name what is to change: importance or newTags")
    if importance is not None:
        check_importance(importance, "importance")
    if tags is not None:
        check_tags(tags, "newTags")
    ids = ctx.run_query("memories:planned", wanted=msgspec.to_builtins(wanted))
    done: list[str] = []
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        done += ctx.run_mutation("memories:updateSome", memory_ids=some, importance=importance, tags=tags)
    return MemoriesUpdated(updated=len(done), memory_ids=told(done))


def update_some(ctx: MutationCtx, memory_ids: list[str], change: Change) -> list[str]:
    """See `memories:updateSome`."""
    found = [row for each in memory_ids if (row := ctx.db.get(Memory, each)) is not None]
    for row in found:
        storing.update(ctx, row, change)
    return [each.id for each in found]


def delete_many(ctx: ActionCtx, wanted: Filters, named: list[str] | None, dry_run: bool, threshold: int) -> MemoriesDeleted:
    """See `memories:deleteMany`."""
    conversations.signed_in(ctx, "delete memories")
    ids = ctx.run_query("memories:planned", wanted=msgspec.to_builtins(wanted), memory_ids=named)
    if dry_run:
        return MemoriesDeleted(dry_run=True, deleted=0, memory_ids=told(ids), would_delete=len(ids))
    if named is None and len(ids) > threshold:
        raise refused(
            "DELETE_MANY_THRESHOLD_EXCEEDED",
            f"Would delete {len(ids)} memories, more than confirmationThreshold ({threshold}); raise it if that is meant",
            wouldDelete=len(ids),
        )
    if not ids:
        return MemoriesDeleted(dry_run=False, deleted=0, memory_ids=[])
    receipt = ctx.run_mutation("memories:beginErasure", space=wanted.space, memory_ids=ids)
    following = erasure.drive(ctx, receipt, [MEMORIES], ctx.now + erasure.PATIENCE_MS)
    return MemoriesDeleted(
        dry_run=False,
        deleted=len(ids),
        memory_ids=told(ids),
        receipt_id=receipt,
        state="completed" if following is None else "running",
    )
