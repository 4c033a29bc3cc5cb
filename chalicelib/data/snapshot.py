"""Was there one instant at which everything a query saw was true?

After a query, the versions of its read set are read once more by TransactGetItems. An item that no transaction holds
at the second look, with the version of the first look, was outside every transaction then in flight: so all of them
held together at the moment between the two looks. Plain reads would not do: they may meet the same half twice.

TransactGetItems takes 100 items. Of more, the parts are looked at one after the other, and all that was seen held at the
moment of the *first*: a version is given once, so an item that has it before and after that moment had it then. Absence is
no version: what was absent twice may have been there between. So absent items are looked at first, in one part; a fence
alone may come later, for it is never deleted.

A store that can show one instant needs no second look, and no bound: `look` reads there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from chalicelib.data.capabilities import instants
from chalicelib.data.errors import Contention
from chalicelib.data.reads import ReadSet, version_of
from chalicelib.data.store import Store

LARGEST_SNAPSHOT = 400
"""Beyond this many items, or 100 that are not there, a query is exact per item only (published); pages default to less."""
WAIT_SECONDS = 0.02
WAITS = 100


@dataclass(frozen=True)
class Look:
    """Where one evaluation reads.

    Args:
        store: what it reads from.
        number: the last commit that it shows, where the store shows one instant; else None.
    """

    store: Store
    number: int | None = None

    def holds(self, reads: ReadSet, pause: Callable[[float], None] = time.sleep) -> bool:
        """Whether all that was read here was true at one instant."""
        return not reads.torn if self.number is not None else holds(self.store, reads, pause)


_together: ContextVar[Look | None] = ContextVar("together", default=None)


@contextmanager
def together(store: Store) -> Iterator[None]:
    """All evaluations in this block, in this thread, read at one instant, where the store can show one. Raises `StoreFailed`."""
    with look(store) as found:
        token = _together.set(found if found.number is not None else None)
        try:
            yield
        finally:
            _together.reset(token)


@contextmanager
def look(store: Store) -> Iterator[Look]:
    """A place to read from, for one evaluation: one instant of the store, if it can show one. Raises `StoreFailed`."""
    shared = _together.get()
    if shared is not None:
        yield shared
        return
    instant = instants(store)
    if instant is None:
        yield Look(store)
        return
    with instant() as view:
        yield Look(view, view.number)


def holds(store: Store, reads: ReadSet, pause: Callable[[float], None] = time.sleep) -> bool:
    """Whether all that `reads` saw was true at one instant. Waits for transactions in flight; False = run again."""
    if reads.torn:
        return False
    keys = sorted(reads.versions, key=lambda key: reads.versions[key] is not None or key.table == "fences")
    if not keys or len(keys) > LARGEST_SNAPSHOT:
        return True
    for start in range(0, len(keys), 100):
        part = keys[start : start + 100]
        for _ in range(WAITS):
            try:
                items = store.transact_get(part)
                break
            except Contention:
                pause(WAIT_SECONDS)
        else:
            raise Contention(part[0].table)
        if any(version_of(key, item) != reads.versions[key] for key, item in zip(part, items, strict=True)):
            return False
    return True
