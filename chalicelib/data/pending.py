"""A document that a run writes: what was stored, and what will be."""

from __future__ import annotations

from dataclasses import dataclass, field

from chalicelib.data.store import Item
from chalicelib.data.tables import Position, Record, Table


@dataclass(frozen=True)
class Pending:
    """A document that this run writes: before (None = made here) and after (None = deleted).

    `item` is what was stored: the indexes that it *is* in, which are not those that the code declares while one is built.
    `places` are those that it is in afterwards.
    """

    table: type[Table]
    before: Record | None
    version: str | int | None
    after: Record | None
    item: Item | None = None
    places: dict[str, Position] = field(default_factory=dict)

    def claims(self) -> set[str]:
        """The address of every unique value that it holds afterwards."""
        return {place.address for name, place in self.places.items() if self.table.indexes[name].unique}
