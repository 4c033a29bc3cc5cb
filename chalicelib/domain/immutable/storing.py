"""Storing a version of a record, and finding records and versions.

The row of the record has its newest version, and each version has a row of its own that never changes. A store writes both in one
commit whose condition is that the record is still as it was read: so of fifty stores at once each gets a number of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain import memory_spaces
from chalicelib.domain.answer_size import ANSWER_BYTES, beginning, weight
from chalicelib.domain.immutable.codes import check_data, check_metadata, check_place, not_found
from chalicelib.domain.immutable.views import ImmutableVersionView, ImmutableView, version_view, view
from chalicelib.domain.memory_spaces import Reach
from chalicelib.schema import Immutable, ImmutableVersion

SHOWN_VERSIONS = 10
"""Earlier versions that `get` brings."""
LOOKED_AT = 900
"""Versions that a history looks at for those that its reader may see."""
WORDS = 20_000
"""Characters of a record's texts that its words are found in."""


def id_of(space: str, type: str, id: str) -> str:
    """The id of a record's document."""
    return hashlib.sha256(json.dumps([space, type, id]).encode()).hexdigest()[:40]


def found(ctx: QueryCtx | MutationCtx, reach: Reach | None, type: str, id: str) -> Immutable | None:
    """A record for who may see it; None for everybody else."""
    check_place(type, id)
    row: Immutable | None = None if reach is None else ctx.db.get(Immutable, id_of(reach.space, type, id))
    return row if row is not None and reach is not None and reach.sees(row.user_id) else None


def reached(ctx: MutationCtx, reach: Reach, type: str, id: str) -> Immutable:
    """A record for who may change it. Raises `Refused`."""
    row = found(ctx, reach, type, id)
    if row is None:
        raise not_found()
    return row


def store(
    ctx: MutationCtx, reach: Reach, type: str, id: str, data: Any, user_id: str | None = None, metadata: Any = None
) -> Immutable:
    """Store the first version of a record, or the next one. What is not said of `userId` stays as it was."""
    check_data(data)
    check_metadata(metadata)
    row = found(ctx, reach, type, id)
    before = None if row is None else row.user_id
    user_id = memory_spaces.owner(reach, user_id, before)
    words = "\n".join(_texts(data))[:WORDS]
    if row is None:
        if not reach.adds:
            raise memory_spaces.no_room(reach)
        row = Immutable(
            id=id_of(reach.space, type, id),
            space=reach.space,
            type=type,
            entry_id=id,
            version=1,
            record=ctx.new_id("rec-"),
            data=data,
            user_id=user_id,
            metadata=metadata,
            updated_at=ctx.now,
            words=words,
        )
        ctx.db.insert(row)
    else:
        row = ctx.db.patch(
            row,
            version=row.version + 1,
            recent=[*row.recent, [float(row.version), row.updated_at]][-SHOWN_VERSIONS:],
            data=data,
            user_id=user_id,
            metadata=metadata,
            updated_at=later(ctx, row),
            words=words,
        )
    kept: dict[str, Any] = {"data": data, "user_id": user_id, "metadata": metadata, "at": row.updated_at}
    ctx.db.insert(ImmutableVersion(record=row.record, version=row.version, **kept, **handed_over(before, row)))
    return row


def handed_over(before: str | None, row: Immutable) -> dict[str, Any]:
    """What a version says where the one before it was another's: by this an erasure of that user finds the record."""
    return {} if before in (None, row.user_id) else {"taken_from": before, "space": row.space}


def later(ctx: MutationCtx, row: Immutable) -> float:
    """When a further version comes: now, but after the one before it."""
    return max(ctx.now, row.updated_at + 1)


def _texts(value: Any) -> Iterator[str]:
    """The texts and numbers in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield f"{value:.15g}"


def whole(ctx: QueryCtx, reach: Reach, row: Immutable) -> ImmutableView:
    """A record with its newest earlier versions, as far as an answer has room for their data."""
    told = view(row, previous=True)
    room = ANSWER_BYTES - weight(told)
    for each in reversed(told.previous_versions or []):
        one = version(ctx, reach, row, each.version)
        if one is None:
            continue
        room -= weight(one.data)
        if room < 0:
            break
        each.data = one.data
    return told


def version(ctx: QueryCtx, reach: Reach, row: Immutable, number: int) -> ImmutableVersion | None:
    """One version that is kept, and that the caller may see."""
    if not row.oldest <= number <= row.version:
        return None
    one: ImmutableVersion | None = ctx.db.get(ImmutableVersion, row.record, number)
    return one if one is not None and _seen(reach, one) else None


def _seen(reach: Reach, one: ImmutableVersion) -> bool:
    """Whether a version is there for a caller."""
    return not one.erased and reach.sees(one.user_id)


def history(ctx: QueryCtx, reach: Reach, row: Immutable, after: int, limit: int) -> list[ImmutableVersionView]:
    """The versions that are kept, oldest first, as many as one answer holds."""
    along = ImmutableVersion.log(row.record).at_most(row.version)
    views: list[ImmutableVersionView] = []
    following = max(after + 1, row.oldest)
    for _ in range(-(-LOOKED_AT // (limit + 1))):
        rows: list[ImmutableVersion] = ctx.db.query(along.at_least(following)).oldest().take(limit + 1)
        views += [version_view(row, each) for each in rows if _seen(reach, each)]
        if len(rows) <= limit or len(views) > limit:
            break
        following = rows[-1].version + 1
    kept = beginning(views[:limit], ANSWER_BYTES - 100)
    if kept and len(kept) < len(views):
        kept[-1].list_truncated = True
    return kept


def at(ctx: QueryCtx, reach: Reach, row: Immutable, time: float) -> ImmutableVersion | None:
    """The version that was the newest at a time; None before the first that is kept. Times rise, so it is found by bisection."""
    if time >= row.updated_at:
        return version(ctx, reach, row, row.version)
    low, high = row.oldest - 1, row.version  # `low` had come, or is none; `high` had not
    while high - low > 1:
        middle = (low + high) // 2
        one = ctx.db.get(ImmutableVersion, row.record, middle)
        if one is not None and one.at <= time:
            low = middle
        else:
            high = middle
    return version(ctx, reach, row, low)
