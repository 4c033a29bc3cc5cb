"""Who is in a conversation, and who may come in: a token alone opens nothing.

A member is a user or an agent, and the two are never taken for each other: where one text names a member, an agent's is
`agent:` and its id. The participant's row is the truth; whoever reads it sees its removal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chalicelib import MutationCtx, QueryCtx, Refused
from chalicelib.domain.conversations.opening import join, leave, participant_id, rename
from chalicelib.schema import Agent, AgentRoom, Conversation, Participant

Kind = Literal["user", "agent"]
Ctx = QueryCtx | MutationCtx
AGENT, WORKER = "agent:", "worker:"
MEMBERS = 50
"""Participants of one conversation, at most."""


@dataclass(frozen=True)
class Me:
    """A caller as a member: `name` is the user's subject or the agent's id, `key` tells the two apart."""

    kind: Kind
    name: str
    agent: Agent | None = None
    is_service: bool = False

    @property
    def key(self) -> str:
        """As participants' rows have it."""
        return key_of(self.kind, self.name)


def key_of(kind: Kind, name: str) -> str:
    """A member's key."""
    return name if kind == "user" else f"{AGENT}{name}"


def parted(key: str) -> tuple[Kind, str]:
    """A member's key as kind and name."""
    return ("agent", key.removeprefix(AGENT)) if key.startswith(AGENT) else ("user", key)


def key_in(conversation: str, row_id: str) -> str:
    """A member's key, by the id of the row in a conversation (`participant_id`)."""
    mark, name = row_id[len(conversation)], row_id[len(conversation) + 1 :]
    return key_of("agent" if mark == "/" else "user", name)


def caller(ctx: Ctx) -> Me:
    """Who calls. An agent must be registered, active, and its token of the current version. Raises `Refused`."""
    user = ctx.user
    if user is None:
        raise Refused("Unauthorized", "Unauthorized: a token is needed.")
    claimed = user.claims.get("agentId")
    if claimed is None and user.claims.get("type") != "agent":
        if user.subject.startswith((AGENT, WORKER)):
            raise Refused("Unauthorized", "Unauthorized: this subject is kept for agents and workers.")
        return Me("user", user.subject, is_service=user.is_service)
    name = str(claimed if claimed is not None else user.subject).removeprefix(AGENT)
    agent = ctx.db.get(Agent, name) if name else None
    if agent is None:
        raise Refused("Unauthorized", "Unauthorized: there is no such agent.")
    if agent.status == "suspended":
        raise Refused("AgentSuspended", "The agent is suspended.")
    if user.claims.get("tv", agent.token_version) != agent.token_version:
        raise Refused("Unauthorized", "Unauthorized: the agent was disconnected or got new credentials; connect again.")
    return Me("agent", name, agent)


def conversation_of(ctx: Ctx, conversation_id: str) -> Conversation | None:
    """A conversation by the id that clients know."""
    if not conversation_id or len(conversation_id.encode()) > 512:
        return None
    found: Conversation | None = ctx.db.query(Conversation.by_conversationId(conversation_id)).unique()
    return found


def participant(ctx: Ctx, conversation: Conversation, key: str) -> Participant | None:
    """A member's row."""
    kind, name = parted(key)
    return ctx.db.get(Participant, participant_id(conversation.id, kind, name))


def takes_part(ctx: Ctx, conversation: Conversation, me: Me) -> bool:
    """Whether a caller is a member; the service always is.

    Whom the conversation itself names as its user or agent leaves it only in a commit that changes the conversation, too
    (`opening.leave`). So where a mutation has read that, it vouches for the row, which is then no condition of its own.
    """
    if me.is_service:
        return True
    first = "userId" if me.kind == "user" else "agentId"
    vouched = isinstance(ctx, MutationCtx) and conversation.participants.get(first) == me.name
    if vouched and ctx.db.peek(Participant, participant_id(conversation.id, me.kind, me.name)) is not None:
        now = ctx.db.get(Conversation, conversation.id)
        return now is not None and now.participants.get(first) == me.name
    row = participant(ctx, conversation, me.key)
    return row is not None and row.kind == me.kind


def owns_room(ctx: Ctx, conversation: Conversation, me: Me) -> bool:
    """Whether a caller owns the agent whose own room it is; what others opened with the agent is not its owner's."""
    room, agent_id = conversation.room, conversation.participants.get("agentId")
    if me.kind != "user" or room is None or not agent_id or not (room.auto or room.created_by == agent_id):
        return False
    agent = ctx.db.get(Agent, str(agent_id))
    return agent is not None and agent.owner == me.name


def reaches(ctx: Ctx, conversation: Conversation, me: Me) -> bool:
    """Whether a caller may read and manage a conversation: its members, and the owner of the agent whose room it is."""
    return takes_part(ctx, conversation, me) or owns_room(ctx, conversation, me)


def may_join(ctx: Ctx, conversation: Conversation, me: Me) -> bool:
    """Whether a caller may come in unasked: into the room of an agent that is theirs, or open to the org."""
    agent_id = conversation.participants.get("agentId")
    if me.kind != "user" or conversation.room is None or not conversation.room.auto or not agent_id:
        return False
    agent = ctx.db.get(Agent, str(agent_id))
    return agent is not None and (agent.owner == me.name or agent.audience == "org")


def readable(ctx: Ctx, conversation_id: str) -> Conversation | None:
    """A conversation for who reaches it; None for everybody else, as for an id that never was (invariant 9)."""
    me = caller(ctx)
    conversation = conversation_of(ctx, conversation_id)
    return conversation if conversation is not None and reaches(ctx, conversation, me) else None


def managed(ctx: Ctx, conversation_id: str) -> tuple[Me, Conversation]:
    """The caller and a conversation that they reach. Raises `Refused`."""
    me = caller(ctx)
    conversation = conversation_of(ctx, conversation_id)
    if conversation is None or not reaches(ctx, conversation, me):
        raise not_found()
    return me, conversation


def joined(ctx: Ctx, conversation_id: str) -> tuple[Me, Conversation]:
    """The caller and a conversation that they are a member of. Raises `Refused`."""
    me = caller(ctx)
    conversation = conversation_of(ctx, conversation_id)
    if conversation is None or not takes_part(ctx, conversation, me):
        raise not_found()
    return me, conversation


def add(ctx: MutationCtx, conversation: Conversation, kind: Kind, name: str) -> bool:
    """Make somebody a member. Returns False when they are one already."""
    if participant(ctx, conversation, key_of(kind, name)) is not None:
        return False
    if ctx.db.count(Participant.by_conversation(conversation.id)) >= MEMBERS:
        raise Refused("TooManyParticipants", f"A conversation has at most {MEMBERS} participants.")
    first = "userId" if kind == "user" else "agentId"
    if conversation.type == "user-agent" and first not in conversation.participants:
        conversation = rename(ctx, conversation, {**conversation.participants, first: name})
    join(ctx, conversation, kind, name)
    return True


def remove(ctx: MutationCtx, conversation: Conversation, row: Participant) -> None:
    """Take a member out; the lists of conversations by user and agent follow."""
    leave(ctx, conversation, row)


def is_the_room_of(ctx: Ctx, conversation: Conversation, agent_id: str) -> bool:
    """Whether this is what an agent's connection finds."""
    room = ctx.db.get(AgentRoom, agent_id)
    return room is not None and room.conversation == conversation.id


def not_found() -> Refused:
    """The answer to strangers."""
    return Refused("ConversationNotFound", "Conversation not found")
