"""Every call of the immutable store, as a value: what to send, and how to read the answer. Nothing here does I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from concave_client import store_checks as checks
from concave_client.calls import Call
from concave_client.errors import ValidationError
from concave_client.models import from_wire


@dataclass(frozen=True, kw_only=True)
class PreviousVersion:
    """A version that was replaced; `data` in `get` only, as far as the answer has room."""

    version: int
    timestamp: float
    data: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ImmutableRecord:
    """A record in its newest version. Times are milliseconds since the epoch."""

    space: str
    type: str
    id: str
    version: int
    data: Any
    created_at: float
    updated_at: float
    user_id: str | None = None
    metadata: Any = None
    previous_versions: list[PreviousVersion] = field(default_factory=list)
    list_truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class ImmutableVersion:
    """One version of a record."""

    type: str
    id: str
    version: int
    data: Any
    timestamp: float
    user_id: str | None = None
    metadata: Any = None
    list_truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class ImmutableHit:
    """A record that was found."""

    entry: ImmutableRecord
    score: float
    highlights: list[str]


@dataclass(frozen=True, kw_only=True)
class ImmutablePurged:
    """A record that is gone, with all of its versions."""

    deleted: bool
    type: str
    id: str
    versions_deleted: int


@dataclass(frozen=True, kw_only=True)
class ImmutablesPurged:
    """Several records that are gone, or with `dry_run` those that would be; `entries` has `type/id` of each."""

    deleted: int
    total_versions_deleted: int
    entries: list[str]
    dry_run: bool
    would_delete: int | None = None


@dataclass(frozen=True, kw_only=True)
class VersionsPurged:
    """Old versions that are gone."""

    versions_purged: int
    versions_remaining: int


def _record(value: Any) -> ImmutableRecord:
    return from_wire(ImmutableRecord, value)


def _version(value: Any) -> ImmutableVersion | None:
    return None if value is None else from_wire(ImmutableVersion, value)


def _place(type: str, id: str, space: str | None) -> dict[str, Any]:
    checks.text(type, "type", "INVALID_TYPE", checks.LONGEST_TYPE)
    checks.text(id, "id", "INVALID_ID")
    checks.space(space)
    return {"type": type, "id": id, "space": space}


def store(
    type: str,
    id: str,
    data: dict[str, Any],
    *,
    user_id: str | None = None,
    metadata: dict[str, Any] | None = None,
    space: str | None = None,
) -> Call[ImmutableRecord]:
    """Store a record: version 1 where there is none of this type and id, else the next one.

    Args:
        data: a dict up to 64 KB as JSON; `{}` is one.
        user_id: whose it is. What is not said stays as it was.

    Raises `ConversationError`: `FORBIDDEN`.
    """
    args = _place(type, id, space)
    if not isinstance(data, dict):
        raise ValidationError("INVALID_DATA", "data is an object", "data")
    if checks.size(data, "data", "INVALID_DATA") > checks.LARGEST_VALUE:
        raise ValidationError("DATA_TOO_LARGE", f"data holds {checks.LARGEST_VALUE} bytes as JSON", "data")
    checks.user(user_id)
    checks.metadata(metadata)
    return Call("mutation", "immutable:store", {**args, "data": data, "userId": user_id, "metadata": metadata}, _record)


def get(type: str, id: str, *, space: str | None = None) -> Call[ImmutableRecord | None]:
    """A record in its newest version, with the newest ten before it; None where there is none."""
    args = _place(type, id, space)
    return Call("query", "immutable:get", args, lambda value: None if value is None else _record(value))


def get_version(type: str, id: str, version: int, *, space: str | None = None) -> Call[ImmutableVersion | None]:
    """One version; None where there is none, or none any more."""
    args = _place(type, id, space)
    if version is None:
        raise ValidationError("INVALID_VERSION", "version is required", "version")
    checks.whole(version, 1, None, "version", "INVALID_VERSION")
    return Call("query", "immutable:getVersion", {**args, "version": version}, _version)


def history_part(
    type: str, id: str, *, after_version: int = 0, limit: int | None = None, space: str | None = None
) -> Call[list[ImmutableVersion]]:
    """The versions after one, oldest first, as many as one answer holds."""
    args = _place(type, id, space)
    checks.whole(after_version, 0, None, "afterVersion", "INVALID_VERSION")
    checks.whole(limit, 1, checks.MOST_LISTED, "limit", "INVALID_LIMIT")
    args |= {"afterVersion": after_version, "limit": limit}
    return Call("query", "immutable:getHistory", args, lambda value: [from_wire(ImmutableVersion, each) for each in value])


def get_at_timestamp(
    type: str, id: str, timestamp: float | datetime, *, space: str | None = None
) -> Call[ImmutableVersion | None]:
    """The version that was the newest at a time; None before the first that is kept."""
    args = _place(type, id, space)
    if timestamp is None:
        raise ValidationError("INVALID_TIMESTAMP", "timestamp is required", "timestamp")
    return Call("query", "immutable:getAtTimestamp", {**args, "timestamp": checks.moment(timestamp, "timestamp")}, _version)


def _filters(type: str | None, user_id: str | None, space: str | None) -> dict[str, Any]:
    if type is not None:
        checks.text(type, "type", "INVALID_TYPE", checks.LONGEST_TYPE)
    checks.user(user_id)
    checks.space(space)
    return {"type": type, "userId": user_id, "space": space}


def list_records(
    *,
    type: str | None = None,
    user_id: str | None = None,
    limit: int | None = None,
    offset: int | None = None,
    space: str | None = None,
) -> Call[list[ImmutableRecord]]:
    """Records in their newest version, those that were first stored last at the beginning; 100 unless `limit` says otherwise."""
    args = _filters(type, user_id, space)
    checks.whole(limit, 1, checks.MOST_LISTED, "limit", "INVALID_LIMIT")
    checks.whole(offset, 0, None, "offset", "INVALID_OFFSET")
    args |= {"limit": limit, "offset": offset}
    return Call("query", "immutable:list", args, lambda value: [_record(each) for each in value])


def count(*, type: str | None = None, user_id: str | None = None, space: str | None = None) -> Call[int]:
    """How many records `list` would find."""
    return Call("query", "immutable:count", _filters(type, user_id, space), int)


def search(
    query: str,
    *,
    type: str | None = None,
    user_id: str | None = None,
    limit: int | None = None,
    space: str | None = None,
) -> Call[list[ImmutableHit]]:
    """Records whose newest data have words of `query`, best first."""
    args = _filters(type, user_id, space)
    if not isinstance(query, str) or not query.strip():
        raise ValidationError("MISSING_REQUIRED_FIELD", "query is required and cannot be empty", "query")
    checks.whole(limit, 1, 100, "limit", "INVALID_LIMIT")
    args |= {"query": query, "limit": limit}
    return Call("query", "immutable:search", args, lambda value: [from_wire(ImmutableHit, each) for each in value])


def purge(type: str, id: str, *, space: str | None = None) -> Call[ImmutablePurged]:
    """Delete a record for good, with all of its versions. Raises `ConversationError`: `IMMUTABLE_ENTRY_NOT_FOUND`."""
    return Call("mutation", "immutable:purge", _place(type, id, space), lambda value: from_wire(ImmutablePurged, value))


def purge_many(
    *, type: str | None = None, user_id: str | None = None, dry_run: bool = False, space: str | None = None
) -> Call[ImmutablesPurged]:
    """Delete the records of a type, of a user, or both; `dry_run` only says which."""
    args = _filters(type, user_id, space)
    if type is None and user_id is None:
        raise ValidationError("INVALID_FILTER", "name a type or a user_id")
    return Call("action", "immutable:purgeMany", {**args, "dryRun": dry_run}, lambda value: from_wire(ImmutablesPurged, value))


def purge_versions(type: str, id: str, keep_latest: int, *, space: str | None = None) -> Call[VersionsPurged]:
    """Delete all versions but the latest ones; those that stay keep their numbers.

    Raises `ConversationError`: `IMMUTABLE_ENTRY_NOT_FOUND`.
    """
    args = _place(type, id, space)
    if keep_latest is None:
        raise ValidationError("INVALID_KEEP_LATEST", "keepLatest is required", "keepLatest")
    checks.whole(keep_latest, 1, None, "keepLatest", "INVALID_KEEP_LATEST")
    return Call(
        "mutation", "immutable:purgeVersions", {**args, "keepLatest": keep_latest}, lambda value: from_wire(VersionsPurged, value)
    )
