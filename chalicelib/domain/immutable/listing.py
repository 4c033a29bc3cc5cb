"""Lists, counts and searches of the immutable store: along an index, whose partitions know how many they hold."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain import memory_spaces
from chalicelib.domain.answer_size import ANSWER_BYTES, beginning
from chalicelib.domain.conversations.codes import check_query, refused
from chalicelib.domain.immutable.codes import MOST_LISTED, check_type
from chalicelib.domain.immutable.views import ImmutableHit, ImmutableView, view
from chalicelib.domain.memory_spaces import Reach
from chalicelib.schema import Immutable

Limit = Annotated[int, Meta(ge=1, le=MOST_LISTED)]
SearchLimit = Annotated[int, Meta(ge=1, le=100)]
Offset = Annotated[int, Meta(ge=0)]
MOST_READ = 900
"""Records that one call reads along an index; a run reads 1,000 documents."""


def along(reach: Reach | None, type: str | None, user_id: str | None) -> Any:
    """Where the records stand that a caller sees of these; None: nowhere."""
    check_type(type)
    if user_id is not None:
        memory_spaces.check_name(user_id, "userId", "INVALID_USER_ID")
    if reach is None or reach.nothing:
        return None
    user_id = reach.narrowed(user_id)
    if not reach.sees(user_id):
        return None
    if user_id is None:
        return Immutable.by_space(reach.space) if type is None else Immutable.by_type(reach.space, type)
    return Immutable.by_user(reach.space, user_id) if type is None else Immutable.by_type_user(reach.space, type, user_id)


def select(ctx: QueryCtx | MutationCtx, reach: Reach | None, type: str | None, user_id: str | None, need: int) -> list[Immutable]:
    """The first `need` records, newest first."""
    where = along(reach, type, user_id)
    if where is None:
        return []
    rows: list[Immutable] = ctx.db.query(where).newest().take(min(need, MOST_READ + 1))
    if len(rows) > MOST_READ:
        raise refused("INVALID_OFFSET", f"limit and offset reach {MOST_READ} together", "offset")
    return rows


def counted(ctx: QueryCtx, reach: Reach | None, type: str | None, user_id: str | None) -> int:
    """How many records there are: exact."""
    where = along(reach, type, user_id)
    return 0 if where is None else ctx.db.count(where)


def told(rows: list[Immutable]) -> list[ImmutableView]:
    """As many records as one answer holds; the last one says so where more were found."""
    kept = beginning(map(view, rows), ANSWER_BYTES - 100)
    if kept and len(kept) < len(rows):
        kept[-1].list_truncated = True
    return kept


def searched(
    ctx: QueryCtx, reach: Reach | None, query: str, type: str | None, user_id: str | None, limit: int
) -> list[ImmutableHit]:
    """Records whose newest data have the words, best first."""
    if not query.strip():
        raise refused("MISSING_REQUIRED_FIELD", "query is required and cannot be empty", "query")
    check_query(query)
    if along(reach, type, user_id) is None or reach is None:
        return []
    filters = {"type": type, "user_id": reach.narrowed(user_id)}
    named: dict[str, Any] = {name: value for name, value in filters.items() if value is not None}
    hits = ctx.db.search(Immutable.by_words(query, space=reach.space, **named), limit=limit)
    views = [ImmutableHit(entry=view(each.document), score=each.score, highlights=each.highlights) for each in hits]
    kept = beginning(views, ANSWER_BYTES - 100)
    if kept and len(kept) < len(views):
        kept[-1].list_truncated = True
    return kept
