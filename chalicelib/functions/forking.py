"""The job that copies a long past into a fork, a page at a time; `domain/images/forking.py` says how a fork is made."""

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
