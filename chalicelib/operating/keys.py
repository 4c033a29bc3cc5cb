"""Keys of operators that count no more: by the name that they were made for, at once and everywhere, without a deployment."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chalicelib import ActionCtx, QueryCtx, internal_action, internal_query
from chalicelib.data import values
from chalicelib.data.building import SYSTEM_ORG
from chalicelib.runtime import operators

if TYPE_CHECKING:
    from chalicelib.runtime.scheduling import Run


@internal_query
def revoked(ctx: QueryCtx) -> dict[str, float]:
    """The names whose keys count no more, and since when (milliseconds since the epoch)."""
    return dict(operators.revoked(ctx.db, watched=True))


@internal_action
def revoke(ctx: ActionCtx, name: str) -> None:
    """Have the keys of an operator count no more: no request, no socket and no browser that has one goes on.

    Raises:
        BadRequest: it is no name.
        LimitExceeded: 1,000 names are off.
    """
    _change(ctx, name, ctx.now)


@internal_action
def restore(ctx: ActionCtx, name: str) -> None:
    """Let the keys of an operator count again, those that have not ended. Raises `BadRequest`."""
    _change(ctx, name, None)


def _change(ctx: ActionCtx, name: str, at: float | None) -> None:
    ctx.parts.backend.executor.transact(SYSTEM_ORG, "operators", partial(_changed, ctx, name, at))


def _changed(ctx: ActionCtx, name: str, at: float | None, run: Run) -> str:
    operators.revoke(run.db, name, at)
    word = "restore" if at is None else "revoke"
    operators.audited(run.db, ctx.user, f"_system/keys:{word}", {"name": name}, run.now)
    return values.dumps(None)
