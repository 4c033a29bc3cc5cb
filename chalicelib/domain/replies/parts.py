"""What a message keeps of a tool's call and of its answer: as they are where they can be stored, else as JSON text.

A model may ask a tool anything: keys that begin with `$` or are no ASCII, integers beyond 2**53, forty levels of objects. A door
could give none of that out, so a message never holds it as values.
"""

from __future__ import annotations

import json
from typing import Any

from chalicelib import is_value

LARGEST_PART, LARGEST_PARTS = 20_000, 60_000
"""Bytes of what a tool was asked or has answered, one by one and together, that a message keeps whole."""
CUT_CHARS = 1000
"""Characters that are kept of what is larger."""
LEVELS = 24
"""Levels of a part: a document nests 32, with itself, its list of parts and what DynamoDB puts around them."""


class Parts:
    """The parts of one reply. A document holds 400 KB, with the text."""

    def __init__(self, size: int = 0) -> None:
        self.size = size
        """Bytes of what was kept whole."""

    def kept(self, part: dict[str, Any]) -> dict[str, Any]:
        """A part as the message keeps it. `text` stands for what is no value of ours; `cut`: it is not all there."""
        text = as_json(part)
        size = len(text.encode())
        fits = size <= LARGEST_PART and self.size + size <= LARGEST_PARTS
        if fits and is_value(part, LEVELS):
            self.size += size
            return part
        shown = {name: _word(value) for name, value in part.items() if name not in ("input", "content")}
        said = as_json(part.get("input", part.get("content")))
        if fits:
            self.size += size
            return {**shown, "text": said}
        return {**shown, "text": said[:CUT_CHARS], "cut": True}


def as_json(value: Any) -> str:
    """JSON text of anything, which can be stored: halves of characters are escaped, what is no JSON is named by its type."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=lambda one: f"<{type(one).__name__}>")
    except (RecursionError, ValueError, TypeError):  # nested beyond what Python follows; in itself; a key that is no string
        return f"<{type(value).__name__}>"
    return text.encode("utf-8", "backslashreplace").decode()


def _word(value: Any) -> Any:
    """A part's id, kind or name, which a model or a server of tools made up."""
    return value if is_value(value, LEVELS) else as_json(value)[:CUT_CHARS]
