"""Messages that everybody of an org sees as they are written."""

from __future__ import annotations

from concave import Index, MutationCtx, QueryCtx, Refused, Table, mutation, query

LONGEST = 500


class Message(Table, name="messages"):
    """What somebody said."""

    author: str
    text: str

    newest = Index()
    """All messages, in the order in which they were written."""


@query
def latest(ctx: QueryCtx, limit: int = 50) -> list[Message]:
    """The newest messages, oldest first. Whoever asks is told when there is another one."""
    return ctx.db.query(Message.newest()).newest().take(min(limit, 100))[::-1]


@mutation
def send(ctx: MutationCtx, text: str) -> None:
    """Say something. Who is not signed in is a guest."""
    if not 1 <= len(text.strip()) <= LONGEST:
        raise Refused("TextLength", f"A message has 1 to {LONGEST} characters.", field="text")
    author = ctx.user.subject if ctx.user else "guest"
    ctx.db.insert(Message(author=author, text=text.strip()))
