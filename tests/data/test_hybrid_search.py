"""Several searches as one: the list that `fused` makes of them, and of the documents only those read that are told."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chalicelib import fused
from chalicelib.data import nearest
from chalicelib.data.database import Hit, Reader
from chalicelib.data.errors import BadRequest
from chalicelib.data.store import Delete, Put
from infra.local.faults.counting import CountingStore
from infra.local.sqlite.store import SqliteStore
from tests.data.mutants import swapped
from tests.data.shelf import KINDS, SERVICE, SPECS, Book, Shelf, shelves

WORDS = ("tea", "teapot", "coffee", "cake", "milk")


@pytest.fixture(scope="module", params=(*KINDS, SERVICE))
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Shelf]]:
    with shelves(request.param, tmp_path_factory.mktemp("shelves")) as fresh:
        yield fresh


def told(hits: list[Hit[Any]]) -> list[tuple[str, float]]:
    """Names and scores; what shares a score in the order of the alphabet."""
    return sorted(((hit.document.id, round(hit.score, 9)) for hit in hits), key=lambda each: (-each[1], each[0]))


def both(db: Reader, query: str, shade: list[float], limit: int, depth: int, kind: str | None = None) -> list[Hit[Any]]:
    """By words and by a vector, together."""
    by_words, by_shade = Book.by_text(query, room="hall", kind=kind), Book.by_shade(shade, room="hall", kind=kind)
    return db.hybrid_search(by_words, by_shade, limit=limit, depth=depth)


def one_by_one(db: Reader, query: str, shade: list[float], limit: int, depth: int, kind: str | None = None) -> list[Hit[Any]]:
    """The same by reading both lists; with all that share the last score."""
    words = db.search(Book.by_text(query, room="hall", kind=kind), depth)
    shades = db.vector_search(Book.by_shade, shade, limit=depth, room="hall", kind=kind)
    everything = fused([words, shades], limit=1_000)
    last = everything[limit - 1].score if len(everything) >= limit else 0.0
    return [hit for hit in everything if hit.score >= last]


def drawn(shelf: Shelf, rng: random.Random, count: int) -> None:
    """Books, of which some are changed or taken away after they were moved into blocks."""
    for number in range(count):
        put(shelf, rng, f"n{number:02}")
    shelf.move()
    shelf.move(Book.by_shade)
    for name in rng.sample([f"n{number:02}" for number in range(count)], count // 4):
        shelf.drop(name) if rng.random() < 0.5 else put(shelf, rng, name)


def put(shelf: Shelf, rng: random.Random, name: str) -> None:
    shade = [rng.gauss(0, 1) for _ in range(3)] if rng.random() < 0.8 else None
    shelf.put(name, " ".join(rng.choices(WORDS, k=rng.randrange(5))), kind=rng.choice((None, "raw")), shade=shade)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_the_lists_would_be_if_all_of_them_were_read(make: Callable[[], Shelf], seed: int) -> None:
    shelf, rng = make(), random.Random(seed)
    drawn(shelf, rng, 24)
    for _ in range(8):
        limit = rng.randrange(1, 12)
        shade = [rng.gauss(0, 1) for _ in range(3)]
        asked = (" ".join(rng.choices(WORDS, k=2)), shade, limit, rng.randrange(limit, 30))
        kind = rng.choice((None, "raw"))
        found = shelf.read(lambda db, asked=asked, kind=kind: both(db, *asked, kind=kind))[0]
        whole = shelf.read(lambda db, asked=asked, kind=kind: one_by_one(db, *asked, kind=kind))[0]
        assert told(found) == told(whole), asked
        assert {hit.document.id: hit.highlights for hit in found} == {hit.document.id: hit.highlights for hit in whole}


def gone(shelf: Shelf) -> list[str]:
    """What is found of forty books of which thirty are gone without a word to the index."""
    for number in range(40):
        shelf.put(f"n{number:02}", "tea " * (40 - number), shade=[1.0, number / 100, 0.0])
    shelf.move()
    for number in range(30):
        shelf.store.write(Delete(shelf.key(f"n{number:02}")))
    return [hit.document.id for hit in shelf.read(lambda db: both(db, "tea", [1.0, 0.0, 0.0], 3, 9))[0]]


def test_what_the_indexes_propose_and_is_not_there_leaves_its_place_to_the_next(make: Callable[[], Shelf]) -> None:
    assert gone(make()) == ["n30", "n31", "n32"]


def test_without_a_look_at_what_is_proposed_something_is_found_that_is_elsewhere() -> None:
    def elsewhere(store: SqliteStore) -> list[str]:
        shelf = Shelf(store)
        shelf.put("a", "tea", shade=[1.0, 0.0, 0.0])
        entered = shelf.rows()[0]
        shelf.put("a", "tea", room="cellar", shade=[1.0, 0.0, 0.0])
        shelf.store.write(Put("indexRows", entered))
        return [hit.document.id for hit in shelf.read(lambda db: both(db, "tea", [1.0, 0.0, 0.0], 3, 9))[0]]

    assert elsewhere(SqliteStore(":memory:", SPECS)) == []
    with swapped((nearest, "stands", lambda tx, asked, record: True)):
        assert elsewhere(SqliteStore(":memory:", SPECS)) == ["a"]


def test_of_what_is_proposed_only_what_is_told_is_read() -> None:
    store = CountingStore(SqliteStore(":memory:", SPECS), SPECS)
    shelf = Shelf(store)
    for number in range(100):
        shelf.put(f"n{number:02}", "tea " * (number + 1), shade=[1.0, number / 100, 0.0])
    store.reset()
    assert len(shelf.read(lambda db: both(db, "tea", [1.0, 0.0, 0.0], 10, 100))[0]) >= 10
    assert sum(count for (_, table), count in store.items.items() if table == "shelfBooks") <= 12


def test_searches_that_cannot_be_put_together_are_refused() -> None:
    shelf = Shelf(SqliteStore(":memory:", SPECS))
    for named in ({"limit": 0}, {"limit": 257}, {"limit": True}, {"depth": 0}, {"depth": 1.5}):
        with pytest.raises(BadRequest, match="is 1 to 256"):
            shelf.read(lambda db, named=named: db.hybrid_search(Book.by_text("tea", room="hall"), **named))
    with pytest.raises(BadRequest, match="takes searches of one table"):
        shelf.read(lambda db: db.hybrid_search())
