"""Many small documents, on shelves."""

from chalicelib import Index, MutationCtx, Table, mutation


class Pebble(Table, name="pebbles"):
    """One of many."""

    shelf: str
    place: int

    by_shelf = Index("shelf", order="place")


@mutation
def fill(ctx: MutationCtx, shelf: str, first: int, count: int) -> None:
    """Put pebbles on a shelf."""
    for place in range(first, first + count):
        ctx.db.insert(Pebble(shelf=shelf, place=place))


@mutation
def put(ctx: MutationCtx, shelf: str, place: int) -> None:
    """Put one more there."""
    ctx.db.insert(Pebble(shelf=shelf, place=place))
