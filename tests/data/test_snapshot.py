"""More than 100 items are looked at in parts, and still all of them must have been true at one instant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chalicelib.data import snapshot
from chalicelib.data.reads import ReadSet
from chalicelib.data.store import Delete, Item, Key, Put, TableSpec
from infra.local.sqlite.store import SqliteStore


class Between(SqliteStore):
    """A store in which others write between two looks."""

    def __init__(self) -> None:
        super().__init__(":memory:", [TableSpec("things")])
        self.looks = 0
        self.meanwhile: dict[int, Callable[[], Any]] = {}

    def transact_get(self, keys: Sequence[Key]) -> list[Item | None]:
        found = super().transact_get(keys)
        self.looks += 1
        self.meanwhile.get(self.looks, lambda: None)()
        return found


def key(number: int) -> Key:
    return Key("things", f"t{number:03}")


def put(store: SqliteStore, number: int, version: str) -> None:
    store.write(Put("things", {"pk": key(number).pk, "_c": version}))


def read(store: SqliteStore, reads: ReadSet, number: int) -> None:
    reads.saw(key(number), store.get(key(number)))


@pytest.mark.parametrize("absent", [0, 50, 99, 100, 119, 149])
@pytest.mark.parametrize("changed", [1, 101, 148])
def test_what_was_absent_and_was_there_for_a_while_is_noticed(absent: int, changed: int) -> None:
    """One thing is looked for in vain. Then it is made, and because it is there another is changed; only then that is read.

    No instant had both; and when the query looks again, the thing is gone as it was.
    """
    store, reads = Between(), ReadSet()
    for number in range(150):
        if number != absent:
            put(store, number, "1")
    for number in range(150):
        if number != changed:
            read(store, reads, number)
    put(store, absent, "there")
    put(store, changed, "2, for the other is there")
    read(store, reads, changed)
    gone = Delete(key(absent))
    store.meanwhile = {1: lambda: store.write(gone)}
    assert snapshot.holds(store, reads, lambda _: None) is False


def test_what_did_not_change_holds_however_many_parts_it_takes() -> None:
    store, reads = Between(), ReadSet()
    for number in range(399):
        put(store, number, "1") if number % 9 else None
        read(store, reads, number)
    assert snapshot.holds(store, reads, lambda _: None)
    assert store.looks == 4


@pytest.mark.parametrize("number", [0, 99, 100, 250])
def test_a_change_between_reading_and_looking_is_noticed_in_every_part(number: int) -> None:
    store, reads = Between(), ReadSet()
    for each in range(251):
        put(store, each, "1")
        read(store, reads, each)
    put(store, number, "2")
    assert snapshot.holds(store, reads, lambda _: None) is False
