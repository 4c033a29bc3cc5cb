"""Deleting conversations part by part: the jobs, the sweep and the looks of `domain/conversations/erasure.py`."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib import MutationCtx, QueryCtx, internal_mutation, internal_query, sweep
from chalicelib.domain.conversations import access as may
from chalicelib.domain.conversations import bulk, erasure, listing
from chalicelib.domain.conversations.filters import Filters
from chalicelib.schema import Erasure


@internal_mutation
def begin_many(ctx: MutationCtx, todo: list[str], filters: dict[str, Any] | None = None) -> str:
    """Start a deletion that the caller carries on by `step`. Returns the receipt's id."""
    return erasure.begin(ctx, todo, filters, wait_ms=erasure.SAFETY_MS).id


@internal_mutation
def step(ctx: MutationCtx, erasure_id: str) -> float | None:
    """Do the next part of a deletion. Returns when to go on, in milliseconds since the epoch; None when it is complete."""
    return erasure.continue_erasure(ctx, erasure_id)


@internal_mutation
def carry_on(ctx: MutationCtx, erasure_id: str) -> None:
    """The job: the next part, and the job after it."""
    following = erasure.continue_erasure(ctx, erasure_id)
    if following is not None:
        ctx.scheduler.run_at(following, carry_on, erasure_id=erasure_id)


@sweep
def resume(executor: Any) -> None:
    """Deletions that stand still, whatever happened to their jobs: over all orgs."""
    for item in executor.listed(Erasure.by_state_touched, ("running",), executor.clock.now_ms() - erasure.STILL_MS):
        executor.repair(item["org"], carry_on, erasure_id=item["_id"])


@internal_query
def planned(ctx: QueryCtx, filters: dict[str, Any]) -> dict[str, Any]:
    """What the caller would delete by a filter now: how many, their ids (900 at most, of which `conversationIds` tells what one
    answer carries), and how many messages these hold."""
    wanted = msgspec.convert(filters, Filters)
    found = listing.select(ctx, wanted, listing.MOST_READ - 1, newest_first=False)
    mine = [each for each in found if may.may_delete(ctx, each)]
    return {
        "total": listing.counted(ctx, wanted) if may.acts_for_org(ctx.user) else len(mine),
        "ids": [each.id for each in mine],
        "conversationIds": bulk.told([each.conversation_id for each in mine]),
        "messages": sum(each.message_count for each in mine),
    }


@internal_query
def named(ctx: QueryCtx, conversation_ids: list[str]) -> list[dict[str, Any]]:
    """Of these conversations those that the caller sees: internal id, id, messages, and whether it may delete them."""
    found = [one for each in conversation_ids if (one := may.found(ctx, each)) is not None]
    return [
        {
            "id": each.id,
            "conversationId": each.conversation_id,
            "messages": each.message_count,
            "mine": may.may_delete(ctx, each),
        }
        for each in found
    ]
