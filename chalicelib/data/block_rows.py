"""Blocks of postings and the manifest of a partition, as `entries.py` lists them: from rows and to rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from chalicelib.data.entries import ROWS
from chalicelib.data.store import Item, Key, Store

_pack, _unpack = msgspec.msgpack.encode, msgspec.msgpack.decode


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
