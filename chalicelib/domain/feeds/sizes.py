"""What fits into one event of a socket, and into one value of its feed.

API Gateway takes messages of 128 KB and a query's value has 350 KB, so a socket that was to be told more would be closed, or
hear nothing more at all. What is too large for an event is cut, and says so; it is whole where it is asked for.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

EVENT = 100_000
"""Bytes of one event's data."""
VALUE = 100_000
"""Bytes after which no more is gathered in one value; the rest is asked for at once."""
TEXT = 15_000
"""Characters of a reply that are told in one event: 90 KB where each is escaped."""
KEPT = 1_000
"""Characters that are left of a text which is cut."""


def size(data: Any) -> int:
    """Bytes of something as JSON."""
    return len(json.dumps(data, ensure_ascii=False, default=_plain).encode("utf-8", "replace"))


def fitted(data: Any, most: int = EVENT) -> Any:
    """An event's data (an object) as it fits: of what is too large texts keep their beginning, the rest is left out; `cut`
    names them."""
    if size(data) <= most:
        return data
    whole: dict[str, Any] = dict(_plain(data) if isinstance(data, msgspec.Struct) else data)
    cut: list[str] = []
    for name in sorted(whole, key=lambda each: -size(whole[each])):
        if size(whole) <= most:
            break
        text = whole.pop(name)
        cut.append(name)
        if isinstance(text, str):
            whole[name] = text[:KEPT]
    return {**whole, "cut": sorted(cut)}


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else repr(value)
