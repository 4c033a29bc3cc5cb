"""Conversations in the order of their last change. The index knows it by the minute; the exact order is made of what is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chalicelib import MutationCtx, QueryCtx
from chalicelib.schema import MINUTE, Conversation

MOST_IN_A_MINUTE = 400
"""So many conversations of one minute are put into their exact order."""


def moved(
    ctx: QueryCtx | MutationCtx,
    wanted: Any,
    limit: int,
    fits: Callable[[Conversation], bool] = lambda one: True,
    *,
    newest_first: bool = True,
) -> list[Conversation]:
    """The first `limit` conversations of a range of a coarse index that fit, in the order of `updated_at`.

    Args:
        wanted: the range; its bounds include all of a minute.
        fits: whether one of it is really meant.
    """

    def read(along: Any, most: int) -> list[Conversation]:
        query = ctx.db.query(along)
        return list((query.newest() if newest_first else query.oldest()).take(most))

    asked = limit
    while True:
        rows = read(wanted, asked)
        found = [each for each in rows if fits(each)]
        if len(rows) < asked or len(found) >= limit:
            break
        asked += limit - len(found)
    if found and len(rows) >= asked:
        # The minute in which the list ends may have some that are as good, and were not read.
        minute = rows[-1].updated_at // MINUTE * MINUTE
        others = read(wanted.at_least(minute).before(minute + MINUTE), MOST_IN_A_MINUTE)
        found = list({each.id: each for each in (*found, *filter(fits, others))}.values())
    return sorted(found, key=lambda each: (each.updated_at, each.id), reverse=newest_first)[:limit]
