"""Whatever is written, moved, broken off and moved by two at once: a search finds what a plain look at the documents finds, and
when all is moved no row holds a word of what is gone."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeGuard

import msgspec
import pytest

from chalicelib.data.blocks import Mover
from chalicelib.data.entries import ROWS
from chalicelib.data.errors import StoreFailed
from chalicelib.data.side_index import Entry
from chalicelib.data.store import Action, Delete, Item, Key, Store, Update, Write
from chalicelib.words import asked_words, indexed_words
from infra.local.faults.wrapper import StoreWrapper
from infra.local.sqlite.store import SqliteStore
from tests.data.shelf import ORG, SPECS, Book, Shelf

WORDS = ("apple", "apples", "bear", "café", "検索", "der", "dering")
NAMES = [f"n{number}" for number in range(8)]


class Breaking(StoreWrapper):
    """A store whose writes fail after so many, each in its own request, as on DynamoDB; `between` works before each write."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.left = -1
        self.between = lambda: None

    def _one(self) -> None:
        self.between()
        if self.left == 0:
            raise StoreFailed("broken off")
        self.left -= 1

    def write(self, write: Write) -> Item | None:
        self._one()
        return self.inner.write(write)

    def transact(self, actions: Sequence[Action]) -> int | None:
        return self.inner.transact(actions)


def says(text: str, query: str) -> bool:
    words = asked_words(query)
    has = indexed_words(text)
    return any(word in has for word in words) or any(each.startswith(words[-1]) for each in has)


def check(shelf: Shelf, truth: dict[str, tuple[str, str, str | None]]) -> None:
    for room in ("hall", "cellar"):
        for query in ("apple", "app", "cafe bear", "検索", "索", "der"):
            for kind in (None, "raw"):
                wanted = sorted(
                    name
                    for name, (where, text, what) in truth.items()
                    if where == room and says(text, query) and kind in (None, what)
                )
                assert shelf.found(query, room, kind=kind) == wanted, (room, query, kind)


def rows_hold_only(shelf: Shelf, truth: dict[str, tuple[str, str, str | None]]) -> None:
    for room in ("hall", "cellar"):
        here = {name: text for name, (where, text, _) in truth.items() if where == room}
        for row in shelf.rows(room=room):
            kind, _, rest = row["sk"].partition("|")
            if kind == "w" and not rest.startswith("="):
                names, _ = msgspec.msgpack.decode(bytes(row["e"]))
                assert all(rest.split("|")[0] in indexed_words(here.get(name, "")) for name in names), row["sk"]
            elif kind == "d":
                assert rest in here
            assert kind != "t"


def voyage(seed: int, mover: type[Mover]) -> None:
    """Some sixty changes and moves, drawn from a seed."""
    rng = random.Random(seed)
    store = Breaking(SqliteStore(":memory:", SPECS))
    shelf = Shelf(store)
    truth: dict[str, tuple[str, str, str | None]] = {}

    def change() -> None:
        name = rng.choice(NAMES)
        if name in truth and rng.random() < 0.3:
            shelf.drop(name)
            del truth[name]
        else:
            one = (rng.choice(("hall", "cellar")), " ".join(rng.choices(WORDS, k=rng.randrange(4))), rng.choice((None, "raw")))
            shelf.put(name, one[1], one[0], kind=one[2])
            truth[name] = one

    def move(deep: int = 0) -> None:
        room = rng.choice(("hall", "cellar"))

        def between() -> None:
            if deep == 0 and rng.random() < 0.08:
                move(1)
            elif rng.random() < 0.08:
                kept, store.between, left, store.left = store.between, lambda: None, store.left, -1
                change()
                store.between, store.left = kept, left

        kept = store.between, store.left
        store.between, store.left = between, rng.choice((-1, -1, rng.randrange(30)))
        try:
            mover(store, Book.by_text.address(ORG, (room,)), vectors=False, now_s=1000, threads=1).move(least=1)
        except StoreFailed:
            pass
        finally:
            store.between, store.left = kept

    for _ in range(60):
        move() if rng.random() < 0.25 else change()
        check(shelf, truth)
    for room in ("hall", "cellar"):
        shelf.put(f"last {room}", "word", room)  # whoever has something to move sweeps away what was broken off long ago
        truth[f"last {room}"] = (room, "word", None)
        mover(store, Book.by_text.address(ORG, (room,)), vectors=False, now_s=10_000, threads=1).move(least=1)
    check(shelf, truth)
    rows_hold_only(shelf, truth)


@pytest.mark.parametrize("seed", range(40))
def test_a_search_finds_what_a_look_at_every_document_finds(seed: int) -> None:
    voyage(seed, Mover)


# The protective steps of a mover, each switched off ---------------------------------------------------------------------


def _is_of_the_tail(write: Write) -> TypeGuard[Delete]:
    return isinstance(write, Delete) and (write.key.sk or "").startswith("t|")


class TailGoesWhateverItSays(Mover):
    """A tail row is removed although it is not the one that was moved."""

    def _all(self, writes: Sequence[Write], *, lenient: bool = False) -> list[Write]:
        bare = [
            Delete(each.key) if isinstance(each, Delete) and (each.key.sk or "").startswith("t|") else each for each in writes
        ]
        return super()._all(bare, lenient=lenient)


class NobodyKnowsWhere(Mover):
    """Nothing says where postings are until they have been moved."""

    def _placed(self, name: str, entry: Entry | None, batch: str, old: Item) -> Write:
        return Update(
            Key(ROWS, self.address, f"d|{name}"), {("_c",): batch, ("e",): old.get("e", b"\x90"), ("n",): old.get("n", -1)}
        )


class OldPostingsStay(Mover):
    """A document does not leave the blocks of its older entries."""

    def _left(self, olds: dict[str, Item]) -> dict[str, str | None]:
        return {}


class NothingIsTakenBack(Mover):
    """Who meets another mover leaves what it has written."""

    def _taken_back(self, batch: str, made: Sequence[str], new: Sequence[str]) -> None:
        return


class NothingIsSwept(Mover):
    """What was broken off long ago stays."""

    def _swept(self, batches: set[str]) -> None:
        return


@pytest.mark.parametrize(
    ("mutant", "first"),
    [
        (TailGoesWhateverItSays, 0),
        (NobodyKnowsWhere, 0),
        (OldPostingsStay, 0),
        (NothingIsTakenBack, 36),
        (NothingIsSwept, 15),
    ],
)
def test_without_one_of_a_movers_steps_something_is_lost_or_left(mutant: type[Mover], first: int) -> None:
    for seed in range(first, first + 100):
        try:
            voyage(seed, mutant)
        except AssertionError:
            return
    pytest.fail(f"nothing noticed {mutant.__name__}")
