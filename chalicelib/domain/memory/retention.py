"""How long memories of a space are kept: the org's backend says it, a sweep carries it out.

A round looks at a space's memories from the oldest on, some in each commit, and begins an erasure, with its receipt, of those
that are older than the space keeps them and not important enough to stay; facts that were taken from them stay. The next round
begins an hour after the last one ended, or at once when the rule is changed.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain.conversations.access import acts_for_org
from chalicelib.domain.conversations.codes import check_id, refused
from chalicelib.domain.memories import access as may
from chalicelib.domain.memories.codes import MOST_IMPORTANT, check_importance
from chalicelib.domain.memory import erasure
from chalicelib.domain.memory.layers import MEMORIES
from chalicelib.schema import Memory, MemoryRetention

DAY_MS = 86_400_000.0
ROUND_MS = 3_600_000.0
AT_ONCE = 30
"""Memories that one commit looks at, of each status."""
LONGEST_DAYS = 36_500


class RetentionView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """How long the memories of a space are kept."""

    space: str
    days: float
    keep_importance: int | None = None
    """Memories of at least this importance stay."""
    updated_at: float


def set_rule(ctx: MutationCtx, space: str, days: float | None, keep_importance: int | None) -> RetentionView | None:
    """See `memory:setRetention`."""
    who = may.writer(ctx, "say how long memories are kept")
    check_id(space, "space")
    if not who.everything:
        raise refused("FORBIDDEN", "the org's own backend says how long memories are kept", "space")
    if keep_importance is not None:
        check_importance(keep_importance, "keepImportance")
    known = ctx.db.get(MemoryRetention, _id(space))
    if days is None:
        if known is not None:
            ctx.db.delete(known)
        return None
    if not 0 < days <= LONGEST_DAYS:
        raise refused("INVALID_RANGE", f"days is more than 0, at most {LONGEST_DAYS}", "days")
    kept = MOST_IMPORTANT + 1 if keep_importance is None else keep_importance
    rule: dict[str, Any] = {"days": days, "keep_importance": kept, "passed": None, "look_at": ctx.now, "updated_at": ctx.now}
    if known is not None:
        return view(ctx.db.patch(known, **rule))
    row = MemoryRetention(id=_id(space), org=ctx.org, space=space, **rule)
    ctx.db.insert(row)
    return view(row)


def rule_of(ctx: QueryCtx, space: str) -> RetentionView | None:
    """The rule of a space, for the org's backend; None for everybody else."""
    check_id(space, "space")
    row = ctx.db.get(MemoryRetention, _id(space)) if ctx.user is not None and acts_for_org(ctx.user) else None
    return None if row is None else view(row)


def view(row: MemoryRetention) -> RetentionView:
    """A rule as it is told."""
    kept = row.keep_importance if row.keep_importance <= MOST_IMPORTANT else None
    return RetentionView(space=row.space, days=row.days, keep_importance=kept, updated_at=row.updated_at)


def look(ctx: MutationCtx, retention_id: str) -> None:
    """Look at the next memories of a space, and begin to erase those whose time is over."""
    rule = ctx.db.get(MemoryRetention, retention_id)
    if rule is None or rule.look_at > ctx.now:
        return
    until = ctx.now - rule.days * DAY_MS
    found, ends = list[Memory](), list[float]()
    for status in ("active", "archived"):
        range = Memory.by_space(rule.space, status).before(until)
        rows = ctx.db.query(range if rule.passed is None else range.after(rule.passed)).oldest().take(AT_ONCE)
        found += rows
        if len(rows) == AT_ONCE:
            ends.append(rows[-1].creation_time)
    over = [each.id for each in found if each.importance < rule.keep_importance]
    if over:
        erasure.begin(ctx, [MEMORIES], space=rule.space, ids=over)
    if ends:  # there is more of what this was all that fits
        ctx.db.patch(rule, passed=min(ends))
    else:
        ctx.db.patch(rule, passed=None, look_at=ctx.now + ROUND_MS)


def _id(space: str) -> str:
    return hashlib.sha256(space.encode()).hexdigest()[:32]
