"""What a tool was asked and has answered, as a part of a message: JSON of any kind in, a value that can be stored out."""

from __future__ import annotations

import json
from typing import Any

from chalicelib.data.json_text import whole, whole_value
from chalicelib.data.plain import Fault, normal

DEEPEST = 24
"""So many objects and arrays may stand in one another: a document has 32 levels, and a part stands in the third."""
TOO_DEEP = "(too deep to be shown)"


def told(name: str, said: Any, text: str = "") -> dict[str, Any]:
    """`{name: said}` where that is a value; else `{"text": …}`, its JSON text (`text`, where that is known).

    JSON knows more than values are: keys that begin with `$` or are not ASCII, integers beyond 2**53, any depth.
    """
    try:
        return {name: normal(whole_value(said), DEEPEST)}
    except (Fault, RecursionError):
        return {"text": whole(text) if text else as_text(said)}


def as_text(said: Any) -> str:
    """JSON text of what cannot be a value."""
    try:
        return whole(json.dumps(said, ensure_ascii=False, default=repr))
    except (RecursionError, ValueError):  # nested beyond what Python writes, or an integer of over 4,300 digits
        return TOO_DEEP
