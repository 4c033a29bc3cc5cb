"""The rules that can be checked without asking: what is wrong is told at the call, by the backend's own codes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, get_args

from concave_client.errors import ValidationError
from concave_client.models import ConversationType, CountRange, Format, Role, SortBy, SortOrder

LONGEST_ID, MOST_AGENTS, MOST_IDS, MOST_LISTED, LISTED = 200, 20, 100, 1000, 100
LONGEST_CONTENT, LARGEST_METADATA = 64 * 1024, 16 * 1024


def text(value: Any, field: str, *, needed: bool = True, blank: str = "") -> None:
    """A string with something in it; `blank` is the code of one without, where it is not that of one that is missing."""
    if value is None:
        if needed:
            raise ValidationError("MISSING_REQUIRED_FIELD", f"{field} is required and cannot be empty", field)
        return
    if not isinstance(value, str):
        raise ValidationError("INVALID_FORMAT", f"{field} is a string, not {type(value).__name__}", field)
    if not value.strip():
        code = blank or ("MISSING_REQUIRED_FIELD" if needed else "EMPTY_STRING")
        raise ValidationError(code, f"{field} is required and cannot be empty", field)


def name(value: Any, field: str, *, needed: bool = True) -> None:
    """An id: 1 to 200 printable characters, no line breaks, and not spaces alone."""
    text(value, field, needed=needed, blank="INVALID_ID_FORMAT")
    if value is not None and (len(value) > LONGEST_ID or not value.isprintable()):
        raise ValidationError("INVALID_ID_FORMAT", f"{field} is 1 to {LONGEST_ID} printable characters", field)


def names(values: Any, field: str, most: int = MOST_IDS) -> None:
    """Several ids: none twice."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise ValidationError("INVALID_FORMAT", f"{field} is a list", field)
    if not values:
        raise ValidationError("EMPTY_ARRAY", f"{field} must name at least one", field)
    if len(values) > most:
        raise ValidationError("INVALID_ARRAY_LENGTH", f"{field} holds at most {most}", field)
    for each in values:
        name(each, field)
    if len(set(values)) != len(values):
        raise ValidationError("DUPLICATE_VALUES", f"{field} names one twice", field)


def one_of(value: Any, kinds: Any, code: str, field: str, *, needed: bool = False) -> None:
    """One of the words of a type."""
    if value is None and not needed:
        return
    if value is None:
        raise ValidationError("MISSING_REQUIRED_FIELD", f"{field} is required", field)
    if value not in get_args(kinds):
        raise ValidationError(code, f"{field} is one of {', '.join(get_args(kinds))}", field)


def between(value: Any, low: int, high: int | None, field: str) -> None:
    """A whole number in its bounds."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValidationError("INVALID_RANGE", f"{field} is a whole number", field)
    if value < low or (high is not None and value > high):
        raise ValidationError("INVALID_RANGE", f"{field} is {low} to {high or 'any number'}, not {value}", field)


def dates(after: float | None, before: float | None, field: str) -> None:
    """A time before another."""
    if after is not None and before is not None and after >= before:
        raise ValidationError("INVALID_DATE_RANGE", f"{field}: the start must be before the end", field)


def metadata(value: Any, field: str) -> None:
    """Any JSON value of 16 KB."""
    if value is None:
        return
    try:
        size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    except (TypeError, ValueError) as error:
        raise ValidationError("INVALID_FORMAT", f"{field} is a JSON value: {error}", field) from error
    if size > LARGEST_METADATA:
        raise ValidationError("METADATA_TOO_LARGE", f"{field} holds {LARGEST_METADATA} bytes as JSON", field)


def participants(kind: Any, who: Any) -> None:
    """Who must take part in a conversation of this type."""
    one_of(kind, ConversationType, "INVALID_TYPE", "type", needed=True)
    if who is None:
        raise ValidationError("MISSING_REQUIRED_FIELD", "participants is required", "participants")
    if not isinstance(who, dict) or who.keys() - {"userId", "agentId", "agentIds"}:
        raise ValidationError("INVALID_PARTICIPANTS", "participants holds userId, agentId and agentIds", "participants")
    user, agent, agents = who.get("userId"), who.get("agentId"), who.get("agentIds")
    if kind == "user-agent" and not (_there(user) and _there(agent)):
        raise ValidationError("INVALID_PARTICIPANTS", "user-agent conversations require userId and agentId", "participants")
    if kind == "agent-agent" and len(agents or ()) < 2:
        sentence = "agent-agent conversations require at least 2 agentIds"
        raise ValidationError("INVALID_PARTICIPANTS", sentence, "participants.agentIds")
    if kind == "agent-agent" and (user or agent):
        raise ValidationError("INVALID_PARTICIPANTS", "agent-agent conversations are between agentIds only", "participants")
    name(user, "participants.userId", needed=False)
    name(agent, "participants.agentId", needed=False)
    if agents:
        names(agents, "participants.agentIds", MOST_AGENTS)


def _there(value: Any) -> bool:
    return bool(value.strip() if isinstance(value, str) else value)


def sought(kind: Any, who: Any) -> None:
    """Who a conversation that is looked for is between: what is missing has codes of its own here."""
    one_of(kind, ConversationType, "INVALID_TYPE", "type", needed=True)
    if isinstance(who, dict) and kind == "user-agent":
        for field in ("userId", "agentId"):
            if not _there(who.get(field)):
                sentence = f"user-agent conversations require userId and agentId; {field} is missing"
                raise ValidationError("MISSING_REQUIRED_FIELD", sentence, f"participants.{field}")
    elif isinstance(who, dict) and len(who.get("agentIds") or ()) < 2:
        sentence = "agent-agent conversations require at least 2 agentIds"
        raise ValidationError("INVALID_ARRAY_LENGTH", sentence, "participants.agentIds")
    participants(kind, who)


def message(value: Any) -> None:
    """A message to add."""
    if not isinstance(value, dict):
        raise ValidationError("MISSING_REQUIRED_FIELD", "message is required", "message")
    if value.keys() - {"id", "role", "content", "agentId", "metadata"}:
        raise ValidationError("INVALID_FORMAT", "message holds id, role, content, agentId and metadata", "message")
    one_of(value.get("role"), Role, "INVALID_ROLE", "message.role", needed=True)
    content: Any = value.get("content")
    text(content, "message.content")
    if len(content.encode()) > LONGEST_CONTENT:
        raise ValidationError("CONTENT_TOO_LONG", f"message.content holds {LONGEST_CONTENT} bytes", "message.content")
    name(value.get("id"), "message.id", needed=False)
    name(value.get("agentId"), "message.agentId", needed=False)
    metadata(value.get("metadata"), "message.metadata")


def order(sort_by: Any = None, sort_order: Any = None) -> None:
    """The order of a list."""
    one_of(sort_by, SortBy, "INVALID_SORT_ORDER", "sortBy")
    one_of(sort_order, SortOrder, "INVALID_SORT_ORDER", "sortOrder")


def message_count(value: int | CountRange | None) -> None:
    """A number of messages, or a range of them."""
    if not isinstance(value, dict):
        between(value, 0, None, "messageCount")
        return
    low, high = value.get("min"), value.get("max")
    between(low, 0, None, "messageCount.min")
    between(high, 0, None, "messageCount.max")
    if low is not None and high is not None and low > high:
        raise ValidationError("INVALID_RANGE", "messageCount: min must not be above max", "messageCount")


def export_format(value: Any) -> None:
    """json or csv."""
    one_of(value, Format, "INVALID_FORMAT", "format", needed=True)
