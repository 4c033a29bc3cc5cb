"""A guestbook that nobody can flood: a limit for each guest, and one for all (`CONCAVE_APPS=examples.guestbook make dev`)."""

from chalicelib import Index, MutationCtx, QueryCtx, RateLimit, Refused, Table, mutation, query

PER_GUEST = RateLimit("guestbook-guest", per_minute=6, capacity=3)
"""Three at once, then one every ten seconds."""
ALTOGETHER = RateLimit("guestbook-all", per_minute=600, shards=4)
"""Many guests share it, so it is kept in four documents."""


class Entry(Table, name="guestbookEntries"):
    """What a guest wrote."""

    book: str
    guest: str
    text: str

    by_book = Index("book")


@mutation
def write(ctx: MutationCtx, guest: str, text: str, book: str = "main") -> str:
    """Write an entry. Too many are refused as `RateLimited` with `retryAfter` in milliseconds; such a call costs nothing."""
    if not text.strip():
        raise Refused("EmptyEntry", "An entry says something.")
    PER_GUEST.limit(ctx, key=guest)
    ALTOGETHER.limit(ctx)
    return ctx.db.insert(Entry(book=book, guest=guest, text=text))


@query
def entries(ctx: QueryCtx, book: str = "main") -> list[Entry]:
    """The newest fifty entries."""
    return ctx.db.query(Entry.by_book(book)).newest().take(50)
