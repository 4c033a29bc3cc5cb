"""A document that a run writes: what was stored, and what will be."""

from __future__ import annotations

from dataclasses import dataclass, field

from chalicelib.data.plain import normal
from chalicelib.data.records import Rough
from chalicelib.data.store import Item
from chalicelib.data.tables import Index, Position, Record, Table, record_key


@dataclass(frozen=True)
class Pending:
    """A document that this run writes: before (None = made here) and after (None = deleted).

    `item` is what was stored: the indexes that it *is* in, which are not those that the code declares while one is built.
    `places` are those that it is in afterwards. `fresh`: its id was drawn in this run, so nobody can have looked for it before.
    """

    table: type[Table]
    before: Record | None
    version: str | int | None
    after: Record | None
    item: Item | None = None
    places: dict[str, Position] = field(default_factory=dict)
    fresh: bool = False

    def claims(self) -> set[str]:
        """The address of every unique value that it holds afterwards."""
        return {place.address for name, place in self.places.items() if self.table.indexes[name].unique}


def order_in(org: str, index: Index, address: str, rec: Record | None, table: type[Table]) -> str | None:
    """The order at which a pending record stands in a partition, or None."""
    if rec is None or table is not index.table:
        return None
    if index.is_log:
        key = record_key(table, org, rec)
        return key.sk if key.pk == address else None
    position = index.position(org, rec)
    return position.order if position is not None and position.address == address else None


def own(written: Record) -> Record:
    """A copy of what a run has written: whoever reads it may change the copy, and nothing passes the gate that way."""
    copy: Record = written if isinstance(written, Rough) else normal(written)
    return copy
