"""Do the stored documents agree with what the code declares? Asked before new code takes over from old.

As in Convex, a change of a table is refused while a document is stored that the new declaration does not allow: a reload on a
laptop leaves the old code, a deployment changes nothing; both say which documents, and what is wrong with each. Only tables
are looked through whose declaration is another one than the last that was accepted: the store remembers a fingerprint of each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import EnumMeta
from typing import Any
from urllib.parse import unquote

import msgspec

from chalicelib.data import gate
from chalicelib.data.building import SYSTEM_ORG, IndexStates
from chalicelib.data.errors import BadDocument, SchemaRefused
from chalicelib.data.records import at
from chalicelib.data.store import Item, Key, Store
from chalicelib.data.tables import TABLES, Record, Table
from chalicelib.runtime.executor import Executor
from chalicelib.runtime.scheduling import Run

PAGE = 200
SHOWN = 20
"""So many documents are named; the rest is counted."""


@dataclass(frozen=True)
class Disagreement:
    """A stored document that its table does not allow: whose it is, and what is wrong with it."""

    org: str
    key: Key
    record: Record
    error: BadDocument

    def __str__(self) -> str:
        place = f" at {self.error.path}" if self.error.path else ""
        return f"{self.error.table} {self.error.id!a} of {self.org}{place}: {self.error.rule}"


@dataclass
class Looked:
    """What a look through some tables found."""

    documents: int = 0
    wrong: int = 0
    examples: list[Disagreement] = field(default_factory=list)

    def words(self) -> str:
        """In one sentence."""
        more = f"; and {self.wrong - len(self.examples)} more" if self.wrong > len(self.examples) else ""
        return f"{'; '.join(map(str, self.examples))}{more}"


class Agreement:
    """Compares the documents of a store with the declarations of this code."""

    def __init__(self, executor: Executor) -> None:
        self._executor, self._store = executor, executor.store

    def changed(self, tables: Iterable[type[Table]] | None = None) -> list[type[Table]]:
        """The tables that are declared in another way than was last accepted, or that are new."""
        known: dict[str, str] = self._executor.transact(SYSTEM_ORG, "schema", _shapes).value
        among = TABLES.values() if tables is None else tables
        return [table for table in among if known.get(table.table_name) != fingerprint(table)]

    def look(self, tables: Iterable[type[Table]]) -> Looked:
        """Read all documents of these tables."""
        found = Looked()
        for table in tables:
            for item in _items(self._store, table.table_name):
                found.documents += 1
                wrong = disagreement(table, item)
                if wrong is not None:
                    found.wrong += 1
                    found.examples += [wrong] if len(found.examples) < SHOWN else []
        return found

    def accept(self, tables: Iterable[type[Table]]) -> None:
        """Remember how these tables are declared."""
        shapes = {table.table_name: fingerprint(table) for table in tables}

        def body(run: Run) -> str:
            known = run.db.get(IndexStates, "indexes")
            if known is None:
                run.db.insert(IndexStates(id="indexes", shapes=shapes))
            elif shapes.items() - known.shapes.items():
                run.db.patch(known, shapes={**known.shapes, **shapes})
            return "null"

        self._executor.transact(SYSTEM_ORG, "schema", body)

    def require(self, tables: Iterable[type[Table]] | None = None) -> list[type[Table]]:
        """Refuse this code if a changed table holds a document that it does not allow. Returns the tables that changed.

        Raises:
            SchemaRefused: names the documents, the fields and the rules.
        """
        changed = self.changed(tables)
        found = self.look(changed)
        if found.wrong:
            raise SchemaRefused(
                f"{found.wrong} stored documents are not what their tables declare now: {found.words()}. Give a new field "
                "a default, or mend the documents first (a mutation, or `python -m infra.admin check`)."
            )
        return changed


def disagreement(table: type[Table], item: Item) -> Disagreement | None:
    """What is wrong with a stored item; None when its table allows it."""
    key = Key(table.table_name, item["pk"], item.get("sk"))
    found = at(key, item)
    try:
        gate.document(table, found)
    except BadDocument as error:
        return Disagreement(unquote(str(item["pk"]).split("|")[0]), key, found, error)
    return None


def fingerprint(table: type[Table]) -> str:
    """A text that changes when the fields of a table, their types or the need for them change."""
    return hashlib.sha256(_shape(msgspec.inspect.type_info(table), ()).encode()).hexdigest()[:16]


def _shapes(run: Run) -> str:
    known = run.db.get(IndexStates, "indexes")
    return msgspec.json.encode(known.shapes if known else {}).decode()


def _items(store: Store, table: str) -> Iterator[Item]:
    after: Key | None = None
    while True:
        page = store.scan(table, after, PAGE)
        yield from page.items
        if not page.more:
            return
        after = Key(table, page.items[-1]["pk"], page.items[-1].get("sk"))


def _shape(info: Any, within: tuple[type, ...]) -> str:
    """A described type as text. Defaults matter only in that they are there."""
    if isinstance(info, msgspec.inspect.Field):
        return f"{info.encode_name}{'' if info.required else '?'}:{_shape(info.type, within)}"
    if isinstance(info, type):
        members: Any = list(info) if isinstance(info, EnumMeta) else None
        return info.__qualname__ if members is None else "|".join(repr(each.value) for each in members)
    if isinstance(info, tuple):
        return f"({','.join(_shape(each, within) for each in info)})"
    if not isinstance(info, msgspec.inspect.Type):
        return repr(info)
    inner = getattr(info, "cls", None)
    if isinstance(inner, type) and inner in within:
        return inner.__qualname__
    fields = getattr(info, "fields", None)
    if fields is not None:
        deeper = (*within, inner) if isinstance(inner, type) else within
        return f"{{{','.join(sorted(_shape(each, deeper) for each in fields))}}}{getattr(info, 'tag', None) or ''}"
    parts = (f"{name}={_shape(getattr(info, name), within)}" for name in info.__struct_fields__)
    return f"{type(info).__name__}({','.join(parts)})"
