"""A fork: a new conversation with another one's configuration and the beginning of its log (`parentImageId`).

The log is copied, so that neither depends on the other: each may be deleted, and costs what it costs. A short log is copied in
the commit that makes the fork; a longer one by a chain of jobs. Until the last of it is there the fork takes no message
(`ForkInProgress`), so its log never has a gap; a message that came with the fork (an edited one) is said by the last job.
"""

from __future__ import annotations

from typing import Any

from msgspec import structs

from chalicelib import MutationCtx, Refused
from chalicelib.domain.conversations.opening import id_suffix, open_conversation
from chalicelib.domain.images.access import Owned
from chalicelib.domain.replies import options as reply_options
from chalicelib.domain.replies import request as replying
from chalicelib.schema import ChatMessage, ChatSession, Conversation, Image

AT_ONCE = 30
"""Entries that one commit copies."""
LONGEST = 1000
"""Entries of a log that can be forked."""
COPIED = ("system_prompt", "model", "mcp_servers", "settings", "description", "domain_id", "custom_data")


def fork(ctx: MutationCtx, source: Owned, upto: int, name: str | None, then: dict[str, Any] | None = None) -> ChatSession:
    """Open a fork with the entries up to a sequence number.

    Args:
        then: what is said when all is copied: `content`, `model` and `options`.

    Returns:
        Its session.

    Raises:
        Refused: `ForkTooLong`.
    """
    if upto > LONGEST:
        raise Refused("ForkTooLong", f"A fork has at most {LONGEST} messages of the past, not {upto}; fork at an earlier one.")
    configured = {each: getattr(source.image, each) for each in COPIED}
    title = name or source.session.name
    configured |= {"parent_image_id": source.image.id, "name": title}
    responder = source.conversation.responder
    session = open_conversation(
        ctx, source.session.user_id, responder=responder, worker_id=source.session.worker_id, configured=configured, name=title
    )
    session = ctx.db.patch(session, model=source.session.model)
    copying = {"from": source.conversation.id, "upto": upto, "then": then}
    conversation = ctx.db.get(Conversation, session.conversation)
    assert conversation is not None
    copy(ctx, ctx.db.patch(conversation, copying=copying), session)
    return session


def copy(ctx: MutationCtx, conversation: Conversation, session: ChatSession, *, in_a_job: bool = False) -> None:
    """Copy as much of a fork's past as one commit holds; the rest by jobs."""
    copying = conversation.copying
    assert copying is not None
    upto, done = int(copying["upto"]), conversation.message_count
    page = ctx.db.peek_log(ChatMessage.log(copying["from"]).after(done).at_most(upto), AT_ONCE, newest=False)
    for entry in page:
        done += 1
        suffix = id_suffix(ctx, done)
        about: dict[str, Any] = {
            "conversation": conversation.id,
            "session_id": session.id,
            "sequence": done,
            "client_key": None,
            "named": None,
        }
        about |= {"copy_of": entry.copy_of or entry.id, "reader": conversation.participants.get("userId")}
        ctx.db.insert(structs.replace(entry, id=f"msg-{suffix}", creation_time=0.0, **about))
    last = page[-1].timestamp if page else conversation.last_message_at
    changes: dict[str, Any] = {"message_count": done, "last_message_at": last, "updated_at": ctx.now}
    if done < upto and page:  # the rest has gone with its conversation if there is none
        ctx.db.patch(conversation, **changes)
        ctx.scheduler.run_after(0, "forking:carryOn", conversation_id=conversation.id)
        return
    conversation = ctx.db.patch(conversation, copying=None, **changes)
    if copying.get("then"):
        _answered(ctx, conversation, session, copying["then"], in_a_job)


def _answered(ctx: MutationCtx, conversation: Conversation, session: ChatSession, said: dict[str, Any], in_a_job: bool) -> None:
    """Say something in a fork, and have it answered. In a job nobody would hear a refusal, and the fork would be copied for ever:
    what was said stays there, to be answered another time."""
    image = ctx.db.get(Image, conversation.image_id) if conversation.image_id else None
    model = said.get("model") or session.model or (image.model if image else "")
    own = said.get("options")
    conversation, _ = replying.say(ctx, session, conversation, said["content"], model, parts=reply_options.image_parts(own))
    if conversation.responder in ("model", "worker"):
        try:
            replying.reply(ctx, conversation, session, model, options=own)
        except Refused as refused:  # raised before anything of the reply is written
            if not in_a_job:
                raise
            ctx.log.warn("fork:", conversation.conversation_id, refused.tag)
