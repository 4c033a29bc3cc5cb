"""A live counter that everybody of an org shares: `CONCAVE_APPS=chalicelib.functions,examples.live_counter make dev`.

Its page is in `page/`; what `npm install && npm run build` makes there is served at `/` with
`SITE=examples/live_counter/page/dist`. The page's types:

    CONCAVE_APPS=examples.live_counter make codegen OUT=examples/live_counter/page/generated
"""

from __future__ import annotations

from chalicelib import Index, MutationCtx, QueryCtx, Refused, Table, mutation, query

MOST = 1_000_000


class LiveCounter(Table, name="liveCounters"):
    """A number that people see change; the name is its id."""

    value: int = 0
    last_by: str | None = None

    by_value = Index(order="value")
    """Which counters are the highest?"""


@query
def read(ctx: QueryCtx, name: str) -> int:
    """What a counter says now. Who asks is told whenever it changes."""
    counter = ctx.db.get(LiveCounter, name)
    return counter.value if counter else 0


@query
def highest(ctx: QueryCtx, limit: int = 5) -> list[LiveCounter]:
    """The highest counters, highest first."""
    return ctx.db.query(LiveCounter.by_value()).newest().take(min(limit, 20))


@mutation
def add(ctx: MutationCtx, name: str, amount: int = 1) -> int:
    """Count. Returns the new value; two people who count at once both count."""
    if not 1 <= len(name) <= 40:
        raise Refused("NameLength", "A counter's name has 1 to 40 characters.")
    counter = ctx.db.get(LiveCounter, name)
    value = (counter.value if counter else 0) + amount
    if abs(value) > MOST:
        raise Refused("TooHigh", f"A counter counts to {MOST}.")
    by = ctx.user.subject if ctx.user else None
    if counter is None:
        ctx.db.insert(LiveCounter(id=name, value=value, last_by=by))
    else:
        ctx.db.patch(counter, value=value, last_by=by)
    return value
