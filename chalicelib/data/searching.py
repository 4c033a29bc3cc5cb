"""Searching the words of documents: the index proposes, the documents decide.

1. The tail of the partition first, then the blocks of each word (`entries.py`): an entry that is moved between the two reads is
   seen twice, never missed. What the tail says of a document holds, and what this run has written itself holds before that.
2. Filters before ranking. Then BM25 (k1 = 1.2, b = 0.75; Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009)
   over the words; the last word also stands for the words that begin with it, as one.
3. Each proposed document is read as every document is, at the instant of the query, and counted again: one that is gone, or does
   not say it any more, is passed over, and the next takes its place.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from chalicelib.data.block_rows import Kept, Manifest, counts_of, manifest
from chalicelib.data.entries import ROWS, document_key_of, document_name, entry_of
from chalicelib.data.errors import BadRequest
from chalicelib.data.index import Record
from chalicelib.data.records import Rough
from chalicelib.data.side_index import MOST_WORDS, Asked, Entry
from chalicelib.data.store import Item
from chalicelib.data.transaction import Transaction
from chalicelib.words import excerpt, is_one, query_words

MOST_HITS = 1000
"""Documents that one search may find: as many as one run may read."""
MOST_BLOCKS = 1000
"""Blocks that a search reads for the words that begin with its last one; of a longer list the first in the alphabet."""
K1, B = 1.2, 0.75
KEPT_BYTES, POSTING_BYTES = 64 * 1024 * 1024, 160
"""What a process keeps of the words that it has read; what one document takes of it."""
AT_ONCE = 4
"""Documents that are looked at beyond those that are wanted still."""
Postings = dict[str, tuple[int, int]]
"""By document: how often it has a word, and how many words it has."""


KEPT: Kept[Postings] = Kept(KEPT_BYTES)


@dataclass(frozen=True)
class Found:
    """A document that a search has found: as it is stored now, how well it fits, and excerpts of its text."""

    record: Record
    score: float
    highlights: list[str]


def search(tx: Transaction, asked: Asked, limit: int) -> list[Found]:
    """The documents that fit best, best first. Raises `BadRequest` for a limit that is none, and while the index is built."""
    if type(limit) is not int or not 1 <= limit <= MOST_HITS:
        raise BadRequest(f"search(limit={limit!r}): a limit is 1 to {MOST_HITS}.")
    proposed, found = propose(tx, asked, limit), list[Found]()
    for record in documents(tx, asked, proposed.names, lambda: limit - len(found)):
        hit = proposed.counted(record)
        if hit is not None:
            found.append(hit)
    return sorted(found, key=lambda hit: (-hit.score, str(hit.record["_id"])))[:limit]


@dataclass(frozen=True)
class Proposed:
    """What an index proposes: names of documents, the best first, and what one of them is found as; None: it is not, any more."""

    names: Iterator[str]
    counted: Callable[[Record], Found | None]


def propose(tx: Transaction, asked: Asked, most: int) -> Proposed:
    """What the words are in, as the rows of the index have it; the first `most` cost no sorting of the rest."""
    watch(tx, asked)
    if not asked.words:
        return Proposed(iter(()), lambda record: None)
    partition = Partition(tx, asked)
    words = [partition.postings(word, prefix=at == len(asked.words) - 1 or is_one(word)) for at, word in enumerate(asked.words)]
    rank = Ranking(words, partition.stats())
    needed = [partition.postings(key) for key in asked.filter_keys()]
    if asked.every:
        needed += words
    shown = [*query_words(asked.query)[:MOST_WORDS], *asked.words]
    return Proposed(_best_first(rank, _those(words, needed), most), lambda record: _counted(asked, record, rank, shown))


def _those(words: list[Postings], needed: list[Postings]) -> list[Postings]:
    """The postings of those documents that are in each of `needed`, too; a list that has everything costs nothing."""
    for each in sorted(needed, key=len):
        words = [one if one.keys() <= each.keys() else {name: one[name] for name in one.keys() & each.keys()} for one in words]
    return words


def _best_first(rank: Ranking, words: list[Postings], most: int) -> Iterator[str]:
    """Names, the greatest score first; the first few cost no sorting of the rest."""
    enough = most + AT_ONCE
    first = heapq.nsmallest(enough, ((-score, name) for name, score in rank.scores(rank.promising(words, enough)).items()))
    yield from (name for _, name in first)
    if len(first) == enough:
        yield from (name for _, name in sorted((-score, name) for name, score in rank.scores(words).items())[enough:])


def watch(tx: Transaction, asked: Asked) -> None:
    """Be told of what a search may find: of its partition, or of what its first filter lets through. Not while it is built."""
    tx.building.check(asked.index, tx.reads.watch)
    address, filters = asked.address(tx.org), asked.filter_keys()
    tx.reads.watch(address, *((filters[0], filters[0]) if filters else ("!", "~")))


def own(tx: Transaction, asked: Asked) -> dict[str, Entry | None]:
    """What this run has written, as the index would have it."""
    address, mine = asked.address(tx.org), dict[str, Entry | None]()
    for key, pending in tx.writes.items():
        if pending.table is asked.index.table:
            here = pending.after is not None and asked.index.where(tx.org, pending.after) == address
            mine[document_name(key, tx.org)] = asked.index.entry(pending.after) if here and pending.after else None
    return mine


def documents(tx: Transaction, asked: Asked, names: Iterator[str], wanted: object) -> Iterator[Record]:
    """The proposed documents that are where the index says, in order, as far as anybody asks; `wanted()`: how many are still."""
    assert callable(wanted)
    while (missing := wanted()) > 0:
        keys = [
            document_key_of(name, tx.org, asked.index.table) for _, name in zip(range(missing + AT_ONCE), names, strict=False)
        ]
        if not keys:
            return
        for record in tx.all_at(keys[: missing + AT_ONCE]):
            if record is not None and stands(tx, asked, record):
                yield record


def stands(tx: Transaction, asked: Asked, record: Record) -> bool:
    """Whether a document is where a search looks, and what its filters let through."""
    here = not isinstance(record, Rough) and asked.index.where(tx.org, record) == asked.address(tx.org)
    return here and {*asked.filter_keys()} <= {*asked.index.filters_of(record)}


class Partition:
    """One partition of an index of words, as one run sees it."""

    def __init__(self, tx: Transaction, asked: Asked) -> None:
        self._store, self._address = tx.store, asked.address(tx.org)
        rows = self._store.query(ROWS, self._address, low="t|", high="t}").items
        self._tail: dict[str, Entry | None] = {row["sk"][2:]: entry_of(row) for row in rows}
        self._tail |= own(tx, asked)

    def postings(self, word: str, prefix: bool = False) -> Postings:
        """Who has a word, or one that begins with it."""
        rows = [self._rows(f"w|{word}|", f"w|{word}|~", None)]
        if prefix:
            more = self._rows(f"w|{word}", f"w|{word}\U0010ffff", MOST_BLOCKS)
            rows.append([row for row in more if not row["sk"].startswith(f"w|{word}|")])
        found = self._merged(*rows)
        if self._tail:
            found = found.copy()
            for name, entry in self._tail.items():
                often, length = occurrences(entry, word, prefix)
                if often:
                    found[name] = (often, length)
                else:
                    found.pop(name, None)
        return found

    def _merged(self, exact: list[Item], beginning: Sequence[Item] = ()) -> Postings:
        """What blocks of a word say, and with it those of words that it begins; made once of the same versions."""
        name = (self._address, *((row["sk"], row["_c"]) for row in (*exact, *beginning)))
        known = KEPT.get(name)
        if known is not None:
            return known
        found: Postings = {}
        for row in exact:
            found.update(counts_of(row))
        for row in beginning:
            for document, (often, length) in counts_of(row).items():
                found[document] = (found[document][0] + often, length) if document in found else (often, length)
        return KEPT.put(name, found, POSTING_BYTES * len(found)) if found else found

    def _rows(self, low: str, high: str, most: int | None) -> list[Item]:
        return self._store.query(ROWS, self._address, low=low, high=high, limit=most).items

    def stats(self) -> Manifest:
        """How many documents there are, and how long they are together; near enough to rank by."""
        known = manifest(self._store, self._address)
        entries = [each for each in self._tail.values() if each is not None]
        return Manifest(known.documents + len(entries), known.length + sum(each.length for each in entries))


def occurrences(entry: Entry | None, word: str, prefix: bool) -> tuple[int, int]:
    """How often an entry has a word (or words that begin with it), and its length."""
    if entry is None:
        return 0, 0
    if not prefix:
        return (entry.postings[word][0] if word in entry.postings else 0), entry.length
    return sum(often for term, (often, _) in entry.postings.items() if term.startswith(word)), entry.length


class Ranking:
    """Scores documents by the words of one query."""

    def __init__(self, words: list[Postings], stats: Manifest) -> None:
        count = max(1, stats.documents, *(len(each) for each in words))
        self._rare = [math.log(1 + (count - len(each) + 0.5) / (len(each) + 0.5)) for each in words]
        self._usual = max(1.0, stats.length / count)

    def scores(self, words: list[Postings]) -> dict[str, float]:
        """BM25 of each document that has any of the words."""
        total: dict[str, float] = {}
        for at, postings in enumerate(words):
            worth = self._worth(at, set(postings.values()))
            one = {name: worth[each] for name, each in postings.items()}
            if total:
                for name, score in one.items():
                    total[name] = total.get(name, 0.0) + score
            else:
                total = one
        return total

    def promising(self, words: list[Postings], enough: int) -> list[Postings]:
        """The same; of a search for one word only with documents that may be among the first `enough`."""
        having = [at for at, postings in enumerate(words) if postings]
        if len(having) != 1 or len(words[having[0]]) <= enough:
            return words
        at, how_many, taken = having[0], Counter(words[having[0]].values()), 0
        worth, last = self._worth(at, how_many), 0.0
        for each in sorted(worth, key=lambda each: -worth[each]):
            last, taken = worth[each], taken + how_many[each]
            if taken >= enough:
                break
        good = {each for each in worth if worth[each] >= last}
        return [{name: each for name, each in postings.items() if each in good} for postings in words]

    def _worth(self, at: int, counted: Iterable[tuple[int, int]]) -> dict[tuple[int, int], float]:
        """What a word adds to a document that has it so often, among so many words."""
        most, base, slope = self._rare[at] * (K1 + 1), K1 * (1 - B), K1 * B / self._usual
        return {each: most * each[0] / (each[0] + base + slope * each[1]) for each in counted}

    def score(self, has: list[tuple[int, int]]) -> float:
        """BM25 of one document that has each of the words so often."""
        return self.scores([{"": each} if each[0] else {} for each in has]).get("", 0.0)


def _counted(asked: Asked, record: Record, rank: Ranking, shown: list[str]) -> Found | None:
    """A document counted as it is now, with an excerpt around what is to be shown; None if it has not what is asked for."""
    entry, last = asked.index.entry(record), len(asked.words) - 1
    has = [occurrences(entry, word, at == last or is_one(word)) for at, word in enumerate(asked.words)]
    if not (all if asked.every else any)(often for often, _ in has):
        return None
    text = asked.index.text(record)
    return Found(record, round(rank.score(has), 6), [excerpt(text, shown)])
