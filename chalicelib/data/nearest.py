"""Finding the neighbours of a vector: every vector of the partition is compared, so what is found is exact.

The tail is read, and those blocks that this process has not read before in this version (a block never changes under its version,
so it is kept, up to a bound). Filters come before ranking, and each proposed document is read at the instant of the query, as in
`searching.py`. Where a service keeps the vectors, it proposes instead of the blocks, more than are wanted; the tail is compared
here all the same, so that what was written a moment ago is found.
"""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chalicelib.data.block_rows import block_of, manifest
from chalicelib.data.capabilities import vector_service
from chalicelib.data.entries import ROWS, entry_of
from chalicelib.data.errors import BadRequest
from chalicelib.data.searching import Found, documents, own, watch
from chalicelib.data.side_index import WHOLE, Asked, Entry
from chalicelib.data.store import Key, Store
from chalicelib.data.transaction import Transaction
from chalicelib.data.vector_math import likeness, matrix, packed

MOST_NEIGHBOURS = 256
"""Documents that one search may find (Convex's limit)."""
KEPT_BYTES = 256 * 1024 * 1024
"""Blocks that a process keeps."""
_BEYOND = 3
"""A service is asked for so many times the documents that are wanted; some may be gone."""


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
    watch(tx, asked)
    vector, scores = packed(asked.vector), dict[str, float]()
    address = asked.address(tx.org)
    tail: dict[str, Entry | None] = {
        row["sk"][2:]: entry_of(row) for row in tx.store.query(ROWS, address, low="t|", high="t}").items
    }
    tail |= own(tx, asked)
    fresh = {name: entry.postings[WHOLE] for name, entry in tail.items() if entry is not None}
    wanted = frozenset(asked.filter_keys())
    for name, score in _moved(tx.store, address, asked, vector, limit + len(tail)):
        if name not in tail:
            scores[name] = score
    _compare(compared(list(fresh), list(fresh.values())), vector, wanted, scores)
    best = heapq.nsmallest(len(scores), ((-score, name) for name, score in scores.items()))
    found: list[Found] = []
    for record in documents(tx, asked, (name for _, name in best), lambda: limit - len(found)):
        now = compared([""], [asked.index.entry(record).postings[WHOLE]])
        found.append(Found(record, round(likeness(now.rows, vector)[0], 6), []))
    return sorted(found, key=lambda hit: (-hit.score, str(hit.record["_id"])))[:limit]


def _moved(store: Store, address: str, asked: Asked, vector: bytes, enough: int) -> Iterator[tuple[str, float]]:
    """What the blocks propose, or the service in their place."""
    service = vector_service(store)
    if service is not None:
        yield from service.nearest(address, vector, enough * _BEYOND, asked.filter_keys())
        return
    scores, wanted = dict[str, float](), frozenset(asked.filter_keys())
    for batch, version in manifest(store, address).blocks.items():
        block = KEPT.block(store, address, batch, version)
        if block is None:  # it was changed since the manifest was read
            row = store.get(Key(ROWS, address, f"w|{WHOLE}|{batch}"))
            if row is None:
                continue
            now = block_of(row)
            block = compared(now.documents, now.payloads)
        _compare(block, vector, wanted, scores)
    yield from scores.items()


def _compare(block: Vectors, vector: bytes, wanted: frozenset[str], scores: dict[str, float]) -> None:
    """Score those of a block that have all of the filters."""
    if not block.names:
        return
    for name, filters, score in zip(block.names, block.filters, likeness(block.rows, vector), strict=True):
        if wanted <= filters:
            scores[name] = score
