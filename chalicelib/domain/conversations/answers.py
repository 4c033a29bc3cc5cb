"""Opening a conversation by the conversations door, and the one conversation between given participants."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from chalicelib import MutationCtx, QueryCtx
from chalicelib.domain import access
from chalicelib.domain.conversations import access as may
from chalicelib.domain.conversations.codes import (
    check_metadata,
    check_participants,
)
from chalicelib.domain.conversations.opening import open_conversation, participants_key
from chalicelib.domain.conversations.views import (
    ConversationType,
    Participants,
)
from chalicelib.schema import Conversation

Limit = Annotated[int, Meta(ge=1, le=1000)]
Offset = Annotated[int, Meta(ge=0)]
LISTED = 100
ANCHOR_CANDIDATES = 20


def check_opening(ctx: MutationCtx, type: ConversationType, participants: Participants, metadata: Any) -> None:
    """Whether the caller may open such a conversation, and whether its arguments can be used. Raises `Refused`."""
    access.signed_in(ctx, "create a conversation")
    check_participants(type, participants.user_id, participants.agent_id, participants.agent_ids)
    check_metadata(metadata, "metadata")
    may.check_opening(ctx, participants.user_id, participants.agent_id, participants.agent_ids)


def open(
    ctx: MutationCtx, who: Participants, conversation_id: str | None, metadata: Any, *, anchored: bool = False
) -> Conversation:
    """Open a conversation between these. `anchored`: it is the one that `getOrCreate` finds for them."""
    session = open_conversation(
        ctx,
        who.user_id,
        responder="none",
        conversation_id=conversation_id,
        agent_id=who.agent_id,
        agent_ids=who.agent_ids or (),
        metadata=metadata,
        anchored=anchored,
    )
    made = ctx.db.get(Conversation, session.conversation)
    assert made is not None
    return made


def between(ctx: QueryCtx | MutationCtx, who: Participants) -> Conversation | None:
    """The one conversation that `getOrCreate` made for these participants, or None."""
    if ctx.user is None:
        return None
    key = participants_key(who.user_id, who.agent_id, who.agent_ids or ())
    anchored = ctx.db.query(Conversation.by_anchor(key)).unique()
    oldest = [] if anchored is not None else ctx.db.query(Conversation.by_participants(key)).take(ANCHOR_CANDIDATES)
    candidates = [anchored, *oldest]
    return next((each for each in candidates if each is not None and may.sees(ctx, each)), None)
