"""Conversations of the time before images: each named a session, an image or an agent in one column.

What the column held decides what can be kept: an image's id is the image's id; of a session's the engine's own records know the
image; an agent lived in memory only, so its conversation gets a new image, and is marked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

AT_ONCE = 30
"""Messages that one commit writes."""
Class = Literal["renamed", "lookedUp", "legacy"]


class OldMessage(msgspec.Struct, kw_only=True):
    """A message as it was stored."""

    role: Literal["user", "assistant", "system", "tool"]
    content: str
    timestamp: float


def classify(session_id: str, images: Mapping[str, str]) -> tuple[Class, str | None]:
    """What becomes of an old column's value.

    Args:
        images: the engine's records: a session's id → its image's.

    Returns:
        How it is known, and the image's id; None where it cannot be recovered.
    """
    if session_id.startswith("img_"):
        return "renamed", session_id
    if session_id.startswith("sess_") and session_id in images:
        return "lookedUp", images[session_id]
    return "legacy", None
