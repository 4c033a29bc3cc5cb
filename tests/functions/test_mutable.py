"""The mutable store: one value, and the refusals by code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chalicelib.domain.mutable import codes, storing
from tests.data.mutants import swapped
from tests.functions.conftest import House, Person
from tests.functions.mutables import HERE, call, code, put


@pytest.mark.parametrize("value", [None, True, 0, -1.5, "", "text", [], {}, [1, None, {"a": []}], {"a": {"b": [False]}}])
def test_any_json_value_is_stored_as_it_is(org: Person, value: Any) -> None:
    made = put(org, "k", value, userId="alice", metadata={"unit": "piece"})
    assert made == call(org, "getRecord", namespace="shop", key="k")
    assert (made["value"], made["userId"], made["metadata"]) == (value, "alice", {"unit": "piece"})
    assert call(org, "get", namespace="shop", key="k") == value
    assert call(org, "exists", namespace="shop", key="k") is True


def test_what_is_absent_is_null_and_does_not_exist(org: Person) -> None:
    assert [call(org, each, **HERE) for each in ("get", "getRecord", "exists")] == [None, None, False]


def test_a_second_set_replaces_the_value_and_keeps_what_it_does_not_say(house: House, org: Person) -> None:
    first = put(org, "k", 1, userId="alice", metadata={"a": 1})
    house.clock.ahead += 1_000
    second = put(org, "k", 2)
    assert (second["value"], second["userId"], second["metadata"]) == (2, "alice", {"a": 1})
    assert second["createdAt"] == first["createdAt"]
    assert second["updatedAt"] > first["updatedAt"]
    assert second["revision"] != first["revision"]
    assert call(org, "count", namespace="shop") == 1


def test_numbers_are_counted_up_and_down_also_below_zero(org: Person) -> None:
    put(org, "widgets", 2)
    assert call(org, "increment", **HERE)["value"] == 3
    assert call(org, "increment", **HERE, amount=0.5)["value"] == 3.5
    assert call(org, "decrement", **HERE, amount=10)["value"] == -6.5
    assert call(org, "decrement", **HERE)["value"] == -7.5


@pytest.mark.parametrize("function", ["delete", "purge"])
def test_a_deleted_key_is_gone_and_may_come_again(org: Person, function: str) -> None:
    first = put(org, "widgets")
    assert call(org, function, **HERE) == {"deleted": True, "namespace": "shop", "key": "widgets"}
    assert call(org, "exists", **HERE) is False
    assert code(org, function, **HERE) == ("MUTABLE_KEY_NOT_FOUND", "key")
    assert put(org, "widgets")["revision"] != first["revision"]


def stale_updates_are_refused(org: Person) -> None:
    """A value that has changed since it was read is not replaced."""
    read = put(org, "widgets", 1)
    assert call(org, "update", **HERE, value=2, revision=read["revision"])["value"] == 2
    assert code(org, "update", **HERE, value=3, revision=read["revision"]) == ("REVISION_CONFLICT", "revision")
    assert call(org, "get", **HERE) == 2
    assert call(org, "update", **HERE, value=4)["value"] == 4


def test_a_revision_of_a_key_that_was_deleted_since_means_nothing(org: Person) -> None:
    read = put(org, "widgets", 1)
    call(org, "delete", **HERE)
    put(org, "widgets", 1)
    assert code(org, "update", **HERE, value=2, revision=read["revision"]) == ("REVISION_CONFLICT", "revision")


LONG = "n" * 101
DEEP: Any = None
for _ in range(25):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"key": "k", "value": 1}, ("MISSING_NAMESPACE", "namespace")),
        ({"namespace": " ", "key": "k", "value": 1}, ("MISSING_NAMESPACE", "namespace")),
        ({"namespace": 7, "key": "k", "value": 1}, ("INVALID_NAMESPACE", "namespace")),
        ({"namespace": "a\nb", "key": "k", "value": 1}, ("INVALID_NAMESPACE", "namespace")),
        ({"namespace": LONG, "key": "k", "value": 1}, ("NAMESPACE_TOO_LONG", "namespace")),
        ({"namespace": "n", "value": 1}, ("MISSING_KEY", "key")),
        ({"namespace": "n", "key": "", "value": 1}, ("MISSING_KEY", "key")),
        ({"namespace": "n", "key": None, "value": 1}, ("INVALID_KEY", "key")),
        ({"namespace": "n", "key": "a\x00", "value": 1}, ("INVALID_KEY", "key")),
        ({"namespace": "n", "key": "k" * 256, "value": 1}, ("KEY_TOO_LONG", "key")),
        ({"namespace": "n", "key": "😀" * 226, "value": 1}, ("KEY_TOO_LONG", "key")),
        ({"namespace": "n", "key": "k"}, ("MISSING_REQUIRED_FIELD", "value")),
        ({"namespace": "n", "key": "k", "value": "x" * 65_535}, ("VALUE_TOO_LARGE", "value")),
        ({"namespace": "n", "key": "k", "value": DEEP}, ("INVALID_VALUE", "value")),
        ({"namespace": "n", "key": "k", "value": 1, "userId": ""}, ("INVALID_USER_ID", "userId")),
        ({"namespace": "n", "key": "k", "value": 1, "userId": 5}, ("INVALID_USER_ID", "userId")),
        ({"namespace": "n", "key": "k", "value": 1, "metadata": [1]}, ("INVALID_METADATA", "metadata")),
        ({"namespace": "n", "key": "k", "value": 1, "metadata": {"a": "x" * 20_000}}, ("METADATA_TOO_LARGE", "metadata")),
        ({"namespace": "n", "key": "k", "value": 1, "space": ""}, ("INVALID_SPACE", "space")),
        ({"namespace": "n", "key": "k", "value": 1, "space": "s" * 257}, ("INVALID_SPACE", "space")),
    ],
)
def test_what_cannot_be_set_is_refused_by_its_code_and_field(org: Person, args: dict[str, Any], told: tuple[str, str]) -> None:
    assert code(org, "set", **args) == told


def test_the_longest_names_and_the_largest_value_are_stored(org: Person) -> None:
    for key in ("k" * 255, "😀" * 225, "%", "a b", "👨‍👩‍👧"):
        made = call(org, "set", namespace="n" * 100, key=key, value="x" * 65_534)
        assert call(org, "get", namespace="n" * 100, key=key) == made["value"]


@pytest.mark.parametrize(
    ("function", "args", "told"),
    [
        ("get", {"namespace": "n"}, ("MISSING_KEY", "key")),
        ("exists", {"key": "k"}, ("MISSING_NAMESPACE", "namespace")),
        ("update", {**HERE, "value": 1}, ("MUTABLE_KEY_NOT_FOUND", "key")),
        ("increment", HERE, ("MUTABLE_KEY_NOT_FOUND", "key")),
        ("decrement", HERE, ("MUTABLE_KEY_NOT_FOUND", "key")),
        ("increment", {**HERE, "amount": "2"}, ("INVALID_AMOUNT_TYPE", "amount")),
        ("list", {"namespace": "n", "limit": 0}, ("INVALID_LIMIT_RANGE", "limit")),
        ("list", {"namespace": "n", "limit": 1001}, ("INVALID_LIMIT_RANGE", "limit")),
        ("list", {"namespace": "n", "limit": 1.5}, ("INVALID_LIMIT_RANGE", "limit")),
        ("list", {"namespace": "n", "offset": -1}, ("INVALID_OFFSET_RANGE", "offset")),
        ("list", {"namespace": "n", "sortBy": "value"}, ("INVALID_SORT_BY", "sortBy")),
        ("list", {"namespace": "n", "sortOrder": "up"}, ("INVALID_SORT_ORDER", "sortOrder")),
        ("list", {"namespace": "n", "keyPrefix": ""}, ("INVALID_KEY_PREFIX", "keyPrefix")),
        ("list", {"namespace": "n", "userId": " "}, ("INVALID_USER_ID", "userId")),
        ("list", {"namespace": "n", "updatedAfter": 2, "updatedBefore": 1}, ("INVALID_DATE_RANGE", "updatedAfter")),
        ("list", {"namespace": "n", "updatedAfter": "now"}, ("INVALID_TIMESTAMP", "updatedAfter")),
        ("count", {}, ("MISSING_NAMESPACE", "namespace")),
        ("purgeMany", {"namespace": "n"}, ("MISSING_FILTER", None)),
        ("purgeMany", {"namespace": "n", "lastAccessedBefore": 5}, ("UNSUPPORTED_FILTER", "lastAccessedBefore")),
        ("purgeNamespace", {"namespace": ""}, ("MISSING_NAMESPACE", "namespace")),
        ("transaction", {"operations": []}, ("EMPTY_OPERATIONS_ARRAY", "operations")),
    ],
)
def test_every_other_refusal_has_its_code_too(org: Person, function: str, args: dict[str, Any], told: tuple[str, Any]) -> None:
    assert code(org, function, **args) == told


@pytest.mark.parametrize("value", [None, True, "7", [1], {"n": 1}])
def test_what_is_no_number_is_not_counted(org: Person, value: Any) -> None:
    put(org, "widgets", value)
    assert code(org, "increment", **HERE) == ("INVALID_AMOUNT_TYPE", "value")
    assert call(org, "get", **HERE) == value


def sums_are_exact(org: Person) -> None:
    """A sum that would not be exact is refused."""
    put(org, "widgets", 2**53 - 2)
    assert call(org, "increment", **HERE)["value"] == 2**53 - 1
    assert code(org, "increment", **HERE) == ("INVALID_AMOUNT_RANGE", "amount")
    assert call(org, "decrement", **HERE, amount=2**53 - 1)["value"] == 0


CLAIMS = [stale_updates_are_refused, sums_are_exact]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_it_is_kept(claim: Callable[[Person], None], org: Person) -> None:
    claim(org)


def _any_revision(ctx: Any, reach: Any, namespace: str, key: str, value: Any, revision: str | None) -> Any:
    return storing.changed(ctx, storing.reached(ctx, reach, namespace, key), value=value)


def test_it_is_broken_without_a_look_at_the_revision_or_at_the_sum(org: Person) -> None:
    for claim, swap in [
        (stale_updates_are_refused, (storing, "replace", _any_revision)),
        (sums_are_exact, (codes, "LARGEST_WHOLE", float("inf"))),
    ]:
        with swapped(swap), pytest.raises((AssertionError, pytest.fail.Exception)):
            claim(org)
