"""What a misbehaving store lets others see: indexes as they were, and transactions of which only a part is visible."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chalicelib.aws.rules import indexed_at, key_of
from chalicelib.data.store import IndexSpec, Item, Key, Rows, TableSpec

Entry = tuple[bytes, bytes]


@dataclass
class _Entries:
    """One item's way through one index: where it was seen at first, and from when on it is seen elsewhere (or nowhere)."""

    first: Entry | None
    later: list[tuple[float, Entry | None]] = field(default_factory=list)

    def seen(self, now: float) -> Entry | None:
        """The entry that a reader finds."""
        entry = self.first
        for visible_at, moved in self.later:
            if visible_at <= now:
                entry = moved
        return entry


class IndexHistory:
    """The entries of lagging indexes that readers see otherwise than they are."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], dict[Key, _Entries]] = {}

    def record(self, spec: TableSpec, key: Key, old: Item | None, new: Item | None, visible_at: float) -> None:
        """A write moved an item; each index shows it at `visible_at` (earlier moves that were not seen yet never are)."""
        for index in spec.indexes:
            before, after = indexed_at(spec, index, old), indexed_at(spec, index, new)
            if before != after:
                entries = self._entries.setdefault((spec.name, index.name), {}).setdefault(key, _Entries(before))
                entries.later.append((visible_at, after))

    def pending(self, table: str, index: str, now: float) -> bool:
        """Whether anything in this index is seen otherwise than it is; forgets what has become visible."""
        entries = self._entries.get((table, index), {})
        for key in [key for key, one in entries.items() if one.later[-1][0] <= now]:
            del entries[key]
        return bool(entries)

    def view(
        self, spec: TableSpec, by: IndexSpec, partition: str, low: str | None, high: str | None, truth: Iterable[Item], now: float
    ) -> list[Item]:
        """The items (keys only) that a reader finds in a range whose true items are `truth`."""
        entries = self._entries.get((spec.name, by.name), {})
        seen = [item for item in truth if key_of(spec, item) not in entries]
        for key, one in entries.items():
            entry = one.seen(now)
            if entry is not None and entry[0].decode() == partition and _between(entry[1].decode(), low, high):
                seen.append({by.hash: partition, by.range: entry[1].decode(), **key.attributes()})
        return seen


@dataclass(frozen=True)
class _Held:
    old: Item | None
    visible_at: float
    settles: float


class Unsettled:
    """Items of transactions that are being applied: each is seen old until its own moment."""

    def __init__(self) -> None:
        self._held: dict[Key, _Held] = {}

    def hold(self, key: Key, old: Item | None, visible_at: float, settles: float) -> None:
        """Plain reads see `old` until `visible_at`; the item is busy until `settles`."""
        self._held[key] = _Held(old, visible_at, settles)

    def release(self, keys: Iterable[Key]) -> None:
        """The transaction has settled."""
        for key in keys:
            self._held.pop(key, None)

    def busy(self, key: Key, now: float) -> bool:
        """Whether a transaction still holds the item."""
        held = self._held.get(key)
        if held is not None and held.settles <= now:
            del self._held[key]
            held = None
        return held is not None

    def seen(self, key: Key, item: Item | None, now: float) -> Item | None:
        """What a plain read of the item finds."""
        held = self._held.get(key)
        return item if held is None or held.visible_at <= now else held.old

    def partition(self, table: str, partition: str, now: float) -> bool:
        """Whether an item of this partition is seen old."""
        return any(key.table == table and key.pk == partition and held.visible_at > now for key, held in self._held.items())

    def view(
        self, table: str, partition: str, low: str | None, high: str | None, truth: Iterable[Item], now: float
    ) -> list[Item]:
        """What a plain query of a range finds whose true items are `truth`."""
        found = {item.get("sk"): item for item in truth}
        for key, held in self._held.items():
            if key.table == table and key.pk == partition and held.visible_at > now and _between(key.sk or "", low, high):
                if held.old is None:
                    found.pop(key.sk, None)
                else:
                    found[key.sk] = held.old
        return list(found.values())


def _between(value: str, low: str | None, high: str | None) -> bool:
    data = value.encode()
    return (not low or low.encode() <= data) and (high is None or data <= high.encode())


def page(items: Iterable[Item], by: Sequence[str], newest: bool, limit: int | None) -> Rows:
    """The first page of these items in order."""
    ordered = sorted(items, key=lambda item: [str(item.get(name, "")).encode() for name in by], reverse=newest)
    if limit is None or len(ordered) < limit:
        return Rows(ordered, False)
    return Rows(ordered[:limit], True)
