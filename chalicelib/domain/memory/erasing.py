"""Who may have what erased, and staying with it for a while."""

from __future__ import annotations

import msgspec

from chalicelib import ActionCtx, MutationCtx
from chalicelib.domain.conversations import access as conversations
from chalicelib.domain.conversations.codes import check_id, refused
from chalicelib.domain.memory import erasure
from chalicelib.domain.memory.erasure_views import MemoryErasureView
from chalicelib.domain.memory.layers import LAYERS


def erase(ctx: ActionCtx, user_id: str | None, space: str | None, confirm: bool) -> MemoryErasureView:
    """See `memory:erase`."""
    user = conversations.signed_in(ctx, "erase memory")
    for field, value in (("userId", user_id), ("space", space)):
        if value is not None:
            check_id(value, field)
    if user_id is None and space is None:
        raise refused("MISSING_REQUIRED_FIELD", "name a userId, a space, or both", "userId")
    if not conversations.acts_for_org(user) and (conversations.is_agent(user) or user_id != user.subject):
        raise refused("FORBIDDEN", "you erase what is your own only: name yourself", "userId")
    if not confirm:
        raise refused("CONFIRMATION_REQUIRED", "this erases all of it for good; say confirm: true", "confirm")
    receipt = ctx.run_mutation("memory:beginErasure", user_id=user_id, space=space)
    erasure.drive(ctx, receipt, LAYERS, ctx.now + erasure.PATIENCE_MS)
    return msgspec.convert(ctx.run_query("memory:getErasure", receipt_id=receipt), MemoryErasureView)


def begin(ctx: MutationCtx, user_id: str | None, space: str | None) -> str:
    """Write down what is to go. Returns the receipt's id."""
    layers = [each for each in LAYERS if space is None or not each.whole_user_only]
    return erasure.begin(ctx, layers, user_id=user_id, space=space).id
