"""Order-preserving keys: the order of encoded strings, as UTF-8 bytes, is Convex's order of the values.

undefined < null < int64 < float64 < boolean < string < bytes < array < object. Each value starts with a type digit.
Numbers are 16 hex digits of their order-mapped 64 bits. Strings end with U+0001, and U+0000 to U+0002 inside them are
escaped, so no key holds U+0000 and none is the beginning of a longer string's key.
"""

from __future__ import annotations

import struct
from typing import Any

from chalicelib.data.errors import BadRequest, LimitExceeded
from chalicelib.data.plain import Int64

END = "\x01"
_ESCAPES = {0: "\x02\x01", 1: "\x02\x02", 2: "\x02\x03"}


class _Undefined:
    def __repr__(self) -> str:
        return "UNDEFINED"


UNDEFINED = _Undefined()
"""A field that is not there; it sorts before everything."""


def encode_key(*values: Any) -> str:
    """Values → one key; the key of (a,) is a prefix of the key of (a, b)."""
    return "".join(_encode(value) for value in values)


def _encode(value: Any) -> str:
    if value is UNDEFINED:
        return "0"
    if value is None:
        return "1"
    if isinstance(value, Int64):
        return f"2{value + 2**63:016x}"
    if isinstance(value, bool):
        return "41" if value else "40"
    if isinstance(value, (int, float)):
        bits: int = struct.unpack(">Q", struct.pack(">d", float(value)))[0]
        mapped = bits ^ 0xFFFFFFFFFFFFFFFF if bits >> 63 else bits | 1 << 63
        return f"3{mapped:016x}"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise BadRequest("A string with a lone surrogate cannot be indexed.") from error
        return f"5{value.translate(_ESCAPES)}{END}"
    if isinstance(value, bytes):
        return f"6{value.hex()}{END}"
    if isinstance(value, (list, tuple)):
        return f"7{encode_key(*value)}{END}"
    if isinstance(value, dict):
        return "8" + "".join(_encode(name) + _encode(value[name]) for name in sorted(value)) + END
    raise BadRequest(f"{type(value).__name__} cannot be indexed.")


def checked(text: str, limit: int, what: str) -> str:
    """`text` if it fits a key of `limit` bytes; else an error that says so."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise BadRequest(f"The {what} holds half of a surrogate pair, which is not Unicode.") from None
    if size > limit:
        raise LimitExceeded(f"The {what} is longer than {limit} bytes.")
    return text


def floor(value: Any, step: float) -> Any:
    """The multiple of a step at or below a number; anything else, or without a step, as it is."""
    if not step or isinstance(value, bool | Int64) or not isinstance(value, (int, float)):
        return value
    return float(value // step * step)
