"""The mutable store: values by namespace and key, such as a counter, a configuration, a state. Only the newest is kept.

Every function works within the caller's org, and in one `space` of it: without one in the caller's own, for the org's backend
(a token with the role `service`) in `default`. `domain/memory_spaces.py` says who reaches what; strangers get what they would get
for a key that never was. Errors are data: `{code, field?, message}`.
"""

from __future__ import annotations

from typing import Any

from chalicelib import ActionCtx, MutationCtx, QueryCtx, action, mutation, query
from chalicelib.domain import memory_spaces
from chalicelib.domain.conversations import access as may
from chalicelib.domain.conversations.codes import refused
from chalicelib.domain.mutable import listing, purging, storing
from chalicelib.domain.mutable import transaction as transactions
from chalicelib.domain.mutable.codes import explain
from chalicelib.domain.mutable.listing import Filters, Limit, Offset, SortBy, SortOrder
from chalicelib.domain.mutable.transaction import Operation
from chalicelib.domain.mutable.views import MutableDeleted, MutablesDeleted, MutableView, TransactionView, view

LISTED = 100


@mutation(explain=explain)
def set_(
    ctx: MutationCtx,
    namespace: str,
    key: str,
    value: Any,
    user_id: str | None = None,
    metadata: Any = None,
    space: str | None = None,
) -> MutableView:
    """Store a value under a key, whether or not there is one.

    Args:
        namespace: 1 to 100 characters. key: 1 to 255 characters, at most 900 bytes.
        value: any JSON value up to 64 KB, null too.
        user_id: whose it is; that user sees it, wherever it stands. What is not said stays as it was.
        metadata: an object up to 16 KB.

    Refuses: `MISSING_NAMESPACE`, `MISSING_KEY`, `INVALID_NAMESPACE`, `INVALID_KEY`, `NAMESPACE_TOO_LONG`, `KEY_TOO_LONG`,
    `VALUE_TOO_LARGE`, `INVALID_VALUE`, `INVALID_METADATA`, `METADATA_TOO_LARGE`, `INVALID_USER_ID`, `FORBIDDEN`.
    """
    reach = memory_spaces.writes(ctx, space, "store a value")
    return view(storing.put(ctx, reach, namespace, key, value, user_id, metadata))


@query(explain=explain)
def get(ctx: QueryCtx, namespace: str, key: str, space: str | None = None) -> Any:
    """A value; null where there is none. `exists` tells that from a null that was stored."""
    row = storing.found(ctx, memory_spaces.reads(ctx, space), namespace, key)
    return None if row is None else row.value


@query(explain=explain)
def get_record(ctx: QueryCtx, namespace: str, key: str, space: str | None = None) -> MutableView | None:
    """A value with its times, its owner, its metadata and its revision; null where there is none."""
    row = storing.found(ctx, memory_spaces.reads(ctx, space), namespace, key)
    return None if row is None else view(row)


@query(explain=explain)
def exists(ctx: QueryCtx, namespace: str, key: str, space: str | None = None) -> bool:
    """Whether there is a value, if only null."""
    return storing.found(ctx, memory_spaces.reads(ctx, space), namespace, key) is not None


@mutation(explain=explain)
def update(
    ctx: MutationCtx, namespace: str, key: str, value: Any, revision: str | None = None, space: str | None = None
) -> MutableView:
    """Store a value in the place of one that is there.

    Args:
        revision: of the value that the new one was made from, as `getRecord` tells it: where the value has changed since,
            nothing is stored. Read it again, and try again; that is how the SDK's `update` loses no change.

    Refuses: `MUTABLE_KEY_NOT_FOUND`, `REVISION_CONFLICT`, `VALUE_TOO_LARGE`, `INVALID_VALUE`.
    """
    reach = memory_spaces.writes(ctx, space, "change a value")
    return view(storing.replace(ctx, reach, namespace, key, value, revision))


@mutation(explain=explain)
def increment(ctx: MutationCtx, namespace: str, key: str, amount: float = 1, space: str | None = None) -> MutableView:
    """Count a number up: exactly, however many do so at once.

    Refuses: `MUTABLE_KEY_NOT_FOUND`, `INVALID_AMOUNT_TYPE` where value or amount is no number, `INVALID_AMOUNT_RANGE` beyond
    2^53 - 1.
    """
    return view(storing.add(ctx, memory_spaces.writes(ctx, space, "change a value"), namespace, key, amount))


@mutation(explain=explain)
def decrement(ctx: MutationCtx, namespace: str, key: str, amount: float = 1, space: str | None = None) -> MutableView:
    """Count a number down, also below zero. Refuses as `increment`."""
    return view(storing.add(ctx, memory_spaces.writes(ctx, space, "change a value"), namespace, key, -amount))


@query(explain=explain)
def list_(
    ctx: QueryCtx,
    namespace: str,
    key_prefix: str | None = None,
    user_id: str | None = None,
    updated_after: float | None = None,
    updated_before: float | None = None,
    limit: Limit = LISTED,
    offset: Offset = 0,
    sort_by: SortBy = "key",
    sort_order: SortOrder = "asc",
    space: str | None = None,
) -> list[MutableView]:
    """The values of a namespace, in the order of their keys.

    Args:
        key_prefix: how the keys begin, character by character: `%` and `_` mean themselves.
        user_id: whose they are.
        updated_after: in milliseconds since the epoch, as `updated_before`; the value itself is outside.
        limit: 1 to 1000. offset: how many to pass over. Beyond 900 together go on by `keyPrefix`.

    An answer holds 96 KB. A list that ends earlier than its `limit` because of that says so in its last element
    (`listTruncated`); the rest is asked for with `offset`.

    Refuses: `INVALID_LIMIT_RANGE`, `INVALID_OFFSET_RANGE`, `INVALID_DATE_RANGE`, `FILTER_TOO_BROAD` where a time or another order
    than that of keys would need more than 400 values to be looked at.
    """
    wanted = Filters(
        namespace=namespace,
        key_prefix=key_prefix,
        user_id=user_id,
        updated_after=updated_after,
        updated_before=updated_before,
    )
    reach = memory_spaces.reads(ctx, space)
    found = listing.select(ctx, reach, wanted, need=offset + limit, sort_by=sort_by, descending=sort_order == "desc")
    return listing.told(found[offset:])


@query(explain=explain)
def count(
    ctx: QueryCtx,
    namespace: str,
    key_prefix: str | None = None,
    user_id: str | None = None,
    updated_after: float | None = None,
    updated_before: float | None = None,
    space: str | None = None,
) -> int:
    """How many values `list` would find, exactly."""
    wanted = Filters(
        namespace=namespace,
        key_prefix=key_prefix,
        user_id=user_id,
        updated_after=updated_after,
        updated_before=updated_before,
    )
    return listing.counted(ctx, memory_spaces.reads(ctx, space), wanted)


@mutation(explain=explain)
def delete(ctx: MutationCtx, namespace: str, key: str, space: str | None = None) -> MutableDeleted:
    """Delete a value for good. Refuses: `MUTABLE_KEY_NOT_FOUND`."""
    reach = memory_spaces.writes(ctx, space, "delete a value")
    ctx.db.delete(storing.reached(ctx, reach, namespace, key))
    return MutableDeleted(deleted=True, namespace=namespace, key=key)


@mutation(explain=explain)
def purge(ctx: MutationCtx, namespace: str, key: str, space: str | None = None) -> MutableDeleted:
    """The same as `delete`."""
    reach = memory_spaces.writes(ctx, space, "delete a value")
    ctx.db.delete(storing.reached(ctx, reach, namespace, key))
    return MutableDeleted(deleted=True, namespace=namespace, key=key)


@action(explain=explain)
def purge_namespace(ctx: ActionCtx, namespace: str, dry_run: bool = False, space: str | None = None) -> MutablesDeleted:
    """Delete every value of a namespace that the caller reaches, part by part.

    Args:
        dry_run: only say how many and which it would be.
    """
    may.signed_in(ctx, "delete values")
    return purging.carried_out(ctx, space, Filters(namespace=namespace), dry_run)


@action(explain=explain)
def purge_many(
    ctx: ActionCtx,
    namespace: str,
    key_prefix: str | None = None,
    user_id: str | None = None,
    updated_before: float | None = None,
    last_accessed_before: float | None = None,
    dry_run: bool = False,
    space: str | None = None,
) -> MutablesDeleted:
    """Delete the values of a namespace that fit, part by part.

    Args:
        last_accessed_before: refused: nothing is written down when a value is read.
        dry_run: only say how many and which it would be.

    Refuses: `MISSING_FILTER` without one of `keyPrefix`, `userId` and `updatedBefore`; `UNSUPPORTED_FILTER`.
    """
    may.signed_in(ctx, "delete values")
    if last_accessed_before is not None:
        sentence = "nothing is written down when a value is read; use updatedBefore"
        raise refused("UNSUPPORTED_FILTER", sentence, "lastAccessedBefore")
    if key_prefix is None and user_id is None and updated_before is None:
        raise refused("MISSING_FILTER", "name a keyPrefix, a userId or a time; purgeNamespace deletes all of a namespace")
    wanted = Filters(namespace=namespace, key_prefix=key_prefix, user_id=user_id, updated_before=updated_before)
    return purging.carried_out(ctx, space, wanted, dry_run)


@mutation(explain=explain)
def transaction(ctx: MutationCtx, operations: list[Operation], space: str | None = None) -> TransactionView:
    """Up to 25 operations in one commit: all of them take effect, or none. A later one sees what an earlier one did.

    Args:
        operations: `{op, namespace, key}` with `value` for `set` and `update`, `amount` for `increment` and `decrement`;
            at most 256 KB of values, in at most 10 namespaces.

    Refuses: `EMPTY_OPERATIONS_ARRAY`, `TOO_MANY_OPERATIONS`, `INVALID_TRANSACTION_OPERATION`, and what an operation by itself
    would be refused for; `field` and `operation` name it.
    """
    return transactions.run(ctx, memory_spaces.writes(ctx, space, "change values"), operations)
