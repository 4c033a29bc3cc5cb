"""Lists and counts of memories: newest first, by the indexes; what no index says is looked at one by one, up to 400.

A count is the length of the list, always: the index partitions keep their sizes, and what is narrowed further is looked at.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain.conversations.codes import check_dates, check_id, refused
from chalicelib.domain.memories import access as may
from chalicelib.domain.memories.codes import check_importance, check_tags
from chalicelib.schema import Memory, SourceType

LOOKED_AT = 400
"""Memories that are looked at one by one in one call: as many as one exact instant covers."""
MOST_READ = 900
"""Memories that one call reads along an index."""


class Filters(msgspec.Struct, kw_only=True):
    """Which memories of a space."""

    space: str
    user_id: str | None = None
    agent_id: str | None = None
    participant_id: str | None = None
    source_type: SourceType | None = None
    tags: list[str] | None = None
    tags_all: bool = False
    min_importance: int | None = None
    include_archived: bool = False
    created_after: float | None = None
    created_before: float | None = None

    @property
    def narrow(self) -> bool:
        """Whether it says more than an index does."""
        named = (self.agent_id, self.participant_id, self.source_type, self.tags, self.min_importance)
        return any(each is not None for each in named)


def check(wanted: Filters) -> None:
    """Whether a filter can be used. Raises `Refused`."""
    check_id(wanted.space, "space")
    for field, value in (("userId", wanted.user_id), ("agentId", wanted.agent_id), ("participantId", wanted.participant_id)):
        if value is not None:
            check_id(value, field)
    if wanted.min_importance is not None:
        check_importance(wanted.min_importance, "minImportance")
    if wanted.tags is not None:
        check_tags(wanted.tags, "tags")
    check_dates(wanted.created_after, wanted.created_before, "createdAfter")


def fits(row: Memory, wanted: Filters) -> bool:
    """Whether a memory has what a filter names beside its space."""
    having = all if wanted.tags_all else any
    return (
        row.status != "partial"
        and wanted.user_id in (None, row.user_id)
        and wanted.agent_id in (None, row.agent_id)
        and wanted.participant_id in (None, row.participant_id)
        and wanted.source_type in (None, row.source_type)
        and (wanted.min_importance is None or row.importance >= wanted.min_importance)
        and (not wanted.tags or having(each in row.tags for each in wanted.tags))
    )


def owner_of(who: may.Who, wanted: Filters) -> tuple[bool, str | None]:
    """Whether the caller may find anything by this filter, and the owner that it is kept to (None: any)."""
    named = None if wanted.user_id is None else may.key_of(wanted.user_id, None)
    if who.everything:
        return True, named
    return named in (None, who.owner), who.owner


def sources(ctx: QueryCtx | MutationCtx, wanted: Filters) -> list[Any]:
    """The ranges of a filter; none for nobody, and for what is another's."""
    who = may.asks(ctx)
    if who is None:
        return []
    allowed, owner = owner_of(who, wanted)
    if not allowed:
        return []
    statuses = ("active", "archived") if wanted.include_archived else ("active",)
    by = (lambda status: Memory.by_space(wanted.space, status)) if owner is None else None
    return [by(each) if by else Memory.by_owner(wanted.space, each, owner) for each in statuses]


def select(ctx: QueryCtx | MutationCtx, wanted: Filters, need: int, *, newest_first: bool = True) -> list[Memory]:
    """The first `need` memories of a filter, in the order of their creation. Raises `Refused` where too many had to be seen."""
    check(wanted)
    need = min(need, MOST_READ + 1)
    asked = LOOKED_AT + 1 if wanted.narrow else need
    found: list[Memory] = []
    for range in sources(ctx, wanted):
        if wanted.created_after is not None:
            range = range.after(wanted.created_after)
        if wanted.created_before is not None:
            range = range.before(wanted.created_before)
        query = ctx.db.query(range)
        rows = (query.newest() if newest_first else query.oldest()).take(asked)
        if wanted.narrow and len(rows) > LOOKED_AT:
            raise refused(
                "FILTER_TOO_BROAD",
                f"more than {LOOKED_AT} memories would have to be looked at one by one; name a user, or a time by createdBefore",
            )
        found += [each for each in rows if fits(each, wanted)]
    found.sort(key=lambda each: (each.creation_time, each.id), reverse=newest_first)
    if need > MOST_READ and len(found) > MOST_READ:
        raise refused("INVALID_RANGE", f"limit and offset reach at most {MOST_READ}; go on with createdBefore")
    return found[:need]


def counted(ctx: QueryCtx, wanted: Filters) -> int:
    """How many memories a filter names: exact."""
    check(wanted)
    if wanted.narrow:
        return len(select(ctx, wanted, MOST_READ))
    return sum(ctx.db.count(each) for each in sources(ctx, wanted))
