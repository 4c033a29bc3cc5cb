"""What every store must refuse, with a named limit where there is one, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.data.errors import BadRequest, LimitExceeded
from chalicelib.data.store import Action, Check, Delete, Exists, Item, Key, Put, Store, Update

Gap = Callable[[bool, str], None]
NOTE = Key("notes", "a")
FULL = 400 * 1024


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "item",
    [
        {"pk": ""},
        {"pk": 1},
        {"pk": ["x"]},
        {"text": "no key"},
        {"pk": "a", "n": float("nan")},
        {"pk": "a", "n": float("inf")},
        {"pk": "a", "n": 1e126},
        {"pk": "a", "n": 1e-131},
        {"pk": "a", "n": 10**38},
        {"pk": "a", "deep": _deep(33)},
        {"pk": "a", "set": {1, 2}},
        {"pk": "a", "tuple": (1,)},
        {"pk": "a", "object": object()},
        {"pk": "a", "": 1},
        {"pk": "a", "m": {"": 1}},
        {"pk": "a", "m": {1: 1}},
        {"pk": "a", "text": "\ud800"},
        {"pk": "a", "by_owner#p": "", "by_owner#o": "1"},
        {"pk": "a", "by_owner#p": "me", "by_owner#o": 1},
        {"pk": "a", "by_owner#o": None},
        {"pk": "a", "by_owner#p": "x" * 2049, "by_owner#o": "1"},
        {"pk": "a", "by_owner#p": "me", "by_owner#o": "x" * 1025},
    ],
    ids=lambda item: str(item)[:40],
)
def test_an_item_that_dynamodb_cannot_hold_is_refused(store: Store, item: Item) -> None:
    with pytest.raises(BadRequest):
        store.write(Put("notes", item))
    with pytest.raises(BadRequest):
        store.transact([Put("commits", {"pk": "c"}), Put("notes", item)])
    assert store.batch_get([NOTE, Key("commits", "c")]) == [None, None]


@pytest.mark.parametrize("value", [float("nan"), {1}, 10**38, {"": 1}], ids=str)
def test_an_update_to_such_a_value_is_refused(store: Store, value: Any) -> None:
    with pytest.raises(BadRequest):
        store.write(Update(NOTE, set={("x",): value}))
    assert store.get(NOTE) is None


@pytest.mark.parametrize("value", ["", 1, "x" * 2049])
def test_an_update_cannot_make_a_bad_index_key(store: Store, value: Any) -> None:
    store.write(Put("notes", {"pk": "a", "by_owner#p": "me", "by_owner#o": "1"}))
    with pytest.raises(BadRequest):
        store.write(Update(NOTE, set={("by_owner#p",): value}))
    assert len(store.query("notes", "me", index="by_owner").items) == 1


@pytest.mark.parametrize(
    "key",
    [
        Key("nowhere", "a"),
        Key("notes", ""),
        Key("notes", "x" * 2049),
        Key("notes", "é" * 1025),
        Key("notes", "a", "sk"),
        Key("log", "a"),
        Key("log", "a", ""),
        Key("log", "a", "x" * 1025),
    ],
    ids=lambda key: str(key)[:60],
)
def test_a_key_that_dynamodb_refuses_is_refused_by_every_verb(store: Store, key: Key) -> None:
    for call in (
        lambda: store.get(key),
        lambda: store.batch_get([NOTE, key]),
        lambda: store.transact_get([key]),
        lambda: store.write(Update(key, set={("x",): 1})),
        lambda: store.write(Delete(key)),
        lambda: store.transact([Check(key, Exists())]),
    ):
        with pytest.raises(BadRequest):
            call()


def test_the_longest_keys_are_taken(store: Store) -> None:
    item = {"pk": "é" * 1024, "sk": "x" * 1024}
    store.write(Put("log", item))
    assert store.query("log", item["pk"]).items == [item]


@pytest.mark.parametrize(
    "query",
    [
        {"table": "nowhere", "partition": "a"},
        {"table": "log", "partition": ""},
        {"table": "log", "partition": "x" * 2049},
        {"table": "log", "partition": "a", "low": "x" * 1025},
        {"table": "log", "partition": "a", "index": "by_owner"},
    ],
    ids=str,
)
def test_a_query_that_dynamodb_refuses_is_refused(store: Store, query: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        store.query(**query)


def test_an_item_of_400_kb_is_taken_and_one_byte_more_is_not(store: Store, gap_of_moto: Gap) -> None:
    gap_of_moto(True, "measures an item's JSON")
    room = FULL - len("pk") - len("a") - len("text")
    store.write(Put("notes", {"pk": "a", "text": "x" * room}))
    for write in (
        Put("notes", {"pk": "a", "text": "x" * (room + 1)}),
        Update(NOTE, set={("text",): "é" * (room // 2 + 1)}),
        Update(NOTE, set={("more",): 1}),
    ):
        with pytest.raises(LimitExceeded, match=r"400 KB|size"):
            store.write(write)
        with pytest.raises(LimitExceeded):
            store.transact([Put("commits", {"pk": "c"}), write])
    assert store.get(Key("commits", "c")) is None


def test_a_transaction_above_4_mb_is_refused(store: Store) -> None:
    def items(count: int) -> list[Put]:
        return [Put("notes", {"pk": f"n{number}", "text": "x" * 390_000}) for number in range(count)]

    with pytest.raises(LimitExceeded, match="4 MB"):
        store.transact(items(11))
    assert store.get(Key("notes", "n0")) is None
    store.transact(items(10))
    assert store.get(Key("notes", "n9")) is not None


def test_a_transaction_of_none_or_too_many_or_on_one_item_twice_is_refused(store: Store) -> None:
    keys = [Key("notes", f"n{number}") for number in range(101)]
    with pytest.raises(LimitExceeded, match="100"):
        store.transact([Put("notes", {"pk": key.pk}) for key in keys])
    with pytest.raises(LimitExceeded, match="100"):
        store.transact_get(keys)
    nothing: list[Action] = []
    twice: list[Action] = [Put("notes", {"pk": "a"}), Check(NOTE, Exists())]
    for actions in (nothing, twice):
        with pytest.raises(BadRequest):
            store.transact(actions)
    for reads in ([], [NOTE, NOTE]):
        with pytest.raises(BadRequest):
            store.transact_get(reads)
    assert store.batch_get(keys) == [None] * 101


@pytest.mark.parametrize("parts", [301, 290])
def test_an_update_with_too_long_an_expression_is_refused(store: Store, parts: int) -> None:
    store.write(Put("notes", {"pk": "a", "m": {}}))
    paths = tuple(("m", f"note {number}", "deep", f"deeper {number}") for number in range(parts))
    with pytest.raises(LimitExceeded):
        store.write(Update(NOTE, remove=paths))


def test_a_hundred_notes_are_removed_in_one_update(store: Store) -> None:
    store.write(Put("notes", {"pk": "a", "m": {str(number): [number] for number in range(150)}}))
    new = store.write(Update(NOTE, remove=tuple(("m", str(number)) for number in range(100))))
    assert new is not None
    assert sorted(map(int, new["m"])) == list(range(100, 150))


def test_a_refusal_names_the_limit_and_the_way_out(fresh: Callable[[], Store]) -> None:
    with pytest.raises(LimitExceeded, match=r"401\d\d\d|limit is 409600 .* split"):
        fresh().write(Put("notes", {"pk": "a", "text": "x" * 410_000}))
