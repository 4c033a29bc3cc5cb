"""Deleting records, and old versions of them. They are gone at once for every reader; what is long is erased behind it, by jobs.

A record that comes again under the same type and id begins at version 1, under a name of its own for its versions, so what is
still being erased of the one before it is never taken for its own.
"""

from __future__ import annotations

from typing import Any

from chalicelib import ActionCtx, MutationCtx, QueryCtx
from chalicelib.domain import memory_spaces
from chalicelib.domain.conversations.bulk import told
from chalicelib.domain.conversations.codes import refused
from chalicelib.domain.immutable import listing
from chalicelib.domain.immutable.views import ImmutablesPurged
from chalicelib.schema import Immutable, ImmutableVersion

AT_ONCE = 40
"""Versions that one commit deletes."""
A_PART, OF_EACH = 6, 6
"""Records that one commit of `purgeMany` deletes, and versions of each: each leaves up to five indexes and a search."""


def remove(ctx: MutationCtx, row: Immutable, at_once: int = AT_ONCE) -> int:
    """Delete a record with all of its versions. Returns how many it had."""
    ctx.db.delete(row)
    clear(ctx, row.record, row.oldest, row.version, at_once)
    return row.version - row.oldest + 1


def keep(ctx: MutationCtx, row: Immutable, latest: int) -> int:
    """Delete all versions of a record but the latest ones. Returns how many these were; numbers are never used again."""
    first = max(row.oldest, row.version - latest + 1)
    if first == row.oldest:
        return 0
    ctx.db.patch(row, oldest=first)
    clear(ctx, row.record, row.oldest, first - 1)
    return first - row.oldest


def clear(ctx: MutationCtx, record: str, first: int, last: int, at_once: int = AT_ONCE) -> None:
    """Erase some versions, and have a job erase the rest."""
    following = min(last + 1, first + at_once)
    for number in range(first, following):
        if ctx.db.get(ImmutableVersion, record, number) is not None:
            ctx.db.delete(ImmutableVersion, record, number)
    if following <= last:
        ctx.scheduler.run_after(0, "immutable_purge:clear", record=record, first=following, last=last)


def carried_out(ctx: ActionCtx, space: str | None, type: str | None, user_id: str | None, dry_run: bool) -> ImmutablesPurged:
    """Delete the records that fit, or say which these would be."""
    args = {"space": space, "type": type, "user_id": user_id}
    planned = ctx.run_query("immutable_purge:planned", **args)
    if dry_run:
        names = [str(each[0]) for each in planned["records"]]
        return ImmutablesPurged(
            deleted=0, total_versions_deleted=0, entries=told(names), dry_run=True, would_delete=int(planned["total"])
        )
    entries: list[str] = []
    versions = 0
    while planned["records"]:
        ids = [each[1] for each in planned["records"]]
        for start in range(0, len(ids), A_PART):
            done = ctx.run_mutation("immutable_purge:part", space=space, ids=ids[start : start + A_PART])
            entries += done["entries"]
            versions += int(done["versions"])
        if len(ids) >= int(planned["total"]):
            break
        planned = ctx.run_query("immutable_purge:planned", **args)
    return ImmutablesPurged(deleted=len(entries), total_versions_deleted=versions, entries=told(entries), dry_run=False)


def planned(ctx: QueryCtx, space: str | None, type: str | None, user_id: str | None) -> dict[str, Any]:
    """The records that would be deleted for the caller: name and internal id of 900 at most, and how many there are."""
    reach = memory_spaces.reads(ctx, space)
    rows = listing.select(ctx, reach, type, user_id, listing.MOST_READ)
    return {
        "records": [[f"{each.type}/{each.entry_id}", each.id] for each in rows],
        "total": listing.counted(ctx, reach, type, user_id),
    }


def part(ctx: MutationCtx, space: str | None, ids: list[str]) -> dict[str, Any]:
    """Delete some of them, as far as they are still there and the caller's."""
    reach = memory_spaces.writes(ctx, space, "delete records")
    rows = [ctx.db.get(Immutable, each) for each in ids]
    mine = [each for each in rows if each is not None and each.space == reach.space and reach.sees(each.user_id)]
    versions = sum(remove(ctx, each, OF_EACH) for each in mine)
    return {"entries": [f"{each.type}/{each.entry_id}" for each in mine], "versions": versions}


def check_filter(type: str | None, user_id: str | None) -> None:
    """Whether a deletion of many names what it means."""
    if type is None and user_id is None:
        raise refused("INVALID_FILTER", "name a type or a userId")
