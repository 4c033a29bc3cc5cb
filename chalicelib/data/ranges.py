"""Reading a range exactly, although the index lags. Nobody else reads an index.

A GSI shows a commit late, and a plain read may show half of a transaction. So a range is read in this order, and each
step is there because leaving it out was seen to break something (`ARCHITECTURE.md` lists the tests):

1. **The fence first.** Its number grows with every membership change of the partition. Whatever happens after this read
   changes the number, and a commit or a snapshot that relies on it will notice.
2. **Then the fresh rows and the index.** Writers leave a fresh row ("this document entered here lately") *before* their
   transaction; it bridges the time until the index shows the document. Both are read in the direction of the range and as
   far as it asks: "the newest one" costs the same however much was inserted within the hour. A row past its time is ignored:
   the index has shown its document long ago, and the store removes it whenever it likes.
   (A store whose indexes are exact needs none.) So what they propose is never less than who is there.
3. **Documents by id**, strongly consistent. The index only proposes; the document decides whether it belongs *now*.
4. **A refused candidate may be half of a transaction**: read it once more by TransactGetItems. If that answer differs,
   the range is read again.
5. **Refill.** When the page of either ended at its limit, only candidates up to its last key count; then go on from there.

**Where documents are not looked at again** (`apart`, and `members`, which names ids alone), half of a transaction could pass for
the whole: the fence may show a removal that the document does not show yet. There the fence's size decides. As many in the whole
partition as it says are exactly those; where that does not come out, the fence is read by TransactGetItems, so that no
transaction holds it, and the documents after it. A table whose rows the store itself removes has no such size.

A log (composite key) needs none of this: its table is the index. Its parent is read first, and a hole below the
parent's counter is a transaction in flight.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from chalicelib.data.capabilities import exact_indexes
from chalicelib.data.errors import Contention
from chalicelib.data.reads import ReadSet, version_of
from chalicelib.data.store import Item, Key, Store
from chalicelib.data.tables import HIGHEST, LOWEST, MARK, TABLES, Index, Range, document_key

PAGE_SLACK = 4
"""Candidates asked for beyond the limit, so that a few refusals do not cost a second page."""
PATIENCE = 50
"""How often a range is read again while transactions in flight keep changing it."""

Belongs = Callable[[Item], str | None]
"""The order at which a stored document stands in the range's partition, or None when it is elsewhere."""
Pause = Callable[[float], None]


@dataclass(frozen=True)
class _Page:
    """Candidates by their order; `edge`: the last one's order, where the page ended at its limit."""

    entries: dict[str, Key]
    edge: str | None


def _order(candidate: tuple[str, Key]) -> str:
    return candidate[0]


def _all(index: Index, low: str, high: str, fence: Item | None, found: int) -> bool:
    """Whether so many between two bounds are, by the fence's size, all that there are in the whole partition, and no others."""
    whole = (low, high) == (LOWEST, HIGHEST) and not index.table.ttl
    return whole and found == (0 if fence is None else int(fence["size"]))


def belongs_to(index: Index, shards: Collection[str]) -> Belongs:
    """The order at which a stored document says that it stands in one of these shards of an index."""
    return lambda item: item.get(f"{index.name}#o") if item.get(f"{index.name}#p") in shards else None


class RangeReader:
    """Reads ranges from one store into one read set.

    Args:
        now_s: the time (epoch seconds) at which fresh rows are past theirs; 0 = none is.
    """

    def __init__(self, store: Store, reads: ReadSet, pause: Pause = time.sleep, now_s: float = 0.0) -> None:
        self.store, self.reads, self.pause, self.now_s = store, reads, pause, now_s

    def index(
        self,
        index: Index,
        shard: str,
        low: str,
        high: str,
        newest: bool,
        limit: int | None,
        belongs: Belongs,
        apart: bool = False,
    ) -> list[tuple[str, Key, Item]]:
        """Documents of one shard of an index partition, in order: (order, key, item), at most `limit`.

        Args:
            apart: the documents' versions are looked at by nobody: who is there must be certain without them.
        """
        fence_key, surely = Key("fences", shard, MARK), False
        for attempt in range(PATIENCE):
            visible, fence = self._settled(fence_key) if surely else (True, self.store.get(fence_key))
            found = self._candidates(index, shard, low, high, newest, limit, belongs) if visible else None
            if found is None:
                self.pause(0.005 * (attempt + 1))
                continue
            cut = limit is not None and len(found) == limit
            if not apart or surely or (not cut and _all(index, low, high, fence, len(found))):
                self.reads.saw(fence_key, fence)
                return found
            surely = True
        raise Contention(index.table.table_name)

    def members(self, index: Index, shard: str, low: str, high: str, belongs: Belongs) -> list[tuple[str, Key]]:
        """Who is in one shard of an index partition, in order: (order, key). Documents are read only where there is a doubt."""
        fence_key = Key("fences", shard, MARK)
        for attempt in range(PATIENCE):
            fence = self.store.get(fence_key)
            proposed = self._proposed(index, shard, low, high)
            once = len({key for _, key in proposed}) == len(proposed)
            if once and _all(index, low, high, fence, len(proposed)):
                self.reads.saw(fence_key, fence)
                return proposed
            visible, again = self._settled(fence_key)
            if visible and version_of(fence_key, again) == version_of(fence_key, fence):
                kept = self._keep(proposed, belongs)
                if kept is not None:
                    self.reads.saw(fence_key, fence)
                    return [(order, key) for order, key, _ in kept]
            self.pause(0.005 * (attempt + 1))
        raise Contention(index.table.table_name)

    def _settled(self, fence: Key) -> tuple[bool, Item | None]:
        """A fence, and whether no transaction holds it just now: whatever has counted it up is wholly visible, then."""
        try:
            return True, self.store.transact_get([fence])[0]
        except Contention:
            return False, None

    def _fresh(self, shard: str, low: str, high: str, newest: bool, limit: int | None) -> _Page:
        """Who entered lately, in the direction of the range."""
        rows = self.store.query("fences", shard, low=low, high=high, newest=newest, limit=limit)
        entered = {
            row["sk"]: Key(row["t"], row["dpk"], row.get("dsk"))
            for row in rows.items
            if row["sk"] != MARK and row["ttl"] > self.now_s
        }
        return _Page(entered, rows.items[-1]["sk"] if rows.more and rows.items else None)

    def _shown(self, index: Index, shard: str, low: str, high: str, newest: bool, limit: int | None) -> _Page:
        """What the index shows."""
        table, order = index.table.table_name, f"{index.name}#o"
        rows = self.store.query(table, shard, low=low, high=high, newest=newest, limit=limit, index=index.name)
        entries = {row[order]: Key(table, row["pk"], row.get("sk")) for row in rows.items}
        return _Page(entries, rows.items[-1][order] if rows.more and rows.items else None)

    def _merged(
        self, index: Index, shard: str, low: str, high: str, newest: bool, limit: int | None
    ) -> tuple[list[tuple[str, Key]], str | None]:
        """Candidates of both, in order, as far as both have shown all; the order of the last one, where there is more."""
        pages = [] if exact_indexes(self.store) else [self._fresh(shard, low, high, newest, limit)]
        pages.append(self._shown(index, shard, low, high, newest, limit))
        edges = [page.edge for page in pages if page.edge is not None]
        edge = (max(edges) if newest else min(edges)) if edges else None
        merged = sorted({pair for page in pages for pair in page.entries.items()}, key=_order, reverse=newest)
        if edge is not None:
            merged = [(order, key) for order, key in merged if (order >= edge if newest else order <= edge)]
        return merged, edge

    def _proposed(self, index: Index, shard: str, low: str, high: str) -> list[tuple[str, Key]]:
        """All candidates, page by page, in order."""
        found = dict[tuple[str, Key], None]()
        while True:
            merged, edge = self._merged(index, shard, low, high, False, None)
            found |= dict.fromkeys(merged)
            if edge is None:
                return list(found)
            low = edge

    def _candidates(
        self,
        index: Index,
        shard: str,
        low: str,
        high: str,
        newest: bool,
        limit: int | None,
        belongs: Belongs,
    ) -> list[tuple[str, Key, Item]] | None:
        """Steps 2 to 5; None when a candidate turned out to be half of a transaction."""
        seen = set[tuple[str, Key]]()
        found: list[tuple[str, Key, Item]] = []
        start, end = low, high
        while True:
            want = None if limit is None else limit - len(found) + PAGE_SLACK
            merged, edge = self._merged(index, shard, start, end, newest, want)
            merged = [pair for pair in merged if pair not in seen]
            seen.update(merged)
            kept = self._keep(merged, belongs)
            if kept is None:
                return None
            found.extend(kept)
            if edge is None or (limit is not None and len(found) >= limit):
                return found[:limit]
            start, end = (low, edge) if newest else (edge, high)

    def _keep(self, candidates: list[tuple[str, Key]], belongs: Belongs) -> list[tuple[str, Key, Item]] | None:
        items = self.store.batch_get([key for _, key in candidates])
        kept, refused = [], []
        for (order, key), item in zip(candidates, items, strict=True):
            if item is not None and belongs(item) == order:
                kept.append((order, key, item))
            else:
                refused.append((key, item))
        return kept if self._truly(refused) else None

    def _truly(self, refused: list[tuple[Key, Item | None]]) -> bool:
        """Whether refused candidates are really elsewhere, and not half of a transaction that is being written."""
        unique = dict(refused)
        for start in range(0, len(unique), 100):
            part = list(unique.items())[start : start + 100]
            try:
                again = self.store.transact_get([key for key, _ in part])
            except Contention:
                return False
            if any(version_of(key, one) != version_of(key, two) for (key, one), two in zip(part, again, strict=True)):
                return False
        return True

    def log(self, table: str, address: str, low: str, high: str, newest: bool, limit: int | None) -> list[tuple[str, Key, Item]]:
        """Rows of a log without a parent: whatever is there, strongly consistent row by row."""
        found: dict[str, Item] = {}
        while limit is None or len(found) < limit:
            wanted = None if limit is None else limit - len(found) + bool(found)  # the next page begins with the last row of this
            rows = self.store.query(table, address, low=low, high=high, newest=newest, limit=wanted)
            known = len(found)
            found |= {row["sk"]: row for row in rows.items}
            if not rows.more or len(found) == known:
                break
            last = rows.items[-1]["sk"]  # a page also ends at 1 MB
            low, high = (low, last) if newest else (last, high)
        return [(order, Key(table, address, order), row) for order, row in found.items()]

    def dense_log(
        self, table: str, address: str, low: str, high: str, newest: bool, limit: int | None, dense: Dense
    ) -> list[tuple[str, Key, Item]]:
        """Rows of a log whose parent counts them. A number missing below the counter is a transaction in flight: read again."""
        for attempt in range(PATIENCE):
            head = self.store.get(dense.parent)
            expected = dense.numbers(0 if head is None else int(head.get(dense.counter, 0)), newest, limit)
            found = self.log(table, address, low, high, newest, limit) if expected else []
            by_number = {int(row[dense.field]): (order, key, row) for order, key, row in found}
            if all(number in by_number for number in expected):
                self.reads.saw(dense.parent, head)
                return [by_number[number] for number in expected]
            self.pause(0.005 * (attempt + 1))
        raise Contention(table)


@dataclass(frozen=True)
class Dense:
    """What a log with a parent promises: rows numbered 1, 2, 3 … up to a counter of the parent.

    `first` and `last` are the numeric bounds of the range that is read, both included.
    """

    parent: Key
    counter: str
    field: str
    first: int
    last: int | None

    def numbers(self, counted: int, newest: bool, limit: int | None) -> list[int]:
        """The numbers that a read must find, in the order of the read."""
        last = counted if self.last is None else min(counted, self.last)
        numbers = range(max(1, self.first), last + 1)
        wanted = list(reversed(numbers)) if newest else list(numbers)
        return wanted if limit is None else wanted[:limit]


def dense_of(org: str, wanted: Range) -> Dense | None:
    """What the log of a range promises; None where no parent counts it."""
    table = wanted.index.table
    if table.parent is None:
        return None
    parent, counter = table.parent
    first = 1 if wanted.low is None else int(wanted.low[0]) + (0 if wanted.low[1] else 1)
    last = None if wanted.high is None else int(wanted.high[0]) - (0 if wanted.high[1] else 1)
    return Dense(document_key(TABLES[parent], org, wanted.values[0]), counter, table.key[-1], first, last)
