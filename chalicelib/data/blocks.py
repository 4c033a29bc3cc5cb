"""Moving a long tail of a side index into blocks, and taking out of blocks what is not true any more.

The steps of one batch, in this order, so that one that is broken off leaves nothing wrong and nothing forgotten:

1. `d` rows say where the postings will be, and where the old ones are: whatever is written from now on can be found again.
2. The new blocks, under a number of their own. Nobody is misled: the tail still says the same.
3. The documents leave the blocks of their older entries.
4. The manifest: what the blocks hold now.
5. The `d` rows say only what is true now, and then the tail rows go, each only if it is still the one that was moved: a document
   that was written meanwhile keeps its newer one. Where another mover has said something of a document since, it is left to it.

Two movers at once do each other no harm: who begins claims the manifest, every row but a new block changes under the version
that was read, and who meets another one takes its new blocks back and leaves the rest to it. The counts of the manifest are for
ranking only: one that was broken off between two steps may be counted twice. A batch is open in the manifest until its blocks are
known by `d` rows for good; blocks of one that was open longer than any process works are swept away.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import msgspec

from chalicelib.data.block_rows import Block, Manifest, block_of, manifest
from chalicelib.data.capabilities import exact_indexes, vector_service
from chalicelib.data.entries import ROWS, entry_of
from chalicelib.data.errors import ConditionFailed
from chalicelib.data.side_index import WHOLE, Entry, SideIndex, Vector
from chalicelib.data.store import Absent, Delete, Equals, Item, Key, Path, Put, Store, Update, Write

BATCH_DOCUMENTS, BATCH_BYTES = 480, 256 * 1024
"""What is moved at once; a block has at most all of it, and an item 400 KB."""
ABANDONED_S = 960
"""Longer than any process works at one thing (15 minutes, Lambda's limit)."""
LONG_TAIL = 64
"""Entries of a tail before it is moved: fewer cost a search less than their blocks would."""
_pack, _unpack = msgspec.msgpack.encode, msgspec.msgpack.decode


class Mover:
    """Moves the tail of one partition.

    Args:
        vectors: whether it is one of an index of vectors.
        now_s: the time, seconds since the epoch.
        threads: how many rows are written at once, where each is a request.
    """

    def __init__(self, store: Store, address: str, vectors: bool, now_s: float, threads: int = 8) -> None:
        self.store, self.address, self.vectors, self._threads, self._now_s = store, address, vectors, threads, int(now_s)
        self._service = vector_service(store) if vectors else None

    def move(self, least: int = LONG_TAIL, pause: Callable[[], None] = lambda: None) -> int:
        """Move what the tail holds, batch by batch; of a short one only what is gone. Returns how many entries were moved.

        Args:
            least: how many entries make a tail long; 1 moves every one.
            pause: called between batches.
        """
        moved = 0
        while rows := self._next(least):
            if not self._batch(rows):
                break
            moved, least = moved + len(rows), 1 if len(rows) >= BATCH_DOCUMENTS else least
            pause()
        return moved

    def _next(self, least: int) -> list[Item]:
        rows = self.store.query(ROWS, self.address, low="t|", high="t}", limit=BATCH_DOCUMENTS).items
        if len(rows) < least:
            rows = [row for row in rows if "e" not in row]
        size, batch = 0, list[Item]()
        for row in rows:
            size += len(row["sk"].encode()) + 16 + (len(bytes(row.get("e", b""))) if self.vectors else 0)
            if batch and size > BATCH_BYTES:
                break
            batch.append(row)
        return batch

    def _batch(self, rows: Sequence[Item]) -> bool:
        """Move these rows. False: somebody else is at it."""
        batch = secrets.token_hex(8)
        names = [row["sk"][2:] for row in rows]
        entries = dict(zip(names, map(entry_of, rows), strict=True))
        made: list[str] = []
        try:
            known = self._claimed(batch)
        except ConditionFailed:
            return False
        olds = self._where(names)
        try:
            self._all([self._placed(name, entry, batch, olds[name]) for name, entry in entries.items() if entry or olds[name]])
            made = self._written(batch, entries)
            changed = self._left(olds)
            self._note(known, batch, made, changed, entries, olds)
        except ConditionFailed:
            self._taken_back(batch, made, [name for name in names if not olds[name]])
            return False
        self._settled(batch, rows, entries, olds)
        return True

    def _taken_back(self, batch: str, made: Sequence[str], new: Sequence[str]) -> None:
        """Remove what this mover has written, since another one works on the same: its blocks, and the `d` rows that it began."""
        self._all([Delete(Key(ROWS, self.address, sort_key)) for sort_key in made])
        keys = [Key(ROWS, self.address, f"d|{name}") for name in new]
        self._all([Delete(key, Equals(("_c",), batch)) for key in keys], lenient=True)

    def _claimed(self, batch: str) -> Manifest:
        """The manifest, which nobody else may change from now on without this mover stopping."""
        key = Key(ROWS, self.address, "m")
        known = manifest(self.store, self.address)
        if known.version is None:
            begun = Manifest(version=batch, open={batch: self._now_s})
            self.store.write(Put(ROWS, begun.row(self.address), Absent()))
            return begun
        sets: dict[Path, Any] = {("_c",): batch, ("open", batch): self._now_s}
        self.store.write(Update(key, sets, condition=Equals(("_c",), known.version)))
        stale = {one for one, since in known.open.items() if since < self._now_s - ABANDONED_S}
        if stale:
            self._swept(stale)
        return replace(known, version=batch, open={one: since for one, since in known.open.items() if one not in stale})

    def _swept(self, batches: set[str]) -> None:
        """Remove what batches that were never finished have left: blocks, and `d` rows of documents that are gone since."""
        for row in self._every("w"):
            if row["sk"].rpartition("|")[2] in batches:
                self.store.write(Delete(Key(ROWS, self.address, row["sk"])))
        for row in self._every("d"):
            name = row["sk"][2:]
            if row["_c"] in batches and self.store.get(Key(ROWS, self.address, f"t|{name}")) is None:
                self._all([Delete(Key(ROWS, self.address, row["sk"]), Equals(("_c",), row["_c"]))], lenient=True)

    def _every(self, kind: str) -> Iterator[Item]:
        low, more = f"{kind}|", True
        while more:
            page = self.store.query(ROWS, self.address, low=low, high=f"{kind}}}", limit=500)
            yield from (row for row in page.items if row["sk"] != low)
            more, low = page.more, page.items[-1]["sk"] if page.items else low

    # The steps --------------------------------------------------------------------------------------------------------

    def _where(self, names: Sequence[str]) -> dict[str, Item]:
        """The `d` row of each document, or nothing."""
        keys = [Key(ROWS, self.address, f"d|{name}") for name in names]
        return {name: row or {} for name, row in zip(names, self.store.batch_get(keys), strict=True)}

    def _placed(self, name: str, entry: Entry | None, batch: str, old: Item) -> Write:
        """Step 1."""
        places = _pack([*_places(old), *([[batch, list(entry.postings)]] if entry else [])])
        item = {"pk": self.address, "sk": f"d|{name}", "e": places, "n": old.get("n", -1), "_c": batch}
        return Put(ROWS, item, Equals(("_c",), old["_c"]) if old else Absent())

    def _written(self, batch: str, entries: dict[str, Entry | None]) -> list[str]:
        """Step 2. Returns the sort keys of the new blocks."""
        if self._service is not None:
            self._service.put(self.address, {name: each.postings[WHOLE] for name, each in entries.items() if each})
            return []
        found: dict[str, Block] = defaultdict(lambda: Block([], []))
        for name, entry in entries.items():
            for term, payload in (entry.postings if entry else {}).items():
                found[term].documents.append(name)
                found[term].payloads.append(payload)
        blocks = {f"w|{term}|{batch}": block for term, block in found.items()}
        self._all([Put(ROWS, block.row(self.address, sort_key, batch)) for sort_key, block in blocks.items()])
        return list(blocks)

    def _left(self, olds: dict[str, Item]) -> dict[str, str | None]:
        """Step 3. Returns the new versions of the blocks of vectors that were changed; None: the block is gone."""
        leaving: dict[str, set[str]] = defaultdict(set)
        for name, old in olds.items():
            for batch, terms in _places(old):
                for term in terms:
                    leaving[f"w|{term}|{batch}"].add(name)
        if self._service is not None:
            gone = {name for names in leaving.values() for name in names}
            self._service.remove(self.address, self._where_gone(gone))
            return {}
        rows = self.store.batch_get([Key(ROWS, self.address, sort_key) for sort_key in leaving])
        version, writes, changed = secrets.token_hex(8), list[Write](), dict[str, str | None]()
        for (sort_key, names), row in zip(leaving.items(), rows, strict=True):
            if row is None:
                continue
            block = block_of(row)
            kept = [at for at, name in enumerate(block.documents) if name not in names]
            key, same = Key(ROWS, self.address, sort_key), Equals(("_c",), block.version)
            rest = Block([block.documents[at] for at in kept], [block.payloads[at] for at in kept])
            writes.append(Put(ROWS, rest.row(self.address, sort_key, version), same) if kept else Delete(key, same))
            changed[sort_key.split("|")[-1]] = version if kept else None
        self._all(writes)
        return changed

    def _where_gone(self, names: set[str]) -> list[str]:
        """Those of these documents that the tail says are gone: a service keeps one vector of each name, and replaces it."""
        rows = self.store.batch_get([Key(ROWS, self.address, f"t|{name}") for name in names])
        return [name for name, row in zip(names, rows, strict=True) if row is not None and "e" not in row]

    def _note(
        self,
        known: Manifest,
        batch: str,
        made: Sequence[str],
        changed: dict[str, str | None],
        entries: dict[str, Entry | None],
        olds: dict[str, Item],
    ) -> None:
        """Step 4."""
        docs, length, blocks = known.documents, known.length, dict(known.blocks)
        for name, entry in entries.items():
            before = int(olds[name].get("n", -1))
            docs += (entry is not None) - (before >= 0)
            length += (entry.length if entry else 0) - max(0, before)
        if self.vectors and self._service is None:
            blocks |= {one: version for one, version in changed.items() if version and one in blocks} | (
                {batch: batch} if made else {}
            )
            blocks = {one: version for one, version in blocks.items() if changed.get(one, "") is not None}
        now = Manifest(docs, length, blocks, secrets.token_hex(8), {one: at for one, at in known.open.items() if one != batch})
        self.store.write(Put(ROWS, now.row(self.address), Equals(("_c",), str(known.version))))

    def _settled(self, batch: str, rows: Sequence[Item], entries: dict[str, Entry | None], olds: dict[str, Item]) -> None:
        """Step 5."""
        writes: dict[str, Write] = {}
        for name, entry in entries.items():
            key, mine = Key(ROWS, self.address, f"d|{name}"), Equals(("_c",), batch)
            if entry is not None:
                places = _pack([[batch, list(entry.postings)]])
                writes[name] = Put(ROWS, {**key.attributes(), "e": places, "n": entry.length, "_c": batch}, mine)
            elif olds[name]:
                writes[name] = Delete(key, mine)
        refused = self._all(list(writes.values()), lenient=True)
        theirs = {name for name, write in writes.items() if any(write is each for each in refused)}
        mine_now = [row for row in rows if row["sk"][2:] not in theirs]
        self._all([Delete(Key(ROWS, self.address, row["sk"]), Equals(("s",), row["s"])) for row in mine_now], lenient=True)

    def _all(self, writes: Sequence[Write], *, lenient: bool = False) -> list[Write]:
        """Carry out independent writes: in few transactions where that is cheap, at once where each is a request.

        Args:
            lenient: those whose condition does not hold are left out, and returned; otherwise the first raises `ConditionFailed`.
        """
        if exact_indexes(self.store):
            parts = [list(writes[start : start + 100]) for start in range(0, len(writes), 100)]
            return [write for part in parts for write in self._transacted(part, lenient)]

        def one(write: Write) -> Write | None:
            try:
                self.store.write(write)
            except ConditionFailed:
                if not lenient:
                    raise
                return write
            return None

        if self._threads == 1:
            told = list(map(one, writes))
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                told = list(pool.map(one, writes))
        return [write for write in told if write is not None]

    def _transacted(self, part: list[Write], lenient: bool) -> list[Write]:
        refused: list[Write] = []
        while part:
            try:
                self.store.transact(part)
                break
            except ConditionFailed as failure:
                if not lenient:
                    raise
                refused += [part[at] for at in failure.failed]
                part = [write for at, write in enumerate(part) if at not in failure.failed]
        return refused


def _places(old: Item) -> list[Any]:
    """Where a `d` row says that postings of its document are: pairs of a batch and terms."""
    return list(_unpack(bytes(old["e"]))) if old else []


def unmark(store: Store, address: str, sort_key: str) -> None:
    """Take the mark from a tail row that need not be moved; nothing if it is gone, or another one by now."""
    key = Key(ROWS, address, sort_key)
    row = store.get(key)
    if row is None or "e" not in row:
        return
    try:
        store.write(Update(key, remove=(("due",), ("since",)), condition=Equals(("s",), row["s"])))
    except ConditionFailed:
        return


def mover(store: Store, index: SideIndex, address: str, now_s: float) -> Mover:
    """Who moves the tail of a partition of this index."""
    return Mover(store, address, isinstance(index, Vector), now_s)
