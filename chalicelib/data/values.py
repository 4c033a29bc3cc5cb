"""Values: between Python, Convex's JSON and the store (protocol section 6).

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
from typing import Any

import msgspec

from chalicelib.data.errors import BadRequest

SAFE = 2**53
MAX_NESTING, MAX_ARRAY, MAX_KEY = 64, 8192, 1024
SMALLEST, LARGEST = 1e-130, 9.9e125
"""What DynamoDB's numbers can hold; other floats are stored tagged."""


class Int64(int):
    """A 64-bit integer: Convex's int64, JavaScript's BigInt. Arithmetic gives plain ints."""

    def __new__(cls, value: int) -> Int64:
        if not -(2**63) <= value < 2**63:
            raise BadRequest(f"{value} does not fit 64 bits.")
        return super().__new__(cls, value)


def decode_hook(wanted: type, value: Any) -> Any:
    """For `msgspec.convert`: an Int64 stays one."""
    if wanted is Int64 and isinstance(value, Int64):
        return value
    raise NotImplementedError(f"{wanted} is not a type of a value")


def decode(wire: Any, path: str = "") -> Any:
    """Convex JSON → Python. Raises `BadRequest` naming the path."""
    if len(path) > 4096 or path.count(".") + path.count("[") > MAX_NESTING:
        raise BadRequest(f"Values nest {MAX_NESTING} levels at most.")
    if wire is None or isinstance(wire, (bool, str)):
        return _text(wire, path) if isinstance(wire, str) else wire
    if isinstance(wire, (int, float)):
        return _number(wire)
    if isinstance(wire, list):
        if len(wire) > MAX_ARRAY:
            raise BadRequest(f"The array at {path or 'the top'} has {len(wire)} items; {MAX_ARRAY} is the limit.")
        return [decode(part, f"{path}[{number}]") for number, part in enumerate(wire)]
    if isinstance(wire, dict):
        if len(wire) == 1 and next(iter(wire)).startswith("$"):
            return _special(wire, path)
        return {_key(name, path): decode(part, f"{path}.{name}") for name, part in wire.items()}
    raise BadRequest(f"{type(wire).__name__} at {path or 'the top'} is not a value.")


def _text(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadRequest(f"The string at {path or 'the top'} is not valid Unicode.") from error
    return text


def _number(number: int | float) -> Any:
    if isinstance(number, int):
        return int(number) if abs(number) <= SAFE else float(number)
    if number.is_integer() and abs(number) <= SAFE and not (number == 0 and math.copysign(1, number) < 0):
        return int(number)
    return number


def _special(wire: dict[str, Any], path: str) -> Any:
    ((name, text),) = wire.items()
    try:
        raw = base64.b64decode(text, validate=True)
        if name == "$bytes":
            return raw
        if name == "$integer" and len(raw) == 8:
            return Int64(int.from_bytes(raw, "little", signed=True))
        if name == "$float" and len(raw) == 8:
            return float(struct.unpack("<d", raw)[0])
    except (ValueError, TypeError) as error:
        raise BadRequest(f"The {name} at {path or 'the top'} is not base64.") from error
    raise BadRequest(f"{name} at {path or 'the top'} is not a value.")


def _key(name: str, path: str) -> str:
    if len(name) > MAX_KEY or name.startswith("$") or not all(" " <= char <= "~" for char in name):
        raise BadRequest(
            f"Field name {name[:40]!r} at {path or 'the top'}: up to {MAX_KEY} printable ASCII characters, no leading $."
        )
    return name


def encode(value: Any, path: str = "") -> Any:
    """Python → Convex JSON. Structs lose absent fields. Raises `BadRequest` for what is not a value."""
    if value is None or isinstance(value, (bool, str)):
        return _text(value, path) if isinstance(value, str) else value
    if isinstance(value, Int64):
        return {"$integer": base64.b64encode(int(value).to_bytes(8, "little", signed=True)).decode()}
    if isinstance(value, int):
        if abs(value) > SAFE:
            raise BadRequest(f"The integer {value} at {path or 'the top'} is beyond 2**53; use Int64.")
        return value
    if isinstance(value, float):
        if math.isfinite(value) and not (value == 0 and math.copysign(1, value) < 0):
            return int(value) if value.is_integer() and abs(value) <= SAFE else value
        return {"$float": base64.b64encode(struct.pack("<d", value)).decode()}
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        parts = ((wire, getattr(value, python)) for wire, python in names)
        return {wire: encode(part, f"{path}.{wire}") for wire, part in parts if part is not None and part is not msgspec.UNSET}
    if isinstance(value, dict):
        return {
            _key(str(name), path): encode(part, f"{path}.{name}") for name, part in value.items() if part is not msgspec.UNSET
        }
    if isinstance(value, (list, tuple)):
        return [encode(part, f"{path}[{number}]") for number, part in enumerate(value)]
    raise BadRequest(f"{type(value).__name__} at {path or 'the top'} is not a value.")


def dumps(encoded: Any) -> str:
    """Encoded value → JSON text with sorted keys; equal values have equal text."""
    return json.dumps(encoded, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


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


def to_item(value: Any) -> Any:
    """Python → an attribute of a stored item. Floats that the store cannot hold, and Int64, are tagged."""
    if isinstance(value, Int64):
        return encode(value)
    if isinstance(value, float):
        held = (value == 0 and math.copysign(1, value) > 0) or (math.isfinite(value) and SMALLEST <= abs(value) <= LARGEST)
        return value if held else {"$float": base64.b64encode(struct.pack("<d", value)).decode()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > SAFE:
        raise BadRequest(f"The integer {value} is beyond 2**53; use Int64.")
    if isinstance(value, dict):
        return {name: to_item(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_item(part) for part in value]
    return value


def from_item(part: Any) -> Any:
    """An attribute of a stored item → Python."""
    if isinstance(part, dict):
        if len(part) == 1 and next(iter(part)) in ("$float", "$integer"):
            return _special(part, "")
        return {name: from_item(each) for name, each in part.items()}
    if isinstance(part, list):
        return [from_item(each) for each in part]
    if isinstance(part, (int, float)) and not isinstance(part, bool):
        return _number(part)
    return part
