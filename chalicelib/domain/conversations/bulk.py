"""Deleting many conversations: look first, then let `conversation_delete` do it, part by part.

These are actions: looking at hundreds of conversations and deleting some is more than one transaction holds. What is to be
deleted is written down first, in the receipt, so a deletion that was begun ends, whoever dies.
"""

from __future__ import annotations

import itertools
from typing import Any

from chalicelib import ActionCtx
from chalicelib.domain.answer_size import weight
from chalicelib.domain.conversations import access as may
from chalicelib.domain.conversations.codes import check_ids, refused
from chalicelib.domain.conversations.erasure_views import DeletedManyView
from chalicelib.domain.conversations.filters import Filters

PATIENCE_MS = 15_000
"""How long a caller waits for the end; after that jobs do the rest."""
MOST_IDS = 100
TOLD_BYTES = 32 * 1024
"""What the ids in one answer weigh, that of what was deleted and that of what was not found each."""


def delete_many(ctx: ActionCtx, wanted: Filters, dry_run: bool, threshold: int) -> DeletedManyView:
    """See `conversations:deleteMany`."""
    if not (wanted.type or wanted.user_id or wanted.agent_id):
        raise refused("MISSING_REQUIRED_FIELD", "name a userId, an agentId or a type; purgeAll deletes everything")
    filters = _of_caller(ctx, wanted)
    plan = ctx.run_query("conversation_delete:planned", filters=filters)
    total, messages = int(plan["total"]), int(plan["messages"])
    if dry_run:
        return DeletedManyView(
            dry_run=True,
            deleted=0,
            total_messages_deleted=0,
            conversation_ids=plan["conversationIds"],
            would_delete=total,
            would_delete_messages=messages,
        )
    if total > threshold:
        raise refused(
            "DELETE_MANY_THRESHOLD_EXCEEDED",
            f"Would delete {total} conversations, more than confirmationThreshold ({threshold}); raise it if that is meant",
            wouldDelete=total,
        )
    if total == 0:
        return DeletedManyView(dry_run=False, deleted=0, total_messages_deleted=0, conversation_ids=[])
    if may.acts_for_org(ctx.user):
        return _carried_out(ctx, [], filters, total, messages, plan["conversationIds"])
    return _carried_out(ctx, plan["ids"], None, total, messages, plan["conversationIds"])


def told(ids: list[str]) -> list[str]:
    """The first of these ids, as many as an answer carries."""
    sizes = itertools.accumulate(map(weight, ids))
    return [each for each, size in zip(ids, sizes, strict=True) if size <= TOLD_BYTES]


def _of_caller(ctx: ActionCtx, wanted: Filters) -> dict[str, Any]:
    """The filter as the org's backend would have to say it. Raises `Refused` where the caller may not delete."""
    user = may.signed_in(ctx, "delete conversations")
    told = {"type": wanted.type, "userId": wanted.user_id, "agentId": wanted.agent_id}
    if not may.acts_for_org(user):
        if may.is_agent(user) or wanted.user_id not in (None, user.subject):
            raise refused("FORBIDDEN", "you delete your own conversations only", "userId")
        told["userId"] = user.subject
    return {name: value for name, value in told.items() if value is not None}


def delete_by_ids(ctx: ActionCtx, conversation_ids: list[str]) -> DeletedManyView:
    """See `conversations:deleteByIds`."""
    may.signed_in(ctx, "delete conversations")
    check_ids(conversation_ids, "conversationIds", MOST_IDS)
    found = [each for each in ctx.run_query("conversation_delete:named", conversation_ids=conversation_ids) if each["mine"]]
    ids = [each["conversationId"] for each in found]
    missing = told([each for each in conversation_ids if each not in ids])
    done = DeletedManyView(dry_run=False, deleted=0, total_messages_deleted=0, conversation_ids=[])
    if found:
        messages = sum(int(each["messages"]) for each in found)
        done = _carried_out(ctx, [each["id"] for each in found], None, len(found), messages, ids)
    done.not_found = missing
    return done


def purge_all(ctx: ActionCtx, confirm: bool) -> DeletedManyView:
    """See `conversations:purgeAll`."""
    user = may.signed_in(ctx, "delete conversations")
    if not may.acts_for_org(user):
        raise refused("FORBIDDEN", "only the org's own backend deletes everything")
    if not confirm:
        raise refused("CONFIRMATION_REQUIRED", "this deletes every conversation of the org; say confirm: true", "confirm")
    plan = ctx.run_query("conversation_delete:planned", filters={})
    total = int(plan["total"])
    if total == 0:
        return DeletedManyView(dry_run=False, deleted=0, total_messages_deleted=0, conversation_ids=[])
    return _carried_out(ctx, [], {}, total, int(plan["messages"]), plan["conversationIds"])


def _carried_out(
    ctx: ActionCtx, todo: list[str], filters: dict[str, Any] | None, total: int, messages: int, ids: list[str]
) -> DeletedManyView:
    """Begin, and stay with it for a while: a deletion of usual size is over when the caller has its answer."""
    receipt = ctx.run_mutation("conversation_delete:beginMany", todo=todo, filters=filters)
    until = ctx.now + PATIENCE_MS
    following: float | None = ctx.now
    while following is not None and following <= ctx.now < until:
        following = ctx.run_mutation("conversation_delete:step", erasure_id=receipt)
    return DeletedManyView(
        dry_run=False,
        deleted=total,
        total_messages_deleted=messages,
        conversation_ids=told(ids),
        receipt_id=receipt,
        state="completed" if following is None else "running",
    )
