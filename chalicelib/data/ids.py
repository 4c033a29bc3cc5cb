"""Ids that know their table, and where documents and arguments hold them.

An id that the engine makes ends with four letters that follow from the rest of it and from its table's name, so an id that was
made for another table is refused where a field or an argument says `Annotated[str, Meta(extra={"table": "notes"})]`, as Convex
refuses it for `v.id("notes")`. An id that somebody chose has another shape and says nothing; whether a document of that id is
there is for `ctx.db.get` to tell.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import msgspec

from chalicelib.data.plain import Fault

FRESH = re.compile(r"[a-z2-7]{20}")
"""What `new_id` makes: 100 random bits."""
_MADE = re.compile(r"[a-z2-7]{24}")
Look = Callable[[Any], None]
"""Looks at a value of some type; raises `Fault` for an id that may not stand there."""


def of_table(table: str, fresh: str) -> str:
    """A fresh id as one of this table's; of any other shape it stays as it is."""
    return fresh + _letters(table, fresh) if FRESH.fullmatch(fresh) else fresh


def look_at_ids(kind: type, tables: Callable[[], Iterable[str]]) -> Look | None:
    """How to look at the ids in a value of this type (under wire names); None where it holds none.

    Args:
        tables: the names of all tables that there are.
    """
    return _look(msgspec.inspect.type_info(kind), tables, frozenset())


@lru_cache(maxsize=4096)
def _letters(table: str, fresh: str) -> str:
    return base64.b32encode(hashlib.sha256(f"{table}|{fresh}".encode()).digest()).decode()[:4].lower()


def _id(table: str, tables: Callable[[], Iterable[str]]) -> Look:
    def look(value: Any) -> None:
        if value == "":
            raise Fault("an id is not empty")
        if isinstance(value, str) and _MADE.fullmatch(value) and value[20:] != _letters(table, value[:20]):
            other = next((name for name in tables() if value[20:] == _letters(name, value[:20])), None)
            if other is not None:
                raise Fault(f"this is an id of {other}, not of {table}")

    return look


def _look(kind: msgspec.inspect.Type, tables: Callable[[], Iterable[str]], inside: frozenset[type]) -> Look | None:
    if isinstance(kind, msgspec.inspect.Metadata):
        table = (kind.extra or {}).get("table")
        return _id(table, tables) if table else _look(kind.type, tables, inside)
    if isinstance(kind, msgspec.inspect.UnionType):
        return _all([found for each in kind.types if (found := _look(each, tables, inside)) is not None])
    if isinstance(kind, msgspec.inspect.StructType):
        if kind.cls in inside:
            return None  # a type that holds itself: its outermost level is looked at
        below = {field.encode_name: _look(field.type, tables, inside | {kind.cls}) for field in kind.fields}
        return _fields({name: found for name, found in below.items() if found is not None})
    if isinstance(kind, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
        return _each(_look(kind.item_type, tables, inside), list, enumerate)
    if isinstance(kind, msgspec.inspect.DictType):
        return _each(_look(kind.value_type, tables, inside), dict, dict.items)
    return None


def _all(looks: list[Look]) -> Look | None:
    def look(value: Any) -> None:
        for each in looks:
            each(value)

    return look if looks else None


def _fields(below: dict[str, Look]) -> Look | None:
    def look(value: Any) -> None:
        for name, each in below.items():
            if isinstance(value, dict) and name in value:
                try:
                    each(value[name])
                except Fault as fault:
                    raise fault.inside(name) from None

    return look if below else None


def _each(below: Look | None, holder: type, parts: Callable[[Any], Iterable[tuple[Any, Any]]]) -> Look | None:
    if below is None:
        return None

    def look(value: Any) -> None:
        for step, part in parts(value) if isinstance(value, holder) else ():
            try:
                below(part)
            except Fault as fault:
                raise fault.inside(step) from None

    return look
