"""Deleting many values: an action that goes through a namespace in the order of its keys, a commit a part.

Values that are stored behind it while it runs stay; it ends, whoever writes.
"""

from __future__ import annotations

from typing import Any

from chalicelib import ActionCtx, MutationCtx, QueryCtx
from chalicelib.domain import memory_spaces
from chalicelib.domain.conversations.bulk import told
from chalicelib.domain.memory_spaces import Reach
from chalicelib.domain.mutable import listing
from chalicelib.domain.mutable.listing import Filters
from chalicelib.domain.mutable.views import MutablesDeleted
from chalicelib.schema import Mutable

A_PART = 25
"""Values that one commit deletes: each leaves up to three partitions of indexes, and one commit has 100 actions."""


def carried_out(ctx: ActionCtx, space: str | None, wanted: Filters, dry_run: bool) -> MutablesDeleted:
    """Delete what fits, or say what would be."""
    wanted.check()
    filters = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    keys: list[str] = []
    after: str | None = None
    while True:
        if dry_run:
            found = ctx.run_query("mutable_purge:planned", space=space, filters=filters, after=after)
        else:
            found = ctx.run_mutation("mutable_purge:part", space=space, filters=filters, after=after)
        keys += found["keys"]
        after = found["after"]
        if after is None:
            break
    if dry_run:
        return MutablesDeleted(deleted=0, keys=told(keys), dry_run=True, would_delete=len(keys))
    return MutablesDeleted(deleted=len(keys), keys=told(keys), dry_run=False)


def planned(ctx: QueryCtx, space: str | None, wanted: Filters, after: str | None) -> dict[str, Any]:
    """The next values behind a key that would be deleted."""
    meant, following = _next(ctx, memory_spaces.reads(ctx, space), wanted, after, listing.LOOKED_AT)
    return {"keys": [each.entry for each in meant], "after": following}


def part(ctx: MutationCtx, space: str | None, wanted: Filters, after: str | None) -> dict[str, Any]:
    """Delete the next values behind a key. `after` of the result is where to go on; None: that was all."""
    meant, following = _next(ctx, memory_spaces.writes(ctx, space, "delete values"), wanted, after, A_PART)
    for each in meant:
        ctx.db.delete(each)
    return {"keys": [each.entry for each in meant], "after": following}


def _next(
    ctx: QueryCtx | MutationCtx, reach: Reach | None, wanted: Filters, after: str | None, most: int
) -> tuple[list[Mutable], str | None]:
    """The values that fit among the next `most` of a namespace, and the key behind which to go on."""
    along = None if reach is None else listing.within(reach, wanted)
    if along is None:
        return [], None
    rows: list[Mutable] = ctx.db.query(along if after is None else along.after(after)).take(most)
    return [each for each in rows if wanted.fits(each)], rows[-1].entry if len(rows) == most else None
