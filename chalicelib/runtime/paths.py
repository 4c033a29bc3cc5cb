"""Names: snake_case in Python, camelCase on the wire; one function converts. And the forms of a function's path."""

from __future__ import annotations


def camel(name: str) -> str:
    """`send_message` → `sendMessage`."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def canonical(path: str) -> str:
    """A function's path as the registry knows it: no `.js`, a missing function is `default`."""
    module, colon, function = path.partition(":")
    return f"{module.removesuffix('.js').removesuffix('.py')}:{function if colon else 'default'}"
