"""The immutable store: records by type and id, of which every version is kept."""

from __future__ import annotations

from typing import Any

from chalicelib import Index, Search, Table


class Immutable(Table, name="immutables"):
    """The newest version of a record, and how many there are. Its id is a digest of space, type and id, so there is one."""

    space: str
    type: str
    entry_id: str
    """The id that its writer gave it."""
    version: int
    """Of the newest; one more with every store."""
    oldest: int = 1
    """The oldest version that is kept."""
    record: str
    """Under which its versions stand. One that was purged and comes again has another."""
    recent: list[list[float]] = []
    """The newest ten that were replaced, oldest first: version and time."""
    data: dict[str, Any]
    user_id: str | None = None
    metadata: Any = None
    updated_at: float
    """When the newest version came; each is later than the one before it, whatever the clocks say."""
    words: str = ""
    """The texts in its data, by which it is found."""

    by_words = Search("words", partition=("space",), filter=("type", "user_id"))
    by_space = Index("space")
    """A space's records."""
    by_type = Index("space", "type")
    """Those of one type."""
    by_user = Index("space", "user_id")
    """A user's."""
    by_type_user = Index("space", "type", "user_id")
    """A user's of one type."""
    by_user_everywhere = Index("user_id")
    """A user's records in all spaces. Asked by the erasure of a user's data."""


class ImmutableVersion(Table, name="immutableVersions", key=("record", "version")):
    """One version. It never changes; the newest stands here, too. Of a version that was erased only number and time are left."""

    record: str
    """`Immutable.record`."""
    version: int
    data: dict[str, Any]
    user_id: str | None = None
    metadata: Any = None
    at: float
    """When it came."""
    erased: bool = False
    """Whose it was has had it erased, while the record is another's."""
    taken_from: str | None = None
    """Whose the version before it is, where this one is another's: the record was handed over."""
    space: str | None = None
    """Of the record; where it was handed over only."""

    by_taken_from_everywhere = Index("taken_from")
    """Where somebody's records became another's, in all spaces. Asked by the erasure of a user's data."""
