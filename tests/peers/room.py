"""One room's messages: the app that `make bench-peers` has Concave serve."""

from chalicelib import Index, MutationCtx, QueryCtx, Table, mutation, query


class Said(Table, name="said"):
    """A message."""

    room: str = "room"
    text: str

    by_room = Index("room")


@query
def newest(ctx: QueryCtx) -> list[str]:
    """The newest message, if there is one."""
    return [said.text for said in ctx.db.query(Said.by_room("room")).newest().take(1)]


@mutation
def say(ctx: MutationCtx, text: str) -> None:
    """Store a message."""
    ctx.db.insert(Said(text=text))
