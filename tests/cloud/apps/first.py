"""An app of the test's own, as it is deployed first: a table with one index."""

from __future__ import annotations

from chalicelib import Index, MutationCtx, QueryCtx, Table, mutation, query


class Book(Table, name="cloudBooks"):
    """A book."""

    author: str
    year: int
    by_author = Index("author")


@mutation
def add(ctx: MutationCtx, author: str, year: int) -> str:
    """Put a book on the shelf."""
    return ctx.db.insert(Book(author=author, year=year))


@query
def of(ctx: QueryCtx, author: str) -> int:
    """How many books somebody wrote."""
    return len(ctx.db.query(Book.by_author(author)).take(100))
