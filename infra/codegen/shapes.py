"""A Python annotation as a TypeScript type: the same value seen from the other side of the wire.

| Python | TypeScript | because |
|---|---|---|
| `int`, `float` | `number` | a Python int is a float64 on the wire |
| `Int64` | `bigint` | Convex's int64 |
| `bytes` | `ArrayBuffer` | |
| `T \\| None` in a field or an argument with a default | `field?: T` | what is None is left out |
| a struct | an interface of its name | fields in camelCase |
| a table | `Doc<"table">` | |
| `Page[T]`, `PaginationOptions` | `PaginationResult<T>`, `PaginationOptions` | what `usePaginatedQuery` asks for |

An annotation that has no counterpart is an error that names the place, never `any`: only `Any` is `any`.
"""

from __future__ import annotations

import inspect
import json
import types
import typing
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from chalicelib.data.paging import Page, PaginationOptions
from chalicelib.data.tables import Table
from chalicelib.data.values import Int64

_PLAIN: dict[Any, str] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    bytes: "ArrayBuffer",
    Int64: "bigint",
    Any: "any",
    object: "any",
    None: "null",
    type(None): "null",
    dict: "Record<string, any>",
    list: "any[]",
}
_LIMITS = (
    ("min_length", "at least {} long"),
    ("max_length", "at most {} long"),
    ("ge", "at least {}"),
    ("gt", "more than {}"),
    ("le", "at most {}"),
    ("lt", "less than {}"),
    ("pattern", "like {}"),
)


class NoCounterpart(Exception):
    """An annotation that TypeScript's side of the wire cannot have."""


@dataclass
class Shapes:
    """Turns annotations into types, and remembers the structs and tables that they name.

    Args:
        where: what is being translated now, for errors.
    """

    where: str = ""
    structs: dict[str, type[msgspec.Struct]] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    imported: set[str] = field(default_factory=set)

    def of(self, annotation: Any) -> str:
        """The type of an annotation. Raises `NoCounterpart`."""
        origin, args = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self.of(args[0])
        if annotation in _PLAIN if _hashable(annotation) else False:
            return _PLAIN[annotation]
        if origin is Literal:
            return " | ".join(json.dumps(each) for each in args)
        if origin in (Union, types.UnionType):
            return " | ".join(dict.fromkeys(self.of(each) for each in args))
        if origin in (list, set, frozenset):
            return f"{_bracketed(self.of(args[0]))}[]"
        if origin is tuple:
            return f"{_bracketed(self.of(args[0]))}[]" if args[1:] == (...,) else f"[{', '.join(map(self.of, args))}]"
        if origin is dict:
            if args[0] is not str:
                raise NoCounterpart(f"{self.where}: the keys of an object are strings, not {args[0]}.")
            return f"Record<string, {self.of(args[1])}>"
        return self._named(annotation, origin, args)

    def _named(self, annotation: Any, origin: Any, args: tuple[Any, ...]) -> str:
        if origin is Page or annotation is Page:
            self.imported.add("PaginationResult")
            return f"PaginationResult<{self.of(args[0]) if args else 'any'}>"
        if annotation is PaginationOptions:
            self.imported.add("PaginationOptions")
            return "PaginationOptions"
        if inspect.isclass(annotation) and issubclass(annotation, Table):
            self.tables.add(annotation.table_name)
            return f"Doc<{json.dumps(annotation.table_name)}>"
        if inspect.isclass(annotation) and issubclass(annotation, msgspec.Struct):
            known = self.structs.setdefault(annotation.__name__, annotation)
            if known is not annotation:
                raise NoCounterpart(
                    f"{self.where}: two structs are named {annotation.__name__}: "
                    f"{known.__module__} and {annotation.__module__}; rename one."
                )
            return annotation.__name__
        raise NoCounterpart(f"{self.where}: {annotation!r} has no counterpart in TypeScript; use a struct or a plain type.")

    def member(self, wire: str, annotation: Any, optional: bool) -> str:
        """A field of an object type, without what follows it: `name?: type`."""
        if optional:
            return f"{_key(wire)}?: {self.of(without_none(annotation))}"
        return f"{_key(wire)}: {self.of(annotation)}"

    def members(self, struct: type[msgspec.Struct]) -> list[tuple[str, str]]:
        """The fields of a struct: (declaration, what its limits say)."""
        hints = typing.get_type_hints(struct, include_extras=True)
        found = []
        for each in msgspec.structs.fields(struct):
            annotation = hints[each.name]
            optional = allows_none(annotation) or (annotation is Any and each.default is None)
            found.append((self.member(each.encode_name, annotation, optional), limits(annotation)))
        return found


def allows_none(annotation: Any) -> bool:
    """Whether None is one of its values: such a field is left out."""
    if get_origin(annotation) is Annotated:
        return allows_none(get_args(annotation)[0])
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def without_none(annotation: Any) -> Any:
    """The annotation without None."""
    if get_origin(annotation) is Annotated:
        return without_none(get_args(annotation)[0])
    if not allows_none(annotation):
        return annotation
    left = [each for each in get_args(annotation) if each is not type(None)]
    return Union[tuple(left)]  # noqa: UP007 - built from a list


def limits(annotation: Any) -> str:
    """What `Annotated[..., Meta(...)]` says of a value, in words; empty when nothing."""
    said: list[str] = []
    if get_origin(annotation) is Annotated:
        for meta in get_args(annotation)[1:]:
            said += [text.format(getattr(meta, name)) for name, text in _LIMITS if getattr(meta, name, None) is not None]
    elif get_origin(annotation) in (Union, types.UnionType):
        said += [words for each in get_args(annotation) if (words := limits(each))]
    return ", ".join(said)


def _hashable(annotation: Any) -> bool:
    try:
        hash(annotation)
    except TypeError:
        return False
    return True


def _bracketed(text: str) -> str:
    return f"({text})" if " | " in text else text


def _key(wire: str) -> str:
    return wire if wire.isidentifier() else json.dumps(wire)
