"""What a reader is told of the mutable store. Times are milliseconds since the epoch."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from chalicelib.schema import Mutable


class MutableView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A value with all that is known of it."""

    space: str
    namespace: str
    key: str
    value: Any
    revision: str
    """What `update` is given to change the value only where it is still this one."""
    created_at: float
    updated_at: float
    user_id: str | None = None
    metadata: Any = None
    list_truncated: bool | None = None
    """On the last one of a list that ends here because of its bytes: ask for the rest with `offset`."""


class MutableDeleted(msgspec.Struct, rename="camel", kw_only=True):
    """A key that is gone."""

    deleted: bool
    namespace: str
    key: str


class MutablesDeleted(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Several keys that are gone, or with `dryRun` those that would be."""

    deleted: int
    keys: list[str]
    """As many as 32 KB hold; `deleted`, or `wouldDelete`, counts all."""
    dry_run: bool
    would_delete: int | None = None


class OperationResult(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """What one operation of a transaction did."""

    op: Literal["set", "update", "delete", "increment", "decrement"]
    namespace: str
    key: str
    revision: str | None = None
    """Absent after a deletion."""
    value: float | None = None
    """The sum, of an increment or a decrement."""


class TransactionView(msgspec.Struct, rename="camel", kw_only=True):
    """A transaction that took effect, all of it."""

    success: bool
    operations_executed: int
    results: list[OperationResult]


def view(row: Mutable) -> MutableView:
    """A document → what its readers see."""
    return MutableView(
        space=row.space,
        namespace=row.namespace,
        key=row.entry,
        value=row.value,
        revision=row.revision,
        created_at=row.creation_time,
        updated_at=row.updated_at,
        user_id=row.user_id,
        metadata=row.metadata,
    )
