"""Every call of the mutable store, as a value: what to send, and how to read the answer. Nothing here does I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypedDict, get_args

from concave_client import store_checks as checks
from concave_client.calls import Call
from concave_client.errors import ValidationError
from concave_client.models import from_wire

SortBy = Literal["key", "createdAt", "updatedAt"]
SortOrder = Literal["asc", "desc"]
Op = Literal["set", "update", "delete", "increment", "decrement"]
MOST_OPERATIONS, MOST_PLACES, LARGEST_TRANSACTION = 25, 10, 256 * 1024
_FIELDS = {"op", "namespace", "key", "value", "amount", "userId", "metadata", "revision"}


@dataclass(frozen=True, kw_only=True)
class MutableRecord:
    """A value of the mutable store with all that is known of it. Times are milliseconds since the epoch."""

    space: str
    namespace: str
    key: str
    value: Any
    revision: str
    created_at: float
    updated_at: float
    user_id: str | None = None
    metadata: dict[str, Any] | None = None
    list_truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class MutableDeleted:
    """A key that is gone."""

    deleted: bool
    namespace: str
    key: str


@dataclass(frozen=True, kw_only=True)
class MutablesDeleted:
    """Several keys that are gone, or with `dry_run` those that would be; `keys` has as many as 32 KB hold."""

    deleted: int
    keys: list[str]
    dry_run: bool
    would_delete: int | None = None


@dataclass(frozen=True, kw_only=True)
class OperationResult:
    """What one operation of a transaction did; `value` is the sum of an increment or a decrement."""

    op: Op
    namespace: str
    key: str
    revision: str | None = None
    value: float | None = None


@dataclass(frozen=True, kw_only=True)
class TransactionResult:
    """A transaction that took effect, all of it."""

    success: bool
    operations_executed: int
    results: list[OperationResult]


class _NeededOfOperation(TypedDict):
    op: Op
    namespace: str
    key: str


class Operation(_NeededOfOperation, total=False):
    """One operation of a transaction, as the document writes it."""

    value: Any
    amount: float
    userId: str
    metadata: dict[str, Any]
    revision: str


def _record(value: Any) -> MutableRecord:
    return from_wire(MutableRecord, value)


def _place(namespace: str, key: str, space: str | None) -> dict[str, Any]:
    checks.namespace(namespace)
    checks.key(key)
    checks.space(space)
    return {"namespace": namespace, "key": key, "space": space}


def set(
    namespace: str,
    key: str,
    value: Any,
    user_id: str | None = None,
    *,
    metadata: dict[str, Any] | None = None,
    space: str | None = None,
) -> Call[MutableRecord]:
    """Store a value under a key, whether or not there is one.

    Args:
        value: any JSON value up to 64 KB, None too.
        user_id: whose it is. What is not said of it, and of `metadata`, stays as it was.

    Raises `ConversationError`: `FORBIDDEN`.
    """
    args = _place(namespace, key, space)
    checks.value(value)
    checks.user(user_id)
    checks.metadata(metadata)
    args |= {"value": value, "userId": user_id, "metadata": metadata}
    return Call("mutation", "mutable:set", args, _record, nulls=("value",))


def get(namespace: str, key: str, *, space: str | None = None) -> Call[Any]:
    """A value; None where there is none. `exists` tells that from a None that was stored."""
    return Call("query", "mutable:get", _place(namespace, key, space), lambda value: value)


def get_record(namespace: str, key: str, *, space: str | None = None) -> Call[MutableRecord | None]:
    """A value with its times, owner, metadata and revision; None where there is none."""
    args = _place(namespace, key, space)
    return Call("query", "mutable:getRecord", args, lambda value: None if value is None else _record(value))


def exists(namespace: str, key: str, *, space: str | None = None) -> Call[bool]:
    """Whether there is a value, if only None."""
    return Call("query", "mutable:exists", _place(namespace, key, space), bool)


def replace(
    namespace: str, key: str, value: Any, *, revision: str | None = None, space: str | None = None
) -> Call[MutableRecord]:
    """Store a value in the place of one that is there; with `revision` only while it is still that one.

    Raises `ConversationError`: `MUTABLE_KEY_NOT_FOUND`, `REVISION_CONFLICT`.
    """
    args = _place(namespace, key, space)
    checks.value(value)
    return Call("mutation", "mutable:update", {**args, "value": value, "revision": revision}, _record, nulls=("value",))


def increment(namespace: str, key: str, amount: float = 1, *, space: str | None = None) -> Call[MutableRecord]:
    """Count a number up, exactly, however many do so at once.

    Raises `ConversationError`: `MUTABLE_KEY_NOT_FOUND`, `INVALID_AMOUNT_TYPE`, `INVALID_AMOUNT_RANGE`.
    """
    checks.amount(amount)
    return Call("mutation", "mutable:increment", {**_place(namespace, key, space), "amount": amount}, _record)


def decrement(namespace: str, key: str, amount: float = 1, *, space: str | None = None) -> Call[MutableRecord]:
    """Count a number down, also below zero. Raises as `increment`."""
    checks.amount(amount)
    return Call("mutation", "mutable:decrement", {**_place(namespace, key, space), "amount": amount}, _record)


def _filters(
    namespace: str,
    key_prefix: str | None,
    user_id: str | None,
    after: float | datetime | None,
    before: float | datetime | None,
    space: str | None,
) -> dict[str, Any]:
    checks.namespace(namespace)
    checks.space(space)
    checks.user(user_id)
    if key_prefix is not None:
        checks.text(key_prefix, "keyPrefix", "INVALID_KEY_PREFIX", checks.LONGEST_KEY)
    start, end = checks.moment(after, "updatedAfter"), checks.moment(before, "updatedBefore")
    checks.dates(start, end, "updatedAfter")
    times = {"updatedAfter": start, "updatedBefore": end}
    return {"namespace": namespace, "keyPrefix": key_prefix, "userId": user_id, **times, "space": space}


def list_records(
    namespace: str,
    *,
    key_prefix: str | None = None,
    user_id: str | None = None,
    updated_after: float | datetime | None = None,
    updated_before: float | datetime | None = None,
    limit: int | None = None,
    offset: int | None = None,
    sort_by: SortBy | None = None,
    sort_order: SortOrder | None = None,
    space: str | None = None,
) -> Call[list[MutableRecord]]:
    """The values of a namespace in the order of their keys; 100 unless `limit` (1 to 1000) says otherwise.

    Args:
        key_prefix: how the keys begin, character by character: `%` and `_` mean themselves.

    Raises `ConversationError`: `FILTER_TOO_BROAD`.
    """
    args = _filters(namespace, key_prefix, user_id, updated_after, updated_before, space)
    checks.whole(limit, 1, checks.MOST_LISTED, "limit", "INVALID_LIMIT_RANGE")
    checks.whole(offset, 0, None, "offset", "INVALID_OFFSET_RANGE")
    checks.one_of(sort_by, SortBy, "sortBy", "INVALID_SORT_BY")
    checks.one_of(sort_order, SortOrder, "sortOrder", "INVALID_SORT_ORDER")
    args |= {"limit": limit, "offset": offset, "sortBy": sort_by, "sortOrder": sort_order}
    return Call("query", "mutable:list", args, lambda value: [_record(each) for each in value])


def count(
    namespace: str,
    *,
    key_prefix: str | None = None,
    user_id: str | None = None,
    updated_after: float | datetime | None = None,
    updated_before: float | datetime | None = None,
    space: str | None = None,
) -> Call[int]:
    """How many values `list` would find."""
    return Call("query", "mutable:count", _filters(namespace, key_prefix, user_id, updated_after, updated_before, space), int)


def delete(namespace: str, key: str, *, space: str | None = None) -> Call[MutableDeleted]:
    """Delete a value for good. Raises `ConversationError`: `MUTABLE_KEY_NOT_FOUND`."""
    args = _place(namespace, key, space)
    return Call("mutation", "mutable:delete", args, lambda value: from_wire(MutableDeleted, value))


def _many(value: Any) -> MutablesDeleted:
    return from_wire(MutablesDeleted, value)


def purge_namespace(namespace: str, *, dry_run: bool = False, space: str | None = None) -> Call[MutablesDeleted]:
    """Delete every value of a namespace; `dry_run` only says which."""
    checks.namespace(namespace)
    checks.space(space)
    return Call("action", "mutable:purgeNamespace", {"namespace": namespace, "dryRun": dry_run, "space": space}, _many)


def purge_many(
    namespace: str,
    *,
    key_prefix: str | None = None,
    user_id: str | None = None,
    updated_before: float | datetime | None = None,
    last_accessed_before: float | datetime | None = None,
    dry_run: bool = False,
    space: str | None = None,
) -> Call[MutablesDeleted]:
    """Delete the values of a namespace that fit; `dry_run` only says which.

    `last_accessed_before` is refused (`UNSUPPORTED_FILTER`): nothing is written down when a value is read.
    """
    args = _filters(namespace, key_prefix, user_id, None, updated_before, space)
    if last_accessed_before is not None:
        sentence = "nothing is written down when a value is read; use updated_before"
        raise ValidationError("UNSUPPORTED_FILTER", sentence, "lastAccessedBefore")
    if key_prefix is None and user_id is None and updated_before is None:
        raise ValidationError("MISSING_FILTER", "name a key_prefix, a user_id or a time")
    return Call("action", "mutable:purgeMany", {**args, "dryRun": dry_run}, _many)


def transaction(operations: list[Operation], *, space: str | None = None) -> Call[TransactionResult]:
    """Up to 25 operations in one commit: all of them take effect, or none.

    Raises `ConversationError` with the code of the operation that cannot be done; `data["operation"]` is its place.
    """
    checks.space(space)
    if not isinstance(operations, list) or not operations:
        raise ValidationError("EMPTY_OPERATIONS_ARRAY", "operations must hold at least one", "operations")
    if len(operations) > MOST_OPERATIONS:
        raise ValidationError("TOO_MANY_OPERATIONS", f"{MOST_OPERATIONS} operations are the limit of one commit", "operations")
    size = sum(_operation(each, f"operations[{number}]") for number, each in enumerate(operations))
    if size > LARGEST_TRANSACTION:
        sentence = f"the values have {size} bytes as JSON; {LARGEST_TRANSACTION} are the limit of one transaction"
        raise ValidationError("VALUE_TOO_LARGE", sentence, "operations")
    if len({(each["namespace"], each.get("userId")) for each in operations}) > MOST_PLACES:
        raise ValidationError("TOO_MANY_OPERATIONS", f"{MOST_PLACES} namespaces are the limit of one commit", "operations")
    args = {"operations": operations, "space": space}
    return Call("mutation", "mutable:transaction", args, lambda value: from_wire(TransactionResult, value))


def _operation(one: Any, field: str) -> int:
    """One operation. Returns the bytes of its value."""
    code = "INVALID_TRANSACTION_OPERATION"
    if not isinstance(one, dict) or one.keys() - _FIELDS:
        raise ValidationError(code, f"{field} holds {', '.join(sorted(_FIELDS))}", field)
    if one.get("op") not in get_args(Op):
        raise ValidationError(code, f"{field}.op is one of {', '.join(get_args(Op))}", f"{field}.op")
    checks.namespace(one.get("namespace"), f"{field}.namespace")
    checks.key(one.get("key"), f"{field}.key")
    if "amount" in one:
        checks.amount(one["amount"], f"{field}.amount")
    if (one["op"] in ("set", "update")) != ("value" in one):
        needs = "needs a" if one["op"] in ("set", "update") else "takes no"
        raise ValidationError(code, f"{one['op']} {needs} value", f"{field}.value")
    return checks.value(one["value"], f"{field}.value") if "value" in one else 0
