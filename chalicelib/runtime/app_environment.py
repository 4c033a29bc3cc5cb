"""The variables of an app: what `ctx.env` reads, and operators set while it runs (`concave env set`, `npx convex env set`).

One document of the whole deployment holds them. A query that reads them watches it and is run again when one changes; a
mutation reads it as it is, without making it a condition of its commit: else every writer would stand in line for one row.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from chalicelib.data.building import SYSTEM_ORG
from chalicelib.data.database import Reader, Writer, engines_own
from chalicelib.data.errors import BadRequest, LimitExceeded
from chalicelib.data.tables import Table, document_key

MOST, NAME_CHARS, VALUE_BYTES = 100, 40, 8_192
"""Convex's own limits: variables, characters of a name, bytes of a value."""
TOTAL_BYTES = 200_000
"""Bytes of all names and values: they are one document."""
_NAME = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{NAME_CHARS - 1}}}")
ID = "variables"


class AppEnvironment(Table, name="appEnvironment"):
    """The one document `variables`, of the org that belongs to nobody."""

    variables: dict[str, str] = msgspec.field(default_factory=dict)


KEY = document_key(AppEnvironment, SYSTEM_ORG, ID)


def watched(db: Reader) -> Mapping[str, str]:
    """All variables, watched: for queries."""
    return _values(engines_own(db, KEY, watched=True))


def seen(db: Reader) -> Mapping[str, str]:
    """All variables, as they are: for mutations."""
    return _values(engines_own(db, KEY, watched=False))


def _values(stored: Mapping[str, object] | None) -> Mapping[str, str]:
    values = stored.get("variables", {}) if stored is not None else {}
    return MappingProxyType(values if isinstance(values, dict) else {})


def changed(db: Writer, changes: Mapping[str, str | None]) -> None:
    """Set variables, and remove those that are None. `db` is of the org that belongs to nobody.

    Raises:
        BadRequest: no name, or no text.
        LimitExceeded: too many, or too long.
    """
    stored = db.get(AppEnvironment, ID)
    values = dict(stored.variables) if stored is not None else {}
    for name, value in changes.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            told = f"A variable's name has 1 to {NAME_CHARS} letters, digits and `_`, and begins with no digit; not {name!r}."
            raise BadRequest(told, "BadVariable")
        if value is None:
            values.pop(name, None)
            continue
        if not isinstance(value, str):
            raise BadRequest(f"The variable {name} must be a text.", "BadVariable")
        if len(value.encode()) > VALUE_BYTES:
            raise LimitExceeded(
                f"The variable {name} has {len(value.encode())} bytes; {VALUE_BYTES} are the most.", "VariableTooLong"
            )
        values[name] = value
    if len(values) > MOST:
        raise LimitExceeded(f"An app has at most {MOST} variables, not {len(values)}.", "TooManyVariables")
    size = sum(len(name) + len(value.encode()) for name, value in values.items())
    if size > TOTAL_BYTES:
        raise LimitExceeded(f"All variables together hold at most {TOTAL_BYTES} bytes, not {size}.", "VariablesTooLong")
    if stored is None:
        db.insert(AppEnvironment(id=ID, variables=values))
    else:
        db.patch(stored, variables=values)
