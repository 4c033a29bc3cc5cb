"""Names: snake_case in Python, camelCase on the wire; one function converts. And the forms of a function's path."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def camel(name: str) -> str:
    """`send_message` → `sendMessage`."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def canonical(path: str) -> str:
    """A function's path as the registry knows it: no `.js`, a missing function is `default`."""
    module, colon, function = path.partition(":")
    return f"{module.removesuffix('.js').removesuffix('.py')}:{function if colon else 'default'}"


def like(path: str, known: Iterable[str]) -> str:
    """` (did you mean notes:listNotes?)` where a path is like a known one, else nothing.

    Like is a path that differs in case or underscores, whose function is nearly that of the same module, or whose module is
    nearly that of the same function. It follows from the words alone: an internal function is as unknown as none.
    """
    module, _, function = _folded(path).partition(":")
    places = {_folded(each): each for each in known}
    siblings = [each for each in places if each.startswith(f"{module}:")]
    own = [each.partition(":")[2] for each in siblings]
    namesakes = [each for each in places if each.endswith(f":{function}")]
    found = (
        [each for each in siblings if each == f"{module}:{function}"]
        or difflib.get_close_matches(f"{module}:{function}", namesakes, 1, 0.6)
        or [f"{module}:{each}" for each in difflib.get_close_matches(function, own, 1, 0.7)]
    )
    return f" (did you mean {places[found[0]]}?)" if found else ""


def _folded(path: str) -> str:
    return path.removeprefix("api.").replace("_", "").replace("-", "").lower()
