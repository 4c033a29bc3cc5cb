"""What a turn leaves to be written: alone where that does no harm, else together with a look at the lease."""

from __future__ import annotations

from typing import Any

from chalicelib.data.errors import ConditionFailed
from chalicelib.data.store import Action, Delete, Update
from chalicelib.live.mailbox import Held, LeaseLost, retry_until_done
from chalicelib.live.world import World

ALONE = 3
"""How many harmless writes are made one by one."""


def write_leavings(world: World, held: Held, left: list[Action]) -> None:
    """A few harmless writes go alone, which costs a third; others go together, while the lease is ours. Raises `LeaseLost`."""
    if len(left) <= ALONE and all(isinstance(each, Update) or _is_frame(each) for each in left):
        for each in left:
            _write_alone(world, each)
    else:
        # A second try of this transaction must not meet its own digests, so their conditions stay away: the lease is checked.
        world.mailboxes.beside(held, [Update(each.key, each.set) if isinstance(each, Update) else each for each in left])


def _write_alone(world: World, write: Any) -> None:
    try:
        retry_until_done(world.clock, lambda: world.store.write(write))
    except ConditionFailed as refused:
        if refused.old is None or refused.old.get("digest") != write.set[("digest",)]:
            raise LeaseLost from refused
        # else it is our own write, whose answer was lost


def _is_frame(action: Action) -> bool:
    return isinstance(action, Delete) and action.key.table == "inbox"
