"""The mutable store: values by namespace and key, of which only the newest is kept."""

from __future__ import annotations

from typing import Any

import msgspec

from chalicelib import Index, Table


class Mutable(Table, name="mutables"):
    """One value. Its id is a digest of space, namespace and key, so there is one."""

    space: str
    namespace: str
    entry: str = msgspec.field(name="key")
    """The key in its namespace; a table's own `key` is another thing."""
    value: Any
    """Any JSON value, null too."""
    user_id: str | None = None
    """Whose it is, where it is somebody's: that user sees it, and it goes when the user's data go."""
    metadata: Any = None
    """What its writer keeps with it."""
    revision: str
    """Another with every change: who changes a value that was read before names the revision that it read."""
    updated_at: float

    by_namespace = Index("space", "namespace", order="entry")
    """A namespace's values, in the order of their keys: also those whose keys begin alike."""
    by_user = Index("space", "namespace", "user_id", order="entry")
    """A user's values in a namespace."""
    by_user_everywhere = Index("user_id")
    """A user's values in all spaces. Asked by the erasure of a user's data."""
