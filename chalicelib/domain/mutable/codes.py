"""The refusals of the mutable store: a code, a field and a sentence for everything that may not be."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from chalicelib import Refused
from chalicelib.domain import memory_spaces
from chalicelib.domain.conversations.codes import LARGEST_METADATA, refused
from chalicelib.domain.depth import DEEPEST, too_deep

LONGEST_NAMESPACE, LONGEST_KEY = 100, 255
LARGEST_KEY = 900
"""Bytes of a key: it is a part of a sort key, which holds 1,024."""
LARGEST_VALUE = 64 * 1024
"""Bytes of a value as JSON: one answer holds it."""
MOST_LISTED = 1_000
LARGEST_WHOLE = 2**53 - 1
"""Up to here every whole number is one of its own."""
_OF_FIELD = {
    "namespace": "INVALID_NAMESPACE",
    "key": "INVALID_KEY",
    "keyPrefix": "INVALID_KEY_PREFIX",
    "space": "INVALID_SPACE",
    "userId": "INVALID_USER_ID",
    "metadata": "INVALID_METADATA",
    "amount": "INVALID_AMOUNT_TYPE",
    "limit": "INVALID_LIMIT_RANGE",
    "offset": "INVALID_OFFSET_RANGE",
    "sortBy": "INVALID_SORT_BY",
    "sortOrder": "INVALID_SORT_ORDER",
    "updatedAfter": "INVALID_TIMESTAMP",
    "updatedBefore": "INVALID_TIMESTAMP",
    "lastAccessedBefore": "INVALID_TIMESTAMP",
    "revision": "INVALID_REVISION",
    "ifRevision": "INVALID_REVISION",
    "dryRun": "INVALID_DRY_RUN",
}
_MISSING = {"namespace": "MISSING_NAMESPACE", "key": "MISSING_KEY"}


def explain(message: str) -> Refused:
    """What the signature refused, as one of the codes. `message` is the validator's sentence, with its path."""
    sentence, _, where = message.partition(" - at `$")
    path = where.rstrip("`").lstrip(".")
    if path.partition("[")[0] == "operations":
        return refused("INVALID_TRANSACTION_OPERATION", f"{path}: {sentence}", path)
    missing = re.match(r"Object missing required field `(.+)`", sentence)
    if missing:
        field = f"{path}.{missing[1]}".lstrip(".")
        return refused(_MISSING.get(field, "MISSING_REQUIRED_FIELD"), f"{field} is required", field)
    return refused(_OF_FIELD.get(path.partition("[")[0], "INVALID_ARGUMENT"), f"{path}: {sentence}" if path else sentence, path)


def not_found(field: str = "key") -> Refused:
    """The answer for a key that is not there, and for one that is somebody else's: the same bytes (invariant 9)."""
    return refused("MUTABLE_KEY_NOT_FOUND", "there is no such key in this namespace", field)


def check_namespace(namespace: str, field: str = "namespace") -> None:
    """A namespace: 1 to 100 characters without control characters."""
    if not namespace.strip():
        raise refused("MISSING_NAMESPACE", f"{field} is required and cannot be empty", field)
    memory_spaces.check_name(namespace, field, "INVALID_NAMESPACE", LONGEST_NAMESPACE, "NAMESPACE_TOO_LONG")


def check_key(key: str, field: str = "key") -> None:
    """A key: 1 to 255 characters and 900 bytes, without control characters."""
    if not key.strip():
        raise refused("MISSING_KEY", f"{field} is required and cannot be empty", field)
    memory_spaces.check_name(key, field, "INVALID_KEY", LONGEST_KEY, "KEY_TOO_LONG")
    if len(key.encode()) > LARGEST_KEY:
        raise refused("KEY_TOO_LONG", f"{field} has {len(key.encode())} bytes; {LARGEST_KEY} are the limit", field)


def check_prefix(prefix: str | None) -> None:
    """The beginning of a key."""
    if prefix is not None:
        memory_spaces.check_name(prefix, "keyPrefix", "INVALID_KEY_PREFIX", LONGEST_KEY)


def check_value(value: Any, field: str = "value") -> int:
    """Any JSON value of 64 KB that nests 24 levels at most. Returns how many bytes it has."""
    if too_deep(value):
        raise refused("INVALID_VALUE", f"{field} nests {DEEPEST} levels at most", field)
    size = len(msgspec.json.encode(value))
    if size > LARGEST_VALUE:
        raise refused("VALUE_TOO_LARGE", f"{field} has {size} bytes as JSON; {LARGEST_VALUE} are the limit", field)
    return size


def check_metadata(metadata: Any, field: str = "metadata") -> None:
    """An object of 16 KB that nests 24 levels at most."""
    if metadata is None:
        return
    if not isinstance(metadata, dict) or too_deep(metadata):
        raise refused("INVALID_METADATA", f"{field} is an object that nests {DEEPEST} levels at most", field)
    if len(msgspec.json.encode(metadata)) > LARGEST_METADATA:
        raise refused("METADATA_TOO_LARGE", f"{field} holds {LARGEST_METADATA} bytes as JSON", field)


def summed(value: Any, amount: float, field: str = "value") -> float:
    """A number and an amount. Raises `Refused` for what is no number, and where the sum cannot be told exactly."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise refused("INVALID_AMOUNT_TYPE", "only a number can be counted up or down, and this value is none", field)
    if not math.isfinite(amount):
        raise refused("INVALID_AMOUNT_TYPE", "amount is a finite number", "amount")
    total = value + amount
    if not math.isfinite(total) or (float(total).is_integer() and abs(total) > LARGEST_WHOLE):
        raise refused("INVALID_AMOUNT_RANGE", "the sum is beyond 2^53 - 1, where whole numbers are not exact any more", "amount")
    return total
