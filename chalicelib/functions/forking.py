"""A fork: a new conversation with another one's configuration and the beginning of its log (`parentImageId`).

The log is copied, so that neither depends on the other: each may be deleted, and costs what it costs. A short log is copied in
the commit that makes the fork; a longer one by a chain of jobs. Until the last of it is there the fork takes no message
(`ForkInProgress`), so its log never has a gap; a message that came with the fork (an edited one) is said by the last job.
"""

from __future__ import annotations

from chalicelib import MutationCtx, internal_mutation
from chalicelib.domain.images import forking
from chalicelib.schema import ChatSession, Conversation


@internal_mutation
def carry_on(ctx: MutationCtx, conversation_id: str) -> None:
    """The job: copy the next entries."""
    conversation = ctx.db.get(Conversation, conversation_id)
    session = ctx.db.get(ChatSession, conversation.session_id) if conversation and conversation.session_id else None
    if conversation is not None and session is not None and conversation.copying is not None:
        forking.copy(ctx, conversation, session, in_a_job=True)
