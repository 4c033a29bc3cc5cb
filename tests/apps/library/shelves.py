"""Books that are found by their words while they are written, and by what they mean a moment later."""

from __future__ import annotations

from chalicelib import (
    ActionCtx,
    MutationCtx,
    QueryCtx,
    Search,
    Table,
    Vector,
    action,
    internal_action,
    internal_mutation,
    mutation,
    query,
)


class LibraryBook(Table, name="libraryBooks"):
    shelf: str
    text: str
    meaning: list[float] | None = None

    by_text = Search("text", partition=("shelf",))
    by_meaning = Vector("meaning", dimensions=64, partition=("shelf",))


@mutation
def add(ctx: MutationCtx, shelf: str, text: str) -> str:
    """Add a book; what it means is worked out behind the commit."""
    book = ctx.db.insert(LibraryBook(shelf=shelf, text=text))
    ctx.scheduler.run_after(0, embed, book=book, text=text)
    return book


@mutation
def remove(ctx: MutationCtx, book: str) -> None:
    """Take a book away."""
    ctx.db.delete(LibraryBook, book)


@query
def find(ctx: QueryCtx, shelf: str, words: str) -> list[str]:
    """Books with these words, best first."""
    return [hit.document.text for hit in ctx.db.search(LibraryBook.by_text(words, shelf=shelf))]


@query
def meant(ctx: QueryCtx, shelf: str) -> int:
    """How many books have a vector."""
    return len(ctx.vector_search(LibraryBook.by_meaning, [1.0] * 64, shelf=shelf))


@action
def like(ctx: ActionCtx, shelf: str, words: str) -> list[str]:
    """Books that mean the same."""
    assert ctx.embedder is not None
    vector = ctx.embedder.embed([words])[0]
    return [hit.document.text for hit in ctx.vector_search(LibraryBook.by_meaning, vector, limit=1, shelf=shelf)]


@internal_action
def embed(ctx: ActionCtx, book: str, text: str) -> None:
    """Work out what a text means."""
    assert ctx.embedder is not None
    ctx.run_mutation(keep, book=book, meaning=ctx.embedder.embed([text])[0])


@internal_mutation
def keep(ctx: MutationCtx, book: str, meaning: list[float]) -> None:
    """Keep what a book means, if it is there still."""
    if ctx.db.get(LibraryBook, book) is not None:
        ctx.db.patch(LibraryBook, book, meaning=meaning)
