"""What an org may spend on replies in a day: held at the send, looked at again when a reply begins, charged however it ends.

A send holds what its reply may cost, so that sends which wait spend nothing that is spent already. `settle` is called at every
end of a reply, gives back what was held and charges what is known: what the provider counted, or else an estimate. Where the
provider's count comes later, from a writer whose reply was ended by somebody else, `correct` puts it in the estimate's place.

The day's counters are a few rows, one for a conversation, so that sends of one org do not wait for one another: far from the
limit they are read past the read set. Where little is left (`EXACT_BELOW`) all of them are read within it, and then of sends of
the same moment only as many pass as there is room for.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from typing import Any

from chalicelib import MutationCtx, Refused
from chalicelib.schema import Budget, ChatMessage, Conversation, OpenReplies, Run

SHARDS = 4
LEAST_HELD = 1_024
"""Tokens that every reply holds until it has ended; more where its conversation's last reply has cost more."""
EXACT_BELOW = 64
"""With room for fewer replies than these, sends of one org are counted exactly, and wait for one another."""
SPENT_REASON = "budget_exceeded"
"""The reason of a reply that was not begun because the day's tokens were spent meanwhile."""


def check(ctx: MutationCtx, tokens: int = LEAST_HELD) -> None:
    """Refuse a send when today's tokens are spent or held; no model is asked then.

    Args:
        tokens: what the send will hold.

    Raises:
        Refused: BudgetExceeded.
    """
    limit = _limit(ctx)
    spent, held = _today(ctx)
    if limit - spent - held < EXACT_BELOW * tokens:
        spent, held = _today(ctx, exact=True)
    if spent >= limit:
        raise Refused(
            "BudgetExceeded", f"Your organisation has used its {limit} tokens for today; sending works again tomorrow (UTC)."
        )
    if spent + held >= limit:
        raise Refused(
            "BudgetExceeded",
            f"Replies that are being written hold what is left of your organisation's {limit} tokens for today; send again when "
            "one has ended.",
        )


def spent(ctx: MutationCtx) -> bool:
    """Whether today's tokens are spent: asked again when a reply begins."""
    return _today(ctx)[0] >= _limit(ctx)


def hold(ctx: MutationCtx, conversation: Conversation, user_id: str | None) -> dict[str, Any]:
    """Hold what a reply may cost, and count it among its user's. Returns the fields of its run that say so.

    Raises:
        Refused: BudgetExceeded; TooManyReplies.
    """
    newest_at = [(conversation.id, conversation.message_count - back) for back in (0, 1)]
    users = [(OpenReplies, user_id)] if user_id is not None else []
    ctx.db.load(*((ChatMessage, place) for place in newest_at), *rows_of(ctx.now), *users)
    newest = [ctx.db.peek(ChatMessage, *place) for place in newest_at]
    asked, before = ((each and (each.content, billed(each.usage))) or ("", 0) for each in newest)
    tokens = max(LEAST_HELD + _bytes(asked[0]) // 3, asked[1], before[1])
    check(ctx, tokens)
    if user_id is not None:
        _count(ctx, user_id, 1)  # first, because it may refuse, and nothing is written then
    _add(ctx, _day(ctx.now), conversation.id, held=tokens)
    return {"held": tokens, "held_on": _day(ctx.now), "held_by": user_id}


def settle(ctx: MutationCtx, run: Run, usage: dict[str, Any] | None) -> Run:
    """A reply has ended: what it held is free again, and what is known of its cost is charged. Once for each run."""
    tokens = billed(usage)
    if run.held_on is not None:
        _add(ctx, run.held_on, run.conversation, held=-run.held)
    if run.held_by is not None:
        _count(ctx, run.held_by, -1)
    if tokens > run.charged:
        _add(ctx, _day(ctx.now), run.conversation, spent=tokens - run.charged)
    return ctx.db.patch(run, held=0, held_on=None, held_by=None, charged=max(tokens, run.charged))


def correct(ctx: MutationCtx, run: Run, usage: dict[str, Any]) -> Run:
    """What a reply has really cost, where an estimate may have been charged."""
    tokens = billed(usage)
    if tokens != run.charged:
        _add(ctx, _day(ctx.now), run.conversation, spent=tokens - run.charged)
    return ctx.db.patch(run, charged=tokens, usage=usage)


def let_go(ctx: MutationCtx, run: Run) -> bool:
    """A run is erased before it has ended: nothing is held for it any more. Returns whether anything was."""
    if run.held_on is not None:
        _add(ctx, run.held_on, run.conversation, held=-run.held)
    if run.held_by is not None:
        _count(ctx, run.held_by, -1)
    return run.held_on is not None


def meter(ctx: MutationCtx, usage: dict[str, Any] | None, where: str = "") -> None:
    """Count what was spent without a run: a summary, or a reply whose run is erased."""
    tokens = billed(usage)
    if tokens:
        _add(ctx, _day(ctx.now), where, spent=tokens)


def billed(usage: dict[str, Any] | None) -> int:
    """The tokens of a reply that cost full price."""
    names = ("inputTokens", "outputTokens", "cacheCreationTokens")
    return sum(max(0, int(usage.get(name) or 0)) for name in names) if usage else 0


def estimate(turns: Sequence[Sequence[Any]], text: str) -> dict[str, int]:
    """About what a reply has cost whose provider never said it: a token is three bytes, which errs on the high side.

    Args:
        turns: what the model was asked, as `[role, content, images]`.
        text: what it said and thought.
    """
    asked = sum(_bytes(turn[1]) for turn in turns)
    return {"inputTokens": asked // 3, "outputTokens": -(-_bytes(text) // 3)}


def rows_of(now_ms: float) -> list[tuple[type[Budget], str]]:
    """Where an org's counters of a day stand."""
    return [(Budget, _id(_day(now_ms), shard)) for shard in range(SHARDS)]


def _limit(ctx: MutationCtx) -> int:
    return int(ctx.limits["token_budget_per_org"])


def _today(ctx: MutationCtx, *, exact: bool = False) -> tuple[int, int]:
    """Tokens that are spent, and that are held."""
    read = ctx.db.get if exact else ctx.db.peek
    ctx.db.load(*rows_of(ctx.now))
    rows = [read(table, id) for table, id in rows_of(ctx.now)]
    return sum(row.spent for row in rows if row is not None), sum(row.held for row in rows if row is not None)


def _add(ctx: MutationCtx, day: str, conversation: str, *, spent: int = 0, held: int = 0) -> None:
    id = _id(day, zlib.crc32(conversation.encode()) % SHARDS)
    row = ctx.db.get(Budget, id)
    if row is None:
        ctx.db.insert(Budget(id=id, spent=max(0, spent), held=max(0, held)))
    else:
        ctx.db.patch(row, spent=max(0, row.spent + spent), held=max(0, row.held + held))


def _count(ctx: MutationCtx, user_id: str, change: int) -> None:
    row = ctx.db.get(OpenReplies, user_id)
    number = (0 if row is None else row.number) + change
    most = int(ctx.limits.get("replies_per_user", 0))
    if change > 0 and most and number > most:
        raise Refused("TooManyReplies", f"{most} replies of yours have not ended; wait for one to end, or stop it.", limit=most)
    if row is None:
        ctx.db.insert(OpenReplies(id=user_id, number=max(0, number)))
    else:
        ctx.db.patch(row, number=max(0, number))


def _id(day: str, shard: int) -> str:
    return f"{day}:{shard}" if shard else day


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _day(now_ms: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(now_ms / 1000))
