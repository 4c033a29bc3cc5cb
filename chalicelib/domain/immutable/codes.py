"""The refusals of the immutable store: a code, a field and a sentence for everything that may not be."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from chalicelib import Refused
from chalicelib.domain import memory_spaces
from chalicelib.domain.conversations.codes import refused
from chalicelib.domain.depth import DEEPEST, too_deep
from chalicelib.domain.mutable.codes import check_metadata

__all__ = ["check_data", "check_metadata", "check_place", "check_type", "explain", "moment", "not_found"]

LONGEST_TYPE, LONGEST_ID = 100, 200
LARGEST_DATA = 64 * 1024
"""Bytes of a record's data as JSON: one answer holds it."""
MOST_LISTED = 1_000
_OF_FIELD = {
    "type": "INVALID_TYPE",
    "id": "INVALID_ID",
    "data": "INVALID_DATA",
    "metadata": "INVALID_METADATA",
    "space": "INVALID_SPACE",
    "userId": "INVALID_USER_ID",
    "version": "INVALID_VERSION",
    "afterVersion": "INVALID_VERSION",
    "timestamp": "INVALID_TIMESTAMP",
    "limit": "INVALID_LIMIT",
    "offset": "INVALID_OFFSET",
    "keepLatest": "INVALID_KEEP_LATEST",
    "query": "INVALID_QUERY",
    "dryRun": "INVALID_DRY_RUN",
}


def explain(message: str) -> Refused:
    """What the signature refused, as one of the codes. `message` is the validator's sentence, with its path."""
    sentence, _, where = message.partition(" - at `$")
    path = where.rstrip("`").lstrip(".")
    missing = re.match(r"Object missing required field `(.+)`", sentence)
    if missing:
        return refused("MISSING_REQUIRED_FIELD", f"{missing[1]} is required", missing[1])
    return refused(_OF_FIELD.get(path.partition("[")[0], "INVALID_ARGUMENT"), f"{path}: {sentence}" if path else sentence, path)


def not_found() -> Refused:
    """The answer for a record that is not there, and for one that is somebody else's: the same bytes (invariant 9)."""
    return refused("IMMUTABLE_ENTRY_NOT_FOUND", "there is no record of this type and id", "id")


def check_type(type: str | None) -> None:
    """A type, where one is named: 1 to 100 characters without control characters."""
    if type is not None:
        memory_spaces.check_name(type, "type", "INVALID_TYPE", LONGEST_TYPE)


def check_place(type: str, id: str) -> None:
    """A type, and an id of 1 to 200 characters without control characters."""
    check_type(type)
    memory_spaces.check_name(id, "id", "INVALID_ID", LONGEST_ID)


def check_data(data: Any) -> None:
    """An object of 64 KB that nests 24 levels at most; `{}` is one."""
    if not isinstance(data, dict):
        raise refused("INVALID_DATA", "data is an object", "data")
    if too_deep(data):
        raise refused("INVALID_DATA", f"data nests {DEEPEST} levels at most", "data")
    size = len(msgspec.json.encode(data))
    if size > LARGEST_DATA:
        raise refused("DATA_TOO_LARGE", f"data has {size} bytes as JSON; {LARGEST_DATA} are the limit", "data")


def moment(timestamp: float | str) -> float:
    """A time in milliseconds since the epoch: that number, or a date of ISO 8601 (RFC 3339), in UTC where it says no zone."""
    if isinstance(timestamp, str) and re.fullmatch(r"\d{9,15}(\.\d{1,9})?", timestamp):  # as a query string tells a number
        return float(timestamp)
    if isinstance(timestamp, str):
        try:
            read = datetime.fromisoformat(timestamp)
        except ValueError:
            raise refused(
                "INVALID_TIMESTAMP", "timestamp is a number of milliseconds, or a date of ISO 8601", "timestamp"
            ) from None
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000
    if not math.isfinite(timestamp):
        raise refused("INVALID_TIMESTAMP", "timestamp is a finite number of milliseconds since the epoch", "timestamp")
    return timestamp
