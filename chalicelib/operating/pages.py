"""Pages of what no index lists: all documents of a table within one org, in the order of the store's keys."""

from __future__ import annotations

import re
from typing import Any

from chalicelib import Page, PaginationOptions
from chalicelib.data.database import Reader, engines_pages
from chalicelib.data.errors import BadRequest
from chalicelib.data.tables import TABLES, Table

SORTED = 1_000
"""So many documents are sorted by when they were made; of more the order is the store's."""
_SORTED = re.compile(r"sorted:([0-9]{1,4})")
"""A cursor among them: how many have been shown."""


def table_of(name: str) -> type[Table]:
    """A declared table. Raises `BadRequest`."""
    table = TABLES.get(name)
    if table is None:
        raise BadRequest(f"There is no table {name!r}; there are {', '.join(sorted(TABLES))}.", "NoSuchTable")
    return table


def documents(db: Reader, table: type[Table], options: PaginationOptions, *, newest: bool) -> Page[dict[str, Any]]:
    """A page of a table's documents, as records, read as they are now: such a page is not live.

    Args:
        newest: sort by creation, the newest first; only where the table has at most 1,000 documents in this org.
    """
    many = int(max(1, min(options.num_items, SORTED)))
    place = _SORTED.fullmatch(options.cursor or "sorted:0")
    if place is not None:
        first, after = engines_pages(db, table, None, SORTED)
        if after is None:
            first.sort(key=lambda each: (each["_creationTime"], each["_id"]), reverse=newest)
            end = int(place[1]) + many
            return Page(page=first[int(place[1]) : end], is_done=len(first) <= end, continue_cursor=f"sorted:{end}")
    # Too many to be sorted; where they were few a page ago, they are shown from the beginning.
    found, after = engines_pages(db, table, options.cursor if place is None else None, many)
    return Page(page=found, is_done=after is None, continue_cursor=after or "")
