"""Searching the words of documents, on both stores: what is committed is found, what is gone is not, moved into blocks or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from chalicelib.data.errors import BadRequest, Conflict
from chalicelib.data.reads import overlap
from chalicelib.data.store import Delete, Update
from tests.data.shelf import KINDS, ORG, Book, Shelf, shelves


@pytest.fixture(scope="module", params=KINDS)
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Shelf]]:
    with shelves(request.param, tmp_path_factory.mktemp("shelves")) as fresh:
        yield fresh


@pytest.fixture
def shelf(make: Callable[[], Shelf]) -> Shelf:
    return make()


@pytest.fixture(params=["in the tail", "in blocks"])
def settled(request: pytest.FixtureRequest) -> Callable[[Shelf], None]:
    """The same must hold whether entries were moved or not."""
    return (lambda shelf: None) if request.param == "in the tail" else lambda shelf: assert_moved(shelf)


def assert_moved(shelf: Shelf) -> None:
    shelf.move()
    assert [row["sk"] for row in shelf.rows() if row["sk"].startswith("t|")] == []


def test_what_is_committed_is_found_in_any_script(shelf: Shelf, settled: Callable[[Shelf], None]) -> None:
    shelf.put("coffee", "Ein Café in Köln")
    shelf.put("japanese", "日本語の検索")
    shelf.put("other", "nothing of the kind")
    settled(shelf)
    assert shelf.found("cafe") == ["coffee"]
    assert shelf.found("検索") == ["japanese"]
    assert shelf.found("索") == ["japanese"]
    assert shelf.found("検") == ["japanese"]
    assert shelf.found("KOLN") == ["coffee"]
    assert shelf.found("absent") == shelf.found("...") == []


def test_the_last_word_is_the_beginning_of_one_and_the_others_are_whole(shelf: Shelf, settled: Callable[[Shelf], None]) -> None:
    shelf.put("a", "refund policy")
    shelf.put("b", "refunds are polite")
    settled(shelf)
    assert shelf.found("refu") == ["a", "b"]
    assert shelf.found("refund poli", every=True) == ["a"]
    assert shelf.found("poli refund", every=True) == []


def test_who_has_more_of_the_words_and_says_little_else_comes_first(shelf: Shelf, settled: Callable[[Shelf], None]) -> None:
    shelf.put("both", "the cat and the dog")
    shelf.put("long", "cat " + "and many other things that nobody asked for " * 5)
    shelf.put("short", "a cat")
    for number in range(5):
        shelf.put(f"noise{number}", "nothing here")
    settled(shelf)
    assert [hit.document.id for hit in shelf.hits("cat dog")] == ["both", "short", "long"]
    assert [hit.document.id for hit in shelf.hits("cat dog", limit=1)] == ["both"]
    assert all(hit.score > 0 and "cat" in hit.highlights[0] for hit in shelf.hits("cat"))


def test_moving_entries_changes_no_score(shelf: Shelf) -> None:
    for number in range(12):
        shelf.put(f"n{number}", f"apple {'pear ' * (number % 4)} plum{number}")
    before = [(hit.document.id, hit.score) for hit in shelf.hits("apple pear plu")]
    assert_moved(shelf)
    assert [(hit.document.id, hit.score) for hit in shelf.hits("apple pear plu")] == before


def test_partitions_filters_and_orgs_are_apart(shelf: Shelf, settled: Callable[[Shelf], None]) -> None:
    shelf.put("mine", "secret word", kind="raw")
    shelf.put("summary", "secret word", kind="summarized")
    shelf.put("plain", "secret word")
    shelf.put("elsewhere", "secret word", room="cellar")
    shelf.put("foreign", "secret word", org="rival")
    settled(shelf)
    assert shelf.found("secret") == ["mine", "plain", "summary"]
    assert shelf.found("secret", kind="raw") == ["mine"]
    assert shelf.found("secret", kind="other") == []
    assert shelf.found("secret", room="cellar") == ["elsewhere"]
    assert shelf.found("secret", org="rival") == ["foreign"]
    assert shelf.found("secret", org="stranger") == []


def test_what_is_deleted_changed_or_elsewhere_by_now_is_not_found_as_it_was(
    shelf: Shelf, settled: Callable[[Shelf], None]
) -> None:
    for name in ("stays", "goes", "changes", "leaves"):
        shelf.put(name, "early bird")
    settled(shelf)
    shelf.drop("goes")
    shelf.put("changes", "late owl")
    shelf.put("leaves", "early bird", room="cellar")
    assert shelf.found("bird") == ["stays"]
    settled(shelf)
    assert shelf.found("bird") == ["stays"]
    assert shelf.found("owl") == ["changes"]
    assert shelf.found("bird", room="cellar") == ["leaves"]


def test_a_document_that_vanished_without_a_commit_is_passed_over_and_the_next_takes_its_place(
    shelf: Shelf, settled: Callable[[Shelf], None]
) -> None:
    for number in range(4):
        shelf.put(f"n{number}", "word " * (4 - number))
    settled(shelf)
    shelf.store.write(Delete(shelf.key("n0")))
    assert [hit.document.id for hit in shelf.hits("word", limit=2)] == ["n1", "n2"]


def test_once_moved_a_deleted_documents_words_are_in_no_row(shelf: Shelf) -> None:
    shelf.put("kept", "common rare")
    shelf.put("erased", "common secretword")
    assert_moved(shelf)
    shelf.put("erased", "common otherword")
    assert_moved(shelf)
    assert not [row for row in shelf.rows() if "secretword" in row["sk"]]
    shelf.drop("erased")
    shelf.move(least=64)  # what is gone is taken out of however short a tail
    assert not [row for row in shelf.rows() if "otherword" in row["sk"] or "erased" in f"{row['sk']}{bytes(row.get('e', b''))!r}"]
    assert shelf.found("common") == ["kept"]


def test_a_mutation_finds_what_it_has_written_and_not_what_it_has_deleted(shelf: Shelf) -> None:
    shelf.put("old", "word")
    shelf.put("gone", "word")

    def body(db: object) -> list[str]:
        db.insert(Book(id="new", room="hall", text="word"))
        db.delete(Book, "gone")
        db.patch(Book, "old", text="silence")
        return sorted(hit.document.id for hit in db.search(Book.by_text("word silence", room="hall")))

    assert shelf.write(body)[0] == ["new", "old"]
    assert shelf.found("word") == ["new"]


def test_what_a_mutation_has_found_is_a_condition_of_its_commit(shelf: Shelf) -> None:
    shelf.put("found", "word")

    def body(db: object) -> None:
        hit = db.search(Book.by_text("word", room="hall"))[0]
        shelf.put("found", "changed meanwhile")
        db.insert(Book(room="log", text=hit.document.text))

    with pytest.raises(Conflict):
        shelf.write(body)


def test_a_search_is_told_of_what_may_change_it_and_of_nothing_else(shelf: Shelf) -> None:
    shelf.put("a", "word", kind="raw", loans=1)
    _, whole = shelf.read(lambda db: db.search(Book.by_text("other", room="hall")))
    _, raw = shelf.read(lambda db: db.search(Book.by_text("other", room="hall", kind="raw")))

    def told(receipt: object) -> tuple[bool, bool]:
        hit = [any(overlap(each, watch) for each in receipt.touched for watch in run.reads.watches) for run in (whole, raw)]
        return hit[0], hit[1]

    assert told(shelf.put("a", "other", kind="raw")) == (True, True)
    assert told(shelf.put("b", "other", kind="raw")) == (True, True)
    assert told(shelf.put("c", "other", kind="dry")) == (True, False)
    assert told(shelf.put("c", "other", kind="raw")) == (True, True)
    assert told(shelf.put("d", "other", room="cellar")) == (False, False)
    assert told(shelf.write(lambda db: db.patch(Book, "b", loans=7))[1]) == (False, False)
    assert told(shelf.drop("c")) == (True, True)


def test_a_change_of_other_fields_writes_no_row_of_the_index(shelf: Shelf) -> None:
    shelf.put("a", "word")
    before = shelf.rows()
    shelf.write(lambda db: db.patch(Book, "a", loans=3))
    assert shelf.rows() == before


def test_a_search_that_cannot_be_is_refused_with_the_field_and_the_rule(shelf: Shelf) -> None:
    for wrong, told in (
        (lambda: Book.by_text("x"), "needs room"),
        (lambda: Book.by_text("x", room="hall", colour="red"), "has no field colour"),
        (lambda: Book.by_text("x", room=5), "room is a string, not a number"),
        (lambda: Book.by_text(5, room="hall"), "a search is for a string, not int"),
        (lambda: shelf.hits("x", limit=0), "a limit is 1 to 1000"),
        (lambda: shelf.hits("x", limit=1001), "a limit is 1 to 1000"),
    ):
        with pytest.raises(BadRequest, match=told):
            wrong()


def test_many_documents_are_moved_in_several_batches_and_found_all(make: Callable[[], Shelf]) -> None:
    shelf = make()
    for number in range(130):
        shelf.put(f"n{number:03}", f"common word{number % 7} own{number}")
    assert shelf.move(least=200) == 0
    assert shelf.move(least=100) == 130
    assert len(shelf.found("common", limit=1000)) == 130
    assert shelf.found("own77") == ["n077"]
    assert len(shelf.found("word3", limit=1000)) == len(range(3, 130, 7))
    assert ORG in shelf.key("n1").pk


def test_what_the_index_proposes_is_believed_only_if_the_document_says_it(shelf: Shelf, settled: Callable[[Shelf], None]) -> None:
    """As where a search meets one half of a commit that is under way."""
    for name in ("says", "another", "moved", "kind"):
        shelf.put(name, "early bird", kind="raw")
    settled(shelf)
    shelf.store.write(Update(shelf.key("another"), {("text",): "late owl"}))
    shelf.store.write(Update(shelf.key("moved"), {("room",): "cellar"}))
    shelf.store.write(Update(shelf.key("kind"), {("kind",): "dry"}))
    assert shelf.found("bird", kind="raw") == ["says"]
    assert shelf.found("bird") == ["kind", "says"]
