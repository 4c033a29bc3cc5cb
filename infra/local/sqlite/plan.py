"""What a list of actions would do to the items that are there: read, judge, compute; nothing is written here."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.aws import rules
from chalicelib.data.errors import ConditionFailed
from chalicelib.data.store import MAX_ITEM_BYTES, MAX_TRANSACTION_BYTES, Action, Check, Delete, Item, Update
from infra.local.sqlite.schema import TableSql
from infra.local.sqlite.values import decode, encode, holds, updated

_TIGHTER = 4
"""An item counts at most this many times its bytes of msgpack in DynamoDB (an empty list: 4 to 1)."""


@dataclass(slots=True)
class Step:
    """One action being carried out: the place, what is there, and what will be."""

    sql: TableSql
    key: tuple[bytes, bytes]
    old_data: bytes | None
    old: Item | None
    new_data: bytes | None = None
    new: Item | None = None
    writes: bool = True


def plan(db: sqlite3.Connection, table: Callable[[str], TableSql], actions: Sequence[Action]) -> list[Step]:
    """The steps of these actions, in order; `table` finds a table's statements by its name.

    Every item is read and every condition judged before anything is computed, so a failed condition is told (all of them:
    `ConditionFailed`) also where another action could not be carried out. Then what DynamoDB refuses is refused.
    """
    steps = [_look(db, table, action) for action in actions]
    failed = [
        position
        for position, (action, step) in enumerate(zip(actions, steps, strict=True))
        if action.condition is not None and not holds(action.condition, step.old)
    ]
    if failed:
        raise ConditionFailed(failed, [steps[position].old for position in failed])
    for action, step in zip(actions, steps, strict=True):
        if isinstance(action, Check):
            step.writes = False
        elif not isinstance(action, Delete):
            new = updated(step.old, action) if isinstance(action, Update) else rules.normal(action.item, action.table)
            step.new, step.new_data = new, encode(new)
    _check_sizes(steps)
    return steps


def _look(db: sqlite3.Connection, table: Callable[[str], TableSql], action: Action) -> Step:
    sql = table(rules.action_table(action))
    place = rules.check_key(sql.spec, rules.action_key(sql.spec, action))
    if isinstance(action, Update):
        rules.check_update(action)
    row = db.execute(sql.get, place).fetchone()
    return Step(sql, place, row[0] if row else None, decode(row[0]) if row else None)


def _check_sizes(steps: Sequence[Step]) -> None:
    """Refuse an item above 400 KB and a transaction above 4 MB; counts exactly only where the bytes on disk come near."""
    written = [step for step in steps if step.new is not None and step.new_data is not None]
    near = sum(len(step.new_data or b"") for step in written) * _TIGHTER > MAX_TRANSACTION_BYTES
    total = 0
    for step in written:
        size = len(step.new_data or b"")
        if near or size * _TIGHTER > MAX_ITEM_BYTES:
            size = rules.item_bytes(step.new or {})
            rules.check_size(step.sql.spec, size)
        total += size
    rules.check_total(total)
