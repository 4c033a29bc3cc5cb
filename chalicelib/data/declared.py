"""What a table may be called and hold: checked when its class is made, with the line to change.

Without these checks such a table is accepted and its values are silently lost, written into the engine's own tables, or found by
no index.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.data.errors import WrongDeclaration
from chalicelib.data.mount import ENGINE

ENGINE_TABLES = frozenset(
    {
        "canaries",
        "claims",
        "commits",
        "crons",
        "fences",
        "inbox",
        "indexRows",
        "indexStates",
        "jobs",
        "mailboxes",
        "rateLimits",
        "subscriptions",
        "watches",
    }
)
"""The engine's own tables; a test compares them with what the engine declares."""
WORDS = frozenset(
    {"indexes", "is_watched", "key", "log", "parent", "sides", "silent", "stream", "table_name", "ttl", "wire", "wires"}
)
"""Attributes that every `Table` class has."""
OWN = frozenset({"id", "creation_time"})
"""Fields that every document has."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def here(module: str) -> str:
    """`file:line` of the statement of this module that is being executed."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") != module:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def nearest(name: str, names: Iterable[str]) -> str:
    """` (did you mean …?)` for a name that is like one of these, else nothing."""
    known = {each.replace("_", "").lower(): each for each in names}
    found = difflib.get_close_matches(name.replace("_", "").lower(), known, 1, 0.6)
    return f" (did you mean {known[found[0]]}?)" if found else ""


def check_name(name: str, module: str, place: str) -> None:
    """Whether a table may be called so. Raises `WrongDeclaration`."""
    if not _NAME.fullmatch(name):
        raise WrongDeclaration(place, f"the table name {name!a} must be up to 64 letters, digits and _, a letter first.")
    if name in ENGINE_TABLES and not module.startswith(ENGINE):
        raise WrongDeclaration(place, f"{name} is a table of the engine; give yours another name.")


def check_body(class_name: str, namespace: Mapping[str, Any], place: str) -> None:
    """Whether the names in a table's body are free. Raises `WrongDeclaration`."""
    written = {*namespace.get("__annotations__", {}), *namespace}
    for name in sorted(written & WORDS):
        raise WrongDeclaration(place, f"{class_name}.{name}: {name} is a word of Table; call the field or index something else.")
    for name in sorted(written & OWN):
        raise WrongDeclaration(place, f"{class_name}.{name}: every document has {name}; leave it out.")


def check_wires(class_name: str, wires: Mapping[str, str], place: str) -> None:
    """Whether the store can hold fields under these names. Raises `WrongDeclaration`."""
    for python, wire in wires.items():
        if python not in OWN and (wire.startswith("_") or "#" in wire or wire in ("pk", "sk", "ttl")):
            raise WrongDeclaration(
                place, f"{class_name}.{python}: a field is not named pk, sk or ttl, and neither begins with _ nor holds #."
            )


def check_fields(what: str, names: Iterable[str], fields: Mapping[str, str], place: str) -> None:
    """Whether fields that an index, a key or a class keyword names are there. Raises `WrongDeclaration`."""
    for name in names:
        head = name.partition(".")[0]
        if head not in fields:
            raise WrongDeclaration(place, f"{what} names the field {head}, which is not there{nearest(head, fields)}.")
