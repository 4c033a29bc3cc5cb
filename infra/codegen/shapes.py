"""An annotation as a TypeScript type.

A struct has two sides, which may differ. *In* (arguments): a field with a default may be left out. *Out* (results, documents):
a field is always there, unless it is None, which is left out of what is sent (`data/values.py::encode`). So `x: T | None = None`
is `x?: T` on both, and `limit: int = 50` is `limit?: number` in and `limit: number` out.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import msgspec
from msgspec import inspect as kinds

from chalicelib.data.paging import Page, PaginationOptions
from chalicelib.data.values import Int64
from chalicelib.runtime.wire_types import advice, bare, word
from infra.codegen import text

Side = Literal["in", "out"]


class CannotSay(Exception):
    """An annotation that has no TypeScript type; the message names function or table, argument or field, and file:line."""


@dataclass(frozen=True)
class Place:
    """Where an annotation stands, for messages: `notes:add, argument `when`` and file:line."""

    what: str
    where: str

    def inside(self, field: str) -> Place:
        """A field within."""
        return replace(self, what=f"{self.what}, {field}")

    def refuse(self, why: str) -> CannotSay:
        """The error to raise."""
        return CannotSay(f"{self.what}: {why} ({self.where})")


def describe(annotation: Any, place: Place) -> Any:
    """msgspec's description of an annotation. Raises `CannotSay`."""
    try:
        return kinds.type_info(annotation)
    except (TypeError, NameError) as error:
        raise place.refuse(str(error)) from error


Named = Callable[[Any, Side], str]
"""The name of the interface of a struct."""

_PLAIN: dict[type, str] = {
    kinds.AnyType: "any",
    kinds.NoneType: "null",
    kinds.BoolType: "boolean",
    kinds.IntType: "number",
    kinds.FloatType: "number",
    kinds.StrType: "string",
    kinds.BytesType: "ArrayBuffer",
}
_LISTS = (kinds.ListType, kinds.VarTupleType)
_SETS = (kinds.SetType, kinds.FrozenSetType)
_RECORDS = (kinds.StructType, kinds.TypedDictType, kinds.DataclassType)


def type_of(info: Any, side: Side, place: Place, named: Named) -> str:
    """The TypeScript type of a described annotation. Raises `CannotSay`."""
    if type(info) in _PLAIN:
        return _PLAIN[type(info)]
    if isinstance(info, kinds.Metadata):
        table = (info.extra or {}).get("table")
        return f'Id<"{table}">' if table else type_of(info.type, side, place, named)
    if isinstance(info, kinds.LiteralType):
        return text.union(text.literal(value) for value in info.values)
    if isinstance(info, kinds.UnionType):
        return text.union(type_of(part, side, place, named) for part in info.types)
    if isinstance(info, _LISTS) or (isinstance(info, _SETS) and side == "in"):
        return text.array(type_of(info.item_type, side, place, named))
    if isinstance(info, kinds.TupleType):
        return f"[{', '.join(type_of(part, side, place, named) for part in info.item_types)}]"
    if isinstance(info, kinds.DictType):
        return _dict(info, side, place, named)
    if isinstance(info, kinds.EnumType):
        return _enum(info.cls, side, place)
    if isinstance(info, kinds.CustomType) and info.cls is Int64:
        return "bigint"
    if isinstance(info, _RECORDS) and not (isinstance(info, kinds.DataclassType) and side == "out"):
        return _record(info, side, place, named)
    raise place.refuse(f"{word(info)} is not a value that clients send or get; {advice(info)}")


def _dict(info: kinds.DictType, side: Side, place: Place, named: Named) -> str:
    item = type_of(info.value_type, side, place, named)
    key = info.key_type.type if isinstance(info.key_type, kinds.Metadata) else info.key_type
    if isinstance(key, kinds.StrType | kinds.AnyType):
        return f"Record<string, {item}>"
    if isinstance(key, kinds.LiteralType) and all(isinstance(value, str) for value in key.values):
        return f"Partial<Record<{text.union(map(text.literal, key.values))}, {item}>>"
    raise place.refuse(f"the keys of an object are strings, not {word(key)}")


def _enum(cls: type[enum.Enum], side: Side, place: Place) -> str:
    if side == "out" and not issubclass(cls, str | int):
        raise place.refuse(f"{cls.__name__} is not a value that clients get; make it a StrEnum or a Literal")
    return text.union(text.literal(member.value) for member in cls)


def _record(info: Any, side: Side, place: Place, named: Named) -> str:
    origin = getattr(info.cls, "__origin__", info.cls)
    if origin is PaginationOptions:
        return "PaginationOptions"
    if origin is Page:
        return f"PaginationResult<{type_of(info.fields[0].type.item_type, side, place, named)}>"
    if isinstance(info, kinds.StructType) and info.array_like:
        raise place.refuse(f"{origin.__name__} is array_like, which is told as an object; leave it away")
    if isinstance(info, kinds.StructType) and info.tag_field and side == "out":
        raise place.refuse(f"the tag of {origin.__name__} is not told to clients; give it a Literal field instead")
    return named(info.cls, side)


# Fields -----------------------------------------------------------------------------------------------------------------


def field_of(field: kinds.Field, side: Side, place: Place, named: Named, *, absent_is_none: bool) -> tuple[str, str]:
    """A field as `name` or `name?`, and its type.

    Args:
        absent_is_none: on the way out, None of an optional field is left away: true of structs, not of typed dicts. Any other
            field tells None as null.
    """
    members = _members(field.type, side, place, named)
    nullable = "null" in members or "any" in members
    unset = field.default is msgspec.UNSET
    if side == "in":
        optional = not field.required
        strip = field.default is None
    else:
        strip = absent_is_none and (field.default is None or unset)
        optional = (nullable and strip) or unset or (not field.required and not absent_is_none)
    if optional and strip and len(members) > 1:
        members = [member for member in members if member != "null"]
    return text.name(field.encode_name) + ("?" if optional else ""), text.union(members)


def _members(info: Any, side: Side, place: Place, named: Named) -> list[str]:
    """The members of a union, or the one type that it is."""
    inner = bare(info)
    if isinstance(inner, kinds.UnionType):
        return [type_of(part, side, place, named) for part in inner.types]
    if isinstance(inner, kinds.LiteralType):
        return [text.literal(value) for value in inner.values]
    return [type_of(info, side, place, named)]


def remarks(field: kinds.Field, side: Side) -> str:
    """What a type cannot say: limits, and on the way in the default."""
    told = []
    info = field.type
    if isinstance(info, kinds.Metadata):
        told.append((info.extra_json_schema or {}).get("description", ""))
    parts = bare(info).types if isinstance(bare(info), kinds.UnionType) else (info,)
    told += [_limits(bare(part)) for part in parts]
    if side == "in" and isinstance(field.default, str | int | float) and field.default not in ("", False):
        told.append(f"Default: {text.literal(field.default)}.")
    return " ".join(filter(None, told))


def _limits(info: Any) -> str:
    if isinstance(info, kinds.StrType | kinds.ListType | kinds.VarTupleType | kinds.DictType):
        unit = "character" if isinstance(info, kinds.StrType) else "item"
        limits = _span(info.min_length, info.max_length, unit)
        pattern = getattr(info, "pattern", None)
        return " ".join(filter(None, [limits, f"Matches {pattern}." if pattern else ""]))
    if isinstance(info, kinds.IntType | kinds.FloatType):
        whole = "a whole number, " if isinstance(info, kinds.IntType) else ""
        told = [_span(info.ge, info.le, "").rstrip(".").lower()]
        told += [f"{word} {value}" for word, value in (("above", info.gt), ("below", info.lt)) if value is not None]
        sentence = ", ".join(filter(None, told))
        return f"{whole}{sentence}.".capitalize() if sentence else ""
    return ""


def _span(low: Any, high: Any, unit: str) -> str:
    if low is None and high is None:
        return ""
    plural = f" {unit}s" if unit else ""
    if high is None:
        return f"At least {low}{' ' + unit if unit and low == 1 else plural}."
    return f"At most {high}{plural}." if low is None else f"{low} to {high}{plural}."
