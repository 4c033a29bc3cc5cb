"""Declarations: `Table`, and what it compiles to. Its indexes are `index.py`'s.

A table is a class; its annotated fields are the document, its `Index` attributes are its indexes. From the same class
come the physical table (`spec`), the GSI attributes of an item (`positions`), the validators and the wire form.

    class Note(Table, name="notes"):
        owner: str
        text: str
        by_owner = Index("owner")
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar, dataclass_transform

import msgspec

from chalicelib.data import mount
from chalicelib.data.declared import check_body, check_fields, check_name, check_wires, here
from chalicelib.data.errors import BadRequest, WrongDeclaration
from chalicelib.data.index import EVERYWHERE as EVERYWHERE
from chalicelib.data.index import HIGHEST as HIGHEST
from chalicelib.data.index import LOWEST as LOWEST
from chalicelib.data.index import MARK as MARK
from chalicelib.data.index import Index as Index
from chalicelib.data.index import Position as Position
from chalicelib.data.index import Range as Range
from chalicelib.data.index import Record as Record
from chalicelib.data.index import org_key as org_key
from chalicelib.data.index import value_at as value_at
from chalicelib.data.index import wire_name as wire_name
from chalicelib.data.keys import checked, encode_key
from chalicelib.data.side_index import SideIndex
from chalicelib.data.store import MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES, IndexSpec, Key, TableSpec

TABLES: dict[str, type[Table]] = {}
"""Every declared table by its name; `schema.py` and the users' packages fill it when they are imported."""


class TableMeta(msgspec.StructMeta):
    """Turns a class body into a table: takes the keywords, names the indexes, registers the result."""

    def __new__(
        mcls,
        class_name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        name: str = "",
        key: tuple[str, ...] = (),
        parent: tuple[str, str] | None = None,
        stream: bool = False,
        ttl: str = "",
        watched: bool = True,
        silent: tuple[str, ...] = (),
        **options: Any,
    ) -> Any:
        cls: Any = super().__new__(mcls, class_name, bases, namespace, **{"rename": "camel", "kw_only": True, **options})
        if class_name == "Table" and not name:
            return cls
        place = here(namespace["__module__"])
        name = name and mount.table(name, namespace["__module__"])
        parent = parent and (mount.table(parent[0], namespace["__module__"]), parent[1])
        if not name:
            raise WrongDeclaration(place, f"class {class_name}(Table, name=…): a table needs a name.")
        check_name(name, namespace["__module__"], place)
        check_body(class_name, namespace, place)
        cls.table_name, cls.stream, cls.is_watched = name, stream, watched
        cls.wires = dict(zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True))
        check_wires(class_name, cls.wires, place)
        check_fields(f"{class_name}'s key", key, cls.wires, place)
        check_fields(f"{class_name}'s ttl", [ttl] if ttl else [], cls.wires, place)
        check_fields(f"{class_name}'s silent", silent, cls.wires, place)
        cls.key, cls.silent = tuple(cls.wire(field) for field in key), frozenset(cls.wire(field) for field in silent)
        cls.parent = parent and (parent[0], TABLES[parent[0]].wire(parent[1]) if parent[0] in TABLES else wire_name(parent[1]))
        cls.ttl = ttl and cls.wire(ttl)
        cls.indexes, cls.sides = {}, {}
        cls.__place__ = place
        for attribute, value in list(namespace.items()):
            if isinstance(value, Index):
                value.belongs_to(cls, attribute)
                cls.indexes[attribute] = value
            elif isinstance(value, SideIndex):
                value.belongs_to(cls, attribute)
                cls.sides[attribute] = value
        if cls.key:
            cls.log = Index(*key[:1], order=key[1:])
            cls.log.belongs_to(cls, "log")
            cls.log.is_log = True
        known = next((each for other, each in TABLES.items() if other.lower() == name.lower()), None)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            ways = f"{known.__module__}.{known.__qualname__} and {cls.__module__}.{class_name}"
            chats = mount.of_the_chat(known.__module__) != mount.of_the_chat(cls.__module__)
            out = f". {mount.WAY_OUT}" if chats else ""
            raise WrongDeclaration(place, f"two tables are named {name}: {ways}{out}.")
        TABLES[name] = cls
        return cls


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class Table(msgspec.Struct, metaclass=TableMeta):
    """The base of every document. `id` and `creation_time` (ms since the epoch) are set by the engine at insert.

    Class keywords:
        name: the table's name on the wire and in the store.
        key: field names of a composite primary key: the first is the partition, the rest the order. Such a table is a
            log: `Table.log(value)` is a strongly consistent range without fences.
        parent: for a log with a dense last key field, (table, counter field): the document that counts it.
        stream: changes of this table travel in its own stream (for single-item appends).
        ttl: a field in ms since the epoch after which the document may vanish.
        watched: False: only mutations read it, so nobody is told of its changes; a query that asks for it is refused.
        silent: fields that no query shows or goes by, such as a lease: nobody is told of a write that changes nothing else.
    """

    id: str = msgspec.field(default="", name="_id")
    creation_time: float = msgspec.field(default=0.0, name="_creationTime")

    table_name: ClassVar[str] = ""
    key: ClassVar[tuple[str, ...]] = ()
    parent: ClassVar[tuple[str, str] | None] = None
    stream: ClassVar[bool] = False
    ttl: ClassVar[str] = ""
    is_watched: ClassVar[bool] = True
    silent: ClassVar[frozenset[str]] = frozenset()
    indexes: ClassVar[dict[str, Index]] = {}
    sides: ClassVar[dict[str, SideIndex]] = {}
    wires: ClassVar[dict[str, str]] = {}
    log: ClassVar[Index]

    @classmethod
    def wire(cls, python: str) -> str:
        """The attribute that a field is stored under: what `msgspec.field(name=…)` says, else camelCase. A dotted path keeps
        its tail."""
        head, dot, tail = python.partition(".")
        return f"{cls.wires.get(head) or wire_name(head)}{dot}{tail}"


T = TypeVar("T", bound=Table)


def document_key(table: type[Table], org: str, *ids: Any) -> Key:
    """The key of one document: its id, or the values of a composite key."""
    if not table.key:
        if len(ids) != 1 or not isinstance(ids[0], str) or not ids[0]:
            raise BadRequest(f"{table.table_name} is looked up by one non-empty string id.")
        return Key(table.table_name, checked(f"{org_key(org)}|{table.table_name}|{ids[0]}", MAX_PARTITION_KEY_BYTES, "id"))
    if len(ids) != len(table.key):
        raise BadRequest(f"{table.table_name} is looked up by {', '.join(table.key)}.")
    return Key(table.table_name, table.log.address(org, (ids[0],)), checked(encode_key(*ids[1:]), MAX_SORT_KEY_BYTES, "key"))


def record_key(table: type[Table], org: str, record: Record) -> Key:
    """The key under which this record is stored."""
    if not table.key:
        return document_key(table, org, record["_id"])
    return document_key(table, org, *(record[field] for field in table.key))


def places(table: type[Table], org: str, record: Record) -> dict[str, Position]:
    """Where a record stands in each index that it is in, by the index's name. In a unique one the address is its claim."""
    found = ((name, index.position(org, record)) for name, index in table.indexes.items())
    return {name: place for name, place in found if place is not None}


def spec(table: type[Table]) -> TableSpec:
    """The physical table behind a declaration: one GSI per index, under its documented name."""
    indexes = tuple(IndexSpec(name, f"{name}#p", f"{name}#o") for name in table.indexes)
    return TableSpec(table.table_name, sorted=bool(table.key), indexes=indexes, stream=table.stream, ttl=bool(table.ttl))


SYSTEM_SPECS = (
    TableSpec("fences", sorted=True, ttl=True),
    TableSpec("commits", stream=True, ttl=True),
    TableSpec("claims"),
    TableSpec("indexStates"),  # one document, of building.py
    TableSpec("indexRows", sorted=True, indexes=(IndexSpec("by_due", "due", "since"),)),  # of entries.py
    TableSpec("mailboxes", indexes=(IndexSpec("by_bucket", "bucket", "pk"),), ttl=True),
    TableSpec("subscriptions", sorted=True, ttl=True),
    TableSpec("inbox", sorted=True, ttl=True),
    TableSpec("watches", sorted=True, ttl=True),
)


def all_specs(apps: Sequence[str] | None = None) -> list[TableSpec]:
    """Every physical table: the system's own, then one per declared table.

    Args:
        apps: only what these packages declare, beside our own; otherwise whatever this process has imported.
    """
    system = {each.name for each in SYSTEM_SPECS}
    roots = None if apps is None else ("chalicelib", *apps)
    return [*SYSTEM_SPECS, *(spec(table) for name, table in TABLES.items() if name not in system and _within(table, roots))]


def _within(table: type[Table], roots: Sequence[str] | None) -> bool:
    module = table.__module__
    return roots is None or any(module == root or module.startswith(f"{root}.") for root in roots)
