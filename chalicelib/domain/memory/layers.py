"""The layers of memory that an erasure goes through, one line each at the end of this file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any, get_args, get_type_hints

from chalicelib import MutationCtx
from chalicelib.domain.conversations import erasure as conversations
from chalicelib.domain.memories.access import key_of
from chalicelib.domain.memory.erasure import Layer, Work
from chalicelib.schema import Erasure, Fact, Immutable, ImmutableVersion, Memory, MemoryErasure, MemoryVersion, Mutable

COST = 12
"""What erasing one memory writes at most: the row, its entries in its searches and indexes."""


def _memories(ctx: MutationCtx, work: Work) -> float | None:
    """First the memories, so that they are gone at once, then their earlier versions."""
    rows = _meant(ctx, work, Memory, work.actions // COST)
    for row in rows:
        work.remove(ctx, row, cost=COST)
        if row.version > 1:
            work.children.append(row.id)
    if work.ids or (rows and work.ids is None):
        return ctx.now
    return _versions(ctx, work, MemoryVersion)


def _versions(ctx: MutationCtx, work: Work, table: Any) -> float | None:
    """The logs of versions of what was erased: nobody adds to them any more."""
    while work.children and work.actions > 0:
        fit = work.actions
        kept = ctx.db.peek_log(table.log(work.children[0]), fit, newest=False)
        for each in kept:
            work.remove(ctx, each)
        if len(kept) == fit:
            return ctx.now
        work.children.pop(0)
    return ctx.now if work.children else None


def _values(ctx: MutationCtx, work: Work) -> float | None:
    """A user's values, in all spaces."""
    rows = ctx.db.query(Mutable.by_user_everywhere(work.receipt.user_id)).take(work.actions // COST)
    for row in rows:
        work.remove(ctx, row, cost=COST)
    return ctx.now if rows else None


def _records(ctx: MutationCtx, work: Work) -> float | None:
    """A user's records, in all spaces: of some the versions first, then the next; then the user's versions of others' records."""
    following = _versions(ctx, work, ImmutableVersion)
    if following is not None:
        return following
    rows = ctx.db.query(Immutable.by_user_everywhere(work.receipt.user_id)).take(work.actions // COST)
    for row in rows:
        work.remove(ctx, row, cost=COST)
        work.children.append(row.record)
    return ctx.now if rows else _handed_over(ctx, work)


def _handed_over(ctx: MutationCtx, work: Work) -> float | None:
    """Versions of a record from before it became another's: emptied, because the numbers and times of a record stay."""
    taken = ctx.db.query(ImmutableVersion.by_taken_from_everywhere(work.receipt.user_id)).take(1)
    if not taken:
        return None
    (by,) = taken
    place, _, below = work.parts.pop("handedOver", "").partition(" below ")
    log = ImmutableVersion.log(by.record).before(int(below) if place == by.id else by.version)
    rows = ctx.db.query(log).newest().take(work.actions - COST)
    theirs = list(takewhile(lambda each: each.user_id == work.receipt.user_id, rows))
    for each in theirs:
        ctx.db.patch(each, data={}, metadata=None, user_id=None, erased=True)
        work.note({ImmutableVersion.table_name: 1}, f"{ImmutableVersion.table_name}|{each.id}")
    if theirs and len(theirs) == work.actions - COST:
        work.parts["handedOver"] = f"{by.id} below {theirs[-1].version}"
        return ctx.now
    _cleared(work, by.space)
    ctx.db.patch(by, taken_from=None, space=None)
    return ctx.now


def _cleared(work: Work, space: str | None) -> None:
    """The indexes of a space are cleared of what its record said while it was the user's."""
    if space is not None and space not in work.spaces:
        work.spaces.append(space)


def _facts(ctx: MutationCtx, work: Work) -> float | None:
    """Facts, the superseded ones, too. By name none is meant: who forgets a memory deletes its facts in the same commit."""
    if work.ids is not None:
        return None
    rows = _meant(ctx, work, Fact, work.actions // COST)
    for row in rows:
        work.remove(ctx, row, cost=COST)
    return ctx.now if rows else None


def _meant(ctx: MutationCtx, work: Work, table: Any, most: int) -> list[Any]:
    """The next rows that an erasure means, of a table with spaces and owners."""
    if work.ids is not None:
        some, work.ids = work.ids[:most], work.ids[most:]
        return [row for each in some if (row := ctx.db.get(table, each)) is not None]
    found: list[Any] = []
    for each in _ranges(work.receipt, table):
        if len(found) < most:
            found += ctx.db.query(each).take(most - len(found))
    return found


def _ranges(receipt: MemoryErasure, table: Any) -> Iterator[Any]:
    """Where the rows of whom and what an erasure means stand."""
    owner = key_of(receipt.user_id, None)
    if receipt.space is None:
        yield table.by_owner_everywhere(owner)
        return
    for each in get_args(get_type_hints(table)["status"]):
        yield table.by_space(receipt.space, each) if receipt.user_id is None else table.by_owner(receipt.space, each, owner)


def _conversations(ctx: MutationCtx, work: Work) -> float | None:
    """A user's conversations, by their own erasure, whose receipt becomes a part of this one."""
    inner = work.parts.get("conversations")
    if inner is None:
        begun = conversations.begin(ctx, [], {"userId": work.receipt.user_id}, wait_ms=conversations.SAFETY_MS)
        work.parts["conversations"] = begun.id
        return ctx.now
    following = conversations.continue_erasure(ctx, inner)
    receipt = ctx.db.get(Erasure, inner)
    if following is not None or receipt is None or receipt.state != "completed":
        return following if receipt is not None else None
    work.note(receipt.erased, receipt.digest)
    del work.parts["conversations"]
    ctx.db.delete(receipt)
    return None


MEMORIES = Layer("memories", _memories, (Memory.by_text, Memory.by_meaning))
FACTS = Layer("facts", _facts, (Fact.by_text,))
LAYERS: list[Layer] = [
    MEMORIES,
    FACTS,
    Layer("immutable", _records, (Immutable.by_words,), whole_user_only=True),
    Layer("mutable", _values, whole_user_only=True),
    Layer("conversations", _conversations, whole_user_only=True),
]
"""In the order of erasure; conversations last, because what was made of them refers to them."""
