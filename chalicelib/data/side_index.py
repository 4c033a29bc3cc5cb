"""`Search` and `Vector`: indexes whose entries are rows of their own beside the documents, because no GSI can hold them.

    class Note(Table, name="notes"):
        space: str
        text: str
        embedding: list[float] | None = None
        by_text = Search("text", partition=("space",))
        by_embedding = Vector("embedding", dimensions=256, partition=("space",), filter=("kind",))

A document's *entry* is what the index keeps of it: its words, or its vector, with what it may be filtered by. It stands at the
address `org|table.index|partition values`. The document says in an attribute (`by_text#s`) which entry it has, so that a commit
knows what to write, and a document that is older than the index enters it at its next write.
"""

from __future__ import annotations

import hashlib
import math
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from chalicelib.data.declared import check_fields
from chalicelib.data.errors import BadRequest, BadValue, LimitExceeded, WrongDeclaration
from chalicelib.data.index import Record, org_key, value_at, wire_name
from chalicelib.data.keys import UNDEFINED, encode_key
from chalicelib.data.kinds import Kinds, check_kind, kinds_at
from chalicelib.data.store import MAX_PARTITION_KEY_BYTES
from chalicelib.data.vector_math import packed
from chalicelib.words import asked_words, indexed_words

MOST_FILTERS = 8
"""Filter fields of one index, as many as one of Convex's searches may name."""
MOST_WORDS = 16
"""Words of one query (Convex's limit); further ones are left out."""
LONGEST_QUERY = 4096
"""Characters of a query in which words are looked for; further ones are left out, too."""
MOST_TERMS = 4096
"""Different words that the index keeps of one document, in the order of the text."""
DIMENSIONS = (2, 4096)
"""What a vector may have (Convex's limits)."""
WHOLE = ""
"""The posting under which every document of a vector index stands."""
Fill = Callable[[Any, Any], "dict[str, Any]"]
_TOKENS = 1
"""Grows when the same text is cut into other words: then every index of text is built again."""


@dataclass(frozen=True)
class Standing:
    """Where the entry of a document stands, and which it is.

    Args:
        address: the partition.
        digest: what was indexed, in 16 characters: another digest is another entry.
        filters: the values that it may be filtered by, each as `filter_key` says them.
    """

    address: str
    digest: str
    filters: tuple[str, ...]

    def attribute(self) -> str:
        """As the document's item keeps it."""
        return f"{self.digest} {self.address}"


@dataclass(frozen=True)
class Entry:
    """What an index keeps of a document: a payload for each posting (a word: how often, and of how many; the vector)."""

    postings: dict[str, Any]
    length: int = 0


@dataclass(frozen=True)
class Asked:
    """A search of one partition. Build it by calling an index."""

    index: SideIndex
    values: tuple[Any, ...]
    filters: tuple[tuple[str, Any], ...] = ()
    words: tuple[str, ...] = ()
    query: str = ""
    every: bool = False
    vector: tuple[float, ...] = ()

    def address(self, org: str) -> str:
        """The address of the partition."""
        return self.index.address(org, self.values)

    def filter_keys(self) -> list[str]:
        """The filters, as entries hold them."""
        return [filter_key(wire, value) for wire, value in self.filters]


def filter_key(wire: str, value: Any) -> str:
    """A value of a filter field as one short word; no word of a text begins with `=`."""
    return "=" + hashlib.sha256(f"{wire}={encode_key(value)}".encode()).hexdigest()[:16]


class SideIndex(ABC):
    """What `Search` and `Vector` share.

    Args:
        field: the Python name of the field that is searched; a dotted path reaches into an object.
        partition: fields that every search names exactly: they cut the index, and a search costs what its partition holds.
        filter: up to 8 fields that a search may name, compared before anything is ranked.
        fill: what a document says that is older than a field of the partition: called with the database and the document when
            the index is built, for documents that have no entry; returns the fields to set, by Python names.
    """

    def __init__(
        self, field: str, *, partition: tuple[str, ...] = (), filter: tuple[str, ...] = (), fill: Fill | None = None
    ) -> None:
        made_by = sys._getframe(2)
        self.fill = fill
        self.place = f"{made_by.f_code.co_filename}:{made_by.f_lineno}"
        self._named = field, tuple(partition), tuple(filter)
        self.field = wire_name(field)
        self.partition: tuple[str, ...] = ()
        self.filter: tuple[str, ...] = ()
        self.table: type[Any]
        self.name = ""

    def belongs_to(self, table: type[Any], name: str) -> None:
        """Take the table's wire names for the fields. Raises `WrongDeclaration`."""
        self.table, self.name = table, name
        field, partition, filters = self._named
        what = f"the index {table.table_name}.{name}"
        check_fields(what, (field, *partition, *filters), table.wires, self.place)
        if len(filters) > MOST_FILTERS:
            raise WrongDeclaration(self.place, f"{what} has {len(filters)} filter fields; {MOST_FILTERS} are allowed.")
        if table.stream or table.ttl:
            word = "stream=True" if table.stream else "ttl"
            raise WrongDeclaration(self.place, f"{what}: rows of a table with {word} come or go without a commit that indexes.")
        twice = sorted({each for each in (*partition, *filters) if (*partition, *filters).count(each) > 1})
        if twice:
            raise WrongDeclaration(self.place, f"{what} names {twice[0]} twice.")
        taken = sorted({*partition, *filters} & {"every", "limit"})
        if taken:
            raise WrongDeclaration(self.place, f"{what}: {taken[0]} is a word of every search; give the field another name.")
        self.field = table.wire(field)
        self.partition, self.filter = tuple(map(table.wire, partition)), tuple(map(table.wire, filters))

    @property
    def fullname(self) -> str:
        """`table.index`."""
        return f"{self.table.table_name}.{self.name}"

    @abstractmethod
    def declared(self) -> str:
        """What decides what its entries are: another text means that it must be built again."""

    @abstractmethod
    def entry(self, record: Record) -> Entry:
        """What the index keeps of a record that has a standing."""

    @abstractmethod
    def check(self, record: Record, before: Record | None) -> None:
        """Whether the index can take what a record says now, and did not say before. Raises `BadValue`."""

    @abstractmethod
    def check_field(self) -> None:
        """Whether the field can hold what the index is of, as far as its declaration says. Raises `WrongDeclaration`."""

    @abstractmethod
    def _has(self, value: Any) -> bool:
        """Whether a document with this value of the field is in the index."""

    def text(self, record: Record) -> str:
        """What the index reads of a record, as people read it."""
        value = value_at(record, self.field)
        return value if isinstance(value, str) else ""

    def address(self, org: str, values: tuple[Any, ...]) -> str:
        """The address of the partition with these values."""
        address = f"{org_key(org)}|{self.fullname}|{encode_key(*values) if values else ''}"
        if len(address.encode()) > MAX_PARTITION_KEY_BYTES:
            raise LimitExceeded(f"A value that partitions {self.fullname} is longer than {MAX_PARTITION_KEY_BYTES} bytes.")
        return address

    def where(self, org: str, record: Record) -> str | None:
        """The address at which this record has an entry, or None when it has none."""
        values = tuple(value_at(record, path) for path in self.partition)
        if any(value is UNDEFINED for value in values) or not self._has(value_at(record, self.field)):
            return None
        return self.address(org, values)

    def filters_of(self, record: Record) -> tuple[str, ...]:
        """What this record may be filtered by."""
        return tuple(filter_key(wire, value) for wire in self.filter if (value := value_at(record, wire)) is not UNDEFINED)

    def standing(self, org: str, record: Record) -> Standing | None:
        """Where the entry of this record belongs, and which it is, or None when it has none."""
        address = self.where(org, record)
        if address is None:
            return None
        filters = self.filters_of(record)
        said = msgspec.msgpack.encode([self.declared(), value_at(record, self.field), filters], enc_hook=int)
        return Standing(address, hashlib.sha256(said).hexdigest()[:16], filters)

    @cached_property
    def kinds(self) -> dict[str, Kinds]:
        """What the values of each partition and filter field are."""
        return {wire: kinds_at(self.table, wire) for wire in (*self.partition, *self.filter)}

    def within(self, named: dict[str, Any]) -> tuple[Any, ...]:
        """The values of the partition that these fields name, by Python names. Raises `BadRequest`."""
        return self._chosen(named)[0]

    def _chosen(self, named: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[tuple[str, Any], ...]]:
        """The partition and the filters that a search has named, by Python names. Raises `BadRequest`."""
        _, partition, filters = self._named
        unknown = sorted(named.keys() - {*partition, *filters})
        missing = [each for each in partition if named.get(each) is None]
        if unknown or missing:
            told = f"has no field {unknown[0]}" if unknown else f"needs {missing[0]}"
            raise BadRequest(f"{self.fullname} {told}: it takes {', '.join((*partition, *filters)) or 'no fields'}.")
        chosen = {self.table.wire(name): value for name, value in named.items() if value is not None}
        for wire, value in chosen.items():
            check_kind(value, self.kinds[wire], f"{self.fullname}: {wire}")
        return (
            tuple(chosen[wire] for wire in self.partition),
            tuple((wire, chosen[wire]) for wire in self.filter if wire in chosen),
        )


class Search(SideIndex):
    """An index of the words of a text; `ctx.db.search(Note.by_text("words", space=…))` ranks what has them."""

    def __init__(
        self, field: str, *, partition: tuple[str, ...] = (), filter: tuple[str, ...] = (), fill: Fill | None = None
    ) -> None:
        super().__init__(field, partition=partition, filter=filter, fill=fill)

    def __call__(self, query: str, /, *, every: bool = False, **named: Any) -> Asked:
        """A search for words.

        Args:
            query: its words; the last one is the beginning of a word. Words beyond 16 are left out.
            every: only documents that have all of them; otherwise those that have more of them rank higher.
            named: a value of every partition field, and of filter fields (None: not filtered by).
        """
        if not isinstance(query, str):
            raise BadRequest(f"{self.fullname}: a search is for a string, not {type(query).__name__}.")
        values, filters = self._chosen(named)
        query = query[:LONGEST_QUERY]
        return Asked(self, values, filters, tuple(asked_words(query)[:MOST_WORDS]), query, every)

    def declared(self) -> str:
        """As `SideIndex` says."""
        return f"search {_TOKENS} {self.field} / {','.join(self.partition)} / {','.join(self.filter)}"

    def entry(self, record: Record) -> Entry:
        """As `SideIndex` says: how often each word occurs, and how many words there are; filters are words, too."""
        found = indexed_words(self.text(record))
        counted = dict(list(Counter(found).items())[:MOST_TERMS])
        postings = {term: [often, len(found)] for term, often in counted.items()}
        return Entry({**postings, **{key: [1, len(found)] for key in self.filters_of(record)}}, len(found))

    def check(self, record: Record, before: Record | None) -> None:
        """Any text can be indexed."""

    def check_field(self) -> None:
        """A string. Raises `WrongDeclaration`."""
        kinds = kinds_at(self.table, self.field)
        if kinds and str not in kinds:
            raise WrongDeclaration(self.place, f"the index {self.fullname} is of words, and {self.field} is no string.")

    def _has(self, value: Any) -> bool:
        return isinstance(value, str) and value != ""


class Vector(SideIndex):
    """An index of vectors; `ctx.vector_search(Note.by_embedding, vector, space=…)` finds those that point the same way.

    Args:
        dimensions: how many numbers a vector has, 2 to 4,096.
    """

    def __init__(
        self,
        field: str,
        *,
        dimensions: int,
        partition: tuple[str, ...] = (),
        filter: tuple[str, ...] = (),
        fill: Fill | None = None,
    ) -> None:
        super().__init__(field, partition=partition, filter=filter, fill=fill)
        if type(dimensions) is not int or not DIMENSIONS[0] <= dimensions <= DIMENSIONS[1]:
            raise WrongDeclaration(self.place, f"a vector has {DIMENSIONS[0]} to {DIMENSIONS[1]} dimensions, not {dimensions}.")
        self.dimensions = dimensions

    def __call__(self, vector: Any, /, **named: Any) -> Asked:
        """A search for the neighbours of a vector; `named` as for `Search`. Raises `BadRequest`."""
        rule = self.fault(vector)
        if rule is not None:
            raise BadRequest(f"{self.fullname}: {rule}.")
        values, filters = self._chosen(named)
        return Asked(self, values, filters, vector=tuple(map(float, vector)))

    def declared(self) -> str:
        """As `SideIndex` says."""
        return f"vector {self.dimensions} {self.field} / {','.join(self.partition)} / {','.join(self.filter)}"

    def entry(self, record: Record) -> Entry:
        """As `SideIndex` says: the vector at unit length, in float32, and what it may be filtered by."""
        return Entry({WHOLE: [packed(value_at(record, self.field)), list(self.filters_of(record))]})

    def check(self, record: Record, before: Record | None) -> None:
        """Whether the vector is one. Raises `BadValue`."""
        value = value_at(record, self.field)
        same = value is UNDEFINED or (before is not None and value_at(before, self.field) == value)
        rule = None if same else self.fault(value)
        if rule is not None:
            raise BadValue(self.table.table_name, self.field, rule)

    def fault(self, value: Any) -> str | None:
        """What is wrong with a vector, or None."""
        if not isinstance(value, (list, tuple)) or len(value) != self.dimensions:
            told = f"{len(value)} numbers" if isinstance(value, (list, tuple)) else type(value).__name__
            return f"a vector of {self.name} has {self.dimensions} numbers, not {told}"
        if not set(map(type, value)) <= {int, float} or not all(map(math.isfinite, value)):
            return "every part of a vector is a finite number"
        if not 1e-18 < math.hypot(*value) < 1e18:
            return "a vector has a direction: its length is neither zero nor beyond all bounds"
        return None

    def check_field(self) -> None:
        """An array of numbers. Raises `WrongDeclaration`."""
        if kinds_at(self.table, self.field):  # of a list it says nothing
            raise WrongDeclaration(self.place, f"the index {self.fullname} is of vectors, and {self.field} is no list[float].")

    def _has(self, value: Any) -> bool:
        return self.fault(value) is None
