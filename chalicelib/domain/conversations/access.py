"""Who may see, write to and delete a conversation (invariant 9).

* **A member** (a row of `participants`), and the owner of the agent whose room it is: read, and write in their own voice, a user
  as `user`, an agent as `agent`.
* **The user whose conversation it is** (`participants.userId`; of a room who opened it, or the owner of its agent) may also
  delete it.
* **The org's own backend**, a token with the role `service`, and this backend's own jobs: everything in their org, in every
  voice. That is who calls the document's SDK for many users.

Everybody else gets the answer for an id that does not exist. Whether a caller is a user or an agent, and whether an agent is
still allowed to speak, says `members.caller`, as at the chat gateway.
"""

from __future__ import annotations

from typing import Any, Literal

from chalicelib import ActionCtx, MutationCtx, QueryCtx
from chalicelib.domain import access, members
from chalicelib.domain.conversations.codes import check_required, not_found, refused
from chalicelib.schema import Agent, Conversation

Voice = Literal["user", "assistant", "system"]


def signed_in(ctx: MutationCtx | ActionCtx, to_do: str) -> Any:
    """The caller of a mutation or an action. Raises `Refused` for nobody."""
    caller: Any = ctx
    return access.signed_in(caller, to_do)


def acts_for_org(user: Any) -> bool:
    """Whether a caller is the org's own backend."""
    return user is not None and bool(user.is_service or "service" in user.roles)


def is_agent(user: Any) -> bool:
    """Whether a token is an agent's."""
    return user.claims.get("agentId") is not None or user.claims.get("type") == "agent"


def found(ctx: QueryCtx, conversation_id: str) -> Conversation | None:
    """A conversation by its id, for who may see it; None for strangers."""
    if ctx.user is None:
        return None
    check_required(conversation_id, "conversationId")
    conversation: Conversation | None = ctx.db.query(Conversation.by_conversationId(conversation_id)).unique()
    return conversation if conversation is not None and sees(ctx, conversation) else None


def sees(ctx: QueryCtx | MutationCtx, conversation: Conversation) -> bool:
    """Whether the caller may read a conversation."""
    user = ctx.user
    if user is None or acts_for_org(user):
        return user is not None
    return members.reaches(ctx, conversation, members.caller(ctx))


def reached(ctx: MutationCtx, conversation_id: str, to_do: str) -> Conversation:
    """A conversation for who may write to it. Raises `Refused`."""
    access.signed_in(ctx, to_do)
    check_required(conversation_id, "conversationId")
    conversation: Conversation | None = ctx.db.query(Conversation.by_conversationId(conversation_id)).unique()
    if conversation is None or not sees(ctx, conversation):
        raise not_found()
    return conversation


def may_delete(ctx: QueryCtx | MutationCtx, conversation: Conversation) -> bool:
    """Whether the caller may delete a conversation that it sees."""
    user = ctx.user
    if user is None or acts_for_org(user):
        return user is not None
    if is_agent(user):
        return False
    named, room = conversation.participants, conversation.room
    if room is None or room.created_by is None:
        return bool(named.get("userId") == user.subject)
    if room.created_by != named.get("agentId"):
        return room.created_by == user.subject
    agent = ctx.db.get(Agent, room.created_by)  # the agent's room: people only come and go
    return agent is not None and agent.owner == user.subject


def check_opening(ctx: MutationCtx, user_id: str | None, agent_id: str | None, agent_ids: list[str] | None) -> None:
    """Who opens a conversation takes part in it. Raises `Refused`."""
    user = access.signed_in(ctx, "create a conversation")
    if acts_for_org(user):
        return
    me = members.caller(ctx)
    named = {agent_id, *(agent_ids or ())} if me.kind == "agent" else {user_id}
    if me.name not in named:
        raise refused(
            "INVALID_PARTICIPANTS",
            "you open conversations in which you take part yourself; only a token with the role `service` opens others'",
            "participants",
        )


def voice(ctx: MutationCtx, role: str, agent_id: str | None) -> tuple[Voice, str | None]:
    """The stored role and speaker of a message that the caller writes as `role`. Nobody borrows another's voice."""
    user = ctx.user
    stored: Voice = "assistant" if role == "agent" else "system" if role == "system" else "user"
    if acts_for_org(user):
        return stored, agent_id
    me = members.caller(ctx)
    if me.kind == "user" and role == "user" and agent_id is None:
        return stored, None
    if me.kind == "agent" and role == "agent" and agent_id in (None, me.name):
        return stored, me.name
    raise refused("ROLE_NOT_ALLOWED", "you write in your own voice only: a user as `user`, an agent as `agent`", "message.role")
