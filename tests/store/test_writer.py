"""Transactions that share one COMMIT: what each of them is told, and when."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chalicelib.data.errors import ConditionFailed, StoreFailed
from chalicelib.data.store import Absent, Check, Key, Put
from infra.local.sqlite.store import SqliteStore, Sync
from infra.local.sqlite.writer import Writer
from tests.data.mutants import WRITER_MUTANTS
from tests.support.stores import SPECS


class Desk:
    """A writer on a table whose rows must have a parent when they are committed; callers come while the first one works."""

    def __init__(self, kind: type[Writer] = Writer) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA foreign_keys = ON")
        self.db.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        self.db.execute(
            "CREATE TABLE rows (id TEXT PRIMARY KEY, parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)"
        )
        self.commits: list[int] = []
        self.told: dict[str, str] = {}
        self.writer = kind(self.db, threading.RLock(), self.commits.append)

    def call(self, name: str, work: Callable[[list[int]], Any]) -> None:
        try:
            self.told[name] = str(self.writer.run(work))
        except Exception as error:  # noqa: BLE001 - the test reads it
            self.told[name] = type(error).__name__

    def together(self, **works: Callable[[list[int]], Any]) -> None:
        """These transactions, in this order, in one group."""
        started, go = threading.Event(), threading.Event()

        def first(_changed: list[int]) -> None:
            started.set()
            assert go.wait(10)

        threads = [threading.Thread(target=self.call, args=("first", first))]
        threads[0].start()
        assert started.wait(10)
        for number, (name, work) in enumerate(works.items()):
            threads.append(threading.Thread(target=self.call, args=(name, work)))
            threads[-1].start()
            while len(self.writer._waiting) <= number:
                threading.Event().wait(0.001)
        go.set()
        for thread in threads:
            thread.join(10)

    def insert(self, name: str, parent: int | None = None, refuse: bool = False) -> Callable[[list[int]], Any]:
        def work(changed: list[int]) -> str:
            self.db.execute("INSERT INTO rows VALUES (?, ?)", (name, parent))
            changed.append(len(name))
            if refuse:
                raise ConditionFailed
            return name

        return work

    def rows(self) -> list[str]:
        return [row[0] for row in self.db.execute("SELECT id FROM rows ORDER BY id")]


def a_refused_one_leaves_nothing_and_the_others_are_committed(kind: type[Writer]) -> None:
    desk = Desk(kind)
    desk.together(a=desk.insert("a"), b=desk.insert("bb", refuse=True), c=desk.insert("c"))
    assert desk.told == {"first": "None", "a": "a", "b": "ConditionFailed", "c": "c"}
    assert desk.rows() == ["a", "c"]
    assert desk.commits == [1]


def when_commit_fails_nobody_has_written_and_nobody_was_refused(kind: type[Writer]) -> None:
    desk = Desk(kind)
    desk.together(a=desk.insert("a"), b=desk.insert("b", refuse=True), c=desk.insert("c", parent=7))
    assert desk.told == {"first": "None", "a": "StoreFailed", "b": "StoreFailed", "c": "StoreFailed"}
    assert desk.rows() == []
    assert desk.commits == []
    desk.call("again", desk.insert("a"))
    assert (desk.told["again"], desk.rows()) == ("a", ["a"])


STORIES = {
    "a refused one kept": a_refused_one_leaves_nothing_and_the_others_are_committed,
    "told before COMMIT": when_commit_fails_nobody_has_written_and_nobody_was_refused,
}


@pytest.mark.parametrize("step", STORIES)
def test_each_step_of_the_writer_matters(step: str) -> None:
    """The story is well with all steps on, and is not with this one off."""
    STORIES[step](Writer)
    with pytest.raises(AssertionError):
        STORIES[step](WRITER_MUTANTS[step])


def test_when_the_thread_that_leads_is_stopped_the_others_hear_of_it_and_the_next_one_writes() -> None:
    desk = Desk()

    def stopped(_changed: list[int]) -> None:
        raise KeyboardInterrupt

    def call_stopped() -> None:
        with pytest.raises(KeyboardInterrupt):
            desk.writer.run(stopped)

    thread = threading.Thread(target=call_stopped)
    thread.start()
    thread.join(10)
    desk.call("a", desk.insert("a"))
    assert (desk.told, desk.rows()) == ({"a": "a"}, ["a"])


@pytest.mark.parametrize(("sync", "level"), [("normal", 1), ("full", 2)])
def test_full_waits_for_the_disk(tmp_path: Path, sync: Sync, level: int) -> None:
    store = SqliteStore(tmp_path / "a.db", SPECS, sync=sync)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (level,)
    store.close()


def test_conditions_of_a_group_are_judged_one_after_the_other(tmp_path: Path) -> None:
    """Twenty threads want to make the same item: one does, and the log has the changes of that one only."""
    store = SqliteStore(tmp_path / "a.db", SPECS, sync="full")
    gate, made = threading.Barrier(20), []

    def make(number: int) -> None:
        gate.wait()
        try:
            store.transact([Put("notes", {"pk": "one"}, Absent()), Put("commits", {"pk": f"c{number}"}, Absent())])
            made.append(number)
        except ConditionFailed as refused:
            assert refused.failed == [0]

    threads = [threading.Thread(target=make, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(made) == 1
    assert [change.new for change in store.changes()] == [{"pk": f"c{made[0]}"}]
    store.close()


def test_a_closed_store_says_that_it_failed(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "a.db", SPECS)
    store.close()
    with pytest.raises(StoreFailed):
        store.transact([Check(Key("notes", "a"), Absent())])
