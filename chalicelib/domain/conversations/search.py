"""Searching the words of conversations.

**The engine is a bounded scan, not an index.** The newest conversations that fit the filters are read, newest message first, and
their words compared as `chalicelib/words.py` folds them, every word of the query as the beginning of a word. That is exact and
always up to date, needs no second system, and costs what it reads: so one call looks at no more than 100 conversations, 2,000
messages and 1 MB of text. Where that ends the search, `complete` is false and `continueBefore` is the `createdBefore` to go on
with; of a log that is itself too long the newest messages are searched. There are no stems, no synonyms and no fuzzy matches; for
more than some thousand conversations of one user, feed a search service from the change stream.

**Score**, 0 to 1: for each word of the query, how often it occurs in the matching messages, saturating (n / (n + 1)); the
mean over the words, half of it for being found in one message together.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chalicelib import QueryCtx
from chalicelib.domain.answer_size import ANSWER_BYTES, beginning, weight
from chalicelib.domain.conversations import listing
from chalicelib.domain.conversations.codes import refused
from chalicelib.domain.conversations.filters import DateRange, Filters, created_in
from chalicelib.domain.conversations.views import ConversationMessage, ConversationView, conversation_view, read
from chalicelib.schema import Conversation
from chalicelib.words import excerpt, fold, occurrences, query_words

CONVERSATIONS, MESSAGES, BYTES = 100, 2_000, 1_000_000
"""What one call looks at."""
LONGEST_QUERY, MOST_WORDS = 200, 8
JUST_AFTER = 0.0005
"""Creation times are multiples of 1/1024 ms; several conversations may have the same."""
SHOWN_MESSAGES = 5
"""Matching messages that a result brings, the best first."""
SHOWN_BYTES = 48 * 1024
"""What the matching messages of one answer weigh; the excerpts beside them are told in any case."""

SearchIn = Literal["content", "metadata", "both"]
Query = Annotated[str, Meta(min_length=1, max_length=LONGEST_QUERY)]


class SearchFilters(Filters, kw_only=True):
    """Filters of a list, and how many results."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 10
    offset: Annotated[int, Meta(ge=0, le=100)] = 0
    """How many of the best are passed over."""
    date_range: DateRange | None = None
    """When they were created."""


class SearchOptions(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How to search."""

    search_in: SearchIn = "content"
    """The messages' texts, what is kept with the conversations, or either of the two."""


class SearchResult(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A conversation with the words."""

    conversation: ConversationView
    """Without its messages."""
    matched_messages: list[ConversationMessage]
    """Up to five, the best first, as far as the answer has room."""
    highlights: list[str]
    """An excerpt of each, around the first word found."""
    score: float


class SearchAnswer(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Results, best first, and how far the search went."""

    results: list[SearchResult]
    complete: bool
    """Whether everything that fits the filters was looked at."""
    searched_conversations: int
    searched_messages: int
    continue_before: float | None = None
    more_results: int | None = None
    """So many further conversations have the words, but no place in this answer: ask with `offset`."""


def search(ctx: QueryCtx, query: str, filters: SearchFilters, where: SearchIn = "content") -> SearchAnswer:
    """See `conversations:search`."""
    words = query_words(query)[:MOST_WORDS]
    if not words:
        raise refused("EMPTY_STRING", "query has no words", "query")
    created_in(filters, filters.date_range)
    found = listing.select(ctx, filters, CONVERSATIONS + 1, newest_first=True)
    answer = SearchAnswer(results=[], complete=True, searched_conversations=0, searched_messages=0)
    room, scored = BYTES, list[tuple[float, SearchResult]]()
    for each in found:
        if answer.searched_conversations == CONVERSATIONS or answer.searched_messages >= MESSAGES or room <= 0:
            answer.complete, answer.continue_before = False, each.creation_time + JUST_AFTER
            break
        most = MESSAGES - answer.searched_messages
        count = each.message_count if where != "metadata" else 0
        messages = read(ctx, each, 1, count, room, newest_first=True, most=most)
        room -= sum(map(weight, messages))
        answer.searched_conversations += 1
        answer.searched_messages += len(messages)
        result = _matched(each, messages, words)
        if where != "content":
            result = _with_metadata(each, result, words)
        if result is not None:
            scored.append((result.score, result))
        if len(messages) < count:  # of a log that is too long for one call the newest messages are searched
            answer.complete, answer.continue_before = False, each.creation_time
            break
    scored.sort(key=lambda pair: -pair[0])
    best = [result for _, result in scored[filters.offset :]]
    answer.results = beginning(map(_bare, best[: filters.limit]))
    answer.more_results = len(best) - len(answer.results) or None
    _add_messages(answer.results, best)
    return answer


def _matched(conversation: Conversation, messages: list[ConversationMessage], words: list[str]) -> SearchResult | None:
    """A conversation's result, when all words occur in it."""
    hits: list[tuple[int, ConversationMessage, dict[str, int]]] = []
    totals = dict.fromkeys(words, 0)
    for message in messages:
        counts = _counts(message.content, words)
        distinct = sum(count > 0 for count in counts.values())
        if distinct:
            hits.append((distinct, message, counts))
            totals = {word: totals[word] + counts[word] for word in words}
    if not hits or not all(totals.values()):
        return None
    often = sum(count / (count + 1) for count in totals.values()) / len(words)
    together = max(distinct for distinct, _, _ in hits) / len(words)
    hits.sort(key=lambda hit: (-hit[0], -sum(hit[2].values()), -hit[1].sequence))
    best = [message for _, message, _ in hits[:SHOWN_MESSAGES]]
    return SearchResult(
        conversation=conversation_view(conversation, [], truncated=True),
        matched_messages=best,
        highlights=[excerpt(message.content, words) for message in best],
        score=round(often * (0.5 + 0.5 * together), 4),
    )


def _with_metadata(conversation: Conversation, result: SearchResult | None, words: list[str]) -> SearchResult | None:
    """A result that also counts what is kept with the conversation: half a point for all words there, beside its messages."""
    kept = "" if conversation.metadata is None else json.dumps(conversation.metadata, ensure_ascii=False, default=repr)
    if not all(_counts(kept, words).values()):
        return result
    if result is None:
        result = SearchResult(
            conversation=conversation_view(conversation, [], truncated=True), matched_messages=[], highlights=[], score=0.0
        )
    result.highlights.append(excerpt(kept, words))
    result.score = round(0.5 + result.score / 2, 4)
    return result


def _bare(result: SearchResult) -> SearchResult:
    return msgspec.structs.replace(result, matched_messages=[])


def _add_messages(told: list[SearchResult], found: list[SearchResult]) -> None:
    """Put into results what of their messages the answer has room for."""
    room = min(SHOWN_BYTES, ANSWER_BYTES - sum(map(weight, told)))
    for result, whole in zip(told, found, strict=False):
        for message in whole.matched_messages:
            if weight(message) <= room:
                result.matched_messages.append(message)
                room -= weight(message)


def _counts(text: str, words: list[str]) -> dict[str, int]:
    folded = fold(text)
    return {word: len(occurrences(folded, word)) for word in words}
