"""Which indexes a stored item is in: what it says itself, not what today's declarations would make of it.

Code and data are not deployed at one moment. A document that was written before an index was declared is not in it, and
its next write must let it *enter* (fence + 1), not find it there already; one whose index changed its fields moves. So a
commit compares where the item stands with where it belongs, and a backfill is nothing but a write that changes no field.
"""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.data.entries import attributes
from chalicelib.data.errors import BadRequest
from chalicelib.data.records import record
from chalicelib.data.store import Item
from chalicelib.data.tables import Index, Position, Table


def stored_positions(table: type[Table], org: str, item: Item | None) -> Iterator[tuple[Index, Position]]:
    """Every position at which this item stands (none for None). Unique indexes are claims, not positions."""
    if item is None:
        return
    found = record(item)
    for index in table.indexes.values():
        shard, order = item.get(f"{index.name}#p"), item.get(f"{index.name}#o")
        if shard is None or order is None or index.unique:
            continue
        today = _today(index, org, found)
        same = today is not None and (shard == today.address or shard.startswith(f"{today.address}|"))
        # A partition under an older definition is watched by nobody who runs today's code: its shard may stand for it.
        yield index, Position(today.address if today is not None and same else shard, order, shard)


def stored_claims(table: type[Table], item: Item | None) -> set[str]:
    """The address of every unique value that this item holds."""
    held = ((item or {}).get(f"{index.name}#p") for index in table.indexes.values() if index.unique)
    return {address for address in held if address is not None}


def stored_attributes(table: type[Table], item: Item | None) -> Item:
    """The attributes of this item that put it into the table's indexes."""
    names = [*(f"{name}#{part}" for name in table.indexes for part in "po"), *(f"{name}#s" for name in table.sides)]
    return {name: item[name] for name in names if name in item} if item else {}


def misplaced(table: type[Table], org: str, item: Item) -> set[str]:
    """The indexes in which this item does not stand where it belongs."""
    wanted: Item = {}
    found = record(item)
    for index in table.indexes.values():
        place = _today(index, org, found)
        if place is not None:
            wanted |= {f"{index.name}#p": place.shard, f"{index.name}#o": place.order}
    wanted |= _entries_today(table, org, found)
    stands = stored_attributes(table, item)
    return {name.partition("#")[0] for name in wanted.keys() | stands.keys() if wanted.get(name) != stands.get(name)}


def _entries_today(table: type[Table], org: str, found: dict[str, object]) -> Item:
    """What the item would say of its entries if it were written now."""
    try:
        return attributes(table, org, found)
    except BadRequest:
        return {}


def _today(index: Index, org: str, found: dict[str, object]) -> Position | None:
    """Where a stored document belongs; nowhere, if it holds what cannot be indexed (an item that was made by hand)."""
    try:
        return index.position(org, found)
    except BadRequest:
        return None
