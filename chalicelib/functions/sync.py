"""Sessions of an agent's own program and of the chat, brought together by the worker between them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx, mutation, query
from chalicelib.domain.machines import syncing, workers
from chalicelib.domain.machines.syncing import Applied, EngineSession, Planned, SyncAction

MOST_APPLIED = 10
"""Actions of one commit: an import writes its messages, too."""


@query
def plan(
    ctx: QueryCtx,
    sessions: Annotated[list[EngineSession], Meta(max_length=500)],
    agents: Annotated[list[str], Meta(max_length=20)] | None = None,
) -> Planned:
    """What differs between what agents' programs list and the sessions of the worker that asks; empty once it was applied.

    Args:
        sessions: what they list.
        agents: whose sessions these are, by their kinds; sessions of other agents are left alone. None: of all.
    """
    worker = workers.caller(ctx)
    found = syncing.plan(sessions, syncing.chats_of(ctx, worker, agents))
    return Planned(actions=[each for each in found if each.kind != "import" or syncing.unknown(ctx, worker, each)])


@mutation
def apply(ctx: MutationCtx, actions: Annotated[list[SyncAction], Meta(max_length=MOST_APPLIED)]) -> Applied:
    """Apply a part of a plan, ten actions at a time. Twice is once."""
    return Applied(applied=syncing.apply(ctx, workers.caller(ctx), actions))
