"""What may be asked of an index: values of the kinds that its fields hold. A value of another kind would find nothing, ever."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.data.errors import BadRequest

Kinds = tuple[type, ...]
"""The Python types that a field's values have; none: it may hold anything."""
_NAMES = {str: "a string", int: "a number", float: "a number", bool: "a boolean", bytes: "bytes"}


def kinds_at(table: type[msgspec.Struct], path: str) -> Kinds:
    """The kinds of the field at a dotted wire path; nothing where a declaration leaves them open."""
    kind: msgspec.inspect.Type = msgspec.inspect.type_info(table)
    for step in path.split("."):
        if isinstance(kind, msgspec.inspect.UnionType):
            structs = [each for each in kind.types if isinstance(each, msgspec.inspect.StructType)]
            kind = structs[0] if len(structs) == 1 else msgspec.inspect.AnyType()
        if not isinstance(kind, msgspec.inspect.StructType):
            return ()
        kind = next((field.type for field in kind.fields if field.encode_name == step), msgspec.inspect.AnyType())
    return _kinds(kind)


def check_kind(value: Any, kinds: Kinds, what: str) -> None:
    """Whether an index's field can hold this. Raises `BadRequest`."""
    if not kinds or (isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))):
        return
    told = " or ".join(dict.fromkeys(_NAMES[kind] for kind in kinds))
    raise BadRequest(f"{what} is {told}, not {_NAMES.get(type(value), type(value).__name__)}: nothing can be found under it.")


def _kinds(kind: msgspec.inspect.Type) -> Kinds:
    if isinstance(kind, msgspec.inspect.Metadata):
        return _kinds(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        parts = [_kinds(each) for each in kind.types if not isinstance(each, msgspec.inspect.NoneType)]
        return () if () in parts else tuple(dict.fromkeys(one for part in parts for one in part))
    if isinstance(kind, msgspec.inspect.StrType):
        return (str,)
    if isinstance(kind, msgspec.inspect.BoolType):
        return (bool,)
    if isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        return (int, float)
    if isinstance(kind, msgspec.inspect.LiteralType):
        return tuple(dict.fromkeys(type(each) for each in kind.values))
    return ()
