"""The app of the live room's tests: counters that remember who counted, and queries of every shape over them."""

from __future__ import annotations

from typing import Any

from chalicelib import ActionCtx, Index, MutationCtx, Page, PaginationOptions, QueryCtx, Refused, Table, action, mutation, query


class SimCounter(Table, name="simCounters"):
    """A number, and every operation that made it."""

    group: str
    value: int = 0
    ops: list[str] = []
    by_group = Index("group")


class SimPointer(Table, name="simPointers"):
    """Names a counter."""

    target: str


class SimVisit(Table, name="simVisits"):
    """Who called."""

    who: str
    op: str
    by_who = Index("who")


class SimPiece(Table, name="simPieces", key=("reply", "sequence"), stream=True):
    """A part of a text that one writer writes."""

    reply: str
    sequence: int
    text: str


class SimReply(Table, name="simReplies"):
    """A text that is over, by this operation."""

    text: str
    op: str


def _state(counter: SimCounter | None) -> dict[str, Any]:
    return {"value": counter.value, "ops": counter.ops} if counter else {"value": 0, "ops": []}


@query
def get(ctx: QueryCtx, name: str) -> dict[str, Any]:
    return _state(ctx.db.get(SimCounter, name))


@query
def listing(ctx: QueryCtx, group: str) -> list[dict[str, Any]]:
    return [
        {"id": counter.id, "value": counter.value, "ops": counter.ops}
        for counter in ctx.db.query(SimCounter.by_group(group)).collect()
    ]


@query
def total(ctx: QueryCtx, group: str) -> int:
    return ctx.db.count(SimCounter.by_group(group))


@query
def follow(ctx: QueryCtx, pointer: str) -> dict[str, Any]:
    """Its read set changes with the data."""
    found = ctx.db.get(SimPointer, pointer)
    return (
        {"target": found.target, **_state(ctx.db.get(SimCounter, found.target))}
        if found
        else {"target": None, "value": 0, "ops": []}
    )


@query
def mine(ctx: QueryCtx) -> dict[str, Any]:
    """Different for every caller."""
    who = ctx.user.subject if ctx.user else "nobody"
    return {"who": who, "ops": [visit.op for visit in ctx.db.query(SimVisit.by_who(who)).collect()]}


@query
def pair(ctx: QueryCtx, first: str, second: str) -> int:
    """Constant while `transfer` moves between two counters: a torn read would show."""
    return int(_state(ctx.db.get(SimCounter, first))["value"] + _state(ctx.db.get(SimCounter, second))["value"])


@query
def pieces(ctx: QueryCtx, reply: str, after: int = -1) -> dict[str, Any]:
    """What there is of a text, and whether it is over."""
    found = ctx.db.query(SimPiece.log(reply).after(after)).collect()
    over = ctx.db.get(SimReply, reply)
    return {"ops": [*(piece.text for piece in found if piece.text), *([over.op] if over else [])]}


@mutation
def seal(ctx: MutationCtx, reply: str, op: str) -> None:
    """End a text: whoever still writes it finds its place taken."""
    if ctx.db.get(SimReply, reply) is None:
        found = ctx.db.query(SimPiece.log(reply)).collect()
        ctx.db.insert(SimPiece(reply=reply, sequence=len(found), text=""))
        ctx.db.insert(SimReply(id=reply, text="".join(piece.text for piece in found), op=op))


@query
def many(ctx: QueryCtx, names: list[str]) -> int:
    return sum(ctx.db.get(SimCounter, name) is not None for name in names)


@query
def page(ctx: QueryCtx, group: str, pagination_opts: PaginationOptions) -> Page[dict[str, Any]]:
    found = ctx.db.query(SimCounter.by_group(group)).newest().page(pagination_opts)
    return Page(page=[{"id": each.id} for each in found.page], is_done=found.is_done, continue_cursor=found.continue_cursor)


@query
def big(ctx: QueryCtx, name: str, chars: int) -> dict[str, Any]:
    """A value of any size."""
    return {**_state(ctx.db.get(SimCounter, name)), "filler": "x" * chars}


@query
def constant(ctx: QueryCtx, word: str) -> str:
    """Reads nothing."""
    ctx.log("said", word)
    return word


@query
def picky(ctx: QueryCtx, name: str) -> int:
    """Refuses while the counter is odd."""
    value = _state(ctx.db.get(SimCounter, name))["value"]
    if value % 2:
        raise Refused("Odd", "The counter is odd.", value=value)
    return int(value)


@mutation
def add(ctx: MutationCtx, name: str, op: str, group: str = "g") -> dict[str, Any]:
    counter = ctx.db.get(SimCounter, name)
    if counter is None:
        ctx.db.insert(SimCounter(id=name, group=group, value=1, ops=[op]))
        return {"value": 1}
    return {"value": ctx.db.patch(counter, value=counter.value + 1, ops=[*counter.ops, op]).value}


@mutation
def transfer(ctx: MutationCtx, first: str, second: str, op: str) -> None:
    for name, change in ((first, -1), (second, 1)):
        counter = ctx.db.get(SimCounter, name)
        if counter is None:
            ctx.db.insert(SimCounter(id=name, group="pairs", value=change, ops=[op]))
        else:
            ctx.db.patch(counter, value=counter.value + change, ops=[*counter.ops, op])


@mutation
def point(ctx: MutationCtx, pointer: str, target: str) -> None:
    found = ctx.db.get(SimPointer, pointer)
    if found is None:
        ctx.db.insert(SimPointer(id=pointer, target=target))
    else:
        ctx.db.patch(found, target=target)


@mutation
def move(ctx: MutationCtx, name: str, group: str) -> None:
    counter = ctx.db.get(SimCounter, name)
    if counter is not None:
        ctx.db.patch(counter, group=group)


@mutation
def visit(ctx: MutationCtx, op: str) -> str:
    """Leaves a row that says who called."""
    who = ctx.user.subject if ctx.user else "nobody"
    ctx.db.insert(SimVisit(who=who, op=op))
    return who


@query(anonymous=True)
def lobby(ctx: QueryCtx) -> int:
    """How often nobody has knocked; open to nobody."""
    return len(ctx.db.query(SimVisit.by_who("nobody")).collect())


@mutation(anonymous=True)
def knock(ctx: MutationCtx, op: str) -> str:
    """Like `visit`, open to nobody."""
    return visit(ctx, op)


@action(anonymous=True)
def ring(ctx: ActionCtx, op: str) -> str:
    """Open to nobody."""
    return "nobody" if ctx.user is None else ctx.user.subject


@action
def whose(ctx: ActionCtx) -> str:
    return "nobody" if ctx.user is None else ctx.user.subject


@mutation
def sign(ctx: MutationCtx, op: str) -> str:
    """For who is somebody."""
    if ctx.user is None:
        raise Refused("Unauthorized", "Who are you?")
    ctx.db.insert(SimVisit(who=ctx.user.subject, op=op))
    return ctx.user.subject


@mutation
def refuse(ctx: MutationCtx, op: str) -> None:
    ctx.db.insert(SimVisit(who="refused", op=op))
    raise Refused("No", "Never.", op=op)


@mutation
def huge(ctx: MutationCtx, op: str, chars: int) -> str:
    ctx.db.insert(SimVisit(who="huge", op=op))
    return "x" * chars


@mutation
def broken(ctx: MutationCtx, chars: int) -> None:
    raise ZeroDivisionError("x" * chars)


@mutation
def cut(ctx: MutationCtx) -> None:
    raise Refused("Cut", "cut \ud83d")


@query
def half(ctx: QueryCtx) -> None:
    raise Refused("Half", "\ud83d\ude00 and \ude00")


@action
def add_twice(ctx: ActionCtx, name: str, op: str) -> int:
    for part in ("a", "b"):
        ctx.run_mutation(add, name=name, op=f"{op}{part}")
    return 2


@action
def large(ctx: ActionCtx, chars: int) -> str:
    return "y" * chars
