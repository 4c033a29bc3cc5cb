"""Which classes need an interface, on which side, and what it is called.

A class that looks the same on both sides is one interface. One that does not is `Name` on the way out and `NameInput` on the
way in. Classes of different modules with one name are told apart by their module.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import inspect as kinds

from chalicelib.data.paging import Page, PaginationOptions
from chalicelib.data.tables import Table
from infra.codegen import text
from infra.codegen.shapes import Place, Side, describe, field_of, remarks, type_of

TAKEN = {
    "Action", "Api", "Array", "ArrayBuffer", "Date", "Doc", "Error", "ErrorCode", "ErrorData", "Function", "FunctionReference",
    "GenericId", "Id", "Map", "Mutation", "Number", "Object", "PaginationOptions", "PaginationResult", "Partial", "Promise",
    "Query", "Record", "Set", "String", "Symbol", "TableName", "Tables", "Value",
}  # fmt: skip
"""Names that mean something else in the files."""


def is_table(cls: Any) -> bool:
    """Whether this is a document of a table."""
    return isinstance(cls, type) and issubclass(cls, Table) and bool(cls.table_name)


class Structs:
    """The interfaces of everything that was seen.

    `see` all annotations first; after that names are settled, and `type_of` and `interfaces` give text.
    """

    def __init__(self) -> None:
        self._seen: dict[Any, Any] = {}  # class → its description
        self._sides: dict[Any, set[Side]] = defaultdict(set)
        self._places: dict[Any, Place] = {}
        self._names: dict[Any, str] = {}
        self._split: set[Any] = set()

    def see(self, info: Any, side: Side, place: Place) -> None:
        """Take in an annotation and all that it is made of."""
        for part in _records(info):
            if side in self._sides[part.cls]:
                continue
            self._sides[part.cls].add(side)
            self._seen[part.cls] = part
            origin = getattr(part.cls, "__origin__", part.cls)
            self._places.setdefault(part.cls, Place(f"{place.what}, {origin.__name__}", text.source_of(origin)))
            for field in part.fields:
                self.see(field.type, side, place)

    def settle(self) -> None:
        """Give names, and find the classes that have two sides."""
        by_name = defaultdict(list)
        for cls in self._seen:
            by_name[_name(cls)].append(cls)
        for name, classes in by_name.items():
            alone = len(classes) == 1 and name not in TAKEN
            for cls in classes:
                self._names[cls] = name if alone else _pascal(cls.__module__.rpartition(".")[2]) + name
        both = {cls for cls, sides in self._sides.items() if len(sides) == 2}
        self._split = {cls for cls in both if self._own(cls, "in") != self._own(cls, "out")}
        while grown := {cls for cls in both - self._split if self._refers(cls) & self._split}:
            self._split |= grown

    def named(self, cls: Any, side: Side) -> str:
        """What a class is called on this side. Documents of tables are `Doc<"table">` on the way out."""
        if is_table(cls) and side == "out":
            return f'Doc<"{cls.table_name}">'
        return self._names[cls] + ("Input" if cls in self._split and side == "in" else "")

    def documents(self) -> list[Any]:
        """The tables whose documents were seen."""
        return [cls for cls in self._seen if is_table(cls)]

    def others(self) -> set[str]:
        """The names of all interfaces that are not documents of tables."""
        return {self.named(cls, side) for cls, sides in self._sides.items() for side in sides if not is_table(cls)}

    def interface_name(self, cls: Any) -> str:
        """The name of the interface that a table's document has."""
        return self._names[cls]

    def type_of(self, info: Any, side: Side, place: Place) -> str:
        """A type, with every struct by its name."""
        return type_of(info, side, place, self.named)

    def interfaces(self, *, tables: bool) -> Iterator[str]:
        """Every interface of tables' documents, or all others, by name."""
        wanted = []
        for cls, sides in self._sides.items():
            for side in sides if cls in self._split else [sorted(sides)[-1]]:
                if (is_table(cls) and side == "out") == tables:
                    name = self._names[cls] + ("Input" if cls in self._split and side == "in" else "")
                    wanted.append((name, cls, side))
        for name, cls, side in sorted(wanted, key=lambda each: each[0]):
            yield f"{text.comment(text.class_doc(_origin(cls)))}export interface {name} {self._body(cls, side)}\n"

    def members(
        self, fields: Iterable[Any], side: Side, place: Place, *, struct: bool = True, word: str = ""
    ) -> dict[str, tuple[str, str]]:
        """Fields as `text.fields` wants them. `word` is what messages call them."""
        found = {}
        for field in fields:
            property, kind = field_of(field, side, place.inside(f"{word}`{field.name}`"), self.named, absent_is_none=struct)
            found[property] = (kind, remarks(field, side))
        return found

    def _body(self, cls: Any, side: Side) -> str:
        docs = text.field_docs(_origin(cls))
        parts = {}
        info = self._seen[cls]
        members = self.members(info.fields, side, self._places[cls], struct=not isinstance(info, kinds.TypedDictType))
        for field, (property, (kind, remark)) in zip(info.fields, members.items(), strict=True):
            doc = "\n".join(filter(None, [docs.get(field.name, ""), remark]))
            if is_table(cls) and side == "out" and field.name in ("id", "creation_time"):
                kind = f'Id<"{cls.table_name}">' if field.name == "id" else kind
                property = property.rstrip("?")
                doc = "" if field.name == "id" else "Milliseconds since the epoch."
            parts[property] = (kind, doc)
        if isinstance(info, kinds.StructType) and info.tag_field and side == "in":
            parts = {text.name(info.tag_field): (text.literal(info.tag), ""), **parts}
        lines = text.fields(parts, "", text.WIDTH)
        return lines if lines != "{}" else "{\n  [name: string]: never;\n}"

    def _own(self, cls: Any, side: Side) -> Any:
        info = self._seen[cls]
        if is_table(cls):
            return side  # a document that comes in has no id yet
        return self.members(info.fields, side, self._places[cls], struct=not isinstance(info, kinds.TypedDictType))

    def _refers(self, cls: Any) -> set[Any]:
        return {part.cls for field in self._seen[cls].fields for part in _records(field.type)}


def documents(tables: Iterable[type[Table]], structs: Structs) -> None:
    """Take in the documents of tables."""
    for table in tables:
        place = Place(f"table {table.table_name}", text.source_of(table))
        structs.see(describe(table, place), "out", place)


def _records(info: Any) -> Iterator[Any]:
    """The classes with fields that an annotation names directly: in lists, dicts, unions and pages, but not in their fields."""
    if isinstance(info, kinds.Metadata):
        yield from _records(info.type)
    elif isinstance(info, kinds.StructType | kinds.TypedDictType | kinds.DataclassType):
        origin = _origin(info.cls)
        if origin is Page:
            yield from _records(info.fields[0].type)
        elif origin is not PaginationOptions:
            yield info
    else:
        for attribute in ("types", "item_types"):
            for part in getattr(info, attribute, ()):
                yield from _records(part)
        for attribute in ("item_type", "key_type", "value_type"):
            if (part := getattr(info, attribute, None)) is not None:
                yield from _records(part)


def _origin(cls: Any) -> Any:
    return getattr(cls, "__origin__", cls)


def _name(cls: Any) -> str:
    """A class' name; of a generic one with its arguments, `Box[Note]` → `BoxNote`."""
    if not hasattr(cls, "__origin__"):
        return str(cls.__name__)
    told = (str(each) if hasattr(each, "__args__") else getattr(each, "__name__", str(each)) for each in cls.__args__)
    arguments = re.sub(r"[\w.]+\.", "", ", ".join(told))
    return str(cls.__origin__.__name__) + "".join(word[:1].upper() + word[1:] for word in re.findall(r"\w+", arguments))


def _pascal(module: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in module.split("_"))
