"""Transactions of the mutable store, and many writers at once, on both stores."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.domain.mutable import transaction
from tests.data.mutants import swapped
from tests.functions.conftest import House, Person, Refusal
from tests.functions.mutables import HERE, call, code, put


def test_a_transaction_does_all_that_it_says_in_order(org: Person) -> None:
    put(org, "gone")
    put(org, "stock", 10)
    told = call(
        org,
        "transaction",
        operations=[
            {"op": "set", "namespace": "shop", "key": "sold", "value": 0, "userId": "alice", "metadata": {"a": 1}},
            {"op": "increment", "namespace": "shop", "key": "sold", "amount": 3},
            {"op": "decrement", "namespace": "shop", "key": "stock", "amount": 3},
            {"op": "update", "namespace": "shop", "key": "stock", "value": "few"},
            {"op": "delete", "namespace": "shop", "key": "gone"},
        ],
    )
    assert (told["success"], told["operationsExecuted"]) == (True, 5)
    assert [each.get("value") for each in told["results"]] == [None, 3, 7, None, None]
    assert {each["key"]: each["value"] for each in call(org, "list", namespace="shop")} == {"sold": 3, "stock": "few"}
    assert call(org, "getRecord", namespace="shop", key="sold")["userId"] == "alice"


BAD: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"op": "increment", "key": "absent"}, ("MUTABLE_KEY_NOT_FOUND", "operations[2].key")),
    ({"op": "update", "key": "absent", "value": 1}, ("MUTABLE_KEY_NOT_FOUND", "operations[2].key")),
    ({"op": "delete", "key": "absent"}, ("MUTABLE_KEY_NOT_FOUND", "operations[2].key")),
    ({"op": "increment", "key": "text"}, ("INVALID_AMOUNT_TYPE", "operations[2].value")),
    ({"op": "update", "key": "text", "value": 1, "revision": "rev-of-old"}, ("REVISION_CONFLICT", "operations[2].revision")),
    ({"op": "set", "key": "text"}, ("INVALID_TRANSACTION_OPERATION", "operations[2].value")),
    ({"op": "delete", "key": "text", "value": 1}, ("INVALID_TRANSACTION_OPERATION", "operations[2].value")),
    ({"op": "set", "key": "", "value": 1}, ("MISSING_KEY", "operations[2].key")),
    ({"op": "set", "key": "k", "value": "x" * 70_000}, ("VALUE_TOO_LARGE", "operations[2].value")),
    ({"op": "merge", "key": "k", "value": 1}, ("INVALID_TRANSACTION_OPERATION", "operations[2].op")),
    ({"op": "set", "key": "k", "value": 1, "more": 1}, ("INVALID_TRANSACTION_OPERATION", "operations[2]")),
]


@pytest.mark.parametrize(("bad", "told"), BAD)
def test_a_transaction_with_one_bad_operation_leaves_nothing(org: Person, bad: dict[str, Any], told: tuple[str, str]) -> None:
    put(org, "text", "some")
    put(org, "number", 1)
    before = call(org, "list", namespace="shop")
    operations = [
        {"op": "set", "namespace": "shop", "key": "new", "value": 1},
        {"op": "increment", "namespace": "shop", "key": "number"},
        {"namespace": "shop", **bad},
        {"op": "delete", "namespace": "shop", "key": "text"},
    ]
    assert code(org, "transaction", operations=operations) == told
    assert call(org, "list", namespace="shop") == before


def limits_are_told_before(org: Person) -> None:
    """A transaction that one commit cannot hold is refused before anything is done."""
    many = [{"op": "set", "namespace": "shop", "key": f"k{n}", "value": 1} for n in range(26)]
    assert code(org, "transaction", operations=many) == ("TOO_MANY_OPERATIONS", "operations")
    spread = [{"op": "set", "namespace": f"n{n}", "key": "k", "value": 1} for n in range(11)]
    assert code(org, "transaction", operations=spread) == ("TOO_MANY_OPERATIONS", "operations")
    heavy = [{"op": "set", "namespace": "shop", "key": f"k{n}", "value": "x" * 60_000} for n in range(5)]
    assert code(org, "transaction", operations=heavy) == ("VALUE_TOO_LARGE", "operations")
    assert call(org, "count", namespace="shop") == 0


def test_the_largest_transactions_fit_one_commit_on_each_store(either: House) -> None:
    """New values in many namespaces, then all of them given to other users, then deleted."""
    org = either.person("backend", roles=("service",))
    places = [{"namespace": f"n{n % 10}", "key": f"k{n}"} for n in range(25)]
    for user in ("u", "v"):
        sets = [{"op": "set", **place, "value": "x" * 10_000, "userId": f"{user}{n % 10}"} for n, place in enumerate(places)]
        assert call(org, "transaction", operations=sets)["operationsExecuted"] == 25
    for number, place in enumerate(places):
        call(org, "set", **place, value=1, userId=f"w{number}")
    assert call(org, "transaction", operations=[{"op": "delete", **place} for place in places])["success"]
    assert sum(call(org, "count", namespace=f"n{n}") for n in range(10)) == 0


def test_of_a_hundred_increments_at_once_none_is_lost(either: House) -> None:
    org = either.person("backend", roles=("service",))
    put(org, "widgets", 0)
    with ThreadPoolExecutor(20) as pool:
        told = list(pool.map(lambda _: call(org, "increment", **HERE)["value"], range(100)))
    assert sorted(told) == list(range(1, 101))
    assert call(org, "get", **HERE) == 100


def test_of_updates_at_once_that_have_read_the_same_value_one_takes_effect(either: House) -> None:
    org = either.person("backend", roles=("service",))
    read = put(org, "widgets", 0)["revision"]

    def attempt(number: int) -> int | None:
        try:
            return int(call(org, "update", **HERE, value=number, revision=read)["value"])
        except Refusal as refused:
            assert refused.data["code"] == "REVISION_CONFLICT"
            return None

    with ThreadPoolExecutor(10) as pool:
        done = [each for each in pool.map(attempt, range(1, 21)) if each is not None]
    assert [call(org, "get", **HERE)] == done


def test_money_that_is_moved_by_transactions_stays_as_much_as_it_was(either: House) -> None:
    org, rng = either.person("backend", roles=("service",)), random.Random(5)
    accounts = [f"account-{n}" for n in range(4)]
    for each in accounts:
        put(org, each, 100)

    def move(pair: list[str]) -> None:
        amounts = [{"op": "decrement", "key": pair[0], "amount": 7}, {"op": "increment", "key": pair[1], "amount": 7}]
        if pair[0] == pair[1]:
            amounts.append({"op": "delete", "key": "no such account"})
        try:
            call(org, "transaction", operations=[{"namespace": "shop", **each} for each in amounts])
        except Refusal as refused:
            assert refused.data["code"] == "MUTABLE_KEY_NOT_FOUND"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(move, [[rng.choice(accounts), rng.choice(accounts)] for _ in range(40)]))
    assert sum(each["value"] for each in call(org, "list", namespace="shop")) == 400


def test_a_key_that_is_set_by_many_at_once_is_there_once(either: House) -> None:
    org = either.person("backend", roles=("service",))
    with ThreadPoolExecutor(10) as pool:
        told = list(pool.map(lambda number: put(org, "widgets", number)["value"], range(20)))
    assert call(org, "count", namespace="shop") == len(call(org, "list", namespace="shop")) == 1
    assert call(org, "get", **HERE) in told


def test_a_transaction_that_one_commit_cannot_hold_is_refused_before_anything_is_done(org: Person) -> None:
    limits_are_told_before(org)


def test_it_would_not_be_if_it_were_not_counted_first(org: Person) -> None:
    with (
        swapped((transaction, "check", lambda operations: None)),
        pytest.raises((AssertionError, Refusal, pytest.fail.Exception)),
    ):
        limits_are_told_before(org)
