"""Which Python types clients can send and get: a rule for every annotation of an argument, a result and a document.

*In*, an array may become a set and an object a dataclass; *out*, a value is told as it stands, so it is one of Convex's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from msgspec import inspect as kinds

from chalicelib.data.errors import WrongDeclaration
from chalicelib.data.values import Int64

Side = Literal["in", "out"]
_SETS = kinds.SetType | kinds.FrozenSetType
_MOMENTS = kinds.DateTimeType | kinds.DateType | kinds.TimeType | kinds.TimeDeltaType
_TEXTS = kinds.DecimalType | kinds.UUIDType
_NEVER = _MOMENTS | _TEXTS | kinds.MemoryViewType | kinds.ExtType | kinds.RawType
_NAMES = kinds.StrType | kinds.AnyType | kinds.LiteralType


def check_type(annotation: Any, what: str, place: str, side: Side) -> None:
    """Whether every part of an annotation has a wire form.

    Args:
        what: whose it is, as in "notes:add, argument `text`".
        place: where that is written: `file:line`.

    Raises:
        WrongDeclaration: a part has none.
    """
    try:
        found = kinds.type_info(annotation)
    except (TypeError, NameError) as error:
        raise WrongDeclaration(place, f"{what}: {str(error).rstrip('.')}.") from error
    for path, each in parts(found, what, set()):
        if isinstance(each, kinds.DictType) and not isinstance(bare(each.key_type), _NAMES):
            raise WrongDeclaration(place, f"{path}: the keys of an object are strings, not {word(bare(each.key_type))}.")
        custom = isinstance(each, kinds.CustomType) and each.cls is not Int64
        only_in = side == "out" and isinstance(each, _SETS | kinds.DataclassType)
        if custom or only_in or isinstance(each, _NEVER):
            raise WrongDeclaration(place, f"{path}: {word(each)} is not a value that clients send or get; {advice(each)}.")


def bare(info: Any) -> Any:
    """What `Annotated` wraps."""
    return bare(info.type) if isinstance(info, kinds.Metadata) else info


def word(info: Any) -> str:
    """The name of a described type."""
    cls = getattr(info, "cls", None)
    return cls.__name__ if cls is not None else type(info).__name__.removesuffix("Type").lower()


def advice(info: Any) -> str:
    """What to use instead of a type that has no wire form."""
    if isinstance(info, _MOMENTS):
        return "use a float: milliseconds since the epoch"
    if isinstance(info, _TEXTS):
        return "use a str"
    if isinstance(info, _SETS):
        return "use a list"
    if isinstance(info, kinds.DataclassType):
        return "make it a msgspec.Struct"
    return "use str, float, bool, Int64, bytes, list, dict or a msgspec.Struct"


def parts(info: Any, path: str, seen: set[Any]) -> Iterator[tuple[str, Any]]:
    """A described type and all that it is made of, each with the way to it."""
    info = bare(info)
    yield path, info
    match info:
        case kinds.UnionType():
            inner = [(path, each) for each in info.types]
        case kinds.ListType() | kinds.VarTupleType() | kinds.SetType() | kinds.FrozenSetType():
            inner = [(path, info.item_type)]
        case kinds.TupleType():
            inner = [(path, each) for each in info.item_types]
        case kinds.DictType():
            inner = [(path, info.value_type)]
        case kinds.StructType() | kinds.TypedDictType() | kinds.NamedTupleType() | kinds.DataclassType() if info.cls not in seen:
            seen.add(info.cls)
            inner = [(f"{path}, {word(info)}, `{field.name}`", field.type) for field in info.fields]
        case _:
            inner = []
    for way, each in inner:
        yield from parts(each, way, seen)
