"""Who sees what of the mutable store, and each protective step switched off."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from chalicelib.domain import memory_spaces
from chalicelib.domain.mutable import storing
from tests.data.mutants import swapped
from tests.functions.conftest import House, Person, Refusal
from tests.functions.mutables import ACTIONS, HERE, WRITES, call, code, keys, outcome, put


def every_call(**where: Any) -> dict[str, dict[str, Any]]:
    """Every function with arguments that name what alice has."""
    place = {**HERE, **where}
    shop = {"namespace": "shop", **where}
    operation = {"op": "increment", **HERE}
    return {
        "get": place,
        "getRecord": place,
        "exists": place,
        "list": shop,
        "count": shop,
        "update": {**place, "value": "stolen"},
        "increment": place,
        "decrement": place,
        "delete": place,
        "purge": place,
        "purgeNamespace": shop,
        "purgeMany": {**shop, "keyPrefix": "w"},
        "transaction": {"operations": [operation], **where},
    }


def strangers_learn_nothing(house: House) -> None:
    """The same answers for alice's things as where nothing ever was, in every function; and everything stays as it was."""
    org, alice = house.person("backend", roles=("service",)), house.person("alice")
    put(org, "widgets", 7)
    put(org, "widgets", 7, space="lab")
    put(alice, "widgets", 7)
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
    taken = [outcome(bob, "set", {**HERE, "value": 1, "space": space}) for space in ("default", "lab", "user:alice", "empty")]
    assert {each["code"] for each in taken} == {"FORBIDDEN"}, "whether a name is taken"
    assert len({each["message"] for each in taken}) == 1
    found = [call(org, "get", **HERE, space=space) for space in ("default", "lab", "user:alice")]
    assert found == [7, 7, 7], "a stranger changed something"


def test_strangers_learn_nothing_in_any_function(house: House) -> None:
    strangers_learn_nothing(house)


def a_user_reaches_its_own(house: House) -> None:
    """Its own space, and what has its id elsewhere; its backend reaches all."""
    org, alice = house.person("backend", roles=("service",)), house.person("alice")
    made = put(alice, "theme", "dark")
    assert (made["space"], made["userId"]) == ("user:alice", "alice")
    assert call(org, "get", namespace="shop", key="theme", space="user:alice") == "dark"
    put(org, "cart", ["tea"], userId="alice")
    put(org, "cart of bob", ["tin"], userId="bob")
    assert keys(call(alice, "list", namespace="shop", space="default")) == ["cart"]
    assert call(alice, "count", namespace="shop", space="default") == 1
    assert call(alice, "list", namespace="shop", space="default", userId="bob") == []
    assert put(alice, "cart", [], space="default")["userId"] == "alice"
    assert code(alice, "set", namespace="shop", key="cart", value=1, userId="bob", space="default") == ("FORBIDDEN", "userId")
    assert call(alice, "purgeNamespace", namespace="shop", space="default")["keys"] == ["cart"]
    assert keys(call(org, "list", namespace="shop")) == ["cart of bob"]


def test_a_user_reaches_its_own_space_and_what_has_its_id_elsewhere(house: House) -> None:
    a_user_reaches_its_own(house)


def test_what_stands_in_a_users_space_is_that_users_whoever_writes(org: Person) -> None:
    assert put(org, "k", space="user:alice")["userId"] == "alice"
    assert code(org, "set", namespace="shop", key="k", value=1, space="user:alice", userId="bob") == ("INVALID_USER_ID", "userId")


def test_nobody_has_no_values(house: House) -> None:
    nobody = house.anybody()
    assert [call(nobody, each, **HERE) for each in ("get", "getRecord", "exists")] == [None, None, False]
    assert (call(nobody, "list", namespace="shop"), call(nobody, "count", namespace="shop")) == ([], 0)
    for function in (*WRITES, *ACTIONS):
        args = {"set": {**HERE, "value": 1}, **every_call()}[function]
        assert outcome(nobody, function, args)["code"] == "Unauthorized", function


def test_a_users_values_are_erased_in_all_spaces_and_no_others(house: House, org: Person) -> None:
    for number in range(30):
        put(org, f"k{number}", userId="alice", space=f"s{number % 3}")
    put(house.person("alice"), "own")
    put(org, "of bob", userId="bob", space="s1")
    put(house.person("backend", "other", ("service",)), "k", userId="alice")
    told = org.action("memory:erase", userId="alice", confirm=True)
    assert (told["state"], told["erased"]) == ("completed", {"mutables": 31})
    assert house.rows("mutables") == 2
    assert keys(call(org, "list", namespace="shop", space="s1")) == ["of bob"]


Claim = Callable[[House], None]


def _all_seen(reach: Any, user_id: str | None) -> bool:
    return True


OFF: dict[str, tuple[Claim, Callable[[], AbstractContextManager[None]]]] = {
    "who sees a value is looked at": (
        strangers_learn_nothing,
        lambda: swapped((memory_spaces.Reach, "sees", _all_seen)),
    ),
    "the space is in a value's id": (
        strangers_learn_nothing,
        lambda: swapped((storing, "id_of", lambda space, namespace, key: f"{namespace} {key}")),
    ),
    "nobody writes for others": (
        a_user_reaches_its_own,
        lambda: swapped((memory_spaces, "owner", lambda reach, user_id, known=None: user_id or reach.caller or known)),
    ),
    "a list is cut down to what its caller sees": (
        a_user_reaches_its_own,
        lambda: swapped((memory_spaces.Reach, "narrowed", lambda reach, user_id: user_id)),
    ),
}


@pytest.mark.parametrize("step", OFF)
def test_it_is_broken_without(step: str, house: House) -> None:
    claim, off = OFF[step]
    with off(), pytest.raises((AssertionError, Refusal, pytest.fail.Exception)):
        claim(house)
