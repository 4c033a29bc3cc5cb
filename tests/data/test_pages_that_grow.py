"""Pages that grow, read as `usePaginatedQuery` reads them: split until each is whole, and together exactly what there is."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.data.errors import BadRequest
from chalicelib.data.paging import (
    FILL_BYTES,
    LARGEST_BYTES,
    LARGEST_PAGE,
    InvalidCursor,
    Journal,
    Page,
    PaginationOptions,
    read_page,
)
from chalicelib.data.tables import SYSTEM_SPECS, Index, Range, Table, spec
from chalicelib.data.transaction import Transaction
from chalicelib.data.values import dumps, encode
from infra.local.sqlite.store import SqliteStore


class Grown(Table, name="grownRows"):
    """A row of an index."""

    place: str
    rank: float
    text: str = ""
    by_place = Index("place", order="rank")


class GrownEntry(Table, name="grownEntries", key=("place", "rank")):
    """A row of a log."""

    place: str
    rank: int
    text: str = ""


SPECS = [*SYSTEM_SPECS, spec(Grown), spec(GrownEntry)]


def range_of(kind: str) -> Range:
    return Grown.by_place("here") if kind == "index" else GrownEntry.log("here")


def insert(tx: Transaction, kind: str, rank: int, chars: int) -> None:
    made = (Grown if kind == "index" else GrownEntry)(id=f"r{rank}", place="here", rank=rank, text="語" * chars)
    tx.insert(made)


def rows_of(page: Page[Any]) -> list[int]:
    return [int(rec["rank"]) for rec in page.page]


def size_of(page: Page[Any]) -> int:
    return sum(len(dumps(encode(rec)).encode()) for rec in page.page)


@dataclass
class Tab:
    """What the hook keeps: its pages, each with where it begins, where it must end, and its journal."""

    tx: Transaction
    kind: str
    newest: bool
    items: int
    limits: dict[str, float] = field(default_factory=dict)
    pages: list[dict[str, Any]] = field(default_factory=list)

    def look(self) -> list[Page[Any]]:
        """Ask for each page, and for the halves of those that are to be split, until none is."""
        if not self.pages:
            self.pages.append({"cursor": None, "end": None, "journal": None})
        for _ in range(2000):
            found = [self._ask(page) for page in self.pages]
            at = next((number for number, page in enumerate(found) if self._splits(page)), None)
            if at is None:
                return found
            whole, told = self.pages[at], found[at]
            first = {"cursor": whole["cursor"], "end": told.split_cursor, "journal": None}
            second = {"cursor": told.split_cursor, "end": told.continue_cursor, "journal": None}
            self.pages[at : at + 1] = [first, second]
        raise AssertionError("it is split for ever")

    def more(self) -> None:
        """Load the page after the last one."""
        self.pages.append({"cursor": self.look()[-1].continue_cursor, "end": None, "journal": None})

    def _ask(self, page: dict[str, Any]) -> Page[Any]:
        journal = Journal(page["journal"])
        options = PaginationOptions(
            num_items=self.items,
            cursor=page["cursor"],
            end_cursor=page["end"],
            maximum_rows_read=self.limits.get("rows"),
            maximum_bytes_read=self.limits.get("bytes"),
        )
        told = read_page(self.tx, range_of(self.kind), self.newest, journal, options)
        page["journal"] = journal.kept
        assert len(told.page) <= min(LARGEST_PAGE, self.limits.get("rows", LARGEST_PAGE))
        assert size_of(told) <= self.limits.get("bytes", LARGEST_BYTES) or len(told.page) == 1
        assert (told.page_status != "SplitRequired") or told.split_cursor is not None
        return told

    def _splits(self, page: Page[Any]) -> bool:
        return page.split_cursor is not None and (page.page_status is not None or len(page.page) > 2 * self.items)


sizes = st.sampled_from([0, 1, 200, 3000, 9900, 40_000])
documents = st.dictionaries(st.integers(0, 400), sizes, max_size=40)


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(["index", "log"]),
    newest=st.booleans(),
    items=st.integers(1, 12),
    first=documents,
    later=st.lists(documents, max_size=3),
    limits=st.fixed_dictionaries({}, optional={"rows": st.integers(1, 30), "bytes": st.integers(1, 100_000)}),
)
def test_a_tab_that_splits_its_pages_shows_exactly_what_there_is(
    kind: str,
    newest: bool,
    items: int,
    first: dict[int, int],
    later: list[dict[int, int]],
    limits: dict[str, float],
) -> None:
    tx = Transaction(SqliteStore(":memory:", SPECS), "acme", now_ms=1.0, writable=True)
    known: dict[int, int] = {}
    tab = Tab(tx, kind, newest, items, limits)
    for step in (first, *later):
        for rank, chars in step.items():
            if rank not in known:
                known[rank] = chars
                insert(tx, kind, rank, chars)
        found = tab.look()
        shown = [rank for page in found for rank in rows_of(page)]
        order = sorted(known, reverse=newest)
        assert shown == (order if found[-1].is_done else order[: len(shown)])
        if not found[-1].is_done:
            tab.more()


def test_a_page_whose_end_is_named_has_no_journal_that_a_reconnect_would_send_again() -> None:
    tx = Transaction(SqliteStore(":memory:", SPECS), "acme", now_ms=1.0, writable=True)
    for rank in range(6):
        insert(tx, "index", rank, 10)
    journal = Journal()
    first = read_page(tx, range_of("index"), False, journal, PaginationOptions(num_items=4))
    assert journal.kept == first.continue_cursor
    named = Journal()
    read_page(tx, range_of("index"), False, named, PaginationOptions(num_items=4, end_cursor=first.split_cursor))
    assert named.kept is None


def test_a_page_is_filled_to_its_bytes_and_no_document_is_too_large_for_one() -> None:
    tx = Transaction(SqliteStore(":memory:", SPECS), "acme", now_ms=1.0, writable=True)
    for rank, chars in enumerate([9900, 9900, 9900, 9900, 100_000, 10, 10]):
        insert(tx, "index", rank, chars)
    tab = Tab(tx, "index", False, 50)
    for expected in ([0, 1], [2, 3], [4], [5, 6]):
        assert rows_of(tab.look()[-1]) == expected
        assert size_of(tab.look()[-1]) <= FILL_BYTES or expected == [4]
        tab.more()
    assert tab.look()[-1].is_done


@pytest.mark.parametrize("name", ["num_items", "maximum_rows_read", "maximum_bytes_read"])
@pytest.mark.parametrize("given_", [math.nan, math.inf, -math.inf, 0, -1, 0.5])
def test_a_bound_that_is_none_is_named(name: str, given_: float) -> None:
    tx = Transaction(SqliteStore(":memory:", SPECS), "acme")
    options = PaginationOptions(**{"num_items": 10, name: given_})
    with pytest.raises(BadRequest, match=r"paginationOpts\.(numItems|maximumRowsRead|maximumBytesRead) is "):
        read_page(tx, range_of("index"), False, Journal(), options)


MARKS = [7, -1, 2**70, 1.5, None, True, "x", "\ud83d", [], {}, ["_end"], {"a": 1}]


@pytest.mark.parametrize("kind", ["index", "log"])
@pytest.mark.parametrize("mark", MARKS, ids=repr)
@pytest.mark.parametrize("where", ["cursor", "end_cursor"])
def test_a_cursor_made_by_hand_is_refused_or_a_place_in_its_own_range(kind: str, mark: Any, where: str) -> None:
    tx = Transaction(SqliteStore(":memory:", SPECS), "acme", now_ms=1.0, writable=True)
    for rank in range(5):
        insert(tx, kind, rank, 1)
    true = read_page(tx, range_of(kind), False, Journal(), PaginationOptions(num_items=2)).continue_cursor
    fingerprint, _ = json.loads(base64.urlsafe_b64decode(true))
    forged = base64.urlsafe_b64encode(json.dumps([fingerprint, mark]).encode()).decode()
    try:
        page = read_page(tx, range_of(kind), False, Journal(), PaginationOptions(num_items=2, **{where: forged}))
    except InvalidCursor:
        assert not isinstance(mark, str if kind == "index" else int) or mark in (True, 2**70, "\ud83d")
    else:
        assert set(rows_of(page)) <= set(range(5))


@pytest.mark.parametrize("cursor", ["", "ü", "AAAA", "W10=", "e30=", base64.urlsafe_b64encode(b"[" * 5000).decode()])
def test_what_is_no_cursor_starts_the_pages_again(cursor: str) -> None:
    tx = Transaction(SqliteStore(":memory:", SPECS), "acme")
    with pytest.raises(InvalidCursor):
        read_page(tx, range_of("index"), False, Journal(), PaginationOptions(num_items=2, cursor=cursor))
