"""Pages: what `usePaginatedQuery` sends, and what it gets (Convex: `PaginationOptions` and `PaginationResult`)."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class PaginationOptions(msgspec.Struct, rename="camel", kw_only=True):
    """Where a page starts and how long it is. `end_cursor`: up to there, whatever `num_items` says. `id` is the client's."""

    num_items: float
    cursor: str | None = None
    id: float | None = None
    end_cursor: str | None = None
    maximum_rows_read: float | None = None
    maximum_bytes_read: float | None = None


class Page(msgspec.Struct, Generic[T], rename="camel", kw_only=True):
    """One page. `continue_cursor` is where the next one starts."""

    page: list[T]
    is_done: bool
    continue_cursor: str
