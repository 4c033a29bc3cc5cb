"""A conversation's summary: written by the model in the background, every ten messages of an agent's room."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from chalicelib import ActionCtx, MutationCtx, Refused, internal_action, internal_mutation, mutation
from chalicelib.domain import budget, members
from chalicelib.domain.conversations.opening import DEFAULT_MODEL
from chalicelib.domain.rooms.summaries import INSTRUCTION, LINE, READ, SECONDS
from chalicelib.schema import ChatMessage, Conversation, Room


@mutation
def ask(ctx: MutationCtx, conversation_id: str) -> bool:
    """Have the summary written anew, in the background. It appears in the conversation."""
    _, conversation = members.managed(ctx, conversation_id)
    budget.check(ctx)
    ctx.scheduler.run_after(0, summarize, conversation=conversation.id)
    return True


@internal_action(runner="generate", timeout_s=120)
def summarize(ctx: ActionCtx, conversation: str) -> None:
    """Ask the model, and keep what it says."""
    asked = ctx.run_mutation(material, conversation=conversation)
    if asked is None:
        return
    text, usage = "", None
    for event in ctx.parts.model.reply(DEFAULT_MODEL, INSTRUCTION, [("user", asked["text"])], lambda: False, SECONDS):
        if event.ended:
            usage = event.usage
            if event.state != "completed":
                return
        elif event.kind != "thinking":
            text += event.text
    ctx.run_mutation(keep, conversation=conversation, text=text[:2000], count=asked["count"], usage=usage)


@internal_mutation
def material(ctx: MutationCtx, conversation: str) -> dict[str, Any] | None:
    """What is to be summarised; None when there is nothing new or no money."""
    found = ctx.db.get(Conversation, conversation)
    if found is None or (found.room and found.room.summary_at == found.message_count):
        return None
    try:
        budget.check(ctx)
    except Refused:
        return None
    log = ctx.db.peek_log(ChatMessage.log(conversation), READ)
    lines = [f"{each.role}: {each.content[:LINE]}" for each in reversed(log) if each.content]
    before = found.room.summary if found.room else None
    text = "\n".join([*([f"(so far: {before})"] if before else []), *lines])
    return {"text": text, "count": found.message_count} if lines else None


@internal_mutation
def keep(ctx: MutationCtx, conversation: str, text: str, count: int, usage: dict[str, Any] | None = None) -> None:
    """Keep a summary, unless a newer one is there."""
    budget.meter(ctx, usage)
    found = ctx.db.get(Conversation, conversation)
    if found is None:
        return
    room = found.room or Room()
    if (room.summary_at or 0) <= count and text:
        ctx.db.patch(found, room=structs.replace(room, summary=text, summary_at=count))
