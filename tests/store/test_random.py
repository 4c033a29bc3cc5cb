"""Random writes on SQLite against a model made of dicts: same items, same refusals, same ranges, and a stream that adds up."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.aws.wire import item_from_wire, item_to_wire
from chalicelib.data.errors import ConditionFailed
from chalicelib.data.store import (
    Absent,
    Action,
    Check,
    Condition,
    Delete,
    Equals,
    Exists,
    Has,
    IndexSpec,
    Item,
    Key,
    Lacks,
    Less,
    Put,
    TableSpec,
    Update,
)
from infra.local.sqlite.store import SqliteStore
from infra.local.sqlite.values import decode, encode, updated

SPEC = TableSpec("log", sorted=True, stream=True, indexes=(IndexSpec("by_owner", "p", "o"),))
Model = dict[Key, Item]

keys = st.builds(lambda pk, sk: Key("log", pk, sk), st.sampled_from("ab"), st.sampled_from(["1", "2", "é", "\uffff", "😀"]))
numbers = st.integers(-5, 5)
fields = st.fixed_dictionaries(
    {},
    optional={
        "n": numbers,
        "p": st.sampled_from("xy"),
        "o": st.sampled_from(["1", "é"]),
        "m": st.dictionaries(st.sampled_from("jk"), numbers),
    },
)
conditions: st.SearchStrategy[Condition | None] = st.none() | st.one_of(
    st.just(Exists()),
    st.just(Absent()),
    st.builds(Has, st.just(("n",))),
    st.builds(Lacks, st.just(("m", "j"))),
    st.builds(Equals, st.just(("n",)), numbers),
    st.builds(Less, st.just(("n",)), numbers),
)
updates = st.builds(
    Update,
    keys,
    set=fields.map(lambda chosen: {(name,): value for name, value in chosen.items() if name != "n"} | {("seen",): 1}),
    add=st.just({}) | st.just({("n",): 2}),
    remove=st.just(()) | st.just((("gone",),)),
    condition=conditions,
)
puts = st.builds(lambda key, chosen, condition: Put("log", {**key.attributes(), **chosen}, condition), keys, fields, conditions)
deletes = st.builds(Delete, keys, conditions)
checks = st.builds(Check, keys, conditions.filter(lambda condition: condition is not None))
actions = st.one_of(puts, updates, deletes, checks)
transactions = st.lists(actions, min_size=1, max_size=4, unique_by=lambda action: _key(action))


def _key(action: Action) -> Key:
    return Key("log", action.item["pk"], action.item["sk"]) if isinstance(action, Put) else action.key


def _holds(condition: Condition | None, item: Item | None) -> bool:
    has = item or {}
    match condition:
        case Exists():
            return item is not None
        case Absent():
            return item is None
        case Has():
            return "n" in has
        case Lacks():
            return "j" not in has.get("m", {})
        case Equals(_, value):
            return has.get("n") == value
        case Less(_, value):
            return "n" in has and has["n"] < value
    return True


def _after(action: Action, item: Item | None) -> Item | None:
    match action:
        case Put():
            return copy.deepcopy(action.item)
        case Update(key):
            new = {**(item or key.attributes()), **{path[0]: value for path, value in action.set.items()}}
            for path, amount in action.add.items():
                new[path[0]] = new.get(path[0], 0) + amount
            return new
        case Delete():
            return None
    return item


def _model(model: Model, wanted: list[Action]) -> list[int]:
    refused = [position for position, action in enumerate(wanted) if not _holds(action.condition, model.get(_key(action)))]
    for action in wanted if not refused else []:
        new = _after(action, model.get(_key(action)))
        model.pop(_key(action), None)
        if new is not None:
            model[_key(action)] = new
    return refused


def _refusals(store: SqliteStore, wanted: list[Action]) -> list[tuple[int, Item | None]]:
    """Carry it out, one action as a plain write; says what was refused, and over which items."""
    try:
        if len(wanted) == 1 and not isinstance(wanted[0], Check):
            store.write(wanted[0])
        else:
            store.transact(wanted)
    except ConditionFailed as error:
        return list(zip(error.failed, error.olds, strict=True))
    return []


@settings(max_examples=150, deadline=None, database=None)
@given(st.lists(transactions, max_size=25))
def test_any_transactions_leave_what_the_model_says(history: list[list[Action]]) -> None:
    store, model = SqliteStore(":memory:", [SPEC]), Model()
    for wanted in history:
        olds = [model.get(_key(action)) for action in wanted]
        refused = _model(model, wanted)
        assert _refusals(store, wanted) == [(position, olds[position]) for position in refused]
    _same(store, model)
    store.close()


def _same(store: SqliteStore, model: Model) -> None:
    for pk in "ab":
        expected = sorted((item for item in model.values() if item["pk"] == pk), key=lambda item: item["sk"].encode())
        assert store.query("log", pk).items == expected
        assert store.query("log", pk, newest=True, limit=2).items == expected[::-1][:2]
        assert store.query("log", pk, low="2", high="é").items == [item for item in expected if "2" <= item["sk"] <= "é"]
    for owner in "xy":
        entries = {(item["o"], item["pk"], item["sk"]) for item in model.values() if item.get("p") == owner and "o" in item}
        found = store.query("log", owner, index="by_owner").items
        assert {(item["o"], item["pk"], item["sk"]) for item in found} == entries
        assert [item["o"] for item in found] == sorted(item["o"] for item in found)
    replayed = Model()
    for change in store.changes(limit=10_000):
        key = Key("log", (change.new or change.old or {})["pk"], (change.new or change.old or {})["sk"])
        assert replayed.get(key) == change.old
        replayed.pop(key, None)
        if change.new is not None:
            replayed[key] = change.new
    assert replayed == model


def test_an_update_leaves_the_old_item_alone() -> None:
    old: Item = {"pk": "a", "m": {"x": {"y": 1}, "gone": 1}}
    update = Update(Key("log", "a", "1"), set={("m", "x", "y"): 2, ("m", "x", "z"): 3}, remove=(("m", "gone"),))
    assert updated(old, update) == {"pk": "a", "m": {"x": {"y": 2, "z": 3}}}
    assert old == {"pk": "a", "m": {"x": {"y": 1}, "gone": 1}}


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**38) + 1, 10**38 - 1)
    | st.floats(1e-130, 9e125).map(lambda number: number if not number.is_integer() else int(number) if number < 1e38 else number)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), inner),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, database=None)
@given(plain)
def test_any_value_survives_the_disk_and_the_wire(value: Any) -> None:
    item = {"pk": "a", "value": value}
    for back in (decode(encode(item)), item_from_wire(item_to_wire(item))):
        assert back == item
        assert repr(back["value"]) == repr(value) or isinstance(value, dict | list)
