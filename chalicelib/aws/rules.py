"""DynamoDB's own rules as code: which values, keys, items and requests it takes, and how many bytes it counts.

Both stores ask here before anything is sent, so that a laptop refuses what the cloud refuses, with the same words. Pure:
nothing here knows a client. Numbers are normalised as DynamoDB does it: it keeps a decimal number, not a Python type, so
an integral float comes back as an int (`1.0` -> `1`, `-0.0` -> `0`) and any other float as itself.
Sources: "Quotas in Amazon DynamoDB" and "DynamoDB item sizes and formats" in the developer guide.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from chalicelib.aws.expressions import update_bytes
from chalicelib.data.errors import BadRequest, LimitExceeded
from chalicelib.data.sizes import item_bytes as item_bytes
from chalicelib.data.store import (
    MAX_ACTIONS,
    MAX_ITEM_BYTES,
    MAX_PARTITION_KEY_BYTES,
    MAX_SORT_KEY_BYTES,
    MAX_TRANSACTION_BYTES,
    Action,
    IndexSpec,
    Item,
    Key,
    Path,
    Put,
    TableSpec,
    Update,
)

MAX_DEPTH = 32
MAX_DIGITS = 38
MAX_INDEXES = 20
MAX_CLAUSES = 300
MAX_EXPRESSION_BYTES = 4096
_SURELY_SHORT = 40
PAGE_BYTES = 1024 * 1024
_SMALLEST, _TOO_LARGE = 1e-130, 1e126
_INTEGRAL_BELOW = 10**MAX_DIGITS
_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")


# Values ---------------------------------------------------------------------------------------------------------------


def normal(value: Any, where: str = "item", depth: int = 0) -> Any:
    """A deep copy of a value with numbers as DynamoDB returns them; raises `BadRequest` for what it cannot hold, and where."""
    try:
        return _copied(value, depth)
    except BadRequest:
        return _located(value, where, depth)  # raises the same, with the way to it: nobody else pays for that


def _copied(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else _located(value, "")
    if kind is dict and depth < MAX_DEPTH:
        made = {}
        for name, entry in value.items():
            if type(name) is not str or not name or not name.isascii():
                _name(name, "")
            made[name] = _copied(entry, depth + 1)
        return made
    if kind is list and depth < MAX_DEPTH:
        return [_copied(entry, depth + 1) for entry in value]
    return _located(value, "", depth)


def _located(value: Any, where: str, depth: int = 0) -> Any:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        _utf8(value, where)
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, int):
        return normal_int(int(value), where)
    if isinstance(value, float):
        return normal_float(value, where)
    if isinstance(value, dict | list):
        if depth >= MAX_DEPTH:
            raise BadRequest(f"{where} is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, list):
            return [_located(entry, where, depth + 1) for entry in value]
        return {_name(name, where): _located(entry, f"{where}.{name}", depth + 1) for name, entry in value.items()}
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    raise BadRequest(f"{where} is a {type(value).__name__}; a document holds str, int, float, bool, None, bytes, list and dict")


def normal_int(value: int, where: str = "number") -> int:
    """The int itself, or `BadRequest` beyond 38 significant digits."""
    if -_INTEGRAL_BELOW < value < _INTEGRAL_BELOW:
        return value
    raise BadRequest(f"{where} has more than {MAX_DIGITS} digits")


def normal_float(value: float, where: str = "number") -> int | float:
    """The float as DynamoDB returns it (integral ones below 10**38 as int); NaN, infinities and extremes are refused."""
    if not math.isfinite(value):
        raise BadRequest(f"{where} is {value}; numbers must be finite")
    size = abs(value)
    if size == 0:
        return 0
    if not _SMALLEST <= size < _TOO_LARGE:
        raise BadRequest(f"{where} is {value!r}; numbers lie between 1e-130 and 9.9e+125")
    return int(Decimal(repr(value))) if size < _INTEGRAL_BELOW and value.is_integer() else value


def number_from(text: str) -> int | float:
    """The number that DynamoDB's text `N` stands for: an int when integral and of at most 38 digits, else a float."""
    try:
        return normal_int(int(text))
    except (ValueError, BadRequest):
        exact = Decimal(text)
        integral = abs(exact) < _INTEGRAL_BELOW and exact == exact.to_integral_value()
        return int(exact) if integral else float(exact)


def _utf8(text: str, where: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BadRequest(f"{where} holds half of a surrogate pair, which is not text") from None


def _name(name: Any, where: str) -> str:
    if not isinstance(name, str) or not name:
        raise BadRequest(f"{where} has the attribute name {name!r}; names are non-empty strings")
    _utf8(name, where)
    return name


# Keys and items -------------------------------------------------------------------------------------------------------


def check_specs(specs: Iterable[TableSpec]) -> dict[str, TableSpec]:
    """The tables by name; raises `BadRequest` for a name or a number of indexes that DynamoDB would refuse."""
    by_name: dict[str, TableSpec] = {}
    for spec in specs:
        if spec.name in by_name:
            raise BadRequest(f"the table {spec.name} is declared twice")
        if len(spec.indexes) > MAX_INDEXES:
            raise BadRequest(f"the table {spec.name} has {len(spec.indexes)} indexes; DynamoDB allows {MAX_INDEXES}")
        for name in (spec.name, *(index.name for index in spec.indexes)):
            if not _NAME.fullmatch(name):
                raise BadRequest(f"{name!r} is no name for a table or index: 3 to 255 of A-Z a-z 0-9 _ . -")
        by_name[spec.name] = spec
    return by_name


def index_of(spec: TableSpec, name: str) -> IndexSpec:
    """The index of this name, or `BadRequest`."""
    for index in spec.indexes:
        if index.name == name:
            return index
    raise BadRequest(f"the table {spec.name} has no index {name}")


def key_part(value: Any, most: int, where: str) -> bytes:
    """A key's UTF-8 bytes; refuses other types, the empty string, and more than `most` bytes."""
    if not isinstance(value, str):
        raise BadRequest(f"{where} is a {type(value).__name__}; keys are strings")
    if not value:
        raise BadRequest(f"{where} is empty; DynamoDB has no empty keys")
    data = _utf8(value, where)
    if len(data) > most:
        raise LimitExceeded(f"{where} has {len(data)} bytes; a key has at most {most}: use a shorter value or its hash")
    return data


def check_key(spec: TableSpec, key: Key) -> tuple[bytes, bytes]:
    """The key as UTF-8 bytes (an empty second part for a table without sort key); refuses what DynamoDB refuses."""
    pk = key_part(key.pk, MAX_PARTITION_KEY_BYTES, f"{spec.name}.pk")
    if spec.sorted:
        return pk, key_part(key.sk, MAX_SORT_KEY_BYTES, f"{spec.name}.sk")
    if key.sk is not None:
        raise BadRequest(f"the table {spec.name} has no sort key")
    return pk, b""


def key_of(spec: TableSpec, item: Item) -> Key:
    """The key that an item carries; `check_key` judges it."""
    if "pk" not in item or (spec.sorted and "sk" not in item):
        raise BadRequest(f"an item of {spec.name} lacks its key")
    for name in ("pk", "sk") if spec.sorted else ("pk",):
        if not isinstance(item[name], str):
            raise BadRequest(f"{spec.name}.{name} is a {type(item[name]).__name__}; keys are strings")
    return Key(spec.name, item["pk"], item["sk"] if spec.sorted else None)


def index_entry(spec: TableSpec, index: IndexSpec, item: Item) -> tuple[bytes, bytes] | None:
    """Where an item stands in an index, or None when it lacks one of the index's attributes; refuses bad ones."""
    if index.hash not in item or index.range not in item:
        for name in (index.hash, index.range):
            if name in item and not isinstance(item[name], str):
                raise BadRequest(f"{spec.name}.{name} is a {type(item[name]).__name__}; index keys are strings")
        return None
    return (
        key_part(item[index.hash], MAX_PARTITION_KEY_BYTES, f"{spec.name}.{index.hash}"),
        key_part(item[index.range], MAX_SORT_KEY_BYTES, f"{spec.name}.{index.range}"),
    )


def indexed_at(spec: TableSpec, index: IndexSpec, item: Item | None) -> tuple[bytes, bytes] | None:
    """Where a stored item stands in an index, or None. An index made later leaves out items that cannot be in it."""
    try:
        return None if item is None else index_entry(spec, index, item)
    except BadRequest:
        return None


def check_size(spec: TableSpec, size: int) -> None:
    """Refuse an item above 400 KB."""
    if size > MAX_ITEM_BYTES:
        raise LimitExceeded(
            f"a document of {spec.name} has {size} bytes; the limit is {MAX_ITEM_BYTES} (400 KB): split it into several documents"
        )


# Requests -------------------------------------------------------------------------------------------------------------


def check_update(update: Update) -> None:
    """Refuse an update that is empty, names a key, one place twice or one place inside another, or has too many parts."""
    paths: list[Path] = [*update.set, *update.add, *update.remove]
    if not paths:
        raise BadRequest("an update must set, add or remove something")
    if len(paths) > MAX_CLAUSES:
        raise LimitExceeded(f"an update has {len(paths)} parts; the limit is {MAX_CLAUSES}: do it in several updates")
    for path in paths:
        if not path:
            raise BadRequest("an update names an empty path")
        for step in path:
            _name(step, "path")
        if path[0] in ("pk", "sk"):
            raise BadRequest(f"an update cannot change {path[0]}, which is part of the key")
    if len(paths) > _SURELY_SHORT and update_bytes(update) > MAX_EXPRESSION_BYTES:
        raise LimitExceeded(f"an update's expression is over {MAX_EXPRESSION_BYTES} bytes: do it in several updates")
    ordered = sorted(paths)
    for first, second in pairwise(ordered):
        if second[: len(first)] == first:
            raise BadRequest(f"an update names {'.'.join(first)} and {'.'.join(second)}, which overlap")


def check_transaction(keys: Sequence[Key]) -> None:
    """Refuse a transaction without actions, with more than 100, or with two on one item."""
    if not keys:
        raise BadRequest("a transaction needs an action")
    if len(keys) > MAX_ACTIONS:
        raise LimitExceeded(f"a transaction has {len(keys)} actions; the limit is {MAX_ACTIONS}: write in several mutations")
    seen: set[Key] = set()
    for key in keys:
        if key in seen:
            raise BadRequest(f"a transaction names {key.table} {key.pk} {key.sk or ''} twice")
        seen.add(key)


def check_total(size: int) -> None:
    """Refuse a transaction above 4 MB."""
    if size > MAX_TRANSACTION_BYTES:
        raise LimitExceeded(
            f"a transaction has {size} bytes; the limit is {MAX_TRANSACTION_BYTES} (4 MB): write in several mutations"
        )


def action_table(action: Action) -> str:
    """The table that an action is about."""
    return action.table if isinstance(action, Put) else action.key.table


def action_key(spec: TableSpec, action: Action) -> Key:
    """The item that an action is about."""
    return key_of(spec, action.item) if isinstance(action, Put) else action.key


def bounds(
    spec: TableSpec, index: IndexSpec | None, partition: str, low: str | None, high: str | None, limit: int | None
) -> tuple[str | None, str | None] | None:
    """The usable bounds of a query, or None when nothing can lie between them.

    DynamoDB refuses an empty string in a key condition and a `BETWEEN` whose ends are swapped; both have a plain meaning
    here: no lower bound, or an empty range.
    """
    where = spec.name if index is None else f"{spec.name}.{index.name}"
    key_part(partition, MAX_PARTITION_KEY_BYTES, f"the partition of {where}")
    if limit is not None and limit < 1:
        raise BadRequest(f"a query's limit is at least 1, not {limit}")
    if index is None and not spec.sorted and (low is not None or high is not None):
        raise BadRequest(f"the table {spec.name} has no sort key to bound")
    low = low or None
    if high == "":
        return None
    for name, bound in (("low", low), ("high", high)):
        if bound is not None:
            key_part(bound, MAX_SORT_KEY_BYTES, f"the {name} bound of {where}")
    if low is not None and high is not None and low.encode() > high.encode():
        return None
    return low, high
