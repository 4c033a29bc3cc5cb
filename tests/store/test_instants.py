"""A store at one instant: whoever can show it shows all of a commit or nothing, indexes included, and says its last."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import pytest

from chalicelib.data import snapshot
from chalicelib.data.capabilities import exact_indexes, instants, one_writer
from chalicelib.data.errors import BadRequest, StoreFailed
from chalicelib.data.reads import ReadSet
from chalicelib.data.store import Check, Delete, Exists, IndexSpec, Key, Put, Store, TableSpec, Update
from chalicelib.data.tables import all_specs
from infra.local.faults.counting import CountingStore
from infra.local.faults.store import FaultyStore
from infra.local.sqlite.store import SqliteStore
from tests.data.desk import Desk
from tests.support.stores import SPECS, Around

SUM, OTHER = Key("notes", "sum"), Key("notes", "other")


@pytest.fixture
def able(tmp_path: Path) -> Iterator[Store]:
    """Every store that can show an instant; the others run all tests of the engine without."""
    store = SqliteStore(tmp_path / "able.db", SPECS)
    yield store
    store.close()


def _view(store: Store) -> Any:
    made = instants(store)
    assert made is not None
    return made()


def test_a_view_shows_what_was_there_when_it_was_made_by_every_verb(able: Store) -> None:
    able.write(Put("notes", {"pk": "a", "v": 1, "by_owner#p": "me", "by_owner#o": "1"}))
    able.write(Put("log", {"pk": "l", "sk": "1"}))
    with _view(able) as view:
        able.transact([Update(Key("notes", "a"), {("v",): 2, ("by_owner#p",): "you"}), Put("notes", {"pk": "b"})])
        able.transact([Delete(Key("log", "l", "1")), Put("log", {"pk": "l", "sk": "2"})])
        old = {"pk": "a", "v": 1, "by_owner#p": "me", "by_owner#o": "1"}
        assert view.get(Key("notes", "a")) == old
        assert view.batch_get([Key("notes", "b"), Key("notes", "a")]) == [None, old]
        assert view.transact_get([Key("notes", "a")]) == [old]
        assert view.scan("notes").items == [old]
        assert [row["sk"] for row in view.query("log", "l").items] == ["1"]
        assert [row["pk"] for row in view.query("notes", "me", index="by_owner").items] == ["a"]
        assert view.query("notes", "you", index="by_owner").items == []
    with _view(able) as view:
        assert [row["pk"] for row in view.query("notes", "you", index="by_owner").items] == ["a"]


def test_a_view_cannot_be_written_to(able: Store) -> None:
    with _view(able) as view:
        for write in (lambda: view.write(Put("notes", {"pk": "a"})), lambda: view.transact([Put("notes", {"pk": "a"})])):
            with pytest.raises(BadRequest, match="cannot be written to"):
                write()
    assert able.get(Key("notes", "a")) is None


def test_the_number_of_a_view_tells_which_commits_it_shows(able: Store) -> None:
    numbers: list[int | None] = []
    for count in range(5):
        with _view(able) as view:
            assert view.number == (numbers[-1] if numbers else 0)
        numbers.append(able.transact([Put("commits", {"pk": f"c{count}"}), Put("notes", {"pk": f"n{count}"})]))
    assert all(one is not None and other is not None and one < other for one, other in itertools.pairwise(numbers))


def test_numbers_grow_past_commits_that_failed(able: Store) -> None:
    first = able.transact([Put("commits", {"pk": "a"})])
    with pytest.raises(Exception, match="condition"):
        able.transact([Put("commits", {"pk": "b"}), Check(OTHER, Exists())])
    with _view(able) as view:
        assert view.number == first
    second = able.transact([Put("commits", {"pk": "b"})])
    assert first is not None
    assert second is not None
    assert second > first


def test_a_view_beside_writers_shows_whole_commits_and_its_number_is_right(able: Store) -> None:
    """Eight threads: transfers between two notes, and views whose sum is always the same; what a number promises is there."""
    able.transact([Put("notes", {"pk": "sum", "v": 0}), Put("notes", {"pk": "other", "v": 0})])
    shown: list[tuple[int, int]] = []
    made: list[tuple[int, int]] = []
    stop = threading.Event()

    def write(seed: int) -> None:
        random = Random(seed)
        for number in range(60):
            by = random.randrange(-9, 10)
            actions = [
                Update(SUM, add={("v",): by}),
                Update(OTHER, add={("v",): -by}),
                Update(Key("notes", "n"), add={("n",): 1}),
            ]
            made.append((able.transact([*actions, Put("commits", {"pk": f"{seed} {number}"})]) or 0, 1))

    def read() -> None:
        while not stop.is_set():
            with _view(able) as view:
                one, other, count = view.get(SUM), view.get(OTHER), view.get(Key("notes", "n"))
                assert one is not None
                assert other is not None
                assert one["v"] + other["v"] == 0
                shown.append((view.number, 0 if count is None else count["n"]))

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for writer in [pool.submit(write, seed) for seed in range(5)]:
            writer.result()
        stop.set()
        for reader in readers:
            reader.result()
    numbers = sorted(number for number, _ in made)
    assert len(set(numbers)) == 300
    assert all(count == sum(number <= at for number in numbers) for at, count in shown)


def test_views_are_many_and_end_with_the_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a.db", SPECS)
    views = [_view(store) for _ in range(12)]
    for view in views:
        view.__enter__().get(SUM)
    store.close()
    for view in views:
        view.__exit__(None, None, None)
    with pytest.raises(StoreFailed), _view(store) as late:
        late.get(SUM)


def test_a_view_knows_the_tables_that_a_reload_has_brought(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a.db", SPECS)
    with _view(store):
        pass
    store.declare([*SPECS, TableSpec("new", indexes=(IndexSpec("by_x", "x#p", "x#o"),))])
    store.write(Put("new", {"pk": "a", "x#p": "p", "x#o": "o"}))
    with _view(store) as view:
        assert [row["pk"] for row in view.query("new", "p", index="by_x").items] == ["a"]
    store.close()


def test_a_store_that_is_wrapped_promises_no_more_than_the_port_says(tmp_path: Path) -> None:
    inner = SqliteStore(tmp_path / "a.db", SPECS)
    assert (instants(inner) is not None, exact_indexes(inner), one_writer(inner)) == (True, True, True)
    for store in (FaultyStore(inner, SPECS, Random(1)), CountingStore(inner, SPECS), Around(inner)):
        assert (instants(store), exact_indexes(store), one_writer(store)) == (None, False, False)
    inner.close()


def test_a_query_on_a_file_is_evaluated_at_one_instant_and_says_which(tmp_path: Path) -> None:
    desk = Desk(SqliteStore(tmp_path / "a.db", all_specs()))
    made = desk.do("put", {"text": "one"})
    assert made.receipt is not None
    found = desk.executor.query("desk:read", {"id": made.value}, None)
    assert found.number == made.receipt.number
    later = desk.do("put", {"text": "two"})
    assert later.receipt is not None
    assert later.receipt.number is not None
    assert later.receipt.number > (found.number or 0)
    desk.store.close()


def test_what_was_torn_is_not_believed_at_an_instant_either(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a.db", SPECS)
    with snapshot.look(store) as look:
        reads = ReadSet()
        assert look.holds(reads)
        reads.torn = True
        assert not look.holds(reads)
    store.close()
