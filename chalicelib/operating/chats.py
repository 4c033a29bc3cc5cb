"""Replies of the model, as an operator looks at them: what runs, what has ended within an hour, tokens, cost, circuits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib import ActionCtx, Refused, internal_action
from chalicelib.data import mount
from chalicelib.data.tables import TABLES

HOUR_MS = 3_600_000
MOST = 500
"""So many replies of each state are looked at, the newest."""
SHOWN = 50
MILLION = 1_000_000
OPEN, ENDED = ("running", "pending"), ("completed", "failed", "aborted", "interrupted")
PRICED = {
    "input": "inputTokens",
    "output": "outputTokens",
    "cacheRead": "cacheReadTokens",
    "cacheWrite": "cacheCreationTokens",
}
"""The kinds of tokens that MODEL_PRICES names, and how a reply's usage calls them."""


@internal_action(reads=True)
def traffic(ctx: ActionCtx) -> dict[str, Any]:
    """Replies of all orgs: how many wait, run and have ended within the last hour, by model; the newest; circuits.

    At most 500 of each state are read; `more` says where there are others. Costs are dollars, and null for a model whose price
    MODEL_PRICES does not name. Circuits are those of the process that is asked.

    Raises:
        Refused: `NotSupported`: no app of this deployment is the chat backend.
    """
    if not has_chat():
        raise Refused(
            "NotSupported", "The chat backend is no app of this deployment: CONCAVE_APPS does not name chalicelib.functions."
        )
    backend = ctx.parts.backend
    since = backend.clock.now_ms() - HOUR_MS
    # Replies that wait or run may be older than an hour.
    found = {state: _runs(ctx, state, None if state in OPEN else since) for state in (*OPEN, *ENDED)}
    prices = backend.settings.model_prices
    runs = [run for state in found.values() for run in state]
    runs.sort(key=lambda run: float(run.get("endedAt") or run.get("startedAt") or run["_creationTime"]), reverse=True)
    return {
        "states": {state: len(each) for state, each in found.items()},
        "more": any(len(each) >= MOST for each in found.values()),
        "models": _by_model(runs, prices),
        "replies": [
            _shown(run, prices) for run in [*found["running"], *(run for run in runs if run["state"] != "running")][:SHOWN]
        ],
        "today": today(ctx),
        "circuits": ctx.parts.model.circuits(),
    }


def has_chat() -> bool:
    """Whether the chat backend is among the apps. Its tables are not declared here: only its apps bring them."""
    return _runs_table() in TABLES


def today(ctx: ActionCtx) -> dict[str, int] | None:
    """Tokens: what replies of the caller's org have cost on this UTC day, what those hold that have not ended, the day's limit.

    None where the chat backend is not among the apps.
    """
    if not has_chat():
        return None
    from chalicelib.domain import budget

    parts = ctx.parts
    places = budget.rows_of(ctx.now)
    rows: list[Any] = parts.executor.read(ctx.org, lambda db: [row for place in places if (row := db.peek(*place)) is not None])
    limit = parts.backend.settings.token_budget_per_org
    return {"spent": sum(row.spent for row in rows), "held": sum(row.held for row in rows), "limit": limit}


def cost(prices: Mapping[str, Mapping[str, float]], model: str, usage: Mapping[str, Any] | None) -> float | None:
    """What a reply has cost, in dollars; None where the model has no price, or nothing was counted."""
    price = prices.get(model)
    if price is None or not usage:
        return None
    return sum(price.get(kind, 0.0) * max(0, int(usage.get(name) or 0)) for kind, name in PRICED.items()) / MILLION


def _runs_table() -> str:
    return mount.table("runs", "chalicelib.schema.log")


def _runs(ctx: ActionCtx, state: str, since: float | None) -> list[dict[str, Any]]:
    index = TABLES[_runs_table()].indexes["by_state_lease"]
    found: list[dict[str, Any]] = ctx.parts.executor.listed(index, (state,), since=since, limit=MOST, newest=True)
    return found


def _by_model(runs: list[dict[str, Any]], prices: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """What has ended, added up for each model."""
    models: dict[str, dict[str, Any]] = {}
    for run in runs:
        if run["state"] in OPEN:
            continue
        usage = run.get("usage") or {}
        sums = models.setdefault(run["model"], {"model": run["model"], "replies": 0, "failed": 0, "cost": None})
        sums["replies"] += 1
        sums["failed"] += run["state"] == "failed"
        for name in PRICED.values():
            sums[name] = sums.get(name, 0) + max(0, int(usage.get(name) or 0))
        paid = cost(prices, run["model"], usage)
        if paid is not None:
            sums["cost"] = (sums["cost"] or 0.0) + paid
    return sorted(models.values(), key=lambda sums: -sums["replies"])


def _shown(run: dict[str, Any], prices: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    usage = run.get("usage")
    return {
        "id": run["_id"],
        "org": run["org"],
        "conversation": run["conversation"],
        "user": run.get("userId"),
        "model": run["model"],
        "state": run["state"],
        "reason": run.get("reason"),
        "worker": run.get("worker"),
        "startedAt": run.get("startedAt"),
        "endedAt": run.get("endedAt"),
        "tokens": sum(max(0, int(usage.get(name) or 0)) for name in PRICED.values() if name != "cacheReadTokens") if usage else 0,
        "cost": cost(prices, run["model"], usage),
    }
