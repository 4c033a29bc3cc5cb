"""Searching the words of conversations.

**A user's own conversations are found by the index of its messages** (`ChatMessage.by_words`): the messages that fit best, 50 at
least and 200 at most, are put together by conversation, and those are told in which all words occur. So a call costs what has
the words, not what there is. Where more messages have some of the words than are taken, `complete` is false: name rarer words.

**What is in no index is looked through**: conversations that somebody joined, an agent's, a whole org's without `userId`, and
what is kept with conversations (`searchIn`). The newest that fit are read, newest message first; one call looks at no more than
100 of them, 2,000 messages and 1 MB of text. Where that ends the search, `complete` is false and `continueBefore` is the
`createdBefore` to go on with; of a log that is itself too long the newest messages are searched.

Both compare words as `chalicelib/words.py` cuts and folds them; the last one is the beginning of a word.

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
from chalicelib.domain.conversations.views import ConversationMessage, ConversationView, conversation_view, message_view, read
from chalicelib.schema import ChatMessage, Conversation
from chalicelib.words import asked_words, counts, excerpt

CONVERSATIONS, MESSAGES, BYTES = 100, 2_000, 1_000_000
"""What one call looks through."""
LEAST_HITS, MOST_HITS = 50, 200
"""Messages of a user's index that one call takes: four for each conversation that is asked for, between these."""
LONGEST_QUERY, MOST_WORDS = 200, 16
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
    """Whether everything that has the words was found."""
    searched_conversations: int
    searched_messages: int
    """Messages that were compared: of the reader's own conversations those that have any of the words."""
    continue_before: float | None = None
    more_results: int | None = None
    """So many further conversations have the words, but no place in this answer: ask with `offset`."""


def search(ctx: QueryCtx, query: str, filters: SearchFilters, where: SearchIn = "content") -> SearchAnswer:
    """See `conversations:search`."""
    words = asked_words(query)[:MOST_WORDS]
    if not words:
        raise refused("EMPTY_STRING", "query has no words", "query")
    created_in(filters, filters.date_range)
    answer = SearchAnswer(results=[], complete=True, searched_conversations=0, searched_messages=0)
    reader = None if where == "metadata" else listing.reader(ctx, filters)
    found: dict[str, SearchResult] = {}
    if reader is not None:
        found = _by_words(ctx, reader, query, filters, words, answer)
    _looked_through(ctx, filters, where, reader, words, answer, found)
    scored = sorted(found.values(), key=lambda result: -result.score)
    best = scored[filters.offset :]
    answer.results = beginning(map(_bare, best[: filters.limit]))
    answer.more_results = len(best) - len(answer.results) or None
    _add_messages(answer.results, best)
    return answer


def _by_words(
    ctx: QueryCtx, reader: str, query: str, filters: SearchFilters, words: list[str], answer: SearchAnswer
) -> dict[str, SearchResult]:
    """Of the conversations of a user those that have the words, by their internal ids: from the index of its messages."""
    most = min(MOST_HITS, max(LEAST_HITS, 4 * (filters.limit + filters.offset)))
    messages: dict[str, list[ConversationMessage]] = {}
    hits = ctx.db.search(ChatMessage.by_words(query, reader=reader), limit=most)
    for hit in hits:
        messages.setdefault(hit.document.conversation, []).append(message_view(hit.document))
    answer.complete = len(hits) < most
    answer.searched_messages, answer.searched_conversations = len(hits), len(messages)
    found: dict[str, SearchResult] = {}
    for name, some in messages.items():
        one = ctx.db.get(Conversation, name)
        if one is None or one.participants.get("userId") != reader or not listing.names(one, filters):
            continue
        result = _matched(one, some, words)
        if result is not None:
            found[name] = result
    return found


def _looked_through(
    ctx: QueryCtx,
    filters: SearchFilters,
    where: SearchIn,
    reader: str | None,
    words: list[str],
    answer: SearchAnswer,
    found: dict[str, SearchResult],
) -> None:
    """Look one by one through what is in no index: metadata, and conversations that are not the reader's own."""
    room, looked, read_through = BYTES, 0, 0
    only_joined = reader is not None and where == "content"
    for each in listing.select(ctx, filters, CONVERSATIONS + 1, newest_first=True, only_joined=only_joined):
        if looked == CONVERSATIONS or read_through >= MESSAGES or room <= 0:
            answer.complete, answer.continue_before = False, each.creation_time + JUST_AFTER
            break
        own = reader is not None and each.participants.get("userId") == reader
        count = 0 if own or where == "metadata" else each.message_count
        messages = read(ctx, each, 1, count, room, newest_first=True, most=MESSAGES - read_through)
        room -= sum(map(weight, messages))
        looked, read_through = looked + 1, read_through + len(messages)
        answer.searched_conversations += each.id not in found
        answer.searched_messages += len(messages)
        result = found.get(each.id) or _matched(each, messages, words)
        if where != "content":
            result = _with_metadata(each, result, words)
        if result is not None:
            found[each.id] = result
        if len(messages) < count:  # of a log that is too long for one call the newest messages are searched
            answer.complete, answer.continue_before = False, each.creation_time
            break


def _matched(conversation: Conversation, messages: list[ConversationMessage], words: list[str]) -> SearchResult | None:
    """A conversation's result, when all words occur in it."""
    hits: list[tuple[int, ConversationMessage, dict[str, int]]] = []
    totals = dict.fromkeys(words, 0)
    for message in messages:
        often = counts(message.content, words)
        distinct = sum(count > 0 for count in often.values())
        if distinct:
            hits.append((distinct, message, often))
            totals = {word: totals[word] + often[word] for word in words}
    if not hits or not all(totals.values()):
        return None
    saturated = sum(count / (count + 1) for count in totals.values()) / len(words)
    together = max(distinct for distinct, _, _ in hits) / len(words)
    hits.sort(key=lambda hit: (-hit[0], -sum(hit[2].values()), -hit[1].sequence))
    best = [message for _, message, _ in hits[:SHOWN_MESSAGES]]
    return SearchResult(
        conversation=conversation_view(conversation, [], truncated=True),
        matched_messages=best,
        highlights=[excerpt(message.content, words) for message in best],
        score=round(saturated * (0.5 + 0.5 * together), 4),
    )


def _with_metadata(conversation: Conversation, result: SearchResult | None, words: list[str]) -> SearchResult | None:
    """A result that also counts what is kept with the conversation: half a point for all words there, beside its messages."""
    kept = "" if conversation.metadata is None else json.dumps(conversation.metadata, ensure_ascii=False, default=repr)
    if not all(counts(kept, words).values()):
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
