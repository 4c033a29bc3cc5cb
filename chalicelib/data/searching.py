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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chalicelib.data.block_rows import Block, Manifest, block_of, manifest
from chalicelib.data.entries import ROWS, document_key_of, document_name, entry_of
from chalicelib.data.errors import BadRequest
from chalicelib.data.index import Record
from chalicelib.data.records import Rough
from chalicelib.data.side_index import Asked, Entry
from chalicelib.data.transaction import Transaction
from chalicelib.words import excerpt, is_one, query_words

MOST_HITS = 1000
"""Documents that one search may find: as many as one run may read."""
MOST_BLOCKS = 1000
"""Blocks that a search reads for the words that begin with its last one; of a longer list the first in the alphabet."""
K1, B = 1.2, 0.75
AT_ONCE = 4
"""Documents that are looked at beyond those that are wanted still."""
Postings = dict[str, Sequence[int]]
"""By document: how often it has a word, and how many words it has."""


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
    scores = rank.scores(words)
    allowed = [partition.postings(key) for key in asked.filter_keys()]
    needed = [*allowed, *(words if asked.every else ())]
    if needed:
        scores = {name: score for name, score in scores.items() if all(name in each for each in needed)}
    return Proposed(_best_first(scores, most), lambda record: _counted(asked, record, rank))


def _best_first(scores: dict[str, float], limit: int) -> Iterator[str]:
    """Names, the greatest score first; the first few cost no sorting of the rest."""
    first = heapq.nsmallest(limit + AT_ONCE, ((-score, name) for name, score in scores.items()))
    yield from (name for _, name in first)
    if len(first) < len(scores):
        yield from (name for _, name in sorted((-score, name) for name, score in scores.items())[len(first) :])


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
        found: Postings = {}
        for block in self._blocks(f"w|{word}|", f"w|{word}|~", None):
            found.update(zip(block.documents, block.payloads, strict=True))
        for block in self._blocks(f"w|{word}", f"w|{word}\U0010ffff", MOST_BLOCKS, but=f"w|{word}|") if prefix else ():
            for name, (often, length) in zip(block.documents, block.payloads, strict=True):
                found[name] = (found[name][0] + often, length) if name in found else (often, length)
        for name, entry in self._tail.items():
            often, length = occurrences(entry, word, prefix)
            if often:
                found[name] = (often, length)
            else:
                found.pop(name, None)
        return found

    def _blocks(self, low: str, high: str, most: int | None, but: str | None = None) -> Iterator[Block]:
        """The blocks of a range; `but`: without those whose sort key begins so."""
        for row in self._store.query(ROWS, self._address, low=low, high=high, limit=most).items:
            if but is None or not row["sk"].startswith(but):
                yield block_of(row)

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
        for rare, postings in zip(self._rare, words, strict=True):
            most, base, slope = rare * (K1 + 1), K1 * (1 - B), K1 * B / self._usual
            one = {name: most * often / (often + base + slope * length) for name, (often, length) in postings.items()}
            if total:
                for name, score in one.items():
                    total[name] = total.get(name, 0.0) + score
            else:
                total = one
        return total

    def score(self, has: list[tuple[int, int]]) -> float:
        """BM25 of one document that has each of the words so often."""
        return self.scores([{"": each} if each[0] else {} for each in has]).get("", 0.0)


def _counted(asked: Asked, record: Record, rank: Ranking) -> Found | None:
    """A document counted as it is now; None if it has not what is asked for."""
    entry, last = asked.index.entry(record), len(asked.words) - 1
    has = [occurrences(entry, word, at == last or is_one(word)) for at, word in enumerate(asked.words)]
    if not (all if asked.every else any)(often for often, _ in has):
        return None
    text = asked.index.text(record)
    return Found(record, round(rank.score(has), 6), [excerpt(text, [*query_words(asked.query), *asked.words])])
