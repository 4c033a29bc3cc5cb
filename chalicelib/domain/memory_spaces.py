"""Spaces of memory: who reaches what of them (invariant 9).

A space is a part of an org, named by its callers; what stands in one is never seen in another. Of these

* `user:` and a user's id, `agent:` and an agent's, are that user's or agent's **own**: there it does as it likes;
* all others are the org's. Its own backend, a token with the role `service`, and this backend's own jobs reach everything in all
  spaces of the org. A user reaches there what has its `userId`.

**Adding.** What has a name that its writer chose (a key, a record's id) is added by others only in their own space, because a
name that is taken tells of whose it is. What has an id of its own (a memory, a fact) may be added to the org's spaces by every
user and agent, for themselves. In another's own space nobody but the org's backend adds anything.

Everybody else is answered as if nothing had ever been there. Who names no space means its own, the org's backend `default`.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain import access, members
from chalicelib.domain.conversations.access import acts_for_org
from chalicelib.domain.conversations.codes import refused
from chalicelib.domain.machines import workers

DEFAULT = "default"
USER, AGENT = "user:", "agent:"
LONGEST_SPACE = 256
"""Characters of a space's name."""
ORG = "org"
"""The owner of what is nobody's in particular: the org's own backend has it."""
_CONTROL = {"Cc", "Cs", "Zl", "Zp"}


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


@dataclass(frozen=True)
class Reach:
    """What a caller reaches of one space."""

    space: str
    user_id: str | None = None
    """Only what has this `userId`; None: all of it."""
    nothing: bool = False
    """The space is the org's, and nothing in it can be this caller's."""
    adds: bool = True
    """Whether it may add something under a new name."""
    caller: str | None = None
    """The user who calls; None for the org's backend and for agents."""
    is_org: bool = False

    def sees(self, user_id: str | None) -> bool:
        """Whether something of this space with this `userId` is there for the caller."""
        return not self.nothing and self.user_id in (None, user_id)

    def narrowed(self, user_id: str | None) -> str | None:
        """The `userId` that a list is cut down to, where its caller has asked for one."""
        return user_id if user_id is not None else self.user_id


def asks(ctx: QueryCtx | MutationCtx) -> Who | None:
    """Who reads; None for nobody, and for workers, which have no memories."""
    user = ctx.user
    if user is None or workers.is_worker(user):
        return None
    if acts_for_org(user):
        return Who(ORG)
    me = members.caller(ctx)
    return Who(f"{me.kind}:{me.name}", me.name)


def writer(ctx: MutationCtx, to_do: str) -> Who:
    """Who writes. Raises `Refused` for nobody."""
    access.signed_in(ctx, to_do)
    who = asks(ctx)
    assert who is not None  # `signed_in` has refused nobody, and workers
    return who


def reads(ctx: QueryCtx | MutationCtx, space: str | None) -> Reach | None:
    """What the caller may read of a space. None for nobody, and for workers, which have no memory."""
    who = asks(ctx)
    if who is None:
        return None
    if who.everything:
        return Reach(checked_space(space) if space is not None else DEFAULT, is_org=True)
    caller = who.name if who.owner.startswith(USER) else None
    if space is None or space == who.owner:
        return Reach(who.owner, caller=caller)
    return Reach(checked_space(space), user_id=caller, nothing=caller is None, adds=False, caller=caller)


def writes(ctx: MutationCtx, space: str | None, to_do: str) -> Reach:
    """What the caller may change of a space. Raises `Refused` for nobody."""
    access.signed_in(ctx, to_do)
    reach = reads(ctx, space)
    assert reach is not None  # `signed_in` has refused nobody, and workers
    return reach


def whose(space: str) -> str | None:
    """The owner's key of a space that is somebody's own; None for the org's."""
    return space if space.startswith((USER, AGENT)) else None


def of_a_user(space: str, user_id: str | None) -> str | None:
    """The `userId` of what is written to a space: in a user's own everything is that user's. Raises `Refused`."""
    if not space.startswith(USER):
        return user_id
    mine = space.removeprefix(USER)
    if user_id not in (None, mine):
        raise refused("INVALID_USER_ID", "what stands in a user's own space is that user's", "userId")
    return mine


def in_own_space(who: Who, space: str, user_id: str | None, agent_id: str | None) -> tuple[str | None, str | None]:
    """Whose something is that is added under an id of its own: as the caller says, and the owner's in a space that is its own.

    Such a thing may be added to the org's spaces by everybody, for themselves: its id tells nothing of others'. Raises `Refused`:
    `FORBIDDEN` in another's own space.
    """
    if not who.everything and whose(space) not in (None, who.owner):
        raise refused("FORBIDDEN", "this space is another's own; add to your own, or to one of the org's", "space")
    user_id = of_a_user(space, user_id)
    if space.startswith(AGENT) and user_id is None and agent_id is None:
        agent_id = space.removeprefix(AGENT)
    return user_id, agent_id


def owner(reach: Reach, user_id: str | None, known: str | None = None) -> str | None:
    """The `userId` of what is written: that which is given, else that which it has. Raises `Refused` where the caller may not.

    In a user's own space everything is that user's.
    """
    if user_id is not None:
        check_name(user_id, "userId", "INVALID_USER_ID")
    if reach.space.startswith(USER):
        return of_a_user(reach.space, user_id)
    if not reach.is_org and user_id not in (None, reach.caller):
        raise refused("FORBIDDEN", "you keep things for yourself; for others only the org's backend does", "userId")
    return user_id if user_id is not None else known


def no_room(reach: Reach) -> Refused:
    """The refusal of a new name in a space that is not the caller's own: whether or not others have something under it."""
    return refused("FORBIDDEN", "you add new names in your own space only; elsewhere the org's backend does", "space")


def checked_space(space: str) -> str:
    """A space's name: 1 to 256 characters without control characters."""
    check_name(space, "space", "INVALID_SPACE", LONGEST_SPACE)
    return space


def check_name(value: str, field: str, code: str, longest: int = 200, too_long: str = "") -> None:
    """A name that a caller chose: something that is no space, no control characters, not too long. Emoji and `%` are welcome.

    Args:
        code: of everything that is wrong; `too_long`: of a name that is too long, where that has a code of its own.
    """
    if not value.strip() or any(unicodedata.category(each) in _CONTROL for each in value):
        raise refused(code, f"{field} is 1 to {longest} characters, not spaces alone, without control characters", field)
    if len(value) > longest:
        raise refused(too_long or code, f"{field} has {len(value)} characters; {longest} are the limit", field)
