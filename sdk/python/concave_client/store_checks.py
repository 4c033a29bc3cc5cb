"""The rules of the stores that can be checked without asking: told at the call, by the backend's own codes."""

from __future__ import annotations

import json
import math
import unicodedata
from datetime import datetime
from typing import Any, get_args

from concave_client.errors import ValidationError

LONGEST_SPACE, LONGEST_NAMESPACE, LONGEST_KEY, LARGEST_KEY, LONGEST_NAME = 256, 100, 255, 900, 200
LONGEST_TYPE = 100
LARGEST_VALUE, LARGEST_METADATA = 64 * 1024, 16 * 1024
MOST_LISTED = 1000
_CONTROL = {"Cc", "Cs", "Zl", "Zp"}


def text(value: Any, field: str, code: str, longest: int = LONGEST_NAME, *, missing: str = "", too_long: str = "") -> None:
    """A name: something that is no space, no control characters, not too long.

    Args:
        code: of everything that is wrong; `missing` of one that is absent or blank, `too_long` of one that is.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        raise ValidationError(missing or code, f"{field} is required and cannot be empty", field)
    if not isinstance(value, str):
        raise ValidationError(code, f"{field} is a string, not {type(value).__name__}", field)
    if any(unicodedata.category(each) in _CONTROL for each in value):
        raise ValidationError(code, f"{field} has no control characters", field)
    if len(value) > longest:
        raise ValidationError(too_long or code, f"{field} has {len(value)} characters; {longest} are the limit", field)


def namespace(value: Any, field: str = "namespace") -> None:
    """A namespace."""
    text(value, field, "INVALID_NAMESPACE", LONGEST_NAMESPACE, missing="MISSING_NAMESPACE", too_long="NAMESPACE_TOO_LONG")


def key(value: Any, field: str = "key") -> None:
    """A key."""
    text(value, field, "INVALID_KEY", LONGEST_KEY, missing="MISSING_KEY", too_long="KEY_TOO_LONG")
    if len(value.encode()) > LARGEST_KEY:
        raise ValidationError("KEY_TOO_LONG", f"{field} has {len(value.encode())} bytes; {LARGEST_KEY} are the limit", field)


def user(value: Any) -> None:
    """A user's id, where there is one."""
    if value is not None:
        text(value, "userId", "INVALID_USER_ID")


def space(value: Any) -> None:
    """A space's name, where there is one."""
    if value is not None:
        text(value, "space", "INVALID_SPACE", LONGEST_SPACE)


def size(value: Any, field: str, code: str) -> int:
    """How many bytes a JSON value has. Raises `ValidationError` for what is none."""
    try:
        return len(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode())
    except (TypeError, ValueError) as error:
        raise ValidationError(code, f"{field} is a JSON value: {error}", field) from error


def value(given: Any, field: str = "value") -> int:
    """Any JSON value of 64 KB. Returns its bytes."""
    found = size(given, field, "INVALID_VALUE")
    if found > LARGEST_VALUE:
        raise ValidationError("VALUE_TOO_LARGE", f"{field} has {found} bytes as JSON; {LARGEST_VALUE} are the limit", field)
    return found


def metadata(given: Any, field: str = "metadata") -> None:
    """An object of 16 KB, where there is one."""
    if given is None:
        return
    if not isinstance(given, dict):
        raise ValidationError("INVALID_METADATA", f"{field} is an object", field)
    if size(given, field, "INVALID_METADATA") > LARGEST_METADATA:
        raise ValidationError("METADATA_TOO_LARGE", f"{field} holds {LARGEST_METADATA} bytes as JSON", field)


def amount(given: Any, field: str = "amount") -> None:
    """A finite number."""
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not math.isfinite(given):
        raise ValidationError("INVALID_AMOUNT_TYPE", f"{field} is a finite number", field)


def whole(given: Any, low: int, high: int | None, field: str, code: str) -> None:
    """A whole number in its bounds, where there is one."""
    if given is None:
        return
    if isinstance(given, bool) or not isinstance(given, int) or given < low or (high is not None and given > high):
        raise ValidationError(code, f"{field} is a whole number from {low} to {high or 'any'}", field)


def one_of(given: Any, kinds: Any, field: str, code: str) -> None:
    """One of the words of a type, where there is one."""
    if given is not None and given not in get_args(kinds):
        raise ValidationError(code, f"{field} is one of {', '.join(get_args(kinds))}", field)


def moment(given: float | datetime | None, field: str) -> float | None:
    """A time as milliseconds since the epoch; a `datetime` without a time zone is local, as Python's own are."""
    if given is None:
        return None
    if isinstance(given, datetime):
        return given.timestamp() * 1000
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not math.isfinite(given):
        raise ValidationError("INVALID_TIMESTAMP", f"{field} is a time in milliseconds since the epoch, or a datetime", field)
    return given


def dates(after: float | None, before: float | None, field: str) -> None:
    """A time before another."""
    if after is not None and before is not None and after >= before:
        raise ValidationError("INVALID_DATE_RANGE", f"{field}: the start must be before the end", field)
