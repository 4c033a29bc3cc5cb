"""What a tool changes in a file, line by line: a unified diff."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

LARGEST = 200_000
"""Characters of a text that are compared; a larger one is told as new."""


def diff(path: str, old: str, new: str) -> str:
    """A unified diff of two texts, with a file's name above it; "" where they are the same."""
    if len(old) + len(new) > LARGEST:
        old = ""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), f"a/{path}", f"b/{path}", lineterm="", n=3)
    return "\n".join(lines)


def by_input(name: str, given: Mapping[str, Any]) -> str:
    """What one of Claude's tools changes, by what it is given; "" for a tool that changes no file."""
    path = str(given.get("file_path") or "")
    match name:
        case "Write":
            return diff(path, "", str(given.get("content") or ""))
        case "Edit":
            return diff(path, str(given.get("old_string") or ""), str(given.get("new_string") or ""))
        case "MultiEdit":
            edits = [each for each in given.get("edits") or [] if isinstance(each, Mapping)]
            return "\n".join(diff(path, str(each.get("old_string") or ""), str(each.get("new_string") or "")) for each in edits)
    return ""
