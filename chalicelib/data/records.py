"""Between a document in Python, its record (plain values under wire names) and the item in the store."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from chalicelib.data import values
from chalicelib.data.store import Item
from chalicelib.data.tables import Record, Table

T = TypeVar("T", bound=Table)
KEPT = {"_id", "_creationTime"}


def plain(value: Any) -> Any:
    """Structs become dicts under wire names, tuples lists; a None in a struct is an absent field."""
    if isinstance(value, msgspec.Struct):
        pairs = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        found = ((wire, getattr(value, python)) for wire, python in pairs)
        return {wire: plain(part) for wire, part in found if part is not None and part is not msgspec.UNSET}
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(part) for part in value]
    return value


def document(table: type[T], record: Record) -> T:
    """A record as a document of its table. Attributes that this code does not know are left out, not lost."""
    return msgspec.convert(record, table, strict=True, builtin_types=(bytes,), dec_hook=values.decode_hook)


def record(item: Item) -> Record:
    """The record in a stored item."""
    return {name: values.from_item(part) for name, part in item.items() if _is_field(name)}


def fields(record: Record) -> Item:
    """The attributes of an item that hold a record."""
    return {name: values.to_item(part) for name, part in record.items()}


def _is_field(name: str) -> bool:
    if name.startswith("_"):
        return name in KEPT
    return "#" not in name and name not in ("pk", "sk", "ttl")
