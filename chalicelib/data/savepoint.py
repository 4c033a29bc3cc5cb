"""What a transaction was before a call worked in it."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.data.pending import Pending
from chalicelib.data.reads import Watch
from chalicelib.data.store import Item, Key
from chalicelib.data.uniques import Held


@dataclass(frozen=True)
class Savepoint:
    """A transaction as it was: what `roll_back` puts back."""

    writes: dict[Key, Pending]
    uniques: Held
    inserts: int
    now_ms: float
    versions: dict[Key, str | int | None]
    watches: set[Watch]
    torn: bool
    items: dict[Key, Item | None]
    read_before: int
