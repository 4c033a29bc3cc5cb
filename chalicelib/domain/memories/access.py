"""Who may see and change a memory (invariant 9).

A user has the memories with its `userId`, an agent those with its `agentId` that are no user's (`owner`). The org's own backend,
a token with the role `service`, and this backend's own jobs have all of their org. To everybody else a memory is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain import access, members
from chalicelib.domain.conversations.access import acts_for_org
from chalicelib.domain.conversations.codes import check_id, refused
from chalicelib.domain.machines import workers
from chalicelib.domain.memories.codes import not_found
from chalicelib.schema import Memory

ORG = "org"
"""The owner of what is nobody's in particular: the org's own backend has it."""


@dataclass(frozen=True)
class Who:
    """A caller: one user or agent by the owner's key of its memories, or the org's backend, which has everything."""

    owner: str
    name: str = ""

    @property
    def everything(self) -> bool:
        """Whether it is the org's backend."""
        return self.owner == ORG

    def owns(self, row: Any) -> bool:
        """Whether a memory or a fact is this caller's."""
        return self.everything or bool(row.owner == self.owner)


def key_of(user_id: str | None, agent_id: str | None) -> str:
    """The owner's key of what is stored for these."""
    return f"user:{user_id}" if user_id is not None else f"agent:{agent_id}" if agent_id is not None else ORG


def asks(ctx: QueryCtx | MutationCtx) -> Who | None:
    """Who reads; None for nobody, and for workers, which have no memories."""
    user = ctx.user
    if user is None or workers.is_worker(user):
        return None
    if acts_for_org(user):
        return Who(ORG)
    me = members.caller(ctx)
    return Who(f"{me.kind}:{me.name}", me.name)


def writes(ctx: MutationCtx, to_do: str) -> Who:
    """Who writes. Raises `Refused` for nobody."""
    access.signed_in(ctx, to_do)
    who = asks(ctx)
    assert who is not None  # `signed_in` has refused nobody, and workers
    return who


def owner(who: Who, user_id: str | None, agent_id: str | None) -> tuple[str | None, str | None]:
    """Whose a new memory is: what the caller says, as far as it may. Raises `Refused`."""
    for field, value in (("userId", user_id), ("agentId", agent_id)):
        if value is not None:
            check_id(value, field)
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
    who = writes(ctx, to_do)
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
