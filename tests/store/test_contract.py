"""What every store must do, on SQLite in memory and in a file, on moto, and on a real DynamoDB engine.

Ranges and indexes are in `test_contract_ranges.py`, refusals in `test_limits.py`, threads in `test_races.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.data.errors import BadRequest, ConditionFailed
from chalicelib.data.store import (
    Absent,
    All,
    Any_,
    Check,
    Condition,
    Delete,
    Equals,
    Exists,
    Has,
    Item,
    Key,
    Lacks,
    Less,
    Put,
    Store,
    Update,
)

Gap = Callable[[bool, str], None]
NOTE = Key("notes", "a")


def _put(store: Store, **attributes: Any) -> None:
    store.write(Put("notes", {"pk": "a", **attributes}))


# One item -------------------------------------------------------------------------------------------------------------


def test_an_item_comes_back_as_it_was_put(store: Store) -> None:
    item = {
        "pk": "a",
        "text": "héllo 😀\x00",
        "empty": "",
        "n": -12,
        "f": 0.1,
        "yes": True,
        "no": False,
        "none": None,
        "raw": b"\x00\xff",
        "list": [1, "x", [], {}, None],
        "map": {"size": 1, "a.b": {"#c": [True]}},
    }
    assert store.write(Put("notes", item)) is None
    found = store.get(NOTE)
    assert found == item
    assert found is not None
    assert found["yes"] is True
    assert isinstance(found["n"], int)


def test_an_item_that_is_not_there_is_none(store: Store) -> None:
    assert store.get(NOTE) is None


@pytest.mark.parametrize(
    ("put", "got"),
    [
        (1.0, 1),
        (-0.0, 0),
        (0.1, 0.1),
        (1e22, 10**22),
        (1.5e-7, 1.5e-7),
        (1e100, 1e100),
        (2**100, 2**100),
        (-(2**63) - 1, -(2**63) - 1),
        (10**38 - 1, 10**38 - 1),
        (1732105200123.456, 1732105200123.456),
    ],
)
def test_numbers_come_back_as_dynamodb_keeps_them(store: Store, put: float, got: float) -> None:
    _put(store, n=put, deep=[{"n": put}])
    found = store.get(NOTE)
    assert found is not None
    assert (found["n"], type(found["n"]), found["deep"]) == (got, type(got), [{"n": got}])


def test_a_put_replaces_the_whole_item(store: Store) -> None:
    _put(store, x=1)
    _put(store, y=2)
    assert store.get(NOTE) == {"pk": "a", "y": 2}


def test_a_stored_item_is_not_shared_with_the_caller(store: Store) -> None:
    item: Item = {"pk": "a", "list": [1]}
    store.write(Put("notes", item))
    item["list"].append(2)
    assert store.get(NOTE) == {"pk": "a", "list": [1]}


def test_delete_removes_and_deleting_nothing_succeeds(store: Store) -> None:
    _put(store)
    assert store.write(Delete(NOTE)) is None
    store.write(Delete(NOTE))
    assert store.get(NOTE) is None


# Updates --------------------------------------------------------------------------------------------------------------


def test_an_update_sets_adds_and_removes_at_once_and_keeps_what_it_does_not_name(store: Store) -> None:
    _put(store, n=1, gone=1, unknown={"deep": [1]}, size=3)
    new = store.write(Update(NOTE, set={("size",): "big"}, add={("n",): 2, ("fresh",): -5}, remove=(("gone",),)))
    assert new == {"pk": "a", "n": 3, "fresh": -5, "unknown": {"deep": [1]}, "size": "big"}
    assert store.get(NOTE) == new


def test_an_update_makes_the_item_when_it_is_absent(store: Store) -> None:
    new = store.write(Update(Key("fences", "f", "!"), add={("n",): 1}, set={("x",): 1.0}))
    assert new == {"pk": "f", "sk": "!", "n": 1, "x": 1} == store.get(Key("fences", "f", "!"))


def test_a_nested_path_changes_only_its_place(store: Store) -> None:
    _put(store, m={"keep": 1, "a.b": {"x": 1}, "drop": 1, "n": 1})
    new = store.write(
        Update(NOTE, set={("m", "a.b", "y"): 2, ("m", "7"): 3}, add={("m", "n"): 4, ("m", "new"): 1}, remove=(("m", "drop"),))
    )
    assert new is not None
    assert new["m"] == {"keep": 1, "a.b": {"x": 1, "y": 2}, "7": 3, "n": 5, "new": 1}


@pytest.mark.parametrize("path", [("m", "x"), ("text", "x"), ("list", "x"), ("map", "deeper", "x")])
def test_a_nested_path_needs_its_map(store: Store, path: tuple[str, ...], gap_of_moto: Gap) -> None:
    gap_of_moto(path[0] in ("text", "list"), "ignores a path through what is no map")
    item = {"pk": "a", "text": "t", "list": [1], "map": {}}
    store.write(Put("notes", item))
    with pytest.raises(BadRequest):
        store.write(Update(NOTE, set={path: 1}))
    with pytest.raises(BadRequest):
        store.transact([Update(NOTE, add={path: 1}), Put("notes", {"pk": "b"})])
    assert (store.get(NOTE), store.get(Key("notes", "b"))) == (item, None)


def test_removing_what_is_not_there_is_no_mistake(store: Store) -> None:
    _put(store, m={})
    assert store.write(Update(NOTE, remove=(("nothing",), ("m", "nothing")))) == {"pk": "a", "m": {}}


def test_adding_to_what_is_no_number_is_refused(store: Store) -> None:
    _put(store, text="t")
    with pytest.raises(BadRequest):
        store.write(Update(NOTE, add={("text",): 1}))


@pytest.mark.parametrize(
    "update",
    [
        Update(NOTE),
        Update(NOTE, set={("pk",): "b"}),
        Update(NOTE, set={("m",): {}}, remove=(("m", "x"),)),
        Update(NOTE, set={("m", "x"): 1, ("m", "x", "y"): 1}),
        Update(NOTE, set={("x",): 1}, add={("x",): 1}),
        Update(NOTE, set={(): 1}),
        Update(NOTE, set={("",): 1}),
    ],
)
def test_an_update_that_makes_no_sense_is_refused(store: Store, update: Update) -> None:
    with pytest.raises(BadRequest):
        store.write(update)
    assert store.get(NOTE) is None


# Conditions -----------------------------------------------------------------------------------------------------------

TYPES_MATTER: tuple[Condition, ...] = (
    Equals(("yes",), 1),
    Equals(("m", "in"), True),
    Less(("text",), 6),
    Less(("yes",), 6),
)
ITEM: Item = {"pk": "a", "n": 5, "f": 1.5, "text": "x", "yes": True, "none": None, "m": {"in": 1, "a.b": "y"}}


@pytest.mark.parametrize(
    ("condition", "on_item", "on_nothing"),
    [
        (Exists(), True, False),
        (Absent(), False, True),
        (Has(("n",)), True, False),
        (Has(("none",)), True, False),
        (Has(("other",)), False, False),
        (Has(("m", "in")), True, False),
        (Has(("text", "in")), False, False),
        (Lacks(("n",)), False, True),
        (Lacks(("m", "other")), True, True),
        (Lacks(("other", "deep")), True, True),
        (Equals(("n",), 5), True, False),
        (Equals(("n",), 4), False, False),
        (Equals(("n",), "5"), False, False),
        (Equals(("text",), "x"), True, False),
        (Equals(("yes",), True), True, False),
        (Equals(("yes",), 1), False, False),
        (Equals(("m", "in"), True), False, False),
        (Equals(("m", "a.b"), "y"), True, False),
        (Equals(("other",), 5), False, False),
        (Less(("n",), 6), True, False),
        (Less(("n",), 5), False, False),
        (Less(("f",), 2), True, False),
        (Less(("text",), 6), False, False),
        (Less(("yes",), 6), False, False),
        (Less(("other",), 6), False, False),
        (All((Exists(), Less(("n",), 9), Any_((Equals(("n",), 1), Equals(("n",), 5))))), True, False),
        (All((Exists(), Equals(("n",), 1))), False, False),
        (Any_((Absent(), Less(("n",), 9))), True, True),
        (Any_((Lacks(("n",)), Equals(("text",), "y"))), False, True),
        (All(()), True, True),
        (Any_(()), False, False),
        (All((Any_((Exists(),)),)), True, False),
    ],
    ids=repr,
)
def test_conditions(store: Store, condition: Condition, on_item: bool, on_nothing: bool, gap_of_moto: Gap) -> None:
    gap_of_moto(condition in TYPES_MATTER, "compares values of different types as Python does")
    store.write(Put("notes", ITEM))
    for key, expected in ((NOTE, on_item), (Key("notes", "b"), on_nothing)):
        assert _accepts(store, Check(key, condition)) is expected
        assert _accepts(store, Put("commits", {"pk": key.pk}), Check(key, condition)) is expected
        assert (store.get(Key("commits", key.pk)) is not None) is expected
    assert _accepts(store, Update(NOTE, set={("seen",): 1}, condition=condition)) is on_item


def _accepts(store: Store, *actions: Any) -> bool:
    try:
        store.transact(actions)
    except ConditionFailed:
        return False
    return True


@pytest.mark.parametrize(
    "write",
    [
        Put("notes", {"pk": "a", "n": 0}, Absent()),
        Update(NOTE, set={("n",): 0}, condition=Equals(("n",), 4)),
        Delete(NOTE, Less(("n",), 5)),
    ],
    ids=["put", "update", "delete"],
)
def test_a_refused_write_changes_nothing_and_says_what_is_there(store: Store, write: Any) -> None:
    store.write(Put("notes", ITEM))
    with pytest.raises(ConditionFailed) as refusal:
        store.write(write)
    assert (refusal.value.failed, refusal.value.old) == ([0], ITEM)
    assert store.get(NOTE) == ITEM


def test_a_refusal_over_an_absent_item_says_none(store: Store) -> None:
    for write in (Put("notes", {"pk": "a"}, Exists()), Update(NOTE, add={("n",): 1}, condition=Exists()), Delete(NOTE, Exists())):
        with pytest.raises(ConditionFailed) as refusal:
            store.write(write)
        assert refusal.value.old is None
    assert store.get(NOTE) is None


def test_a_condition_that_holds_lets_the_write_through(store: Store) -> None:
    store.write(Put("notes", {"pk": "a", "n": 1}, Absent()))
    new = store.write(Update(NOTE, add={("n",): 1}, condition=All((Equals(("n",), 1), Lacks(("closed",))))))
    assert new == {"pk": "a", "n": 2}
    store.write(Delete(NOTE, Equals(("n",), 2)))
    assert store.get(NOTE) is None


# Transactions ---------------------------------------------------------------------------------------------------------


def test_a_transaction_carries_out_all_kinds_of_actions(store: Store) -> None:
    for pk in ("a", "b", "c"):
        store.write(Put("notes", {"pk": pk, "n": 1}))
    store.transact(
        [
            Put("notes", {"pk": "new"}, Absent()),
            Update(Key("notes", "a"), add={("n",): 1}),
            Delete(Key("notes", "b"), Exists()),
            Check(Key("notes", "c"), Equals(("n",), 1)),
            Update(Key("fences", "f", "!"), add={("n",): 1, ("size",): 1}),
        ]
    )
    keys = [Key("notes", pk) for pk in ("new", "a", "b", "c")] + [Key("fences", "f", "!")]
    assert store.transact_get(keys) == [
        {"pk": "new"},
        {"pk": "a", "n": 2},
        None,
        {"pk": "c", "n": 1},
        {"pk": "f", "sk": "!", "n": 1, "size": 1},
    ]


def test_a_refused_transaction_does_nothing_and_names_every_refusal(store: Store) -> None:
    store.write(Put("notes", {"pk": "a", "n": 1}))
    with pytest.raises(ConditionFailed) as refusal:
        store.transact(
            [
                Put("commits", {"pk": "new"}, Absent()),
                Check(Key("notes", "nobody"), Exists()),
                Update(Key("fences", "f", "!"), add={("n",): 1}),
                Put("notes", {"pk": "a"}, Absent()),
            ]
        )
    assert refusal.value.failed == [1, 3]
    assert refusal.value.olds == [None, {"pk": "a", "n": 1}]
    assert store.batch_get([Key("commits", "new"), Key("fences", "f", "!"), NOTE]) == [None, None, {"pk": "a", "n": 1}]


def test_a_hundred_actions_are_one_transaction(store: Store) -> None:
    keys = [Key("notes", f"n{number}") for number in range(100)]
    store.transact([Put("notes", {"pk": key.pk}, Absent()) for key in keys])
    assert all(store.batch_get(keys))
    with pytest.raises(ConditionFailed) as refusal:
        store.transact([Put("notes", {"pk": key.pk}, Absent()) for key in [Key("notes", "other"), *keys[:99]]])
    assert refusal.value.failed == list(range(1, 100))


def test_a_hundred_items_are_read_at_one_instant(store: Store, gap_of_moto: Gap) -> None:
    gap_of_moto(True, "still has the old limit of 25")
    keys = [Key("notes", f"n{number}") for number in range(100)]
    store.transact([Put("notes", {"pk": key.pk}) for key in keys[:50]])
    assert store.transact_get(keys) == [{"pk": key.pk} for key in keys[:50]] + [None] * 50


# Several items --------------------------------------------------------------------------------------------------------


def test_batch_get_answers_any_number_in_the_order_asked(store: Store) -> None:
    for number in range(0, 250, 2):
        store.write(Put("notes", {"pk": f"n{number}", "n": number}))
    store.write(Put("log", {"pk": "c", "sk": "1"}))
    keys = [Key("notes", f"n{number}") for number in reversed(range(250))] + [Key("log", "c", "1"), Key("notes", "n0")]
    found = store.batch_get(keys)
    assert [item and item.get("n") for item in found[:250]] == [None if n % 2 else n for n in reversed(range(250))]
    assert found[250:] == [{"pk": "c", "sk": "1"}, {"pk": "n0", "n": 0}]
    assert store.batch_get([]) == []
