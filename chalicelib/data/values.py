"""Values between Python, Convex's JSON and the store; `plain.py` says what a value is.

| Convex | Python | on the wire |
|---|---|---|
| null, boolean, string, array, object | None, bool, str, list, dict | themselves |
| float64 | int when integral and at most 2**53, else float | a number; NaN, ±Infinity and -0 as `$float` |
| int64 | `Int64` | `$integer` |
| bytes | bytes | `$bytes` |

A Python int means float64, as JavaScript's numbers do; `Int64` is what a client sees as a BigInt. JSON is written with
sorted keys, so that equal values have equal text, and `digest` can compare them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import struct
from collections.abc import Callable, Container
from typing import Any

from chalicelib.data.errors import BadRequest, BadValue
from chalicelib.data.plain import KEY_RULE, MAX_ARRAY, MAX_NESTING, Fault, Int64, good_key, number, text, too_deep, too_long, walk

__all__ = [
    "Int64",
    "clean",
    "decode",
    "decode_hook",
    "decode_ts",
    "digest",
    "dumps",
    "encode",
    "encode_and_see",
    "encode_ts",
    "from_item",
    "loads",
    "to_item",
]
_sorted = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
SMALLEST, LARGEST = 1e-130, 9.9e125
"""What DynamoDB's numbers can hold; other floats are stored tagged."""
ON_THE_WIRE = frozenset({"$bytes", "$integer", "$float"})
IN_THE_STORE = frozenset({"$integer", "$float"})


def decode_hook(wanted: type, value: Any) -> Any:
    """For `msgspec.convert`: an Int64 stays one; anything else where one is wanted is a mistake of whoever gave it.

    Raises: `ValueError`, which msgspec tells with the path; `NotImplementedError` for another type, as msgspec asks of a hook: no
    declaration with one passes when it is loaded.
    """
    if wanted is not Int64:
        raise NotImplementedError(f"{wanted} is not a type of a value")
    if isinstance(value, Int64):
        return value
    raise ValueError(f"Expected `int64` (a BigInt), got `{'null' if value is None else type(value).__name__}`")


# The wire --------------------------------------------------------------------------------------------------------------


def decode(wire: Any) -> Any:
    """Convex JSON → Python. Raises `BadValue` naming the path."""
    return _told(_decoded, wire)


def _decoded(wire: Any, most: int = MAX_NESTING) -> Any:
    if isinstance(wire, float) and not math.isfinite(wire):
        raise Fault(f"{wire} is no number of JSON; it is written as $float")
    return _python(wire, ON_THE_WIRE, _decoded, most)


def encode(value: Any) -> Any:
    """Python → Convex JSON. Structs lose absent fields. Raises `BadValue` for what is not a value, naming the path."""
    return _told(walk, value, _on_the_wire)


def encode_and_see(value: Any) -> tuple[Any, Any]:
    """`encode(value)`, and what `decode` would make of that; a value without special forms is both, and is walked once."""
    special = False

    def leaf(part: Any) -> Any:
        nonlocal special
        made = _on_the_wire(part)
        special = special or made is not part
        return made

    encoded = _told(walk, value, leaf)
    return encoded, decode(encoded) if special else encoded


def _on_the_wire(value: Any) -> Any:
    if isinstance(value, Int64):
        return _integer(value)
    if isinstance(value, float):
        special = not math.isfinite(value) or (value == 0 and math.copysign(1, value) < 0)
        return _float(value) if special else value
    return {"$bytes": base64.b64encode(value).decode()}


def _told(function: Callable[..., Any], *given: Any) -> Any:
    try:
        return function(*given)
    except Fault as fault:
        raise BadValue("", fault.path, fault.rule) from None


def _python(wire: Any, tags: Container[str], inner: Callable[[Any, int], Any], most: int) -> Any:
    """JSON, or an attribute of an item → Python. `tags`: the special forms; `inner`: what is done with the parts."""
    kind = type(wire)
    if kind is str:
        return wire if wire.isascii() else text(wire)
    if wire is None or kind is bool:
        return wire
    if kind is int or kind is float:
        return number(wire)
    if kind is dict:
        return _object(wire, tags, inner, most)
    if kind is list:
        return _array(wire, inner, most)
    raise Fault(f"{kind.__name__} is not a value")


def _object(wire: dict[Any, Any], tags: Container[str], inner: Callable[[Any, int], Any], most: int) -> Any:
    if most <= 0:
        raise too_deep()
    if len(wire) == 1:
        ((name, part),) = wire.items()
        if isinstance(name, str) and name.startswith("$"):
            return _special(name, part, tags)
    made: dict[str, Any] = {}
    name = ""
    try:
        for name, part in wire.items():
            if type(name) is not str or not good_key(name):
                raise Fault(f"{str(name)[:40]!a} is no key: {KEY_RULE}")
            made[name] = inner(part, most - 1)
    except Fault as fault:
        raise fault.inside(name if isinstance(name, str) and good_key(name) else ascii(name)[:40]) from None
    return made


def _array(wire: list[Any], inner: Callable[[Any, int], Any], most: int) -> list[Any]:
    if most <= 0:
        raise too_deep()
    if len(wire) > MAX_ARRAY:
        raise too_long(wire)
    if len(wire) > 8 and set(map(type, wire)) == {float} and not any(map(float.is_integer, wire)):
        return list(wire)  # a vector: each part is what `number` would make of it
    made: list[Any] = []
    try:
        for part in wire:
            made.append(inner(part, most - 1))
    except Fault as fault:
        raise fault.inside(len(made)) from None
    return made


def _special(name: str, part: Any, tags: Container[str]) -> Any:
    """`{"$bytes": "…"}` and its like: Base64 of bytes, of 8 little-endian bytes of an integer, or of a float64."""
    if name not in tags:
        raise Fault(f"{name[:40]!a} is no special form; {KEY_RULE}")
    try:
        raw = base64.b64decode(part, validate=True)
    except (ValueError, TypeError):
        raise Fault(f"what {name} holds is not Base64") from None
    if name == "$bytes":
        return raw
    if len(raw) != 8:
        raise Fault(f"{name} holds 8 bytes, not {len(raw)}")
    return Int64(int.from_bytes(raw, "little", signed=True)) if name == "$integer" else float(struct.unpack("<d", raw)[0])


def _integer(value: Int64) -> dict[str, str]:
    return {"$integer": base64.b64encode(int(value).to_bytes(8, "little", signed=True)).decode()}


def _float(value: float) -> dict[str, str]:
    return {"$float": base64.b64encode(struct.pack("<d", value)).decode()}


def dumps(encoded: Any) -> str:
    """Encoded value → JSON text with sorted keys; equal values have equal text."""
    return _sorted(encoded)


def loads(text: str) -> Any:
    """JSON text of an encoded value → Python."""
    return decode(json.loads(text))


def clean(value: Any) -> Any:
    """Python → lossy plain JSON (format "json"): int64 and bytes as strings."""
    if isinstance(value, Int64):
        return str(int(value))
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {name: clean(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(part) for part in value]
    return value


def digest(value: Any) -> str:
    """A short fingerprint of a value."""
    return hashlib.sha256(dumps(encode(value)).encode()).hexdigest()[:32]


def encode_ts(ts: int) -> str:
    """A timestamp on the wire: base64 of 8 little-endian bytes."""
    return base64.b64encode(ts.to_bytes(8, "little")).decode()


def decode_ts(text: str) -> int:
    """A timestamp from the wire. Raises `BadRequest`."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise BadRequest("A timestamp is base64.") from error
    if len(raw) != 8:
        raise BadRequest("A timestamp has 8 bytes.")
    return int.from_bytes(raw, "little")


# The store -------------------------------------------------------------------------------------------------------------


def to_item(value: Any) -> Any:
    """Python → an attribute of a stored item. Floats that the store cannot hold, and Int64, are tagged. Raises `BadValue`."""
    return _told(walk, value, _in_the_store)


def _in_the_store(value: Any) -> Any:
    if isinstance(value, Int64):
        return _integer(value)
    if isinstance(value, float):
        held = math.isfinite(value) and SMALLEST <= abs(value) <= LARGEST
        return value if held else _float(value)
    return bytes(value)


def from_item(part: Any) -> Any:
    """An attribute of a stored item → Python. Raises `Fault` for what no value of ours is stored as."""
    return _stored(part)


def _stored(part: Any, most: int = MAX_NESTING) -> Any:
    return part if type(part) is bytes else _python(part, IN_THE_STORE, _stored, most)
