"""Names that nobody chose (000-U07, 000-U14)."""

from __future__ import annotations

import re

TITLE_CHARS = 50
WORD_BOUNDARY = 0.6


def auto_title(text: str) -> str:
    """A title from a first message (000-U14): one line of at most 50 characters; a longer text is cut, at a word if the last
    space lies past 60 % of them, and ends with `...`."""
    line = re.sub(r"\s+", " ", text).strip()
    if len(line) <= TITLE_CHARS:
        return line or "New Chat"
    cut = line[:TITLE_CHARS]
    space = cut.rfind(" ")
    return (cut[:space] if space > TITLE_CHARS * WORD_BOUNDARY else cut).rstrip() + "..."
