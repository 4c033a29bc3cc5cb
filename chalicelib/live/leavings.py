"""What a turn leaves to be written: alone where that does no harm, else together with a look at the lease.

And what outlives the connection: that a session has signed in."""

from __future__ import annotations

from typing import Any

from chalicelib.data.errors import ConditionFailed
from chalicelib.data.store import Action, Delete, Key, Update
from chalicelib.live.mailbox import Held, LeaseLost, Mailboxes, retry_until_done
from chalicelib.live.world import World

ALONE = 3
"""How many harmless writes are made one by one."""
SESSION_S = 24 * 3600
"""So long after its last sign-in a session is remembered: connections live two hours, and come back."""


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


def remember_session(world: World, session: str) -> None:
    """Write down that a session has signed in, for a day: it is nobody only when it says so."""
    write = Update(_of(session), {("ttl",): world.clock.now_ms() // 1000 + SESSION_S})
    retry_until_done(world.clock, lambda: world.store.write(write))


def forget_session(world: World, session: str) -> None:
    """It has signed out."""
    retry_until_done(world.clock, lambda: world.store.write(Delete(_of(session))))


def remembers_session(world: World, session: str) -> bool:
    """Whether a session has signed in, and not out."""
    return retry_until_done(world.clock, lambda: world.store.get(_of(session))) is not None


def _of(session: str) -> Key:
    return Mailboxes.key(f"session|{session}")


def _is_frame(action: Action) -> bool:
    return isinstance(action, Delete) and action.key.table == "inbox"
