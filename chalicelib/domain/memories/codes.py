"""The refusals of memories: a code, a field and a sentence for everything that may not be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib import Refused
from chalicelib.domain.conversations import codes
from chalicelib.domain.conversations.codes import LONGEST_CONTENT, check_metadata, check_required, refused
from chalicelib.schema import DIMENSIONS, Memory

MOST_TAGS = 20
LONGEST_TAG = 100
MOST_IMPORTANT = 100
MOST_MESSAGES = 20
"""Messages that one memory refers to: each is looked up in the commit."""
_OF_FIELD = {
    "source.type": "INVALID_SOURCE_TYPE",
    "sourceType": "INVALID_SOURCE_TYPE",
    "contentType": "INVALID_CONTENT_TYPE",
    "tagsMatch": "INVALID_TAGS",
}
_OF_HEAD = {"embedding": "INVALID_EMBEDDING", "tags": "INVALID_TAGS", "importance": "INVALID_IMPORTANCE"}
_OF_HEAD |= {"minImportance": "INVALID_IMPORTANCE", "confidence": "INVALID_CONFIDENCE"}


def explain(message: str) -> Refused:
    """What the signature refused, as one of the codes. `message` is the validator's sentence, with its path."""
    sentence, _, where = message.partition(" - at `$")
    path = where.rstrip("`").lstrip(".")
    code = _OF_FIELD.get(path) or _OF_HEAD.get(path.partition("[")[0])
    return codes.explain(message) if code is None else refused(code, f"{path}: {sentence}", path)


def not_found() -> Refused:
    """The answer for a memory that is not there, and for one that is somebody else's: the same bytes (invariant 9)."""
    return refused("MEMORY_NOT_FOUND", "there is no such memory")


def check_content(content: str, field: str = "content") -> None:
    """A text that is not blank, up to 64 KB."""
    check_required(content, field)
    size = len(content.encode())
    if size > LONGEST_CONTENT:
        raise refused("CONTENT_TOO_LONG", f"{field} has {size} bytes; {LONGEST_CONTENT} is the limit", field)


def check_embedding(vector: Sequence[float] | None, field: str = "embedding") -> None:
    """A vector of 256 finite numbers with a direction."""
    if vector is None:
        return
    if len(vector) != DIMENSIONS:
        raise refused("INVALID_EMBEDDING", f"{field} has {len(vector)} numbers; {DIMENSIONS} are needed", field)
    rule = Memory.by_meaning.fault(vector)
    if rule is not None:
        raise refused("INVALID_EMBEDDING", f"{field}: {rule}", field)


def check_importance(value: Any, field: str) -> int:
    """A whole number from 0 to 100."""
    whole = isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer()
    if not whole or not 0 <= value <= MOST_IMPORTANT:
        raise refused("INVALID_IMPORTANCE", f"{field} is a whole number from 0 to {MOST_IMPORTANT}", field)
    return int(value)


def check_tags(value: Any, field: str) -> list[str]:
    """Up to 20 words of up to 100 characters, none twice."""
    right = isinstance(value, list) and all(isinstance(each, str) and each.strip() for each in value)
    if not right or len(value) > MOST_TAGS or any(len(each) > LONGEST_TAG for each in value):
        raise refused("INVALID_TAGS", f"{field} are up to {MOST_TAGS} texts of up to {LONGEST_TAG} characters", field)
    return list(dict.fromkeys(value))


def check_metadata_of(metadata: dict[str, Any] | None) -> tuple[int | None, list[str] | None, dict[str, Any] | None]:
    """Importance, tags, and what else the caller keeps with a memory; None for what is not said."""
    if metadata is None:
        return None, None, None
    check_metadata(metadata, "metadata")
    rest = {name: part for name, part in metadata.items() if name not in ("importance", "tags")}
    importance, tags = metadata.get("importance"), metadata.get("tags")
    return (
        None if importance is None else check_importance(importance, "metadata.importance"),
        None if tags is None else check_tags(tags, "metadata.tags"),
        rest or None,
    )
