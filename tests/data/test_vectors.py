"""Searching vectors, on both stores: exact, at once, filtered before ranking, and never what is gone or another's."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from chalicelib import Search, Table, Vector
from chalicelib.data.errors import BadRequest, BadValue, StoreFailed, WrongDeclaration
from chalicelib.data.store import Delete
from chalicelib.data.tables import TABLES
from chalicelib.data.vector_math import numpy
from chalicelib.runtime.declarations import check_table
from tests.data.shelf import KINDS, SERVICE, Book, Shelf, shelves


@pytest.fixture(scope="module", params=(*KINDS, SERVICE))
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Shelf]]:
    with shelves(request.param, tmp_path_factory.mktemp("shelves")) as fresh:
        yield fresh


@pytest.fixture
def shelf(make: Callable[[], Shelf]) -> Shelf:
    return make()


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


@pytest.mark.parametrize("moved", [False, True, None], ids=["in the tail", "in blocks", "in both"])
def test_the_nearest_are_those_of_a_plain_comparison(shelf: Shelf, moved: bool | None) -> None:
    rng = random.Random(7)
    shades = {f"n{number}": [rng.gauss(0, 1) for _ in range(3)] for number in range(40)}
    for number, (name, shade) in enumerate(shades.items()):
        shelf.put(name, "", shade=shade, kind="even" if number % 2 == 0 else "odd")
        if moved is None and number == 20:
            shelf.move(Book.by_shade)
    if moved:
        shelf.move(Book.by_shade)
    for _ in range(5):
        wanted = [rng.gauss(0, 1) for _ in range(3)]
        best = sorted(shades, key=lambda name: -cosine(shades[name], wanted))
        assert shelf.near(wanted, limit=5) == best[:5]
        assert shelf.near(wanted, kind="odd") == [name for name in best if int(name[1:]) % 2]
        hits = shelf.read(lambda db, at=wanted: db.vector_search(Book.by_shade, at, limit=3, room="hall"))[0]
        assert [hit.score for hit in hits] == pytest.approx([cosine(shades[name], wanted) for name in best[:3]], abs=1e-5)


@pytest.mark.parametrize("moved", [False, True])
def test_what_is_gone_changed_or_anothers_is_never_found(shelf: Shelf, moved: bool) -> None:
    for name in ("stays", "goes", "turns", "fades", "leaves", "vanishes"):
        shelf.put(name, "", shade=[1.0, 0.0, 0.1])
    shelf.put("foreign", "", org="rival", shade=[1.0, 0.0, 0.1])
    shelf.put("none", "")
    if moved:
        shelf.move(Book.by_shade)
        assert "goes" in shelf.near([1.0, 0.0, 0.0], limit=50)  # the block has been read once
    shelf.drop("goes")
    shelf.put("turns", "", shade=[0.0, 1.0, 0.0])
    shelf.put("fades", "")
    shelf.put("leaves", "", room="cellar", shade=[1.0, 0.0, 0.0])
    shelf.store.write(Delete(shelf.key("vanishes")))
    for _ in range(2):
        assert shelf.near([1.0, 0.0, 0.0], limit=1) == ["stays"]
        assert shelf.near([1.0, 0.0, 0.0]) == ["stays", "turns"]
        shelf.move(Book.by_shade)


def test_a_mutation_finds_the_vectors_that_it_has_written(shelf: Shelf) -> None:
    shelf.put("old", "", shade=[1.0, 0.0, 0.0])

    def body(db: object) -> list[str]:
        db.insert(Book(id="new", room="hall", shade=[0.9, 0.1, 0.0]))
        db.delete(Book, "old")
        return [hit.document.id for hit in db.vector_search(Book.by_shade, [1, 0, 0], room="hall")]

    assert shelf.write(body)[0] == ["new"]


@pytest.mark.parametrize(
    ("vector", "rule"),
    [
        ([1.0, 2.0], "has 3 numbers, not 2"),
        ([1.0, 2.0, 3.0, 4.0], "has 3 numbers, not 4"),
        ([], "has 3 numbers, not 0"),
        ([0.0, 0.0, 0.0], "has a direction"),
        ([1.0, math.nan, 0.0], "finite number"),
        ([math.inf, 1.0, 0.0], "finite number"),
    ],
)
def test_what_is_no_vector_is_refused_where_it_is_written_and_where_it_is_asked_for(
    shelf: Shelf, vector: list[float], rule: str
) -> None:
    with pytest.raises(BadValue, match=rule) as refused:
        shelf.put("a", "", shade=vector)
    assert (refused.value.table, refused.value.path) == ("shelfBooks", "shade")
    with pytest.raises(BadRequest, match=rule):
        shelf.near(vector)
    with pytest.raises(BadRequest, match="a limit is 1 to 256"):
        shelf.near([1.0, 0.0, 0.0], limit=257)


def test_an_index_that_cannot_be_is_refused_when_its_table_is_declared() -> None:
    with pytest.raises(WrongDeclaration, match="2 to 4096 dimensions"):
        Vector("shade", dimensions=1)
    with pytest.raises(WrongDeclaration, match="names the field shape, which is not there"):

        class Wrong(Table, name="wrongShades"):
            shade: list[float]
            by_shade = Vector("shape", dimensions=3)

    with pytest.raises(WrongDeclaration, match="come or go without a commit"):

        class Fleeting(Table, name="fleetingShades", ttl="until"):
            shade: list[float]
            until: float
            by_shade = Vector("shade", dimensions=3)


def test_a_field_that_is_a_word_of_every_search_cannot_be_named_by_one() -> None:
    with pytest.raises(WrongDeclaration, match="limit is a word of every search"):

        class Limited(Table, name="limitedShades"):
            limit: int
            shade: list[float]
            by_shade = Vector("shade", dimensions=3, filter=("limit",))


def test_blocks_are_read_once_in_a_process_and_again_when_they_change(shelf: Shelf) -> None:
    for number in range(10):
        shelf.put(f"n{number}", "", shade=[1.0, float(number), 0.0])
    shelf.move(Book.by_shade)
    assert shelf.near([1.0, 0.0, 0.0], limit=1) == ["n0"]
    shelf.drop("n0")
    shelf.move(Book.by_shade)
    assert shelf.near([1.0, 0.0, 0.0], limit=1) == ["n1"]
    assert numpy() is None or len(shelf.near([1.0, 0.0, 0.0])) == 9


def test_a_service_that_does_not_answer_is_a_store_that_failed_and_nothing_is_lost_by_it(tmp_path: object) -> None:
    with shelves(SERVICE, tmp_path) as fresh:  # type: ignore[arg-type]
        shelf = fresh()
        for number in range(5):
            shelf.put(f"n{number}", "", shade=[1.0, float(number), 0.0])
        server = shelf.store.server
        server.fails = True
        with pytest.raises(StoreFailed, match="S3 Vectors did not answer"):
            shelf.move(Book.by_shade)
        with pytest.raises(StoreFailed, match="S3 Vectors did not answer"):
            shelf.near([1.0, 0.0, 0.0])
        server.fails = False
        assert len(shelf.near([1.0, 0.0, 0.0])) == 5
        assert shelf.move(Book.by_shade) == 5
        assert sum(len(each) for each in server.indexes.values()) == 5
        assert shelf.near([1.0, 0.0, 0.0]) == ["n0", "n1", "n2", "n3", "n4"]


def test_a_deleted_documents_vector_leaves_the_service(tmp_path: object) -> None:
    with shelves(SERVICE, tmp_path) as fresh:  # type: ignore[arg-type]
        shelf = fresh()
        for name in ("a", "b"):
            shelf.put(name, "", shade=[1.0, 0.0, 0.0])
        shelf.move(Book.by_shade)
        shelf.drop("a")
        assert shelf.near([1.0, 0.0, 0.0]) == ["b"]
        shelf.move(Book.by_shade, least=64)
        (kept,) = (list(each.values()) for each in shelf.store.server.indexes.values())
        assert [each["metadata"]["n"] for each in kept] == ["b"]


def test_an_index_of_a_field_that_cannot_hold_its_kind_is_refused_when_the_app_is_loaded() -> None:
    class Mixed(Table, name="mixedShades"):
        text: int
        shade: str
        by_text = Search("text")
        by_shade = Vector("shade", dimensions=3)

    with pytest.raises(WrongDeclaration, match="is of words, and text is no string"):
        Mixed.by_text.check_field()
    with pytest.raises(WrongDeclaration, match=r"is of vectors, and shade is no list\[float\]"):
        Mixed.by_shade.check_field()
    with pytest.raises(WrongDeclaration, match="is of words"):
        check_table(Mixed)
    del TABLES["mixedShades"]


@pytest.mark.parametrize("moved", [False, True])
def test_however_many_proposed_documents_are_gone_the_next_take_their_places(shelf: Shelf, moved: bool) -> None:
    for number in range(60):
        shelf.put(f"n{number:02}", "", shade=[1.0, number / 100, 0.0])
    if moved:
        shelf.move(Book.by_shade)
    for number in range(40):
        shelf.store.write(Delete(shelf.key(f"n{number:02}")))
    assert shelf.near([1.0, 0.0, 0.0], limit=3) == ["n40", "n41", "n42"]


def test_without_numpy_the_same_are_found() -> None:
    """A function's package may leave numpy out: vectors are then compared in plain Python."""
    code = (
        "import sys\n"
        "if sys.argv[1] == 'without':\n"
        "    sys.modules['numpy'] = None\n"
        "import random\n"
        "from chalicelib.data.vector_math import best, chosen, joined, likeness, matrix, numpy, packed\n"
        "assert (numpy() is None) == (sys.argv[1] == 'without')\n"
        "rng = random.Random(5)\n"
        "vectors = [packed([rng.gauss(0, 1) for _ in range(16)]) for _ in range(200)]\n"
        "scores = likeness(matrix(vectors), vectors[7])\n"
        "found = sorted(best(scores, 5), key=lambda pair: -pair[1])\n"
        "parts = [chosen(scores, range(0, 100, 3)), chosen(scores, range(100, 200, 3))]\n"
        "some = sorted(best(joined(parts), 5), key=lambda pair: -pair[1])\n"
        "print([(at, round(score, 5)) for at, score in [*found, *some]])\n"
    )
    told = [
        subprocess.run([sys.executable, "-c", code, how], capture_output=True, text=True, timeout=60, check=False)
        for how in ("with", "without")
    ]
    assert [each.returncode for each in told] == [0, 0], told[1].stderr
    assert told[0].stdout == told[1].stdout
    assert told[0].stdout.startswith("[(7, 1.0)")
