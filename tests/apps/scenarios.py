"""A user's app for the client scenarios: every kind of function, value, failure and page that the official clients meet.

Loaded into a real server with `CONCAVE_APPS=…,tests.apps.scenarios`; on the wire its functions are `scenarios:…`.
"""

from __future__ import annotations

import math
import time
from typing import Any

from chalicelib import (
    ActionCtx,
    Index,
    Int64,
    MutationCtx,
    Page,
    PaginationOptions,
    QueryCtx,
    Refused,
    Table,
    action,
    mutation,
    query,
)


class Tally(Table, name="scenarioTallies"):
    """A number with a name; the name is its id."""

    value: int = 0


class Note(Table, name="scenarioNotes"):
    """A line in a room, ordered by its rank."""

    room: str
    text: str
    rank: float
    by_room = Index("room", order="rank")


class Box(Table, name="scenarioBoxes"):
    """Any value at all, to see that it comes out of the store as it went in."""

    content: Any = None


def refusal() -> Refused:
    """A `ConvexError` whose data holds what JSON has no words for."""
    return Refused("Nope", "Not today.", big=Int64(2**62), raw=b"\x00\xff", far=math.inf, nothing=None)


@query
def get(ctx: QueryCtx, name: str) -> int:
    """What a tally says."""
    tally = ctx.db.get(Tally, name)
    return tally.value if tally else 0


@query
def strict(ctx: QueryCtx, name: str) -> int:
    """What a tally says; refused until there is one, so that the error heals when the data changes."""
    tally = ctx.db.get(Tally, name)
    if tally is None:
        raise refusal()
    return tally.value


@mutation
def add(ctx: MutationCtx, name: str, amount: int = 1, refuse: bool = False) -> int:
    """Count; `refuse` fails after the write, which then must not exist."""
    tally = ctx.db.get(Tally, name)
    if tally is None:
        ctx.db.insert(Tally(id=name, value=amount))
        value = amount
    else:
        value = ctx.db.patch(tally, value=tally.value + amount).value
    if refuse:
        raise refusal()
    return value


@mutation
def count_text(ctx: MutationCtx, name: str, text: str) -> int:
    """Count a text of any length; what it says is not kept."""
    tally = ctx.db.get(Tally, name)
    if tally is None:
        ctx.db.insert(Tally(id=name, value=1))
        return 1
    return ctx.db.patch(tally, value=tally.value + 1).value


@mutation
def crash(ctx: MutationCtx) -> None:
    """A fault of the function."""
    raise ValueError("boom")


@mutation
def cut(ctx: MutationCtx) -> None:
    """A refusal whose sentence ends within an emoji."""
    raise Refused("Cut", "cut \ud83d")


@query
def echo(ctx: QueryCtx, value: Any) -> Any:
    """The value, back again."""
    return value


@mutation
def store(ctx: MutationCtx, name: str, value: Any) -> Any:
    """Keep a value; returns it."""
    box = ctx.db.get(Box, name)
    if box is None:
        ctx.db.insert(Box(id=name, content=value))
    else:
        ctx.db.patch(box, content=value)
    return value


@query
def stored(ctx: QueryCtx, name: str) -> Any:
    """The value that was kept."""
    box = ctx.db.get(Box, name)
    return None if box is None else box.content


@action
def relay(ctx: ActionCtx, name: str, amount: int = 1, refuse: bool = False, pause_ms: int = 0) -> int:
    """An action that counts through a mutation and reads through a query; slow if asked."""
    if refuse:
        raise refusal()
    ctx.run_mutation(add, name=name, amount=amount)
    time.sleep(pause_ms / 1000)
    value: int = ctx.run_query(get, name=name)
    return value


@action
def measure(ctx: ActionCtx, text: str) -> int:
    """How long a text is."""
    return len(text)


@query
def whoami(ctx: QueryCtx) -> dict[str, Any] | None:
    """The caller as a query sees them."""
    return _told(ctx)


@mutation
def whoami_now(ctx: MutationCtx) -> dict[str, Any] | None:
    """The caller as a mutation sees them."""
    return _told(ctx)


def _told(ctx: QueryCtx | MutationCtx) -> dict[str, Any] | None:
    user = ctx.user
    return None if user is None else {"subject": user.subject, "org": ctx.org, "token": user.token_identifier}


@mutation
def write(ctx: MutationCtx, room: str, text: str, rank: float) -> str:
    """Put a line into a room."""
    note_id: str = ctx.db.insert(Note(room=room, text=text, rank=rank))
    return note_id


@mutation
def fill(ctx: MutationCtx, room: str, first: int, count: int) -> None:
    """Put numbered lines into a room."""
    for number in range(first, first + count):
        ctx.db.insert(Note(room=room, text=f"note {number}", rank=float(number)))


@mutation
def crowd(ctx: MutationCtx, room: str, ranks: list[float], chars: int) -> None:
    """Put lines of so many characters between the others."""
    for rank in ranks:
        ctx.db.insert(Note(room=room, text="語" * chars, rank=rank))


@mutation
def drop(ctx: MutationCtx, note_id: str) -> bool:
    """Take a line out. Returns whether it was there."""
    note = ctx.db.get(Note, note_id)
    if note is not None:
        ctx.db.delete(note)
    return note is not None


@query
def notes(ctx: QueryCtx, room: str) -> list[Note]:
    """All lines of a room."""
    return ctx.db.query(Note.by_room(room)).collect()


@query
def page(ctx: QueryCtx, room: str, pagination_opts: PaginationOptions) -> Page[Note]:
    """A page of a room, lowest rank first."""
    return ctx.db.query(Note.by_room(room)).page(pagination_opts)
