"""Who may see, write to and delete a conversation (invariant 9).

* **A member** (a row of `participants`): reads, and writes in its own voice: a user as `user`, an agent as `agent`.
* **The user whose conversation it is** (`participants.userId`) may also delete it.
* **The org's own backend**, a token with the role `service`, and this backend's own jobs: everything in their org, in every
  voice. That is who calls the document's SDK for many users.

Everybody else gets the answer for an id that does not exist. A token with the role `agent` speaks for the agent that its
subject names.
"""

from __future__ import annotations

from typing import Any, Literal

from chalicelib import ActionCtx, MutationCtx, QueryCtx
from chalicelib.functions import access
from chalicelib.functions.conversation_codes import not_found, refused
from chalicelib.functions.opening import Kind, participant_id
from chalicelib.schema import Conversation, Participant

Voice = Literal["user", "assistant", "system"]


def signed_in(ctx: MutationCtx | ActionCtx, to_do: str) -> Any:
    """The caller of a mutation or an action. Raises `Refused` for nobody."""
    caller: Any = ctx
    return access.signed_in(caller, to_do)


def acts_for_org(user: Any) -> bool:
    """Whether a caller is the org's own backend."""
    return user is not None and bool(user.is_service or "service" in user.roles)


def kind_of(user: Any) -> Kind:
    """Whether a caller takes part as a user or as an agent."""
    return "agent" if "agent" in user.roles else "user"


def found(ctx: QueryCtx, conversation_id: str) -> Conversation | None:
    """A conversation by its id, for who may see it; None for strangers."""
    if ctx.user is None or not conversation_id:
        return None
    conversation: Conversation | None = ctx.db.query(Conversation.by_conversationId(conversation_id)).unique()
    return conversation if conversation is not None and sees(ctx, conversation) else None


def sees(ctx: QueryCtx | MutationCtx, conversation: Conversation) -> bool:
    """Whether the caller may read a conversation."""
    user = ctx.user
    if user is None or acts_for_org(user):
        return user is not None
    kind = kind_of(user)
    return ctx.db.get(Participant, participant_id(conversation.id, kind, user.subject)) is not None


def reached(ctx: MutationCtx, conversation_id: str, to_do: str) -> Conversation:
    """A conversation for who may write to it. Raises `Refused`."""
    access.signed_in(ctx, to_do)
    conversation: Conversation | None = ctx.db.query(Conversation.by_conversationId(conversation_id)).unique()
    if conversation is None or not sees(ctx, conversation):
        raise not_found()
    return conversation


def may_delete(ctx: QueryCtx | MutationCtx, conversation: Conversation) -> bool:
    """Whether the caller may delete a conversation that it sees."""
    user = ctx.user
    if user is None or acts_for_org(user):
        return user is not None
    return kind_of(user) == "user" and conversation.participants.get("userId") == user.subject


def check_opening(ctx: MutationCtx, user_id: str | None, agent_id: str | None, agent_ids: list[str] | None) -> None:
    """Who opens a conversation takes part in it. Raises `Refused`."""
    user = access.signed_in(ctx, "create a conversation")
    if acts_for_org(user):
        return
    as_agent = kind_of(user) == "agent"
    named = {agent_id, *(agent_ids or ())} if as_agent else {user_id}
    if user.subject not in named:
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
    assert user is not None
    if kind_of(user) == "user" and role == "user" and agent_id is None:
        return stored, None
    if kind_of(user) == "agent" and role == "agent" and agent_id in (None, user.subject):
        return stored, user.subject
    raise refused("ROLE_NOT_ALLOWED", "you write in your own voice only: a user as `user`, an agent as `agent`", "message.role")
