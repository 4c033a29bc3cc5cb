"""The immutable store: records by type and id, such as a policy, a contract, an article, of which every version is kept.

Every function works within the caller's org, and in one `space` of it: without one in the caller's own, for the org's backend
(a token with the role `service`) in `default`. `domain/memory_spaces.py` says who reaches what; strangers get what they would get
for a record that never was. Errors are data: `{code, field?, message}`.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from chalicelib import ActionCtx, MutationCtx, QueryCtx, action, mutation, query
from chalicelib.domain import memory_spaces
from chalicelib.domain.conversations import access as may
from chalicelib.domain.immutable import listing, purging, storing
from chalicelib.domain.immutable.codes import explain, moment
from chalicelib.domain.immutable.listing import Limit, Offset, SearchLimit
from chalicelib.domain.immutable.views import (
    ImmutableHit,
    ImmutablePurged,
    ImmutablesPurged,
    ImmutableVersionView,
    ImmutableView,
    VersionsPurged,
    version_view,
    view,
)

LISTED, FOUND = 100, 20
Version = Annotated[int, Meta(ge=1)]


@mutation(explain=explain)
def store(
    ctx: MutationCtx,
    type: str,
    id: str,
    data: Any,
    user_id: str | None = None,
    metadata: Any = None,
    space: str | None = None,
) -> ImmutableView:
    """Store a record: version 1 where there is none of this type and id, else the next one. Earlier versions never change.

    Args:
        type: 1 to 100 characters. id: 1 to 200 characters.
        data: an object up to 64 KB; `{}` is one.
        user_id: whose it is; that user sees it, wherever it stands. What is not said stays as it was.
        metadata: an object up to 16 KB, of this version.

    Refuses: `INVALID_TYPE`, `INVALID_ID`, `INVALID_DATA`, `DATA_TOO_LARGE`, `INVALID_METADATA`, `METADATA_TOO_LARGE`,
    `INVALID_USER_ID`, `FORBIDDEN`.
    """
    reach = memory_spaces.writes(ctx, space, "store a record")
    return view(storing.store(ctx, reach, type, id, data, user_id, metadata), previous=True)


@query(explain=explain)
def get(ctx: QueryCtx, type: str, id: str, space: str | None = None) -> ImmutableView | None:
    """A record in its newest version, with the newest ten before it; null where there is none."""
    reach = memory_spaces.reads(ctx, space)
    row = storing.found(ctx, reach, type, id)
    return None if row is None or reach is None else storing.whole(ctx, reach, row)


@query(explain=explain)
def get_version(ctx: QueryCtx, type: str, id: str, version: Version, space: str | None = None) -> ImmutableVersionView | None:
    """One version of a record; null where there is none, or none any more."""
    reach = memory_spaces.reads(ctx, space)
    row = storing.found(ctx, reach, type, id)
    one = None if row is None or reach is None else storing.version(ctx, reach, row, version)
    return None if one is None or row is None else version_view(row, one)


@query(explain=explain)
def get_history(
    ctx: QueryCtx,
    type: str,
    id: str,
    after_version: Annotated[int, Meta(ge=0)] = 0,
    limit: Limit = LISTED,
    space: str | None = None,
) -> list[ImmutableVersionView]:
    """The versions of a record that are kept, oldest first.

    Args:
        after_version: only those after this one. limit: 1 to 1000.

    An answer holds 96 KB. A history that goes on says so in its last element (`listTruncated`).
    """
    reach = memory_spaces.reads(ctx, space)
    row = storing.found(ctx, reach, type, id)
    return [] if row is None or reach is None else storing.history(ctx, reach, row, after_version, min(limit, listing.MOST_READ))


@query(explain=explain)
def get_at_timestamp(
    ctx: QueryCtx, type: str, id: str, timestamp: float | str, space: str | None = None
) -> ImmutableVersionView | None:
    """The version that was the newest at a time; null before the first that is kept.

    Args:
        timestamp: milliseconds since the epoch, or a date of ISO 8601.

    Refuses: `INVALID_TIMESTAMP`.
    """
    time = moment(timestamp)
    reach = memory_spaces.reads(ctx, space)
    row = storing.found(ctx, reach, type, id)
    one = None if row is None or reach is None else storing.at(ctx, reach, row, time)
    return None if one is None or row is None else version_view(row, one)


@query(explain=explain)
def list_(
    ctx: QueryCtx,
    type: str | None = None,
    user_id: str | None = None,
    limit: Limit = LISTED,
    offset: Offset = 0,
    space: str | None = None,
) -> list[ImmutableView]:
    """Records in their newest version, those that were first stored last at the beginning.

    Args:
        limit: 1 to 1000. offset: how many to pass over; together at most 900.

    An answer holds 96 KB. A list that ends earlier than its `limit` because of that says so in its last element
    (`listTruncated`); the rest is asked for with `offset`.

    Refuses: `INVALID_LIMIT`, `INVALID_OFFSET`.
    """
    return listing.told(listing.select(ctx, memory_spaces.reads(ctx, space), type, user_id, offset + limit)[offset:])


@query(explain=explain)
def count(ctx: QueryCtx, type: str | None = None, user_id: str | None = None, space: str | None = None) -> int:
    """How many records `list` would find, exactly."""
    return listing.counted(ctx, memory_spaces.reads(ctx, space), type, user_id)


@query(explain=explain)
def search(
    ctx: QueryCtx,
    query: str,
    type: str | None = None,
    user_id: str | None = None,
    limit: SearchLimit = FOUND,
    space: str | None = None,
) -> list[ImmutableHit]:
    """Records whose newest data have words of `query`, best first. Older versions are not searched.

    Args:
        query: words; case and accents do not matter, and the last one may be the beginning of a word.
        limit: 1 to 100.

    Refuses: `MISSING_REQUIRED_FIELD` for an empty `query`, `INVALID_LIMIT`.
    """
    return listing.searched(ctx, memory_spaces.reads(ctx, space), query, type, user_id, limit)


@mutation(explain=explain)
def purge(ctx: MutationCtx, type: str, id: str, space: str | None = None) -> ImmutablePurged:
    """Delete a record for good, with all of its versions: at once for every reader.

    Refuses: `IMMUTABLE_ENTRY_NOT_FOUND`.
    """
    reach = memory_spaces.writes(ctx, space, "delete a record")
    versions = purging.remove(ctx, storing.reached(ctx, reach, type, id))
    return ImmutablePurged(deleted=True, type=type, id=id, versions_deleted=versions)


@action(explain=explain)
def purge_many(
    ctx: ActionCtx,
    type: str | None = None,
    user_id: str | None = None,
    dry_run: bool = False,
    space: str | None = None,
) -> ImmutablesPurged:
    """Delete the records of a type, of a user, or both, part by part.

    Args:
        dry_run: only say how many and which it would be.

    Refuses: `INVALID_FILTER` without a filter.
    """
    may.signed_in(ctx, "delete records")
    purging.check_filter(type, user_id)
    return purging.carried_out(ctx, space, type, user_id, dry_run)


@mutation(explain=explain)
def purge_versions(ctx: MutationCtx, type: str, id: str, keep_latest: Version, space: str | None = None) -> VersionsPurged:
    """Delete all versions of a record but the latest ones. Those that stay keep their numbers, and none is used again.

    Refuses: `INVALID_KEEP_LATEST`, `IMMUTABLE_ENTRY_NOT_FOUND`.
    """
    row = storing.reached(ctx, memory_spaces.writes(ctx, space, "delete versions"), type, id)
    gone = purging.keep(ctx, row, keep_latest)
    return VersionsPurged(versions_purged=gone, versions_remaining=row.version - row.oldest + 1 - gone)
