"""The store port, at DynamoDB's level: seven verbs, and conditions as data.

Fences, retries, idempotency and limits live *above* this port and run on every store alike. A store only has to do what
DynamoDB does, and to refuse what DynamoDB refuses:

* a table has the key `pk`, or `pk` and `sk`; both are non-empty strings (at most 2,048 and 1,024 bytes of UTF-8);
* an item is a dict of str, int, float, bool, None, bytes, list and dict values, at most 400 KB;
* `query` on the table is strongly consistent, on an index it is *eventually* consistent and yields keys only;
* `transact` is all or nothing for at most 100 actions and 4 MB, never two on one item;
* **two plain reads may see the two halves of one transaction**; only `transact_get` sees none or both;
* any call may raise `StoreFailed`: then a write may have happened. `Contention` means nothing was written.

A store may do more than that (`capabilities.py`): read at one instant without a second look (`instant`), number its commits
(`transact` returns the number), and say that this process alone writes to it (`one_writer`).

Two implementations pass one contract suite (`tests/store`): `aws/store.py` (DynamoDB through pynamodb models) and
`infra/local/sqlite/store.py`. `infra/local/faults` wraps either with the faults that a laptop would never show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Item = dict[str, Any]
Path = tuple[str, ...]
"""The way to an attribute: ("lease",) or, inside a map, ("dirty", "7")."""

MAX_ACTIONS = 100
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
MAX_ITEM_BYTES = 400 * 1024
MAX_PARTITION_KEY_BYTES = 2048
MAX_SORT_KEY_BYTES = 1024


@dataclass(frozen=True)
class IndexSpec:
    """A global secondary index: keys only, eventually consistent. `hash` and `range` name string attributes of the item."""

    name: str
    hash: str
    range: str


@dataclass(frozen=True)
class TableSpec:
    """A physical table. `sorted`: has the sort key `sk`. `stream`: its changes are pumped into `on_change`.
    `ttl`: items carry `ttl` (epoch seconds) and vanish some time after it; readers must not rely on the moment."""

    name: str
    sorted: bool = False
    indexes: tuple[IndexSpec, ...] = ()
    stream: bool = False
    ttl: bool = False


@dataclass(frozen=True, order=True)
class Key:
    """Where an item is: table, partition key, and sort key where the table has one."""

    table: str
    pk: str
    sk: str | None = None

    def attributes(self) -> dict[str, str]:
        """The key as item attributes."""
        return {"pk": self.pk} if self.sk is None else {"pk": self.pk, "sk": self.sk}


# Conditions -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exists:
    """The item is there."""


@dataclass(frozen=True)
class Absent:
    """The item is not there."""


@dataclass(frozen=True)
class Has:
    """The item has this attribute."""

    path: Path


@dataclass(frozen=True)
class Lacks:
    """The item is not there, or lacks this attribute."""

    path: Path


@dataclass(frozen=True)
class Equals:
    """The attribute is there and equals the value."""

    path: Path
    value: str | int | bool


@dataclass(frozen=True)
class Less:
    """The attribute is there, a number, and less than the value."""

    path: Path
    value: int


@dataclass(frozen=True)
class All:
    """Every one of these holds."""

    of: tuple[Condition, ...]


@dataclass(frozen=True)
class Any_:
    """At least one of these holds."""

    of: tuple[Condition, ...]


Condition = Exists | Absent | Has | Lacks | Equals | Less | All | Any_


# Actions --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Put:
    """Write the whole item (it carries its own `pk`, and `sk` where the table has one)."""

    table: str
    item: Item
    condition: Condition | None = None


@dataclass(frozen=True)
class Update:
    """Change parts of an item; creates it when absent unless the condition forbids. `add` adds to a number (absent = 0).

    `set` and `remove` name paths; a nested path needs its map to exist. Reads nothing that it does not name, so
    attributes that this code does not know survive (a rollback must not eat data).
    """

    key: Key
    set: dict[Path, Any] = field(default_factory=dict)
    add: dict[Path, int] = field(default_factory=dict)
    remove: tuple[Path, ...] = ()
    condition: Condition | None = None


@dataclass(frozen=True)
class Delete:
    """Remove an item; removing an absent one succeeds unless the condition forbids."""

    key: Key
    condition: Condition | None = None


@dataclass(frozen=True)
class Check:
    """Only in a transaction: the condition must hold."""

    key: Key
    condition: Condition


Write = Put | Update | Delete
Action = Put | Update | Delete | Check


@dataclass(frozen=True)
class Rows:
    """One page of a query. `more`: the page ended at its limit or at 1 MB, so there may be further items."""

    items: list[Item]
    more: bool


@dataclass(frozen=True)
class Change:
    """One record of a stream: the item before and after. `sequence` grows; `table` is the TableSpec's name."""

    sequence: str
    table: str
    old: Item | None
    new: Item | None


class Store(Protocol):
    """Where items are. All methods block; all are safe to call from several threads (moto's engine excepted)."""

    def get(self, key: Key) -> Item | None:
        """One item, strongly consistent."""

    def batch_get(self, keys: Sequence[Key]) -> list[Item | None]:
        """Many items (any number; the store slices), each strongly consistent *by itself*, in the order asked."""

    def transact_get(self, keys: Sequence[Key]) -> list[Item | None]:
        """At most 100 items at one instant. Raises `Contention` while a transaction holds one of them."""

    def query(
        self,
        table: str,
        partition: str,
        *,
        low: str | None = None,
        high: str | None = None,
        newest: bool = False,
        limit: int | None = None,
        index: str | None = None,
    ) -> Rows:
        """Items of one partition in sort order, `low <= sk <= high`, reversed by `newest`.

        On the table: whole items, strongly consistent. With `index`: `partition`, `low` and `high` are the index's hash
        and range values, and the items hold keys only (table key and index key), eventually consistent. Without `limit`
        every item of the range (the store pages).
        """

    def scan(self, table: str, after: Key | None = None, limit: int = 200) -> Rows:
        """Some items of a table, whole and strongly consistent each, in an order that means nothing; `more`: there are others.

        For building indexes, export and audits, never for functions. `after`: the key of the last item of the page before.
        """

    def write(self, write: Write) -> Item | None:
        """One write. Returns the new item of an Update, else None. Raises `ConditionFailed` (`old` = what is there)."""

    def transact(self, actions: Sequence[Action]) -> int | None:
        """All of these, or none. Raises `ConditionFailed` (positions and old items) or `Contention`.

        Returns the commit's number where the store numbers its commits; None where it does not.
        """
