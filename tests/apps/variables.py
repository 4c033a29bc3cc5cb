"""Functions that read the app's variables, and one that is internal."""

from __future__ import annotations

from chalicelib import ActionCtx, MutationCtx, QueryCtx, action, internal_query, mutation, query


@query
def greeting(ctx: QueryCtx) -> str:
    """Follows the variable."""
    return f"{ctx.env.get('GREETING', 'hello')}, {ctx.org}"


@mutation
def seen(ctx: MutationCtx) -> str:
    """What a mutation sees."""
    return ctx.env.get("GREETING", "")


@action
def told(ctx: ActionCtx) -> str:
    """What an action sees."""
    return ctx.env.get("GREETING", "")


@internal_query
def hidden(ctx: QueryCtx) -> str:
    """Looks at no caller, so its value could be shared."""
    return ctx.env.get("GREETING", "none")
