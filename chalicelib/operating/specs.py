"""A function's description in the form of Convex's `function-spec`: names, kinds, and validators as JSON."""

from __future__ import annotations

import types
import typing
from typing import Any, Literal

import msgspec

from chalicelib.runtime.registry import Function

ANY = {"type": "any"}


def readable(annotation: Any) -> str:
    """A type as people write it: `str | null`, `"a" | "b"`, `list[Note]`."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return readable(parts[0])
    if origin is Literal:
        return " | ".join(repr(part).replace("'", '"') for part in parts)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(readable(part) for part in parts if part is not msgspec.UnsetType)
    if annotation is type(None):
        return "null"
    if origin is not None and parts:
        return f"{origin.__name__}[{', '.join(readable(part) for part in parts)}]"
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).rpartition(".")[2]


Detail = Literal["all", "args", "names"]


def spec_of(function: Function[..., Any], detail: Detail = "all") -> dict[str, Any]:
    """Path, kind, visibility, arguments and result of a function.

    Args:
        detail: `args`: the result is `any`; `names`: so is what is not a plain argument.
    """
    args = msgspec.inspect.type_info(function.args)
    return {
        "identifier": function.path.replace(":", ".js:", 1),
        "functionType": function.kind.title(),
        "visibility": {"kind": "public" if function.public else "internal"},
        "args": _struct(args, shallow=detail == "names"),
        "returns": _validator(msgspec.inspect.type_info(function.returns)) if detail == "all" else ANY,
    }


def _struct(info: Any, *, shallow: bool = False) -> dict[str, Any]:
    fields = {}
    for field in info.fields:
        validator = _validator(field.type)
        plain = not shallow or len(str(validator)) < 200
        fields[field.encode_name] = {"fieldType": validator if plain else ANY, "optional": not field.required}
    return {"type": "object", "value": fields}


def _validator(info: Any) -> dict[str, Any]:
    """The validator of a type; `any` where Convex has no word for it."""
    kinds = msgspec.inspect
    match info:
        case kinds.BoolType():
            return {"type": "boolean"}
        case kinds.StrType():
            return {"type": "string"}
        case kinds.FloatType() | kinds.IntType():
            return {"type": "number"}
        case kinds.BytesType():
            return {"type": "bytes"}
        case kinds.NoneType():
            return {"type": "null"}
        case kinds.LiteralType():
            return _union([{"type": "literal", "value": value} for value in info.values])
        case kinds.UnionType():
            return _union([_validator(each) for each in info.types])
        case kinds.ListType() | kinds.VarTupleType():
            return {"type": "array", "value": _validator(info.item_type)}
        case kinds.DictType():
            values = {"fieldType": _validator(info.value_type), "optional": False}
            return {"type": "record", "keys": _validator(info.key_type), "values": values}
        case kinds.StructType() if not info.tag and not _recursive(info.cls):
            return _struct(info)
    return ANY


def _union(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return parts[0] if len(parts) == 1 else {"type": "union", "value": parts}


def _recursive(cls: type) -> bool:
    """Whether a struct holds itself: then no validator of JSON can be written out."""
    return any(cls.__name__ in str(annotation) for annotation in getattr(cls, "__annotations__", {}).values())
