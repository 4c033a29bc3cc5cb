"""Names that nobody chose."""

from __future__ import annotations

import re
from typing import Any

from chalicelib import MutationCtx
from chalicelib.domain.conversations.opening import clean_name
from chalicelib.domain.replies import activity
from chalicelib.schema import ChatSession, Conversation

TITLE_CHARS = 50
WORD_BOUNDARY = 0.6


def auto_title(text: str) -> str:
    """A title from a first message: one line of at most 50 characters; a longer text is cut, at a word if the last
    space lies past 60 % of them, and ends with `...`."""
    line = re.sub(r"\s+", " ", text).strip()
    if len(line) <= TITLE_CHARS:
        return line or "New Chat"
    cut = line[:TITLE_CHARS]
    space = cut.rfind(" ")
    return (cut[:space] if space > TITLE_CHARS * WORD_BOUNDARY else cut).rstrip() + "..."


def mark_active(ctx: MutationCtx, session: ChatSession, conversation: Conversation, content: str) -> None:
    """A session in which something was said is active; its first message names it, unless somebody has."""
    changes: dict[str, Any] = {"status": "active"}
    if not session.name:
        in_domain = conversation.domain_id is not None
        changes |= {"name": auto_title(content) if in_domain else clean_name(content), "title_generated": True}
        if in_domain:
            ctx.db.patch(conversation, title=changes["name"])
    activity.said(ctx, session, **changes)
