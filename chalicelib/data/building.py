"""Which indexes can be read: a new index on old documents is *building* until every document is in it.

One document says it for the whole store, so a process that finds nothing building asks once and never again: a new index
comes with new code, and new code is a new process. A query that is refused for it watches that document, so the query is
run again when the index is ready. `runtime/indexes.py` writes it.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from chalicelib.data.errors import BadRequest
from chalicelib.data.records import record
from chalicelib.data.side_index import SideIndex
from chalicelib.data.store import Key, Store
from chalicelib.data.tables import MARK, Index, Table, document_key

SYSTEM_ORG = "_system"
"""The org of what belongs to no org. Tokens cannot name it: `identity.py` refuses orgs that begin with an underscore."""
LOOK_AGAIN_MS = 1000


class IndexStates(Table, name="indexStates"):
    """The one document `indexes`: how each index and table was declared when its documents were last known to agree."""

    definitions: dict[str, str] = msgspec.field(default_factory=dict)
    """`table.index` → its declaration (`definition`)."""
    building: dict[str, Any] = msgspec.field(default_factory=dict)
    """`table.index` → how far the building of it has come."""
    shapes: dict[str, str] = msgspec.field(default_factory=dict)
    """Table → the fingerprint of its declaration when its documents were last known to agree with it."""


STATES = document_key(IndexStates, SYSTEM_ORG, "indexes")


def definition(index: Index | SideIndex) -> str:
    """What decides where a document stands in this index: another text means that it must be built again."""
    if isinstance(index, SideIndex):
        return index.declared()
    kind = "unique" if index.unique else "eventual" if index.eventual else "fenced"
    everywhere = " everywhere" if index.everywhere else ""
    only = f" of {','.join(sorted(index.only))}" if index.only else ""
    return f"{','.join(index.partition)} / {','.join(index.order)} / {index.shards} {kind}{everywhere}{only}"


def name_of(index: Index | SideIndex) -> str:
    """`table.index`."""
    return f"{index.table.table_name}.{index.name}"


class Clock(Protocol):
    """Time."""

    def now_ms(self) -> int: ...


class Building:
    """Says which indexes are not to be read yet. One read of the store, repeated only while something is being built."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._names: frozenset[str] | None = None
        self._asked = 0
        self._known: dict[str, str] | None = None

    def check(self, index: Index | SideIndex, watch: Any) -> None:
        """Refuse an index that is being built; `watch` takes the address whose change ends that.

        Raises:
            BadRequest: `IndexBuilding`.
        """
        if name_of(index) in self.names():
            watch(STATES.pk, MARK, MARK)
            raise BadRequest(
                f"The index {name_of(index)} is being built and cannot be read yet; this goes on by itself when it is.",
                "IndexBuilding",
            )

    def names(self) -> frozenset[str]:
        """The indexes that are being built."""
        names = self._names
        if names is None or (names and self._clock.now_ms() - self._asked >= LOOK_AGAIN_MS):
            asked = self._clock.now_ms()
            item = self._store.get(Key(STATES.table, STATES.pk))
            names = frozenset(record(item).get("building", {})) if item else frozenset()
            self._names, self._asked = names, asked  # two threads may both have asked: no lock is held over a request
        return names

    def settled(self, index: Index) -> bool:
        """Whether every document stands where this declaration puts it. Asked of the store once, and then until it is so.

        Between a deployment and the building of what it changed, documents stand where older code has put them.
        """
        name = name_of(index)
        if self._known is None or self._known.get(name, definition(index)) != definition(index):
            item = self._store.get(Key(STATES.table, STATES.pk))
            states = record(item) if item else {}
            self._known = {**states.get("definitions", {}), **dict.fromkeys(states.get("building", {}), "")}
        return self._known.get(name, definition(index)) == definition(index)


class NothingBuilding(Building):
    """For stores that nobody migrates: tests of the engine itself."""

    def __init__(self) -> None:
        pass

    def names(self) -> frozenset[str]:
        """None."""
        return frozenset()

    def settled(self, index: Index) -> bool:
        """Yes."""
        return True


NOTHING_BUILDING = NothingBuilding()
