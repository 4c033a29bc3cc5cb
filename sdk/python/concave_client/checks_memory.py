"""The rules of memories that can be checked without asking, by the backend's own codes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from concave_client import checks
from concave_client.errors import ValidationError
from concave_client.models_memory import SourceType

DIMENSIONS, MOST_TAGS, LONGEST_TAG, MOST_MESSAGES, MOST_LISTED, MOST_FOUND = 256, 20, 100, 20, 900, 100


def content(value: Any, field: str = "content") -> None:
    """A text that is not blank, up to 64 KB."""
    checks.text(value, field)
    if len(value.encode()) > checks.LONGEST_CONTENT:
        raise ValidationError("CONTENT_TOO_LONG", f"{field} holds {checks.LONGEST_CONTENT} bytes", field)


def embedding(value: Any) -> list[float] | None:
    """A vector of 256 finite numbers with a direction; any sequence of numbers, a numpy array, too."""
    if value is None:
        return None
    try:
        found = [float(each) for each in value]
    except (TypeError, ValueError) as error:
        raise ValidationError("INVALID_EMBEDDING", f"embedding is a list of numbers: {error}", "embedding") from error
    if len(found) != DIMENSIONS or not all(map(math.isfinite, found)) or not any(found):
        raise ValidationError("INVALID_EMBEDDING", f"embedding holds {DIMENSIONS} finite numbers, not all of them 0", "embedding")
    return found


def importance(value: Any, field: str = "importance", code: str = "INVALID_IMPORTANCE") -> None:
    """A whole number from 0 to 100."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100):
        raise ValidationError(code, f"{field} is a whole number from 0 to 100", field)


def tags(value: Any, field: str = "tags") -> None:
    """Up to 20 texts of up to 100 characters."""
    if value is None:
        return
    right = isinstance(value, Sequence) and not isinstance(value, str) and len(value) <= MOST_TAGS
    if not right or any(not isinstance(each, str) or not each.strip() or len(each) > LONGEST_TAG for each in value):
        raise ValidationError("INVALID_TAGS", f"{field} are up to {MOST_TAGS} texts of up to {LONGEST_TAG} characters", field)


def metadata(value: Any) -> None:
    """A dict of 16 KB; `importance` and `tags` in it have rules of their own."""
    if value is None:
        return
    if not isinstance(value, dict):
        raise ValidationError("INVALID_FORMAT", "metadata is a dict", "metadata")
    checks.metadata(value, "metadata")
    importance(value.get("importance"), "metadata.importance")
    tags(value.get("tags"), "metadata.tags")


def source(value: Any, ref: Any) -> None:
    """Where a memory comes from; a conversation must be named."""
    if not isinstance(value, dict):
        raise ValidationError("MISSING_REQUIRED_FIELD", "source is required", "source")
    checks.one_of(value.get("type"), SourceType, "INVALID_SOURCE_TYPE", "source.type", needed=True)
    if value["type"] == "conversation" and ref is None:
        raise ValidationError("MISSING_CONVERSATION_REF", "a memory of a conversation names it", "conversationRef")
    if ref is not None:
        checks.name(ref.get("conversationId"), "conversationRef.conversationId")
        if ref.get("messageIds"):
            checks.names(ref["messageIds"], "conversationRef.messageIds", MOST_MESSAGES)


def filters(space: Any, **ids: Any) -> None:
    """A space, and ids by their wire names."""
    checks.name(space, "space")
    for field, value in ids.items():
        checks.name(value, field, needed=False)
