"""Many writers of the immutable store at once, who sees what of it, and each protective step switched off."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

from chalicelib.domain import memory_spaces
from chalicelib.domain.immutable import storing
from tests.data.mutants import swapped
from tests.functions.conftest import House, Person, Refusal
from tests.functions.immutables import ACTIONS, HERE, WRITES, call, ids, keep, numbers, outcome


def fifty_stores_are_fifty_versions(house: House) -> None:
    org = house.person("backend", roles=("service",))
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda number: keep(org, {"n": number}), range(50)))
    assert sorted(numbers(told)) == list(range(1, 51))
    history = call(org, "getHistory", **HERE)
    assert numbers(history) == list(range(1, 51))
    stored = {each["version"]: each["data"] for each in history}
    assert stored == {each["version"]: each["data"] for each in told}, "what was told is what is stored"
    assert call(org, "get", **HERE)["data"] == stored[50]
    assert call(org, "count") == len(call(org, "list")) == 1


def test_of_fifty_stores_at_once_each_is_a_version_of_its_own(either: House) -> None:
    fifty_stores_are_fifty_versions(either)


def test_stores_and_purges_at_once_leave_no_version_behind(either: House) -> None:
    org = either.person("backend", roles=("service",))

    def come_and_go(number: int) -> None:
        try:
            if number % 5 == 4:
                call(org, "purge", **HERE)
            elif number % 7 == 6:
                call(org, "purgeVersions", **HERE, keepLatest=2)
            else:
                keep(org, {"n": number})
        except Refusal as refused:
            assert refused.data["code"] == "IMMUTABLE_ENTRY_NOT_FOUND"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(40)))
    history = call(org, "getHistory", **HERE)
    row = call(org, "get", **HERE)
    assert numbers(history) == ([] if row is None else list(range(history[0]["version"], row["version"] + 1)))
    assert call(org, "count") == (row is not None)


def every_call(**where: Any) -> dict[str, dict[str, Any]]:
    """Every function with arguments that name what others have."""
    place = {**HERE, **where}
    return {
        "get": place,
        "getVersion": {**place, "version": 1},
        "getHistory": place,
        "getAtTimestamp": {**place, "timestamp": 4e12},
        "list": where,
        "count": {**where, "type": "policy"},
        "search": {**where, "query": "canary"},
        "purge": place,
        "purgeVersions": {**place, "keepLatest": 1},
        "purgeMany": {**where, "type": "policy"},
    }


def strangers_learn_nothing(house: House) -> None:
    """The same answers for others' things as where nothing ever was, in every function; and everything stays as it was."""
    org, alice = house.person("backend", roles=("service",)), house.person("alice")
    for _ in range(2):
        keep(org, {"text": "a canary"})
        keep(org, {"text": "a canary"}, space="lab")
        keep(alice, {"text": "a canary"})
    empty = {name: outcome(org, name, {**args, "space": "empty"}) for name, args in every_call().items()}
    askers = [
        (house.person("bob"), ["default", "lab", "user:alice"]),
        (house.person("backend", "other", ("service",)), [None, "default", "lab", "user:alice"]),
        (house.person("alice", "other"), [None, "default", "lab", "user:alice"]),
        (org, ["Lab", "user:bob"]),
    ]
    for asker, spaces in askers:
        for space in spaces:
            where = {} if space is None else {"space": space}
            for name, args in every_call(**where).items():
                assert outcome(asker, name, args) == empty[name], (asker.user, space, name)
    bob = house.person("bob")
    taken = [outcome(bob, "store", {**HERE, "data": {}, "space": space}) for space in ("default", "lab", "user:alice", "empty")]
    assert [each.get("code") for each in taken] == ["FORBIDDEN"] * 4, "whether a name is taken"
    found = [numbers(call(org, "getHistory", **HERE, space=space)) for space in ("default", "lab", "user:alice")]
    assert found == [[1, 2]] * 3, "a stranger changed something"


def test_strangers_learn_nothing_in_any_function(house: House) -> None:
    strangers_learn_nothing(house)


def a_user_sees_its_own(house: House) -> None:
    org, alice, bob = house.person("backend", roles=("service",)), house.person("alice"), house.person("bob")
    assert keep(alice, {"text": "own"})["space"] == "user:alice"
    keep(org, {"text": "a contract of alice"}, id="contract", userId="alice")
    keep(org, {"text": "a contract of bob"}, id="of bob", userId="bob")
    assert ids(call(alice, "list", space="default")) == ["contract"]
    assert [each["entry"]["id"] for each in call(alice, "search", query="contract", space="default")] == ["contract"]
    assert call(alice, "list", userId="bob", space="default") == []
    keep(org, {"text": "sold to bob"}, id="contract", userId="bob")
    assert call(alice, "get", type="policy", id="contract", space="default") is None
    assert numbers(call(bob, "getHistory", type="policy", id="contract", space="default")) == [2], "what was alice's"
    assert call(bob, "getVersion", type="policy", id="contract", version=1, space="default") is None
    assert numbers(call(org, "getHistory", type="policy", id="contract")) == [1, 2]


def test_a_user_sees_its_own_and_no_version_that_was_somebody_elses(house: House) -> None:
    a_user_sees_its_own(house)


def test_nobody_has_no_records(house: House) -> None:
    nobody = house.anybody()
    for name, args in every_call().items():
        if name in WRITES or name in ACTIONS:
            assert outcome(nobody, name, args)["code"] == "Unauthorized", name
        else:
            assert not outcome(nobody, name, args), name


def test_a_users_records_are_erased_in_all_spaces_with_their_versions(house: House, org: Person) -> None:
    for number in range(8):
        for _ in range(number + 1):
            keep(org, {"n": number}, id=f"i{number}", userId="alice", space=f"s{number % 3}")
    keep(org, {}, userId="bob")
    told = org.action("memory:erase", userId="alice", confirm=True)
    assert (told["state"], told["erased"]) == ("completed", {"immutables": 8, "immutableVersions": 36})
    assert house.rows("immutables") == 1
    assert house.rows("immutableVersions") == 1
    assert ids(call(org, "list")) == ["refund"]


OFF: dict[str, tuple[Callable[[House], None], Callable[[], AbstractContextManager[None]]]] = {
    "who sees a record is looked at": (
        strangers_learn_nothing,
        lambda: swapped((memory_spaces.Reach, "sees", lambda reach, user_id: True)),
    ),
    "who sees a version is looked at": (
        a_user_sees_its_own,
        lambda: swapped((storing, "version", lambda ctx, reach, row, n: ctx.db.get(storing.ImmutableVersion, row.record, n))),
    ),
    "a list is cut down to what its caller sees": (
        a_user_sees_its_own,
        lambda: swapped((memory_spaces.Reach, "narrowed", lambda reach, user_id: user_id)),
    ),
    "the space is in a record's id": (
        strangers_learn_nothing,
        lambda: swapped((storing, "id_of", lambda space, type, id: f"{type} {id}")),
    ),
}


@pytest.mark.parametrize("step", OFF)
def test_it_is_broken_without(step: str, house: House) -> None:
    claim, off = OFF[step]
    with off(), pytest.raises((AssertionError, Refusal)):
        claim(house)
