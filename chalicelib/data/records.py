"""Between a document in Python, its record (plain values under wire names) and the item in the store."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from chalicelib.data import values
from chalicelib.data.errors import BadValue
from chalicelib.data.plain import Fault, good_key, normal
from chalicelib.data.store import Item, Key
from chalicelib.data.tables import Record

KEPT = frozenset({"_id", "_creationTime"})
_STORES = frozenset({"pk", "sk", "ttl"})


class Rough(Record):
    """A record that cannot be read as it stands: an item that was made by hand. It can be deleted and replaced.

    `fault` says what is wrong, and where.
    """

    fault: Fault


def plain(value: Any) -> Any:
    """Structs become dicts under wire names, tuples lists; what is absent is left out. Raises `BadValue`."""
    try:
        return normal(value)
    except Fault as fault:
        raise BadValue("", fault.path, fault.rule) from None


def record(item: Item) -> Record:
    """The record in a stored item; a `Rough` one where an attribute is no value."""
    name = ""
    made: Record = {}
    try:
        for name, part in item.items():
            if is_field(name):
                made[name] = values.from_item(part)
    except Fault as fault:
        return _rough({name: part for name, part in item.items() if is_field(name)}, fault.inside(name))
    return made


def at(key: Key, item: Item) -> Record:
    """The record of the document at a key; a `Rough` one, too, where id or creation time are not what the engine writes."""
    found = record(item)
    id = found.get("_id")
    named = isinstance(id, str) and id != "" and (key.sk is not None or key.pk.endswith(f"|{id}"))
    if isinstance(found, Rough) or (named and type(found.get("_creationTime")) in (int, float)):
        return found
    missing = "_creationTime" if named else "_id"
    rule = "this is none of the engine's" if missing in found else "the field is missing"
    own = id if named else key.pk.split("|", 2)[-1] if key.sk is None else key.sk
    return _rough({**found, "_id": own}, Fault(rule).inside(missing))


def fields(record: Record) -> Item:
    """The attributes of an item that hold a record."""
    return {name: values.to_item(part) for name, part in record.items()}


@lru_cache(maxsize=4096)
def is_field(name: str) -> bool:
    """Whether an attribute of an item is a field of its document, and not the store's or an index's."""
    if name.startswith("_"):
        return name in KEPT
    return "#" not in name and name not in _STORES


def readable(part: Any) -> Any:
    """An attribute of an item in which each object that is no value is its JSON text."""
    if isinstance(part, list):
        return [readable(each) for each in part]
    if not isinstance(part, dict) or part.keys() & values.IN_THE_STORE:
        return part
    if not all(good_key(name) for name in part):
        return json.dumps(part, ensure_ascii=False, default=str)
    return {name: readable(each) for name, each in part.items()}


def _rough(made: Record, fault: Fault) -> Rough:
    rough = Rough(made)
    rough.fault = fault
    return rough
