"""How many bytes DynamoDB counts for an item ("DynamoDB item sizes and formats" in its developer guide)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def value_bytes(value: Any) -> int:
    """The bytes that DynamoDB counts for one value (UTF-8, two digits a byte, 3 + 1 per entry for lists and maps)."""
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, list):
        return 3 + sum(1 + value_bytes(entry) for entry in value)
    if isinstance(value, dict):
        return 3 + sum(1 + value_bytes(name) + value_bytes(entry) for name, entry in value.items())
    digits = repr(value).partition("e")[0].replace(".", "").lstrip("-").strip("0")
    return 1 + (len(digits) + 1) // 2 + int(value < 0)


def item_bytes(item: Mapping[str, Any]) -> int:
    """The size of an item as DynamoDB counts it: names and values."""
    return sum(value_bytes(name) + value_bytes(value) for name, value in item.items())
