"""Which places a write touches: where a document stood in its indexes before, and where it stands afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from chalicelib.data import entries
from chalicelib.data.pending import Pending
from chalicelib.data.reads import Touched
from chalicelib.data.store import Key
from chalicelib.data.stored import stored_claims, stored_positions
from chalicelib.data.tables import MARK, Index, Position, Record

Standing = dict[str, tuple[Index, Position]]
"""Where a document is, by the name of the index."""
Move = tuple[Position | None, Position | None]
"""From where to where in one index; None: it was not there, or is not there any more."""


def stored_standing(org: str, pending: Pending) -> Standing:
    """Where the stored document is."""
    return {index.name: (index, place) for index, place in stored_positions(pending.table, org, pending.item)}


def new_standing(pending: Pending) -> Standing:
    """Where the document is once this has been committed."""
    return {name: (pending.table.indexes[name], place) for name, place in pending.places.items()}


def moves(before: Standing, after: Standing) -> Iterator[Move]:
    """The moves in fenced indexes, and the places of those that stay where they are (old == new)."""
    for name in before.keys() | after.keys():
        index, old = before.get(name, (None, None))
        index, new = after.get(name, (index, None))
        if index is not None and not index.eventual and not index.unique:
            yield old, new


def touched_between(org: str, before: Mapping[Key, Pending], after: Mapping[Key, Pending]) -> list[Touched]:
    """The places that were written between two states of one run.

    Args:
        before: what was pending at the savepoint at which a call began.
        after: what is pending now.
    """
    found: dict[Touched, None] = {}
    for key in {**after, **before}:
        then, now = before.get(key), after.get(key)
        if then is not now:
            found |= dict.fromkeys(_touched(org, key, then, now))
    return list(found)


def _touched(org: str, key: Key, then: Pending | None, now: Pending | None) -> Iterator[Touched]:
    pending = now or then
    assert pending is not None
    if not pending.table.is_watched:
        return
    before = stored_standing(org, pending) if then is None else new_standing(then)
    moved = list(moves(before, {} if now is None else new_standing(now)))
    if _is_silent(pending.before if then is None else then.after, now) and all(old == new for old, new in moved):
        return
    if then is not None or not pending.fresh:
        yield key.pk, key.sk or MARK
    for old, new in moved:
        yield from ((place.address, place.order) for place in (old, new) if place is not None)
        if old != new:
            yield from ((place.address, MARK) for place in (old, new) if place is not None)
    if pending.table.sides:
        yield from entries.touched(
            org, pending, pending.before if then is None else then.after, None if now is None else now.after
        )
    held = stored_claims(pending.table, pending.item) if then is None else then.claims()
    yield from ((address, MARK) for address in held ^ (set() if now is None else now.claims()))


def _is_silent(old: Record | None, now: Pending | None) -> bool:
    """Whether all that has changed are fields of which nobody is told."""
    if old is None or now is None or now.after is None or not now.table.silent or now.table.sides:
        return False
    changed = {name for name in old.keys() | now.after.keys() if old.get(name) != now.after.get(name)}
    return bool(changed) and changed <= now.table.silent
