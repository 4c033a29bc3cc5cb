"""The refusals of the conversations door: a code, a field and a sentence for everything that may not be.

A message begins with its code, as the document's errors do, so that a client may match either on `data.code` or on the text.
What the signatures already refuse (types, enumerations, lengths) is told by the same codes: see `explain`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from chalicelib import Refused
from chalicelib.domain.depth import DEEPEST, too_deep

LONGEST_ID = 200
"""Characters of an id that a caller chooses; ids are parts of keys."""
MOST_AGENTS = 20
"""Agents of one conversation: opening and deleting it must each fit one commit."""
LONGEST_CONTENT = 64 * 1024
"""Bytes of one message: one answer of 96 KB always holds the newest message whole, or nearly."""
LARGEST_METADATA = 16 * 1024
"""Bytes of a conversation's or a message's metadata, as JSON."""

_OF_FIELD = {
    "type": "INVALID_TYPE",
    "role": "INVALID_ROLE",
    "format": "INVALID_FORMAT",
    "sortBy": "INVALID_SORT_ORDER",
    "sortOrder": "INVALID_SORT_ORDER",
    "participants": "INVALID_PARTICIPANTS",
    "roles": "INVALID_ROLE",
    "limit": "INVALID_RANGE",
    "offset": "INVALID_RANGE",
}


def refused(code: str, sentence: str, field: str = "", **details: Any) -> Refused:
    """A refusal with a code, and the field that it is about."""
    return Refused(code, f"{code}: {sentence}", **({"field": field} if field else {}), **details)


def not_found() -> Refused:
    """The answer for a conversation that is not there, and for one that is somebody else's: the same bytes (invariant 9)."""
    return refused("CONVERSATION_NOT_FOUND", "there is no such conversation")


def explain(message: str) -> Refused:
    """What the signature refused, as one of the document's codes. `message` is the validator's sentence, with its path."""
    sentence, _, where = message.partition(" - at `$")
    path = where.rstrip("`").lstrip(".")
    missing = re.match(r"Object missing required field `(.+)`", sentence)
    if missing:
        field = f"{path}.{missing[1]}".lstrip(".")
        return refused("MISSING_REQUIRED_FIELD", f"{field} is required", field)
    last = re.sub(r"\[\.\.\.\]|\[\d+\]", "", path).rpartition(".")[2]
    if re.match(r"Expected `str` of length >= 1", sentence):
        return refused("EMPTY_STRING", f"{path} must not be empty", path)
    if re.match(r"Expected `array` of length", sentence):
        code = "EMPTY_ARRAY" if ">= 1" in sentence else "INVALID_ARRAY_LENGTH"
        return refused(code, f"{path}: {sentence}", path)
    if re.match(r"Expected `(int|float)` [<>]", sentence):
        return refused("INVALID_RANGE", f"{path}: {sentence}", path)
    return refused(_OF_FIELD.get(last, "INVALID_FORMAT"), f"{path}: {sentence}" if path else sentence, path)


def check_id(value: str, field: str) -> str:
    """An id that a caller chose: 1 to 200 printable characters, no line breaks, and not spaces alone."""
    if not value.strip() or len(value) > LONGEST_ID or not value.isprintable():
        raise refused("INVALID_ID_FORMAT", f"{field} is 1 to {LONGEST_ID} printable characters", field)
    return value


def check_required(value: str, field: str) -> None:
    """A text that must be there."""
    if not value.strip():
        raise refused("MISSING_REQUIRED_FIELD", f"{field} is required and cannot be empty", field)


def check_ids(values: Sequence[str], field: str, most: int) -> None:
    """A list of ids: not empty, not too long, none twice."""
    if not values:
        raise refused("EMPTY_ARRAY", f"{field} must name at least one", field)
    if len(values) > most:
        raise refused("INVALID_ARRAY_LENGTH", f"{field} holds at most {most}", field)
    for value in values:
        check_id(value, field)
    if len(set(values)) != len(values):
        raise refused("DUPLICATE_VALUES", f"{field} names one twice", field)


def check_participants(kind: str, user_id: str | None, agent_id: str | None, agent_ids: Sequence[str] | None) -> None:
    """Who must take part in a conversation of this type."""
    if kind == "user-agent" and not ((user_id or "").strip() and (agent_id or "").strip()):
        raise refused("INVALID_PARTICIPANTS", "user-agent conversations require userId and agentId", "participants")
    if kind == "agent-agent" and len(agent_ids or ()) < 2:
        raise refused("INVALID_PARTICIPANTS", "agent-agent conversations require at least 2 agentIds", "participants.agentIds")
    if kind == "agent-agent" and (user_id or agent_id):
        raise refused("INVALID_PARTICIPANTS", "agent-agent conversations are between agentIds only", "participants")
    if user_id:
        check_id(user_id, "participants.userId")
    if agent_id:
        check_id(agent_id, "participants.agentId")
    if agent_ids:
        check_ids(agent_ids, "participants.agentIds", MOST_AGENTS)
    if agent_id and agent_id in (agent_ids or ()):
        raise refused("DUPLICATE_VALUES", "participants.agentIds names agentId again", "participants.agentIds")


def check_sought(kind: str, user_id: str | None, agent_id: str | None, agent_ids: Sequence[str] | None) -> None:
    """Who a conversation that is looked for is between: what is missing has codes of its own here."""
    if kind == "user-agent":
        for field, value in (("userId", user_id), ("agentId", agent_id)):
            if not (value or "").strip():
                sentence = f"user-agent conversations require userId and agentId; {field} is missing"
                raise refused("MISSING_REQUIRED_FIELD", sentence, f"participants.{field}")
    elif len(agent_ids or ()) < 2:
        raise refused("INVALID_ARRAY_LENGTH", "agent-agent conversations require at least 2 agentIds", "participants.agentIds")
    check_participants(kind, user_id, agent_id, agent_ids)


def check_content(content: str) -> None:
    """A message's text: something that is no space, up to 64 KB."""
    check_required(content, "message.content")
    size = len(content.encode())
    if size > LONGEST_CONTENT:
        raise refused("CONTENT_TOO_LONG", f"message.content has {size} bytes; {LONGEST_CONTENT} is the limit", "message.content")


def check_query(query: str, field: str = "query") -> None:
    """What is searched for: 64 KB at most."""
    size = len(query.encode())
    if size > LONGEST_CONTENT:
        raise refused("CONTENT_TOO_LONG", f"{field} has {size} bytes; {LONGEST_CONTENT} is the limit", field)


def check_metadata(metadata: Any, field: str) -> None:
    """Any JSON value of 16 KB that nests 24 levels at most."""
    if too_deep(metadata):
        raise refused("METADATA_TOO_DEEP", f"{field} nests {DEEPEST} levels at most", field)
    if metadata is not None and len(msgspec.json.encode(metadata)) > LARGEST_METADATA:
        raise refused("METADATA_TOO_LARGE", f"{field} holds {LARGEST_METADATA} bytes as JSON", field)


def check_dates(after: float | None, before: float | None, field: str) -> None:
    """A range of times begins before it ends."""
    if after is not None and before is not None and after >= before:
        raise refused("INVALID_DATE_RANGE", f"{field}: the start must be before the end", field)
