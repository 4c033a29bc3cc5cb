"""What searching costs: `make bench-search` (SIZES=1000,100000): times as multiples of a plain read, recall, and write units.

Documents of some forty words, drawn as words are in languages (Zipf), with vectors of 256 numbers, in one partition of a SQLite
file. Write units are counted at 1,000 documents as DynamoDB would charge them, written one by one and moved by a sweep.
"""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chalicelib import Search, Table, Vector
from chalicelib.data import snapshot
from chalicelib.data.blocks import mover
from chalicelib.data.commit import commit
from chalicelib.data.database import Reader, Writer
from chalicelib.data.receipts import Intent
from chalicelib.data.side_index import SideIndex
from chalicelib.data.store import Store
from chalicelib.data.tables import SYSTEM_SPECS, spec
from chalicelib.data.transaction import Transaction
from chalicelib.embedders.hashing import Hashing
from chalicelib.embedders.static import WordLlama, installed
from infra.local.faults.counting import CountingStore
from infra.local.sqlite.store import SqliteStore
from tests.embedders.labelled import PAIRS, places, reciprocal
from tests.support.goals import told

DIMENSIONS, WORDS, VOCABULARY = 256, 40, 30_000
TIMES = 40
UNITS_GOALS = {"without": (5, 0), "words": (7, 20), "words and vector": (18, 25)}
"""Write units of a document in its commit, and when its rows are moved, at most."""
TIMES_GOALS = {1_000: 300, 100_000: 2_000}
"""How many plain reads a search may take, in one partition of up to so many documents."""
RECALL_GOAL = 1.0


class Page(Table, name="benchPages"):
    space: str
    text: str
    meaning: list[float] | None = None

    by_text = Search("text", partition=("space",))
    by_meaning = Vector("meaning", dimensions=DIMENSIONS, partition=("space",))


SPECS = [*SYSTEM_SPECS, spec(Page)]


class World:
    """Texts and vectors from one seed."""

    def __init__(self) -> None:
        self.rng = random.Random(1)
        self._words = [f"w{number}" for number in range(VOCABULARY)]
        self._weights = [1 / (number + 1) for number in range(VOCABULARY)]

    def text(self) -> str:
        """Some forty words."""
        return " ".join(self.rng.choices(self._words, self._weights, k=WORDS))

    def vector(self) -> list[float]:
        """A direction."""
        return [self.rng.gauss(0, 1) for _ in range(DIMENSIONS)]


def main() -> None:
    """Print everything."""
    print("What a stored document costs, in write units (1,000 documents, one a commit, then a sweep):")
    for name, with_text, with_vector in (("without", False, False), ("words", True, False), ("words and vector", True, True)):
        written, moved = _units(with_text, with_vector)
        goals = UNITS_GOALS[name]
        print(f"  {name:<18} {told(written, goals[0], 'in its commit')}   {told(moved, goals[1], 'when it is moved')}")
    for size in map(int, os.environ.get("SIZES", "1000,100000").split(",")):
        with tempfile.TemporaryDirectory() as folder:
            _timed(size, Path(folder))
    _quality()


def _units(with_text: bool, with_vector: bool) -> tuple[float, float]:
    """Write units of a document beyond its own row's: in its commit, and when it is moved."""
    world, count = World(), 1000
    store = CountingStore(SqliteStore(":memory:", SPECS), SPECS)
    for number in range(count):
        page = Page(
            space="s" if with_text else "",
            text=world.text() if with_text else "",
            meaning=world.vector() if with_vector else None,
        )
        _insert(store, number, [page])
    written = sum(store.wcu.values()) / count
    store.reset()
    for index in (Page.by_text, Page.by_meaning):
        _move(store, index)
    return written, sum(store.wcu.values()) / count


def _insert(store: Store, number: int, pages: list[Page]) -> None:
    tx = Transaction(store, "acme", now_ms=1000.0 + number, writable=True)
    for at, page in enumerate(pages):
        Writer(tx, lambda at=at: f"p{number:06}{at:02}{'x' * 20}").insert(page)
    commit(store, tx, Intent(f"c{number}", f"s{number}", "call", "bench:write", "acme", "null", 1000 + number))


def _move(store: Store, index: SideIndex) -> None:
    mover(store, index, index.address("acme", ("s",)), time.time()).move()


def _timed(size: int, folder: Path) -> None:
    world, store = World(), SqliteStore(folder / "bench.db", SPECS)
    vectors: list[list[float]] = []
    began = time.perf_counter()
    for number in range(0, size, 20):
        pages = [Page(space="s", text=world.text(), meaning=world.vector()) for _ in range(min(20, size - number))]
        vectors += [page.meaning or [] for page in pages]
        _insert(store, number, pages)
        if number % 2000 == 0:
            for index in (Page.by_text, Page.by_meaning):
                _move(store, index)
    for index in (Page.by_text, Page.by_meaning):
        _move(store, index)
    took = time.perf_counter() - began
    print(f"\n{size:,} documents in one partition ({took:.0f} s to write and move):")
    some = next(_ids(store))
    get = _median(store, lambda db: db.get(Page, some))
    goal = next((most for below, most in TIMES_GOALS.items() if size <= below), max(TIMES_GOALS.values()))
    print(f"  a plain read           {get * 1000:8.3f} ms")
    asked = {
        "a rare word": lambda: f"w{world.rng.randrange(5000, 9000)}",
        "a common word": lambda: f"w{world.rng.randrange(20, 60)}",
        "three words": lambda: " ".join(f"w{world.rng.randrange(100, 3000)}" for _ in range(3)),
        "a beginning": lambda: f"w{world.rng.randrange(100, 300)} w{world.rng.randrange(10, 99)}",
        "the commonest word": lambda: "w0",
    }
    for name, query in asked.items():
        _line(name, _median(store, lambda db, query=query: db.search(Page.by_text(query(), space="s"), 10)), get, goal)
    _line(
        "a vector", _median(store, lambda db: db.vector_search(Page.by_meaning, world.vector(), limit=10, space="s")), get, goal
    )
    found = told(_recall(store, vectors, world), RECALL_GOAL, "of the ten that a plain comparison finds", least=True)
    print(f"  recall of vectors      {found}")
    store.close()


def _line(name: str, took: float, get: float, goal: float) -> None:
    print(f"  {name:<22} {took * 1000:8.3f} ms   {told(took / get, goal, '× a plain read')}")


def _ids(store: Store) -> Iterator[str]:
    for item in store.scan("benchPages", limit=10).items:
        yield str(item["_id"])


def _median(store: SqliteStore, ask: Callable[[Reader], Any]) -> float:
    """Seconds that a query takes at one instant."""
    taken = []
    for _ in range(TIMES + 2):
        began = time.perf_counter()
        with snapshot.look(store) as look:
            ask(Reader(Transaction(look.store, "acme", now_ms=1.0)))
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[2:])


def _recall(store: SqliteStore, vectors: list[list[float]], world: World) -> float:
    import numpy

    everything = numpy.array(vectors)
    everything /= numpy.linalg.norm(everything, axis=1, keepdims=True)
    shares = []
    for _ in range(10):
        wanted = world.vector()
        best = set(map(int, numpy.argsort(-(everything @ numpy.array(wanted)))[:10]))
        with snapshot.look(store) as look:
            hits = Reader(Transaction(look.store, "acme", now_ms=1.0)).vector_search(Page.by_meaning, wanted, limit=10, space="s")
        found = {number for number in best if any(hit.document.meaning == vectors[number] for hit in hits)}
        shares.append(len(found) / 10)
    return statistics.mean(shares)


def _quality() -> None:
    print(f"\nHow well {len(PAIRS)} questions find their answers (tests/embedders/labelled.py; few share a word):")
    for each in (Hashing(256), *([WordLlama()] if installed() else [])):
        began = time.perf_counter()
        each.embed(["the first text"])
        first = time.perf_counter() - began
        found = places(each.embed)
        told = f"mean reciprocal rank {reciprocal(found):.2f}, first {sum(place == 1 for place in found)} of {len(found)}"
        print(f"  {each.name:<18} {told}; the first text takes {first * 1000:.0f} ms")


if __name__ == "__main__":
    main()
