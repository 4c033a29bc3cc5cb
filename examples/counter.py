"""The smallest app: one table, one query, one mutation. Run it with `CONCAVE_APPS=examples.counter make dev`."""

from chalicelib import MutationCtx, QueryCtx, Table, mutation, query


class Counter(Table, name="counters"):
    """A number with a name; the name is its id."""

    value: int = 0


@query
def get(ctx: QueryCtx, name: str) -> int:
    """What the counter says now. Everybody who asks is told when it changes."""
    counter = ctx.db.get(Counter, name)
    return counter.value if counter else 0


@mutation
def add(ctx: MutationCtx, name: str, amount: int = 1) -> int:
    """Count. Returns the new value; two people who count at once both count."""
    counter = ctx.db.get(Counter, name)
    if counter is None:
        ctx.db.insert(Counter(id=name, value=amount))
        return amount
    return ctx.db.patch(counter, value=counter.value + amount).value
