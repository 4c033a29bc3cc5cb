"""What a reader is told of the immutable store. Times are milliseconds since the epoch."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib.schema import Immutable, ImmutableVersion


class PreviousVersion(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A version that was replaced."""

    version: int
    timestamp: float
    data: dict[str, Any] | None = None
    """In `get`, as far as the answer has room; `getVersion` has every one."""


class ImmutableView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A record in its newest version."""

    space: str
    type: str
    id: str
    version: int
    data: dict[str, Any]
    created_at: float
    updated_at: float
    """When the newest version came."""
    user_id: str | None = None
    metadata: Any = None
    previous_versions: list[PreviousVersion] | None = None
    """The newest ten that were replaced and are kept, oldest first, in `store` and `get` only; `getHistory` has all."""
    list_truncated: bool | None = None
    """On the last one of a list that ends here because of its bytes: ask for the rest with `offset`."""


class ImmutableVersionView(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """One version of a record."""

    type: str
    id: str
    version: int
    data: dict[str, Any]
    timestamp: float
    """When it came."""
    user_id: str | None = None
    metadata: Any = None
    list_truncated: bool | None = None
    """On the last one of a history that ends here because of its bytes or its `limit`: go on with `afterVersion`."""


class ImmutableHit(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A record that was found."""

    entry: ImmutableView
    score: float
    highlights: list[str]
    list_truncated: bool | None = None
    """On the last one of a search that had no room for all that it found."""


class ImmutablePurged(msgspec.Struct, rename="camel", kw_only=True):
    """A record that is gone, with all of its versions."""

    deleted: bool
    type: str
    id: str
    versions_deleted: int


class ImmutablesPurged(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Several records that are gone, or with `dryRun` those that would be."""

    deleted: int
    total_versions_deleted: int
    entries: list[str]
    """`type/id` of each, as many as 32 KB hold; `deleted`, or `wouldDelete`, counts all."""
    dry_run: bool
    would_delete: int | None = None


class VersionsPurged(msgspec.Struct, rename="camel", kw_only=True):
    """Old versions that are gone."""

    versions_purged: int
    versions_remaining: int


def view(row: Immutable, *, previous: bool = False) -> ImmutableView:
    """A document → what its readers see."""
    kept = [PreviousVersion(version=int(number), timestamp=at) for number, at in row.recent if number >= row.oldest]
    return ImmutableView(
        space=row.space,
        type=row.type,
        id=row.entry_id,
        version=row.version,
        data=row.data,
        created_at=row.creation_time,
        updated_at=row.updated_at,
        user_id=row.user_id,
        metadata=row.metadata,
        previous_versions=kept if previous else None,
    )


def version_view(row: Immutable, one: ImmutableVersion) -> ImmutableVersionView:
    """A version's document → what its readers see."""
    return ImmutableVersionView(
        type=row.type,
        id=row.entry_id,
        version=one.version,
        data=one.data,
        timestamp=one.at,
        user_id=one.user_id,
        metadata=one.metadata,
    )
