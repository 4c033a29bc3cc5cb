"""Which queries watch what: from an address to the queries that have read parts of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from chalicelib.data.reads import Touched, Watch, overlap

Q = TypeVar("Q")


class Watches(Generic[Q]):
    """The ranges under watch, by address."""

    def __init__(self) -> None:
        self._by_address: dict[str, dict[Q, list[Watch]]] = {}

    def __len__(self) -> int:
        return sum(len(ranges) for queries in self._by_address.values() for ranges in queries.values())

    def move(self, query: Q, old: frozenset[Watch], new: frozenset[Watch]) -> None:
        """A query that watched the old ranges watches the new ones."""
        if old == new:
            return
        for watch in old - new:
            queries = self._by_address[watch[0]]
            queries[query].remove(watch)
            if not queries[query]:
                del queries[query]
            if not queries:
                del self._by_address[watch[0]]
        for watch in new - old:
            self._by_address.setdefault(watch[0], {}).setdefault(query, []).append(watch)

    def touched(self, touched: Iterable[Touched]) -> set[Q]:
        """The queries whose read set these writes touched."""
        found: set[Q] = set()
        for place in touched:
            for query, ranges in self._by_address.get(place[0], {}).items():
                if query not in found and any(overlap(place, watch) for watch in ranges):
                    found.add(query)
        return found
