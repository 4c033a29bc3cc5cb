"""Blocks of postings and the manifest of a partition, as `entries.py` lists them: from rows and to rows, and kept as read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from chalicelib.data.entries import ROWS
from chalicelib.data.store import Item, Key, Store

T = TypeVar("T")
_pack, _unpack = msgspec.msgpack.encode, msgspec.msgpack.decode
_words = msgspec.msgpack.Decoder(tuple[list[str], list[tuple[int, int]]])


@dataclass(frozen=True)
class Block:
    """The postings of one term: documents and payloads, side by side. `version` is that of the row."""

    documents: list[str]
    payloads: list[Any]
    version: str = ""

    def row(self, address: str, sort_key: str, version: str) -> Item:
        """As it is stored."""
        return {"pk": address, "sk": sort_key, "e": _pack([self.documents, self.payloads]), "_c": version}


def block_of(row: Item) -> Block:
    """The block in a row."""
    documents, payloads = _unpack(bytes(row["e"]))
    return Block(documents, payloads, str(row["_c"]))


def counts_of(row: Item) -> dict[str, tuple[int, int]]:
    """The block of a word in a row: by document how often it has the word, and how many words it has."""
    return dict(zip(*_words.decode(bytes(row["e"])), strict=True))


class Kept(Generic[T]):
    """What this process has made of blocks that it has read, each under a name that says their versions: those used last.

    What is kept is never changed by those who use it.

    Args:
        most: bytes, about, of all of it; what was used last stays, however large it is.
    """

    def __init__(self, most: int) -> None:
        self._most, self._size = most, 0
        self._lock = threading.Lock()
        self._made: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()

    def get(self, name: Hashable) -> T | None:
        """What was made under this name, if it is still kept."""
        with self._lock:
            found = self._made.get(name)
            if found is None:
                return None
            self._made.move_to_end(name)
            return found[0]

    def put(self, name: Hashable, made: T, size: int) -> T:
        """Keep something, and let go of what was not used for long. Returns it."""
        with self._lock:
            if name not in self._made:
                self._made[name] = made, size
                self._size += size
            while self._size > self._most and len(self._made) > 1:
                self._size -= self._made.popitem(last=False)[1][1]
        return made


@dataclass
class Manifest:
    """What the blocks of a partition hold."""

    documents: int = 0
    length: int = 0
    blocks: dict[str, str] = field(default_factory=dict)
    """Of an index of vectors: batch → version of its block, so that a process knows which it has read already."""
    version: str | None = None
    open: dict[str, int] = field(default_factory=dict)
    """Batches that somebody has begun, and when (seconds)."""

    def row(self, address: str) -> Item:
        """As it is stored."""
        counts = {"docs": self.documents, "length": self.length, "blocks": self.blocks, "open": self.open}
        return {"pk": address, "sk": "m", **counts, "_c": self.version}


def manifest(store: Store, address: str) -> Manifest:
    """The manifest of a partition."""
    row = store.get(Key(ROWS, address, "m"))
    return Manifest() if row is None else Manifest(row["docs"], row["length"], row["blocks"], row["_c"], row["open"])
