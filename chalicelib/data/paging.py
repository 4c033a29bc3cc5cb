"""Pages: what `usePaginatedQuery` sends, what it gets, and how a page is read (Convex: `PaginationOptions`, `PaginationResult`).

A page that was loaded once keeps its end: an insert makes it longer and moves nothing into its neighbour. So it may outgrow
a message, which no rule of the reader's can prevent; then it is *split* as Convex's clients understand it. `splitCursor` names
a place in its middle, `pageStatus` says whether the client should (`SplitRecommended`) or must (`SplitRequired`: what is in
`page` ends before the page does) ask for the two halves instead, from `cursor` to `splitCursor` and from there to
`continueCursor`. A client does the same by itself when a page has grown to more than twice what it asked for.

A page is bounded in documents and in bytes: first it is filled to `FILL_BYTES`, then it may grow to `LARGEST_BYTES`. One
document is always told, however large it is.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import msgspec

from chalicelib.data.errors import BadRequest, Refused
from chalicelib.data.records import Rough
from chalicelib.data.tables import HIGHEST, LOWEST, Range, Record
from chalicelib.data.transaction import Row, Transaction
from chalicelib.data.values import digest, dumps, encode

T = TypeVar("T")
U = TypeVar("U")
Status = Literal["SplitRecommended", "SplitRequired"]
LARGEST_PAGE = 200
"""Documents in one page; with their fences and parents they still fit the snapshot."""
FILL_BYTES, ENOUGH_BYTES, LARGEST_BYTES = 64 * 1024, 72 * 1024, 84 * 1024
"""Bytes of a page's documents as JSON: when it is loaded, from where on it should be split, and the most that is told. A
message to a client holds 128 KB, what stands around the documents included."""
ENOUGH_ROWS = LARGEST_PAGE * 3 // 4
END = "_end"


class PaginationOptions(msgspec.Struct, rename="camel", kw_only=True):
    """Where a page starts and how long it is. `end_cursor`: up to there, whatever `num_items` says. `id` is the client's.

    `maximum_rows_read` and `maximum_bytes_read` make the bounds of a page narrower, never wider.
    """

    num_items: float
    cursor: str | None = None
    id: float | None = None
    end_cursor: str | None = None
    maximum_rows_read: float | None = None
    maximum_bytes_read: float | None = None


class Page(msgspec.Struct, Generic[T], rename="camel", kw_only=True):
    """One page. `continue_cursor` is where the next one starts; the module says what `split_cursor` and `page_status` mean."""

    page: list[T]
    is_done: bool
    continue_cursor: str
    split_cursor: str | None = None
    page_status: Status | None = None

    def map(self, view: Callable[[T], U]) -> Page[U]:
        """The same page with each of its documents as something else."""
        return Page(
            page=[view(each) for each in self.page],
            is_done=self.is_done,
            continue_cursor=self.continue_cursor,
            split_cursor=self.split_cursor,
            page_status=self.page_status,
        )

    def only(self, wanted: Callable[[T], bool]) -> Page[T]:
        """The same page without the documents that are not wanted; its ends stay where they are."""
        return msgspec.structs.replace(self, page=[each for each in self.page if wanted(each)])


class InvalidCursor(Refused):
    """A cursor of another query; `usePaginatedQuery` starts again from the first page."""

    def __init__(self) -> None:
        super().__init__("InvalidCursor", "InvalidCursor: this cursor belongs to another query; start from the first page.")
        self.data = {"isConvexSystemError": True, "paginationError": "InvalidCursor", "message": self.message}


class Journal:
    """Where the page of a query ended: given by an earlier run, kept for the next."""

    def __init__(self, given: str | None = None) -> None:
        self.given, self.kept = given, given


@dataclass(frozen=True)
class _Bounds:
    """How much a page may hold; each a positive whole number."""

    items: int
    rows: int
    bytes: int | None

    @classmethod
    def of(cls, options: PaginationOptions) -> _Bounds:
        """Raises `BadRequest` naming the option and its rule."""
        items = _count("numItems", options.num_items, LARGEST_PAGE)
        if items > LARGEST_PAGE:
            raise BadRequest(f"paginationOpts.numItems is 1 to {LARGEST_PAGE}, not {options.num_items}.")
        rows = _count("maximumRowsRead", options.maximum_rows_read, LARGEST_PAGE)
        read = options.maximum_bytes_read
        return cls(items, min(rows, LARGEST_PAGE), None if read is None else _count("maximumBytesRead", read, LARGEST_BYTES))

    def budget(self, most: int) -> int:
        """Bytes, of at most so many."""
        return most if self.bytes is None else min(most, self.bytes)


def _count(name: str, given: float | None, default: int) -> int:
    if given is None:
        return default
    if not math.isfinite(given) or given < 1:
        raise BadRequest(f"paginationOpts.{name} is a number from 1 on, not {given}.")
    return int(given)


def read_page(tx: Transaction, wanted: Range, newest: bool, journal: Journal, options: PaginationOptions) -> Page[Record]:
    """One page after a cursor. On a re-run it ends where it first ended, so neighbours never overlap or part.

    Raises: `InvalidCursor`, and `BadRequest` for options that break a rule.
    """
    bounds, pager = _Bounds.of(options), _Pager(wanted, newest, tx)
    start = pager.decode(options.cursor)
    end = options.end_cursor or journal.given
    last = None if end is None else pager.decode(end)
    if start == END:
        return Page(page=[], is_done=True, continue_cursor=pager.encode(END))
    if end is None:
        return _loaded(pager, start, bounds, journal)
    # Who names the end need not be given it back: a client sends all journals again in the one frame of a reconnect.
    journal.kept = None if options.end_cursor else end
    rows = pager.rows(start, None if last == END else last, bounds.rows + 1)
    size, fit = _fitting(rows[: bounds.rows], bounds.budget(LARGEST_BYTES))
    page = rows[:fit]
    status: Status | None = None
    if fit < len(rows):
        status = "SplitRequired"
    elif fit > 1 and (size > bounds.budget(ENOUGH_BYTES) or fit > ENOUGH_ROWS):
        status = "SplitRecommended"
    return Page(
        page=[rec for _, rec in page],
        is_done=last == END,
        continue_cursor=end,
        split_cursor=pager.middle(page, whole=fit == len(rows)),
        page_status=status,
    )


def _loaded(pager: _Pager, start: Any, bounds: _Bounds, journal: Journal) -> Page[Record]:
    """A page without an end yet: it ends where it is full, in documents or in bytes."""
    wanted = min(bounds.items, bounds.rows)
    rows = pager.rows(start, None, wanted + 1)
    _, fit = _fitting(rows[:wanted], bounds.budget(FILL_BYTES))
    page, done = rows[:fit], fit == len(rows)
    cursor = journal.kept = pager.encode(END if done else pager.mark(page[-1]))
    return Page(
        page=[rec for _, rec in page],
        is_done=done,
        continue_cursor=cursor,
        split_cursor=pager.middle(page, whole=True),
    )


def _fitting(rows: Sequence[Row], most: int) -> tuple[int, int]:
    """Bytes and number of the first rows that fit, but at least of one."""
    size = 0
    for number, (_, rec) in enumerate(rows):
        weight = 0 if isinstance(rec, Rough) else len(dumps(encode(rec)).encode())  # whoever reads a rough one is told so
        if number and size + weight > most:
            return size, number
        size += weight
    return size, len(rows)


class _Pager:
    """Cursors of one range: a position, signed with a fingerprint of the query they belong to."""

    def __init__(self, wanted: Range, newest: bool, tx: Transaction) -> None:
        self.range, self.newest, self.tx = wanted, newest, tx
        self.fingerprint = digest([wanted.address(tx.org), list(wanted.bounds()), newest])[:12]
        self.is_log = wanted.index.is_log

    def encode(self, mark: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps([self.fingerprint, mark]).encode()).decode()

    def decode(self, cursor: str | None) -> Any:
        """The position that a cursor names; None for the beginning. Raises `InvalidCursor`."""
        if cursor is None:
            return None
        try:
            fingerprint, mark = json.loads(base64.urlsafe_b64decode(cursor))
        except (ValueError, binascii.Error, TypeError, RecursionError) as error:
            raise InvalidCursor from error
        if fingerprint != self.fingerprint or not self._is_mark(mark):
            raise InvalidCursor
        return mark

    def _is_mark(self, mark: Any) -> bool:
        """Whether it can be a position here: a cursor may have been made by hand."""
        if mark == END:
            return True
        if self.is_log:
            return type(mark) is int and abs(mark) < 2**53
        return isinstance(mark, str) and not any("\ud800" <= each <= "\udfff" for each in mark)

    def mark(self, row: Row) -> Any:
        """What a cursor remembers of the last row of a page: its number in a log, its position elsewhere."""
        return row[1][self.range.index.table.key[-1]] if self.is_log else row[0]

    def middle(self, page: Sequence[Row], *, whole: bool) -> str | None:
        """Where a page is split; None where it cannot be: of one document that is the whole page, or of none."""
        return None if len(page) < 2 and (whole or not page) else self.encode(self.mark(page[(len(page) - 1) // 2]))

    def rows(self, start: Any, end: Any, limit: int | None) -> list[Row]:
        """Rows after `start` and up to `end`, both in the direction of the query."""
        if self.is_log:
            return self._log_rows(start, end, limit)
        low, high = (end, start) if self.newest else (start, end)
        if not self.newest and low is not None:
            low = low + HIGHEST  # nothing continues a position, so this is just above it
        extra = 1 if self.newest and start is not None else 0
        within = (low or LOWEST, high or HIGHEST)
        rows = self.tx.range(self.range, self.newest, None if limit is None else limit + extra, within)
        return [row for row in rows if row[0] != start][:limit]

    def _log_rows(self, start: Any, end: Any, limit: int | None) -> list[Row]:
        lows, highs = [], []
        if self.range.low is not None:
            lows.append(self.range.low[0] + (0 if self.range.low[1] else 1))
        if self.range.high is not None:
            highs.append(self.range.high[0] - (0 if self.range.high[1] else 1))
        if start is not None:
            (highs if self.newest else lows).append(start - 1 if self.newest else start + 1)
        if end is not None:
            (lows if self.newest else highs).append(end)
        low = (max(lows), True) if lows else None
        high = (min(highs), True) if highs else None
        return self.tx.range(Range(self.range.index, self.range.values, low, high), self.newest, limit)
