"""Who may see and change a memory (invariant 9).

A user has the memories with its `userId`, an agent those with its `agentId` that are no user's (`owner`), in whatever space of
the org these stand. `domain/memory_spaces.py` says who calls, and what may be added to a space that is somebody's own. To
everybody else a memory is not there.
"""

from __future__ import annotations

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain import memory_spaces
from chalicelib.domain.conversations.codes import check_id, refused
from chalicelib.domain.memories.codes import not_found
from chalicelib.domain.memory_spaces import Who as Who
from chalicelib.domain.memory_spaces import asks as asks
from chalicelib.domain.memory_spaces import writer as writer
from chalicelib.schema import Memory


def key_of(user_id: str | None, agent_id: str | None) -> str:
    """The owner's key of what is stored for these."""
    return f"user:{user_id}" if user_id is not None else f"agent:{agent_id}" if agent_id is not None else memory_spaces.ORG


def owner(who: Who, space: str, user_id: str | None, agent_id: str | None) -> tuple[str | None, str | None]:
    """Whose a new memory of a space is: what the caller says, as far as it may. Raises `Refused`."""
    for field, value in (("userId", user_id), ("agentId", agent_id)):
        if value is not None:
            check_id(value, field)
    user_id, agent_id = memory_spaces.in_own_space(who, space, user_id, agent_id)
    if who.everything:
        return user_id, agent_id
    if who.owner.startswith("agent:"):
        if user_id is not None or agent_id not in (None, who.name):
            raise refused("FORBIDDEN", "an agent remembers for itself; for users the org's backend does", "userId")
        return None, who.name
    if user_id not in (None, who.name):
        raise refused("FORBIDDEN", "you remember for yourself; for others only the org's backend does", "userId")
    return who.name, agent_id


def found(ctx: QueryCtx | MutationCtx, space: str, memory_id: str) -> Memory | None:
    """A memory of a space, for whose it is; None for everybody else, and in every other space."""
    who = asks(ctx)
    check_id(space, "space")
    row = ctx.db.get(Memory, memory_id) if who is not None and usable(memory_id) else None
    return row if row is not None and who is not None and who.owns(row) and row.space == space else None


def reached(ctx: MutationCtx, space: str, memory_id: str, to_do: str) -> Memory:
    """A memory for who may change it. Raises `Refused`: `MEMORY_NOT_FOUND`; `PERMISSION_DENIED` where it is in another space."""
    who = writer(ctx, to_do)
    check_id(space, "space")
    row = ctx.db.get(Memory, memory_id) if usable(memory_id) else None
    if row is None or not who.owns(row):
        raise not_found()
    if row.space != space:
        raise refused("PERMISSION_DENIED", "this memory is in another space", "space")
    return row


def usable(memory_id: str) -> bool:
    """Whether a text can be an id at all."""
    return bool(memory_id) and len(memory_id.encode()) <= 512
