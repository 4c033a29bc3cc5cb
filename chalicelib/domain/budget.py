"""What an org may spend on replies in a day. Checked in the send's commit, counted in the reply's last one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from chalicelib import MutationCtx, Refused
from chalicelib.schema import Budget


def check(ctx: MutationCtx) -> None:
    """Refuse a send when today's tokens are spent; no model is asked then."""
    limit = int(ctx.limits["token_budget_per_org"])
    budget = ctx.db.get(Budget, _day(ctx.now))
    spent = 0 if budget is None else budget.spent
    if spent >= limit:
        raise Refused(
            "BudgetExceeded", f"Your organisation has used its {limit} tokens for today; sending works again tomorrow (UTC)."
        )


def meter(ctx: MutationCtx, usage: dict[str, Any] | None) -> None:
    """Count what a reply cost."""
    tokens = sum(int(usage.get(name, 0)) for name in ("inputTokens", "outputTokens", "cacheCreationTokens")) if usage else 0
    if not tokens:
        return
    budget = ctx.db.get(Budget, _day(ctx.now))
    if budget is None:
        ctx.db.insert(Budget(id=_day(ctx.now), spent=tokens))
    else:
        ctx.db.patch(budget, spent=budget.spent + tokens)


def estimate(turns: Sequence[Sequence[Any]], text: str) -> dict[str, int]:
    """About what a reply has cost whose provider never said it: a token is three bytes, which errs on the high side.

    Args:
        turns: what the model was asked, as `[role, content, images]`.
        text: what it said and thought.
    """
    asked = sum(_bytes(turn[1]) for turn in turns)
    return {"inputTokens": asked // 3, "outputTokens": -(-_bytes(text) // 3)}


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _day(now_ms: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(now_ms / 1000))
