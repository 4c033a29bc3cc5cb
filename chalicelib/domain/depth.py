"""How deep what a caller gives is nested: a document nests 32 levels with everything around it, so a part of it fewer."""

from __future__ import annotations

from typing import Any

DEEPEST = 24
"""Levels of objects and lists in what a caller keeps with a document."""


def too_deep(value: Any, most: int = DEEPEST) -> bool:
    """Whether objects and lists nest more levels than that."""
    if not isinstance(value, dict | list):
        return False
    return most == 0 or any(too_deep(each, most - 1) for each in (value.values() if isinstance(value, dict) else value))
