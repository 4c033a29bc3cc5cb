"""The first of a search are the first of everything, however they are found: few of what there is are counted one by one, and
what was read of blocks is kept for as long as these are what they were."""

from __future__ import annotations

import random
from collections.abc import Hashable
from typing import Any

import pytest

from chalicelib.data import searching
from chalicelib.data.block_rows import Kept
from chalicelib.data.searching import Ranking
from infra.local.faults.counting import CountingStore
from infra.local.sqlite.store import SqliteStore
from tests.data.mutants import swapped
from tests.data.shelf import SPECS, Book, Shelf

WORDS = ("tea", "tea", "tea", "teapot", "coffee", "cake")


def filled(seed: int, count: int = 60) -> Shelf:
    """Books with one word very often; most of them in blocks, some changed since."""
    rng, shelf = random.Random(seed), Shelf(SqliteStore(":memory:", SPECS))

    def put(number: int) -> None:
        text = " ".join(rng.choices(WORDS, k=rng.randrange(1, 12)))
        shelf.put(f"n{number:02}", text, kind=rng.choice(("raw", "done")), shade=[rng.gauss(0, 1) for _ in range(3)])

    for number in range(count):
        put(number)
        if number == count // 2:
            shelf.move()
            shelf.move(Book.by_shade)
    shelf.move()
    shelf.move(Book.by_shade)
    for number in range(0, count, 7):
        put(number)
    shelf.drop("n01")
    return shelf


def agrees(seed: int) -> None:
    """What a search for few finds is the beginning of what it finds of all."""
    shelf, rng = filled(seed), random.Random(seed)
    for query in ("tea", "te", "coffee", "cake tea", "nothing", "nothing tea"):
        for named in ({}, {"kind": "raw"}, {"every": True}):
            everything = [(hit.document.id, hit.score) for hit in shelf.hits(query, limit=1000, **named)]
            most = rng.randrange(1, 20)
            told = [(hit.document.id, hit.score) for hit in shelf.hits(query, limit=most, **named)]
            assert told == everything[:most], (query, named, most)
    for named in ({}, {"kind": "raw"}):
        wanted = [rng.gauss(0, 1) for _ in range(3)]
        assert shelf.near(wanted, limit=5, **named) == shelf.near(wanted, limit=256, **named)[:5]


@pytest.mark.parametrize("seed", range(6))
def test_the_first_few_are_the_first_of_all(seed: int) -> None:
    agrees(seed)


class TooFew(Ranking):
    """Of one word those that look best, without those that look just as good."""

    def promising(self, words: Any, enough: int) -> Any:
        return [dict(list(postings.items())[: enough // 2]) for postings in words]


def test_with_too_few_counted_the_first_are_others() -> None:
    with swapped((searching, "Ranking", TooFew)), pytest.raises(AssertionError):
        agrees(0)


class WithoutVersions(Kept[Any]):
    """Keeps what was made of a block whatever became of the block since."""

    @staticmethod
    def _bare(name: Any) -> Hashable:
        address, *rows = name
        return (address, *{sort_key.rpartition("|")[0] for sort_key, _ in rows})

    def get(self, name: Hashable) -> Any:
        return super().get(self._bare(name))

    def put(self, name: Hashable, made: Any, size: int) -> Any:
        return super().put(self._bare(name), made, size)


def changed() -> tuple[list[str], list[str]]:
    """What is found of blocks that were read, then changed."""
    shelf = Shelf(SqliteStore(":memory:", SPECS))
    for name in ("a", "b"):
        shelf.put(name, "tea", shade=[1.0, 0.0, 0.0])
    for index in (Book.by_text, Book.by_shade):
        shelf.move(index)
    assert shelf.found("tea") == shelf.near([1.0, 0.0, 0.0]) == ["a", "b"]
    shelf.put("c", "tea", shade=[1.0, 0.0, 0.0])
    shelf.put("a", "coffee", shade=[0.0, 0.0, 1.0])
    for index in (Book.by_text, Book.by_shade):
        shelf.move(index)
    return shelf.found("tea"), shelf.near([1.0, 0.0, 0.0], limit=3)


def test_what_was_made_of_a_block_is_not_used_for_another_version_of_it() -> None:
    assert changed() == (["b", "c"], ["b", "c", "a"])
    with swapped((searching, "KEPT", WithoutVersions(1_000_000))):
        assert changed()[0] == ["b"]


def test_what_was_not_used_for_long_is_let_go_of() -> None:
    kept: Kept[str] = Kept(100)
    for number in range(5):
        kept.put(number, str(number), 30)
        assert kept.get(0) == ("0" if number < 5 else None)
    assert [kept.get(number) for number in range(5)] == ["0", None, None, "3", "4"]
    assert kept.put(9, "large", 1_000) == kept.get(9) == "large"
    assert kept.get(4) is None


def test_a_block_of_vectors_that_was_read_is_not_read_again() -> None:
    store = CountingStore(SqliteStore(":memory:", SPECS), SPECS)
    shelf = Shelf(store)
    for number in range(10):
        shelf.put(f"n{number}", "", shade=[1.0, float(number), 0.0])
    shelf.move(Book.by_shade)
    gets = []
    for _ in range(2):
        store.reset()
        shelf.near([1.0, 0.0, 0.0], limit=1)
        gets.append(store.requests["get"])
    assert gets[0] == gets[1] + 1
