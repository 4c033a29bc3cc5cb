"""Lists and counts of the mutable store.

By key they are read along an index; a namespace, and a user's part of it, know how many they are. What no index says, a time of
change or another order, is looked at one by one, up to 400, and refused beyond.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain import memory_spaces
from chalicelib.domain.answer_size import ANSWER_BYTES, beginning
from chalicelib.domain.conversations.codes import check_dates, refused
from chalicelib.domain.memory_spaces import Reach
from chalicelib.domain.mutable.codes import MOST_LISTED, check_namespace, check_prefix
from chalicelib.domain.mutable.views import MutableView, view
from chalicelib.schema import Mutable

SortBy = Literal["key", "createdAt", "updatedAt"]
SortOrder = Literal["asc", "desc"]
Limit = Annotated[int, Meta(ge=1, le=MOST_LISTED)]
Offset = Annotated[int, Meta(ge=0)]
LOOKED_AT = 400
"""Values that are looked at one by one in one call: as many as one exact instant covers."""
MOST_READ = 900
"""Values that one call reads along an index; a run reads 1,000 documents."""
LAST_CHARACTER, BEFORE_HALVES, AFTER_HALVES = 0x10FFFF, 0xD7FF, 0xE000
"""Code points between the last two are halves of others, and in no text."""


class Filters(msgspec.Struct, kw_only=True):
    """Which values of a namespace are meant. Times are milliseconds since the epoch; after and before exclude them."""

    namespace: str
    key_prefix: str | None = None
    user_id: str | None = None
    updated_after: float | None = None
    updated_before: float | None = None

    def check(self) -> None:
        """Refuse what cannot be."""
        check_namespace(self.namespace)
        check_prefix(self.key_prefix)
        if self.user_id is not None:
            memory_spaces.check_name(self.user_id, "userId", "INVALID_USER_ID")
        check_dates(self.updated_after, self.updated_before, "updatedAfter")

    @property
    def timed(self) -> bool:
        """Whether the values must be looked at for their times."""
        return (self.updated_after, self.updated_before) != (None, None)

    def fits(self, row: Mutable) -> bool:
        """Whether a value was changed when this says."""
        late = self.updated_after is None or row.updated_at > self.updated_after
        return late and (self.updated_before is None or row.updated_at < self.updated_before)


def within(reach: Reach, wanted: Filters) -> Any:
    """Where the values stand that a caller sees of these; None: nowhere."""
    user_id = reach.narrowed(wanted.user_id)
    if reach.nothing or not reach.sees(user_id):
        return None
    if user_id is None:
        along = Mutable.by_namespace(reach.space, wanted.namespace)
    else:
        along = Mutable.by_user(reach.space, wanted.namespace, user_id)
    return along if wanted.key_prefix is None else beginning_with(along, wanted.key_prefix)


def beginning_with(along: Any, prefix: str) -> Any:
    """The keys that begin so: from it on, to the first text that comes after all of them."""
    kept = prefix.rstrip(chr(LAST_CHARACTER))
    along = along.at_least(prefix)
    if not kept:
        return along
    last = ord(kept[-1])
    return along.before(kept[:-1] + chr(AFTER_HALVES if last == BEFORE_HALVES else last + 1))


def select(
    ctx: QueryCtx | MutationCtx,
    reach: Reach | None,
    wanted: Filters,
    *,
    need: int,
    sort_by: SortBy = "key",
    descending: bool = False,
) -> list[Mutable]:
    """The first `need` values that fit, in order. Raises `Refused` where too many would have to be looked at."""
    wanted.check()
    along = None if reach is None else within(reach, wanted)
    if along is None:
        return []
    plain = sort_by == "key" and not wanted.timed
    query = ctx.db.query(along)
    query = query.newest() if descending and sort_by == "key" else query.oldest()
    rows: list[Mutable] = query.take(min(need, MOST_READ + 1) if plain else LOOKED_AT + 1)
    if not plain and len(rows) > LOOKED_AT:
        sentence = f"more than {LOOKED_AT} values would have to be looked at one by one; name a keyPrefix or a userId"
        raise refused("FILTER_TOO_BROAD", sentence, "keyPrefix")
    if len(rows) > MOST_READ:
        raise refused("INVALID_OFFSET_RANGE", f"limit and offset reach {MOST_READ} together; go on by keyPrefix", "offset")
    kept = [each for each in rows if wanted.fits(each)]
    if sort_by != "key":
        kept.sort(key=lambda each: (_moment(each, sort_by), each.entry), reverse=descending)
    return kept[:need]


def _moment(row: Mutable, sort_by: SortBy) -> float:
    return row.updated_at if sort_by == "updatedAt" else row.creation_time


def counted(ctx: QueryCtx, reach: Reach | None, wanted: Filters) -> int:
    """How many values fit: exact."""
    wanted.check()
    along = None if reach is None else within(reach, wanted)
    if along is None:
        return 0
    if wanted.key_prefix is None and not wanted.timed:
        return ctx.db.count(along)
    rows: list[Any] = ctx.db.query(along).take(MOST_READ + 1 if not wanted.timed else LOOKED_AT + 1)
    if len(rows) > (LOOKED_AT if wanted.timed else MOST_READ):
        raise refused("FILTER_TOO_BROAD", "too many values would have to be looked at one by one; name a longer keyPrefix")
    return sum(map(wanted.fits, rows))


def told(rows: list[Mutable]) -> list[MutableView]:
    """As many values as one answer holds; the last one says so where more were found."""
    kept = beginning(map(view, rows), ANSWER_BYTES - 100)
    if kept and len(kept) < len(rows):
        kept[-1].list_truncated = True
    return kept
