"""What DynamoDB's expressions mean, on plain dicts: does a condition hold, and what does an update leave behind.

Also the bytes of an item on disk: msgpack with its keys in order, so that equal items are equal bytes (True is not 1), and
ints beyond 64 bits as an extension. Items come in normalised (`chalicelib.aws.rules.normal`).
"""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.aws.rules import normal, normal_int
from chalicelib.data.errors import BadRequest
from chalicelib.data.store import Absent, All, Any_, Condition, Equals, Exists, Has, Item, Lacks, Less, Path, Update

_BIG_INT = 1
_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(dict[str, Any], ext_hook=lambda code, data: int(bytes(data)))
_MISSING: Any = object()


def encode(item: Item) -> bytes:
    """A normalised item as bytes; equal items give equal bytes."""
    try:
        return _encoder.encode(item)
    except OverflowError:
        return _encoder.encode(_extended(item))


def decode(data: bytes) -> Item:
    """The item of `encode`."""
    return _decoder.decode(data)


def _extended(value: Any) -> Any:
    """The value with ints that msgpack has no room for as extensions."""
    if isinstance(value, dict):
        return {name: _extended(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_extended(entry) for entry in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return msgspec.msgpack.Ext(_BIG_INT, str(value).encode())
    return value


def _at(item: Item | None, path: Path) -> Any:
    value: Any = item
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return _MISSING
        value = value[step]
    return _MISSING if value is None and not path else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def holds(condition: Condition, item: Item | None) -> bool:
    """Whether a condition holds for an item (None: it is not there)."""
    match condition:
        case Exists():
            return item is not None
        case Absent():
            return item is None
        case Has(path):
            return _at(item, path) is not _MISSING
        case Lacks(path):
            return _at(item, path) is _MISSING
        case Equals(path, wanted):
            found = _at(item, path)
            return found is not _MISSING and isinstance(found, bool) == isinstance(wanted, bool) and bool(found == wanted)
        case Less(path, bound):
            found = _at(item, path)
            return _is_number(found) and bool(found < bound)
        case All(of):
            return all(holds(part, item) for part in of)
        case Any_(of):
            return any(holds(part, item) for part in of)


def updated(item: Item | None, update: Update) -> Item:
    """The item after an update (a new dict; `item` is left alone). Raises `BadRequest` where DynamoDB refuses the path."""
    old: Item = {} if item is None else item
    new: Item = dict(old) if item is not None else dict(update.key.attributes())
    for path, value in update.set.items():
        _parent(new, old, path)[path[-1]] = normal(value, ".".join(path))
    for path, amount in update.add.items():
        parent = _parent(new, old, path)
        parent[path[-1]] = _sum(parent.get(path[-1], 0), amount, path)
    for path in update.remove:
        _parent(new, old, path).pop(path[-1], None)
    return new


def _parent(new: Item, old: Item, path: Path) -> Item:
    """The map that holds the last step of a path, copied on the way so that the old item stays as it is."""
    here, there = new, old
    for step in path[:-1]:
        below = there.get(step)
        if not isinstance(below, dict):
            raise BadRequest(f"the path {'.'.join(path)} leads through {step}, which is no map of this item")
        if here[step] is below:
            here[step] = dict(below)
        here, there = here[step], below
    return here


def _sum(number: Any, amount: Any, path: Path) -> int | float:
    if not _is_number(number) or not _is_number(amount):
        raise BadRequest(f"cannot add {amount!r} to {'.'.join(path)}, which is {number!r}")
    if isinstance(number, int) and isinstance(amount, int):
        return normal_int(number + amount, ".".join(path))
    total: int | float = normal(number + amount, ".".join(path))
    return total
