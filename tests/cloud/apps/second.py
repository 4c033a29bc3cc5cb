"""The same app later: two more indexes, and functions that read them."""

from __future__ import annotations

from chalicelib import Index, MutationCtx, QueryCtx, Table, mutation, query


class Book(Table, name="cloudBooks"):
    """A book."""

    author: str
    year: int
    by_author = Index("author")
    by_year = Index("year")
    by_author_year = Index("author", order="year")


@mutation
def add(ctx: MutationCtx, author: str, year: int) -> str:
    """Put a book on the shelf."""
    return ctx.db.insert(Book(author=author, year=year))


@query
def of(ctx: QueryCtx, year: int) -> int:
    """How many books are of a year."""
    return len(ctx.db.query(Book.by_year(year)).take(100))


@query
def newest(ctx: QueryCtx, author: str) -> int:
    """The year of somebody's latest book."""
    (book,) = ctx.db.query(Book.by_author_year(author)).newest().take(1)
    return book.year
