"""A shelf of books: one table with an index of words and one of vectors, on any store."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from chalicelib import Search, Table, Vector
from chalicelib.aws.vectors import S3Vectors
from chalicelib.data.blocks import Mover
from chalicelib.data.commit import commit
from chalicelib.data.database import Hit, Reader, Writer
from chalicelib.data.entries import ROWS
from chalicelib.data.receipts import Intent, Receipt
from chalicelib.data.side_index import SideIndex
from chalicelib.data.store import Key, Store
from chalicelib.data.tables import SYSTEM_SPECS, spec
from chalicelib.data.transaction import Transaction
from infra.local.faults.wrapper import StoreWrapper
from infra.local.sqlite.store import SqliteStore
from tests.support import engine
from tests.support.s3_vectors import BUCKET, S3VectorsServer, serving

R = TypeVar("R")
KINDS = ("sqlite-memory", "dynoxide")
SERVICE = "service"
"""A store whose vectors are kept by S3 Vectors, spoken to over a socket."""
ORG = "acme"


class Book(Table, name="shelfBooks"):
    room: str
    text: str = ""
    kind: str | None = None
    shade: list[float] | None = None
    loans: int = 0

    by_text = Search("text", partition=("room",), filter=("kind",))
    by_shade = Vector("shade", dimensions=3, partition=("room",), filter=("kind",))


SPECS = [*SYSTEM_SPECS, spec(Book)]
_numbers = itertools.count()


class Shelf:
    """A store, and runs on it."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def write(self, body: Callable[[Writer], R], org: str = ORG) -> tuple[R, Receipt]:
        """A mutation, committed: its answer and its receipt."""
        number = next(_numbers)
        tx = Transaction(self.store, org, now_ms=1000.0 + number, writable=True)
        answer = body(Writer(tx, lambda: f"b{next(_numbers)}"))
        return answer, commit(
            self.store, tx, Intent(f"c{number}", f"s{number}", "call", "books:write", org, "null", 1000 + number)
        )

    def read(self, body: Callable[[Reader], R], org: str = ORG) -> tuple[R, Transaction]:
        """A query: its answer, and what it has read."""
        tx = Transaction(self.store, org, now_ms=1000.0)
        return body(Reader(tx)), tx

    def put(self, name: str, text: str, room: str = "hall", org: str = ORG, **fields: Any) -> Receipt:
        """A book under a name, whether it is new or not."""

        def body(db: Writer) -> None:
            book = Book(id=name, room=room, text=text, **fields)
            if db.get(Book, name) is None:
                db.insert(book)
            else:
                db.replace(book)

        return self.write(body, org)[1]

    def drop(self, name: str) -> Receipt:
        """Take a book away."""
        return self.write(lambda db: db.delete(Book, name))[1]

    def hits(self, query: str, room: str = "hall", *, limit: int = 50, org: str = ORG, **named: Any) -> list[Hit[Book]]:
        """What a search for words finds."""
        return self.read(lambda db: db.search(Book.by_text(query, room=room, **named), limit), org)[0]

    def found(self, query: str, room: str = "hall", **named: Any) -> list[str]:
        """The names of what a search for words finds, in order of the alphabet."""
        return sorted(hit.document.id for hit in self.hits(query, room, **named))

    def near(self, vector: list[float], room: str = "hall", *, limit: int = 50, **named: Any) -> list[str]:
        """The names of what is nearest, best first."""
        hits = self.read(lambda db: db.vector_search(Book.by_shade, vector, limit=limit, room=room, **named))[0]
        return [hit.document.id for hit in hits]

    def move(self, index: SideIndex = Book.by_text, room: str = "hall", least: int = 1) -> int:
        """Move the tail of a partition into blocks."""
        return Mover(self.store, index.address(ORG, (room,)), index is Book.by_shade, now_s=1000).move(least)

    def rows(self, index: SideIndex = Book.by_text, room: str = "hall") -> list[dict[str, Any]]:
        """Every row of a partition of an index."""
        return self.store.query(ROWS, index.address(ORG, (room,))).items

    def key(self, name: str) -> Key:
        """Where a book is."""
        return Key("shelfBooks", f"{ORG}|shelfBooks|{name}")


class WithService(StoreWrapper):
    """A store without the abilities of SQLite, and with a service of vectors."""

    def __init__(self, inner: Store, server: S3VectorsServer) -> None:
        super().__init__(inner)
        self.server = server
        self.vectors = S3Vectors(BUCKET, f"t{next(_numbers)}-", server.client)


@contextmanager
def shelves(kind: str, folder: Path) -> Iterator[Callable[[], Shelf]]:
    """A way to make empty shelves on stores of this kind. Skips the test where its engine is not installed."""
    if kind == SERVICE:
        with serving() as server:
            yield lambda: Shelf(WithService(SqliteStore(":memory:", SPECS), server))
        return
    if kind != "dynoxide":
        yield lambda: Shelf(SqliteStore(":memory:" if kind == "sqlite-memory" else folder / f"{next(_numbers)}.db", SPECS))
        return
    engine.require_engine()
    from chalicelib.aws.models import ensure_tables, models
    from chalicelib.aws.store import DynamoStore, connect

    running = engine.Engine()
    try:
        client = connect(running.url)

        def fresh() -> Shelf:
            prefix = f"t{next(_numbers)}-"
            ensure_tables(client, models(SPECS, prefix).values())
            return Shelf(DynamoStore(SPECS, prefix, client=client))

        yield fresh
    finally:
        running.kill()
