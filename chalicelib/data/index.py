"""`Index`, and what it compiles to: addresses, and positions in them.

**Addresses.** A document's address is its partition key, `org|table|id`. A partition of an index has the address
`org|table.index|values`; a document stands in it at a *position*, the order-preserving encoding of the index's order
fields, its creation time and its id. A table with a composite key is a log: its partition key is the address, its sort
key the position. The org comes first everywhere and is put there by the engine (invariant 9). A document without a value for a
partition field is not in that index (a sparse index, as DynamoDB's are).
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from chalicelib.data.declared import check_fields
from chalicelib.data.errors import BadRequest, LimitExceeded
from chalicelib.data.keys import UNDEFINED, encode_key, floor
from chalicelib.data.kinds import Kinds, check_kind, kinds_at
from chalicelib.data.store import MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES

Record = dict[str, Any]
"""A stored document as Python values under wire names, `_id` and `_creationTime` included."""

LOWEST = "0"
"""Below every encoded order: type tags start at "0"."""
HIGHEST = "~"
"""Above every encoded order."""
MARK = "!"
"""The position of things that have no order: a single document, a fence, a claim, a partition's size."""

EVERYWHERE = "*"
"""Stands for all orgs in an address; no org's name can produce it."""

DOCUMENT_OF = {"id": "_id", "creation_time": "_creationTime"}


@lru_cache(maxsize=4096)
def org_key(org: str) -> str:
    """An org's name as the first component of an address; nothing in it can be mistaken for a separator."""
    return quote(org, safe="-_.@:")


def wire_name(python: str) -> str:
    """The attribute that a Python field is stored under; a dotted path keeps its tail."""
    head, _, tail = python.partition(".")
    first = DOCUMENT_OF.get(head) or _camel(head)
    return f"{first}.{tail}" if tail else first


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def value_at(record: Record, path: str) -> Any:
    """The value under a dotted wire path, or UNDEFINED where it (or None stands there) is absent."""
    value: Any = record
    for part in path.split("."):
        if not isinstance(value, dict):
            return UNDEFINED
        value = value.get(part)
    return UNDEFINED if value is None else value


@dataclass(frozen=True)
class Position:
    """Where a document stands in one index: the address of the partition, its shard, and the order in it."""

    address: str
    order: str
    shard: str


@dataclass(frozen=True)
class Range:
    """Documents of one partition of one index between two bounds. The same value is what a read set remembers.

    Build one by calling an index with its partition values, then narrow it by the first order field.
    """

    index: Index
    values: tuple[Any, ...]
    low: tuple[Any, bool] | None = None
    high: tuple[Any, bool] | None = None

    def after(self, value: Any) -> Range:
        """Only documents whose first order field is greater than `value`."""
        return Range(self.index, self.values, (self.index.bound(value), False), self.high)

    def at_least(self, value: Any) -> Range:
        """Only documents whose first order field is `value` or greater."""
        return Range(self.index, self.values, (self.index.bound(value), True), self.high)

    def before(self, value: Any) -> Range:
        """Only documents whose first order field is less than `value`."""
        return Range(self.index, self.values, self.low, (self.index.bound(value), False))

    def at_most(self, value: Any) -> Range:
        """Only documents whose first order field is `value` or less."""
        return Range(self.index, self.values, self.low, (self.index.bound(value), True))

    def address(self, org: str) -> str:
        """The address of the partition."""
        return self.index.address(org, self.values)

    def bounds(self) -> tuple[str, str]:
        """Both bounds as positions, inclusive."""
        low, high = LOWEST, HIGHEST
        if self.low is not None:
            value, included = floor(self.low[0], self.index.coarse), self.low[1] or self.index.coarse > 0
            low = encode_key(value) if included else encode_key(value) + HIGHEST
        if self.high is not None:
            high = encode_key(self.high[0])
            if self.high[1]:
                high += HIGHEST
            elif self.index.is_log:  # a log's row stands exactly at its value, so the bound lies just below that
                high = high[:-1] + chr(ord(high[-1]) - 1) + HIGHEST
        return low, high


class Index:
    """An index: equality on the `partition` fields, then order by the `order` fields, creation time and id.

    Args:
        partition: Python names of the fields that a read names exactly (a dotted path reaches into an object).
        order: fields that order the documents of a partition; a read may bound the first one.
        shards: how many fences and GSI partitions share one value; for partitions with few values and many writers.
        unique: at most one document per value and org, kept by a claim; read it with `.unique()`.
        coarse: for an order that changes often, a number: documents stand by the multiple of this below it, and within that by
            creation, and a write within it moves nothing. Bounds include all of a multiple.
        eventual: the bare GSI, without a fence: only sweeps may read it, it costs nothing at a commit.
        everywhere: with `eventual`: one partition for all orgs, which no function can read; for sweeps of the whole store. With
            `shards` it is as many partitions, all of which a sweep reads.
        only: the values of the first partition field that are asked for; a document with another one is not in the index.
    """

    def __init__(
        self,
        *partition: str,
        order: str | tuple[str, ...] = (),
        shards: int = 1,
        coarse: float = 0,
        unique: bool = False,
        eventual: bool = False,
        everywhere: bool = False,
        only: tuple[str, ...] = (),
    ) -> None:
        self._named = partition, (order,) if isinstance(order, str) else tuple(order)
        self.partition, self.order = (tuple(map(wire_name, names)) for names in self._named)
        self.shards, self.coarse, self.unique, self.eventual, self.everywhere = shards, coarse, unique, eventual, everywhere
        self.only = frozenset(only)
        if everywhere and not eventual:
            raise TypeError("Index(everywhere=True) is for sweeps: say eventual=True as well.")
        self.table: type[Any]
        """The `Table` that declares it: `tables.py` knows this file, not the other way round."""
        self.name = ""
        self.is_log = False
        made_by = sys._getframe(1)
        self.place = f"{made_by.f_code.co_filename}:{made_by.f_lineno}"

    def belongs_to(self, table: type[Any], name: str) -> None:
        """Take the table's wire names for the fields. Raises `WrongDeclaration` for a field that the table has not."""
        self.table, self.name = table, name
        partition, order = self._named
        check_fields(f"the index {table.table_name}.{name}", (*partition, *order), table.wires, self.place)
        self.partition, self.order = (tuple(table.wire(field) for field in names) for names in self._named)

    def __call__(self, *values: Any) -> Range:
        """The range of all documents with these partition values. Raises `BadRequest` for None, under which nothing stands."""
        if len(values) != len(self.partition):
            raise TypeError(
                f"{self.table.table_name}.{self.name} takes {len(self.partition)} values: {', '.join(self.partition)}"
            )
        if self.only and values[0] not in self.only:
            raise BadRequest(
                f"{self.table.table_name}.{self.name} holds only {self.partition[0]} {sorted(self.only)}; ask for one."
            )
        for field, value in zip(self.partition, values, strict=True):
            if value is None or value is msgspec.UNSET:
                raise BadRequest(
                    f"{self.table.table_name}.{self.name}: {field} is None, and a document without {field} is in no index; "
                    "ask for a value."
                )
        for field, value, kinds in zip(self.partition, values, self.kinds, strict=True):
            check_kind(value, kinds, f"{self.table.table_name}.{self.name}: {field}")
        return Range(self, values)

    @cached_property
    def kinds(self) -> list[Kinds]:
        """What the values of each partition field are."""
        return [kinds_at(self.table, field) for field in self.partition]

    def bound(self, value: Any) -> Any:
        """A value for the first order field. Raises `BadRequest` for one that no document can have there."""
        field = self.order[0] if self.order else "_creationTime"
        check_kind(value, self.order_kinds, f"{self.table.table_name}.{self.name}: {field}")
        return value

    @cached_property
    def order_kinds(self) -> Kinds:
        """What the values of the first order field are."""
        return kinds_at(self.table, self.order[0] if self.order else "_creationTime")

    def address(self, org: str, values: tuple[Any, ...]) -> str:
        """The address of the partition with these values."""
        where = self.table.table_name if self.is_log else f"{self.table.table_name}.{self.name}"
        owner = EVERYWHERE if self.everywhere else org_key(org)
        address = f"{owner}|{where}|{encode_key(*values) if values else ''}"
        if len(address.encode()) > MAX_PARTITION_KEY_BYTES:
            raise LimitExceeded(
                f"A value indexed by {where} is longer than {MAX_PARTITION_KEY_BYTES} bytes; store a digest of it."
            )
        return address

    def shard_addresses(self, address: str) -> list[str]:
        """The physical partitions behind one address."""
        return [address] if self.shards == 1 else [f"{address}|{shard}" for shard in range(self.shards)]

    def position(self, org: str, record: Record) -> Position | None:
        """Where this document stands in this index, or None when it is not in it."""
        values = tuple(value_at(record, path) for path in self.partition)
        made, id = record.get("_creationTime"), record.get("_id")
        if any(value is UNDEFINED for value in values) or not isinstance(made, (int, float)) or not isinstance(id, str):
            return None
        if self.only and values[0] not in self.only:
            return None
        address = self.address(org, values)
        order = encode_key(*(floor(value_at(record, path), self.coarse) for path in self.order), float(made), id)
        if len(order.encode()) > MAX_SORT_KEY_BYTES:
            raise LimitExceeded(
                f"A value ordered by {self.table.table_name}.{self.name} has over {MAX_SORT_KEY_BYTES} bytes; store a digest."
            )
        shard = address
        if self.shards > 1:
            shard = f"{address}|{int(hashlib.sha256(id.encode()).hexdigest()[:8], 16) % self.shards}"
        return Position(address, order, shard)
