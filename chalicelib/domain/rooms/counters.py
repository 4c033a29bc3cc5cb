"""What a conversation counts beside its messages: kept in the commit of each message, so it is exact."""

from __future__ import annotations

import math
from typing import Any

from msgspec import structs, to_builtins

from chalicelib.schema import ChatMessage, Room

PREVIEW = 100
"""Characters of the last message that a conversation shows."""
MICRO = 1_000_000
"""Costs are stored in millionths of a dollar."""


def after(room: Room | None, message: ChatMessage) -> dict[str, Any]:
    """The counters after a message was added, or a reply was finished: a `Room`, without what is as in a new one, because each
    message writes all of the conversation, and a KB costs two units."""
    room = room or Room()
    counted = structs.replace(
        room,
        total_tokens=room.total_tokens + tokens(message.usage),
        total_cost=room.total_cost + (message.said.cost if message.said else 0),
        last_message=message.content[:PREVIEW] or room.last_message,
        **_turns(room, message),
    )
    return dict(to_builtins(counted))


def _turns(room: Room, message: ChatMessage) -> dict[str, Any]:
    """Agents that answer each other are counted; a person's word begins anew."""
    if message.role == "user":
        return {"last_agent": None, "agent_turns": 0}
    if message.said is None or message.said.participant_type != "agent":
        return {}
    who = message.said.participant_id
    return {"last_agent": who, "agent_turns": room.agent_turns + (who != room.last_agent)}


def tokens(usage: dict[str, Any] | None) -> int:
    """All tokens of a usage, whoever wrote it: an agent or the model's SDK."""
    whole = number(usage, "totalTokens")
    parts = ("prompt", "completion", "inputTokens", "outputTokens", "cacheCreationTokens")
    return int(whole or sum(number(usage, name) for name in parts))


def cost(usage: dict[str, Any] | None) -> int:
    """`usage.cost`, dollars, in millionths."""
    return round(number(usage, "cost") * MICRO)


def number(usage: dict[str, Any] | None, name: str) -> float:
    """A count in somebody's usage; nonsense counts as nothing."""
    value = (usage or {}).get(name, 0)
    fine = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and 0 <= value < 1e9
    return value if fine else 0
