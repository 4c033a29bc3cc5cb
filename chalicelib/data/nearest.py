"""Finding the neighbours of a vector, and what several searches find together: every vector of the partition is compared, so
what is found is exact.

The tail is read, and those blocks that this process has not read before in this version (a block never changes under its version,
so it is kept, up to a bound). Filters come before ranking, and each proposed document is read at the instant of the query, as in
`searching.py`. Where a service keeps the vectors, it proposes instead of the blocks, more than are wanted; the tail is compared
here all the same, so that what was written a moment ago is found.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from chalicelib.data.block_rows import Kept, block_of, manifest
from chalicelib.data.capabilities import vector_service
from chalicelib.data.entries import ROWS, document_key_of, entry_of
from chalicelib.data.errors import BadRequest
from chalicelib.data.index import Record
from chalicelib.data.searching import AT_ONCE, MOST_HITS, Found, Proposed, documents, own, stands, watch
from chalicelib.data.searching import propose as propose_by_words
from chalicelib.data.side_index import WHOLE, Asked, Entry
from chalicelib.data.store import Key, Store
from chalicelib.data.transaction import Transaction
from chalicelib.data.vector_math import best, chosen, joined, likeness, matrix, packed

MOST_NEIGHBOURS = 256
"""Documents that one search may find (Convex's limit)."""
KEPT_BYTES = 256 * 1024 * 1024
"""Blocks that a process keeps."""
_BEYOND = 8
"""So many times more are proposed where too few of those that were are still there."""


@dataclass(frozen=True)
class Vectors:
    """A block as it is compared: names, vectors, and which of them have what they may be filtered by."""

    names: list[str]
    rows: Any
    having: dict[str, list[int]]

    @property
    def size(self) -> int:
        """Bytes, about."""
        return sum(map(len, self.rows[:1])) * 4 * len(self.names) + 100 * len(self.names)

    def among(self, wanted: Sequence[str]) -> Sequence[int] | None:
        """The positions of those that have all of these filters; None: all have."""
        lists = [found for each in wanted if len(found := self.having.get(each, [])) < len(self.names)]
        return sorted(set(lists[0]).intersection(*lists[1:])) if lists else None


KEPT: Kept[Vectors] = Kept(KEPT_BYTES)


def kept_block(store: Store, address: str, batch: str, version: str) -> Vectors:
    """A block in the version that the manifest names, read at most once; as it is now where it has changed since."""
    known = KEPT.get((address, batch, version))
    if known is not None:
        return known
    row = store.get(Key(ROWS, address, f"w|{WHOLE}|{batch}"))
    if row is None:
        return compared([], [])
    block = block_of(row)
    made = compared(block.documents, block.payloads)
    return KEPT.put((address, batch, block.version), made, made.size)


def compared(names: list[str], payloads: list[Any]) -> Vectors:
    """Payloads of an index of vectors, ready to be compared."""
    having: dict[str, list[int]] = {}
    for at, (_, filters) in enumerate(payloads):
        for each in filters:
            having.setdefault(each, []).append(at)
    return Vectors(names, matrix([bytes(vector) for vector, _ in payloads]), having)


def nearest(tx: Transaction, asked: Asked, limit: int) -> list[Found]:
    """The documents whose vectors are nearest, best first. Raises `BadRequest` for a wrong limit, and while it is built."""
    if type(limit) is not int or not 1 <= limit <= MOST_NEIGHBOURS:
        raise BadRequest(f"vector_search(limit={limit!r}): a limit is 1 to {MOST_NEIGHBOURS}.")
    reached = limit
    while True:
        proposed, found = propose(tx, asked, reached), list[Found]()
        names = list(proposed.names)
        for record in documents(tx, asked, iter(names), lambda found=found: limit - len(found)):
            hit = proposed.counted(record)
            if hit is not None:
                found.append(hit)
        if len(names) < reached or len(found) >= limit:
            return sorted(found, key=lambda hit: (-hit.score, str(hit.record["_id"])))[:limit]
        reached *= _BEYOND  # documents are gone that the index proposes


def propose(tx: Transaction, asked: Asked, most: int) -> Proposed:
    """What is nearest, as the rows of the index have it: `most` names at least, where there are as many."""
    watch(tx, asked)
    vector, address = packed(asked.vector), asked.address(tx.org)
    tail: dict[str, Entry | None] = {
        row["sk"][2:]: entry_of(row) for row in tx.store.query(ROWS, address, low="t|", high="t}").items
    }
    tail |= own(tx, asked)
    fresh = {name: entry.postings[WHOLE] for name, entry in tail.items() if entry is not None}
    moved = _moved(tx.store, address, asked, vector, most + len(tail) + AT_ONCE)
    scores = {name: score for name, score in moved if name not in tail}
    scores |= dict(_best([compared(list(fresh), list(fresh.values()))], vector, asked, len(fresh)))

    def counted(record: Record) -> Found:
        now = compared([""], [asked.index.entry(record).postings[WHOLE]])
        return Found(record, round(float(likeness(now.rows, vector)[0]), 6), [])

    return Proposed(iter(sorted(scores, key=lambda name: (-scores[name], name))), counted)


def together(tx: Transaction, searches: Sequence[Asked], limit: int, depth: int, k: int = 60) -> list[Found]:
    """What several searches of one table find, by reciprocal rank fusion; of what they propose only what is told is read.

    Each list gives its n-th document 1 / (k + n), down to its `depth`-th. What is proposed, and is not there any more when it is
    read, leaves its list, and the rest moves up. All that share the last score are told, so there may be more than `limit`.
    """
    depths = [min(depth, MOST_NEIGHBOURS if each.vector else MOST_HITS) for each in searches]
    proposed = [
        (propose if each.vector else propose_by_words)(tx, each, most) for each, most in zip(searches, depths, strict=True)
    ]
    lists = [
        [name for _, name in zip(range(most + AT_ONCE), each.names, strict=False)]
        for each, most in zip(proposed, depths, strict=True)
    ]
    read: dict[str, list[Found | None]] = {}
    while True:
        scores: dict[str, float] = {}
        for at, names in enumerate(lists):
            standing = [name for name in names if name not in read or read[name][at] is not None]
            for place, name in enumerate(standing[: depths[at]], 1):
                scores[name] = scores.get(name, 0.0) + 1 / (k + place)
        order = sorted(scores, key=lambda name: -scores[name])
        last = scores[order[limit - 1]] if len(order) >= limit else 0.0
        told = [name for name in order if scores[name] >= last]
        missing = [name for name in told if name not in read]
        if not missing:
            break
        for name, record in zip(
            missing, tx.all_at([document_key_of(name, tx.org, searches[0].index.table) for name in missing]), strict=True
        ):
            read[name] = [
                each.counted(record) if name in names and record is not None and stands(tx, one, record) else None
                for one, each, names in zip(searches, proposed, lists, strict=True)
            ]
    if len(told) < limit and len(read) > len(told) and depth < MOST_HITS:
        return together(tx, searches, limit, depth * _BEYOND, k)
    found = [([each for each in read[name] if each is not None], scores[name]) for name in told]
    return [
        Found(some[0].record, score, next((each.highlights for each in some if each.highlights), [])) for some, score in found
    ]


def _moved(store: Store, address: str, asked: Asked, vector: bytes, enough: int) -> Iterator[tuple[str, float]]:
    """What the blocks propose, or the service in their place: the best of all, so many that none is missed."""
    service = vector_service(store)
    if service is not None:
        yield from service.nearest(address, vector, enough, asked.filter_keys())
        return
    blocks = [kept_block(store, address, batch, version) for batch, version in manifest(store, address).blocks.items()]
    yield from _best(blocks, vector, asked, enough)


def _best(blocks: Sequence[Vectors], vector: bytes, asked: Asked, most: int) -> Iterator[tuple[str, float]]:
    """The nearest of some blocks that have all of the filters."""
    wanted, scores, names = asked.filter_keys(), list[Any](), list[Sequence[str]]()
    for block in blocks if most else ():
        among, told = block.among(wanted), likeness(block.rows, vector)
        if among is None or among:
            scores.append(told if among is None else chosen(told, among))
            names.append(block.names if among is None else [block.names[at] for at in among])
    starts = [0, *accumulate(map(len, names))]
    for at, score in best(joined(scores), most):
        block_at = bisect_right(starts, at) - 1
        yield names[block_at][at - starts[block_at]], score
