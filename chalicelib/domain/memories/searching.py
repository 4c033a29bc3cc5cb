"""Finding memories by words, by a vector, or by both in one list.

Everything is compared at the instant of the query with the memories as they are: what is archived, deleted, another's or of
another space is never found. What the index cannot filter (tags, importance) is filtered from ever more candidates, until
there are as many as were asked for or the candidates end: 1,000 by words, 256 by meaning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from chalicelib import Hit, QueryCtx, fused
from chalicelib.domain.memories import access as may
from chalicelib.domain.memories import listing
from chalicelib.domain.memories.codes import check_embedding
from chalicelib.domain.memories.listing import Filters
from chalicelib.domain.memories.views import MemoryView, memory_view
from chalicelib.schema import GIVEN, Memory

MOST_BY_WORDS = 480
"""Candidates by words; two lists stay within what one run may read."""
MOST_BY_MEANING = 256
FUSION_K = 60
"""The constant of reciprocal rank fusion."""
Mode = Literal["words", "semantic", "hybrid"]


class Asked(msgspec.Struct, kw_only=True):
    """A search."""

    wanted: Filters
    query: str = ""
    embedding: list[float] | None = None
    embedding_model: str | None = None
    """What made `embedding`: it is compared with vectors of this model only; None: with those of which no model is known."""
    limit: int = 20
    min_score: float | None = None

    @property
    def mode(self) -> Mode:
        """What is compared: words where there are words, meaning where there is a vector."""
        if self.embedding is None:
            return "words"
        return "hybrid" if self.query.strip() else "semantic"


def search(ctx: QueryCtx, asked: Asked) -> list[Hit[Memory]]:
    """The best memories first, with scores from 0 to 1. Raises `Refused`.

    Of equal ones, what has the words comes before what is only near: a memory that is not embedded yet is in the list of words
    alone, and must not lose to one that merely is the nearest of those that are. Then the more important, then the newer.
    """
    listing.check(asked.wanted)
    check_embedding(asked.embedding)
    who = may.asks(ctx)
    if who is None:
        return []
    allowed, owner = listing.owner_of(who, asked.wanted)
    if not allowed:
        return []
    named = _named(asked.wanted, owner)
    if asked.mode == "hybrid" and not _picky(asked.wanted):
        return _best(asked, _at_once(ctx, asked, named))
    lists: list[list[Hit[Memory]]] = []
    if asked.mode != "semantic":
        lists.append(_enough(asked, MOST_BY_WORDS, lambda most: _by_words(ctx, asked, named, most)))
    if asked.embedding is not None:
        lists.append(_enough(asked, MOST_BY_MEANING, lambda most: _by_meaning(ctx, asked, named, most)))
    return _best(asked, lists[0] if len(lists) == 1 else _both(lists))


def _best(asked: Asked, found: list[Hit[Memory]]) -> list[Hit[Memory]]:
    """In order, as many as are asked for."""
    kept = [each for each in found if asked.min_score is None or each.score >= asked.min_score]
    kept.sort(key=_place)
    return kept[: asked.limit]


def _place(hit: Hit[Memory]) -> tuple[float, bool, int, float, str]:
    memory = hit.document
    return -hit.score, not hit.highlights, -memory.importance, -memory.updated_at, memory.id


def _named(wanted: Filters, owner: str | None) -> dict[str, Any]:
    """What the index compares before anything is ranked."""
    given = {
        "owner": owner,
        "agent_id": wanted.agent_id,
        "participant_id": wanted.participant_id,
        "source_type": wanted.source_type,
    }
    known = {name: value for name, value in given.items() if value is not None}
    return {"space": wanted.space, **known, **({} if wanted.include_archived else {"status": "active"})}


def _by_words(ctx: QueryCtx, asked: Asked, named: dict[str, Any], most: int) -> list[Hit[Memory]]:
    hits = ctx.db.search(Memory.by_text(asked.query, **named), limit=most)
    return [Hit(each.document, round(each.score / (1 + each.score), 6), each.highlights) for each in hits]


def _by_meaning(ctx: QueryCtx, asked: Asked, named: dict[str, Any], most: int) -> list[Hit[Memory]]:
    assert asked.embedding is not None
    model = asked.embedding_model or GIVEN
    hits = ctx.db.vector_search(Memory.by_meaning, asked.embedding, limit=most, **named, embedding_model=model)
    return [Hit(each.document, round(max(0.0, each.score), 6)) for each in hits]


def _enough(asked: Asked, most: int, look: Callable[[int], list[Hit[Memory]]]) -> list[Hit[Memory]]:
    """As many fitting hits as are asked for, from three times as many candidates, then from all that there may be."""
    for taken in (min(most, 3 * asked.limit), most):
        hits = look(taken)
        fitting = [each for each in hits if listing.fits(each.document, asked.wanted)]
        if len(fitting) >= asked.limit or len(hits) < taken:
            return fitting
    return fitting


def _both(lists: list[list[Hit[Memory]]]) -> list[Hit[Memory]]:
    """Two lists as one by their ranks."""
    return list(map(_of_one, fused(lists, limit=sum(map(len, lists)), k=FUSION_K)))


def _of_one(hit: Hit[Memory]) -> Hit[Memory]:
    """A fused hit with a score from 0 to 1: 1 for what is the first of both lists."""
    return Hit(hit.document, round(hit.score * (1 + FUSION_K) / 2, 6), hit.highlights)


def _picky(wanted: Filters) -> bool:
    """Whether something is filtered that no index filters: then ranks are those among what is left."""
    return bool(wanted.tags) or wanted.min_importance is not None or wanted.include_archived


def _at_once(ctx: QueryCtx, asked: Asked, named: dict[str, Any]) -> list[Hit[Memory]]:
    """Both lists as one where the indexes filter all that is asked: only memories that are told are read."""
    model = asked.embedding_model or GIVEN
    by_words, by_meaning = (
        Memory.by_text(asked.query, **named),
        Memory.by_meaning(asked.embedding, **named, embedding_model=model),
    )
    return list(map(_of_one, ctx.db.hybrid_search(by_words, by_meaning, limit=asked.limit)))


def shown(hit: Hit[Memory]) -> MemoryView:
    """A hit as it is told."""
    view = memory_view(hit.document)
    view.score, view.highlights = hit.score, hit.highlights or None
    return view
