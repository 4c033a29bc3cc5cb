"""Finding the neighbours of a vector, and what several searches find together: every vector of the partition is compared, so
what is found is exact.

The tail is read, and those blocks that this process has not read before in this version (a block never changes under its version,
so it is kept, up to a bound). Filters come before ranking, and each proposed document is read at the instant of the query, as in
`searching.py`. Where a service keeps the vectors, it proposes instead of the blocks, more than are wanted; the tail is compared
here all the same, so that what was written a moment ago is found.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.data.block_rows import block_of, manifest
from chalicelib.data.capabilities import vector_service
from chalicelib.data.entries import ROWS, document_key_of, entry_of
from chalicelib.data.errors import BadRequest
from chalicelib.data.index import Record
from chalicelib.data.searching import AT_ONCE, MOST_HITS, Found, Proposed, documents, own, stands, watch
from chalicelib.data.searching import propose as propose_by_words
from chalicelib.data.side_index import WHOLE, Asked, Entry
from chalicelib.data.store import Key, Store
from chalicelib.data.transaction import Transaction
from chalicelib.data.vector_math import best, likeness, matrix, packed

MOST_NEIGHBOURS = 256
"""Documents that one search may find (Convex's limit)."""
KEPT_BYTES = 256 * 1024 * 1024
"""Blocks that a process keeps."""
_BEYOND = 8
"""So many times more are proposed where too few of those that were are still there."""


@dataclass(frozen=True)
class Vectors:
    """A block as it is compared: names, vectors, and what each document may be filtered by."""

    names: list[str]
    rows: Any
    filters: list[frozenset[str]]
    size: int


class Kept:
    """Blocks that this process has read, those that were used last."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._most, self._size = most, 0
        self._lock = threading.Lock()
        self._blocks: OrderedDict[tuple[str, str, str], Vectors] = OrderedDict()

    def block(self, store: Store, address: str, batch: str, version: str) -> Vectors | None:
        """A block in the version that the manifest names; None if it has changed since."""
        place = (address, batch, version)
        with self._lock:
            found = self._blocks.get(place)
            if found is not None:
                self._blocks.move_to_end(place)
                return found
        row = store.get(Key(ROWS, address, f"w|{WHOLE}|{batch}"))
        if row is None or row["_c"] != version:
            return None
        block = block_of(row)
        made = compared(block.documents, block.payloads)
        with self._lock:
            if place not in self._blocks:
                self._blocks[place] = made
                self._size += made.size
            while self._size > self._most and len(self._blocks) > 1:
                self._size -= self._blocks.popitem(last=False)[1].size
        return made


KEPT = Kept()


def compared(names: list[str], payloads: list[Any]) -> Vectors:
    """Payloads of an index of vectors, ready to be compared."""
    vectors = [bytes(vector) for vector, _ in payloads]
    filters = [frozenset(each) for _, each in payloads]
    return Vectors(names, matrix(vectors), filters, sum(map(len, vectors)) + 100 * len(names))


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
    scores |= dict(_best(compared(list(fresh), list(fresh.values())), vector, asked, len(fresh)))

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
    """What the blocks propose, or the service in their place: the best of each block, so many that none is missed."""
    service = vector_service(store)
    if service is not None:
        yield from service.nearest(address, vector, enough, asked.filter_keys())
        return
    for batch, version in manifest(store, address).blocks.items():
        block = KEPT.block(store, address, batch, version)
        if block is None:  # it was changed since the manifest was read
            row = store.get(Key(ROWS, address, f"w|{WHOLE}|{batch}"))
            now = None if row is None else block_of(row)
            block = compared(*((now.documents, now.payloads) if now is not None else ([], [])))
        yield from _best(block, vector, asked, enough)


def _best(block: Vectors, vector: bytes, asked: Asked, most: int) -> Iterator[tuple[str, float]]:
    """The nearest of a block that have all of the filters."""
    wanted = frozenset(asked.filter_keys())
    among = [at for at, filters in enumerate(block.filters) if wanted <= filters] if wanted else None
    if block.names and most:
        yield from ((block.names[at], score) for at, score in best(likeness(block.rows, vector), most, among))
