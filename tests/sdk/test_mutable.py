"""`cortex.mutable` against a real server: sync and async, lost races, and what is refused before any request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from concave_client import AsyncCortex, ConversationError, Cortex, MutableStore, ValidationError

from tests.sdk.conftest import Mint
from tests.support.loop import alone
from tests.walk.server import Served


@pytest.fixture
def cortex(served: Served, token: Mint) -> Iterator[Cortex]:
    with Cortex(served.url, token()) as client:
        yield client


def test_a_client_written_from_the_document_works(cortex: Cortex) -> None:
    store = cortex.mutable
    made = store.set("inventory", "widget-qty", 100, "user-1", metadata={"unit": "piece"})
    assert (made.namespace, made.key, made.value, made.user_id) == ("inventory", "widget-qty", 100, "user-1")
    assert store.get("inventory", "widget-qty") == 100
    assert store.get_record("inventory", "widget-qty") == made
    assert store.exists("inventory", "widget-qty") is True
    assert store.update("inventory", "widget-qty", lambda quantity: quantity - 10).value == 90
    assert store.increment("inventory", "widget-qty", 5).value == 95
    assert store.decrement("inventory", "widget-qty").value == 94
    told = store.transaction(
        [
            {"op": "set", "namespace": "inventory", "key": "widget-name", "value": None},
            {"op": "decrement", "namespace": "inventory", "key": "widget-qty", "amount": 4},
        ]
    )
    assert (told.success, told.operations_executed, told.results[1].value) == (True, 2, 90)
    assert [each.key for each in store.list("inventory", key_prefix="widget-")] == ["widget-name", "widget-qty"]
    assert store.count("inventory", user_id="user-1") == 1
    assert store.exists("inventory", "widget-name")
    assert store.get("inventory", "widget-name") is None
    assert store.delete("inventory", "widget-name").deleted
    assert store.purge_many("inventory", key_prefix="w", dry_run=True).would_delete == 1
    assert store.purge_namespace("inventory").keys == ["widget-qty"]
    assert store.get_record("inventory", "widget-qty") is None


def test_updates_at_once_lose_no_change(cortex: Cortex) -> None:
    cortex.mutable.set("n", "words", [])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: cortex.mutable.update("n", "words", lambda old: [*old, number]), range(40)))
    assert sorted(cortex.mutable.get("n", "words")) == list(range(40))


def test_an_update_reads_again_where_somebody_else_was_quicker(cortex: Cortex) -> None:
    cortex.mutable.set("n", "k", 1)
    seen: list[int] = []

    def doubled(old: int) -> int:
        seen.append(old)
        if len(seen) == 1:
            cortex.mutable.set("n", "k", 10)  # somebody else
        return old * 2

    assert cortex.mutable.update("n", "k", doubled).value == 20
    assert seen == [1, 10]


def test_what_the_backend_refuses_has_its_code(cortex: Cortex) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: cortex.mutable.update("n", "absent", lambda old: old),
        lambda: cortex.mutable.increment("n", "absent"),
        lambda: cortex.mutable.delete("n", "absent"),
        lambda: cortex.mutable.transaction([{"op": "delete", "namespace": "n", "key": "absent"}]),
    ]
    for each in calls:
        with pytest.raises(ConversationError) as refused:
            each()
        assert refused.value.code == "MUTABLE_KEY_NOT_FOUND"


def test_a_long_list_comes_whole(cortex: Cortex) -> None:
    for number in range(4):
        cortex.mutable.set("n", f"k{number}", "x" * 40_000)
    found = cortex.mutable.list("n")
    assert [each.key for each in found] == ["k0", "k1", "k2", "k3"]
    assert not any(each.list_truncated for each in found)
    assert [each.key for each in cortex.mutable.list("n", limit=3)] == ["k0", "k1", "k2"]


def test_spaces_are_apart_and_a_user_has_one_of_its_own(served: Served, token: Mint, cortex: Cortex) -> None:
    cortex.mutable.set("n", "k", "the org's")
    with Cortex(served.url, token("alice")) as alice:
        assert alice.mutable.get("n", "k", space="default") is None
        assert alice.mutable.set("n", "k", "alice's").space == "user:alice"
    assert cortex.mutable.get("n", "k") == "the org's"
    assert cortex.mutable.get("n", "k", space="user:alice") == "alice's"


def test_the_async_client_does_the_same(served: Served, token: Mint) -> None:
    async def main() -> None:
        async with AsyncCortex(served.url, token()) as cortex:
            await cortex.mutable.set("n", "k", 0)

            async def one_more(old: int) -> int:
                return old + 1

            await asyncio.gather(*(cortex.mutable.update("n", "k", one_more) for _ in range(10)))
            assert await cortex.mutable.get("n", "k") == 10
            later = datetime(2999, 1, 1, tzinfo=UTC)
            assert [each.value for each in await cortex.mutable.list("n", updated_before=later)] == [10]
            assert await cortex.mutable.count("n", updated_after=later) == 0
            with pytest.raises(ValidationError):
                cortex.mutable.set("", "k", 1)  # at once, not when it is awaited

    alone(main())


WRONG: list[tuple[Callable[[MutableStore], Any], str, str | None]] = [
    (lambda store: store.set("", "k", 1), "MISSING_NAMESPACE", "namespace"),
    (lambda store: store.set(5, "k", 1), "INVALID_NAMESPACE", "namespace"),
    (lambda store: store.set("n" * 101, "k", 1), "NAMESPACE_TOO_LONG", "namespace"),
    (lambda store: store.set("n", " ", 1), "MISSING_KEY", "key"),
    (lambda store: store.set("n", "a\nb", 1), "INVALID_KEY", "key"),
    (lambda store: store.set("n", "k" * 256, 1), "KEY_TOO_LONG", "key"),
    (lambda store: store.set("n", "😀" * 226, 1), "KEY_TOO_LONG", "key"),
    (lambda store: store.set("n", "k", object()), "INVALID_VALUE", "value"),
    (lambda store: store.set("n", "k", float("nan")), "INVALID_VALUE", "value"),
    (lambda store: store.set("n", "k", "x" * 65_536), "VALUE_TOO_LARGE", "value"),
    (lambda store: store.set("n", "k", 1, metadata=[]), "INVALID_METADATA", "metadata"),
    (lambda store: store.set("n", "k", 1, ""), "INVALID_USER_ID", "userId"),
    (lambda store: store.get("n", "k", space=""), "INVALID_SPACE", "space"),
    (lambda store: store.increment("n", "k", "1"), "INVALID_AMOUNT_TYPE", "amount"),
    (lambda store: store.increment("n", "k", True), "INVALID_AMOUNT_TYPE", "amount"),
    (lambda store: store.list("n", limit=0), "INVALID_LIMIT_RANGE", "limit"),
    (lambda store: store.list("n", offset=-1), "INVALID_OFFSET_RANGE", "offset"),
    (lambda store: store.list("n", sort_by="value"), "INVALID_SORT_BY", "sortBy"),
    (lambda store: store.list("n", sort_order="up"), "INVALID_SORT_ORDER", "sortOrder"),
    (lambda store: store.list("n", key_prefix=""), "INVALID_KEY_PREFIX", "keyPrefix"),
    (lambda store: store.list("n", updated_after="now"), "INVALID_TIMESTAMP", "updatedAfter"),
    (lambda store: store.list("n", updated_after=2, updated_before=1), "INVALID_DATE_RANGE", "updatedAfter"),
    (lambda store: store.purge_many("n"), "MISSING_FILTER", None),
    (lambda store: store.purge_many("n", last_accessed_before=1), "UNSUPPORTED_FILTER", "lastAccessedBefore"),
    (lambda store: store.transaction([]), "EMPTY_OPERATIONS_ARRAY", "operations"),
    (lambda store: store.transaction([{"op": "merge"}]), "INVALID_TRANSACTION_OPERATION", "operations[0].op"),
    (
        lambda store: store.transaction([{"op": "set", "namespace": "n", "key": "k"}]),
        "INVALID_TRANSACTION_OPERATION",
        "operations[0].value",
    ),
    (lambda store: store.transaction([{"op": "delete", "namespace": "n", "key": ""}]), "MISSING_KEY", "operations[0].key"),
    (lambda store: store.transaction([{"op": "delete", "namespace": "n", "key": "k"}] * 26), "TOO_MANY_OPERATIONS", "operations"),
]


@pytest.mark.parametrize(("wrong", "code", "field"), WRONG)
def test_what_is_wrong_is_told_before_any_request(wrong: Callable[[MutableStore], Any], code: str, field: str | None) -> None:
    with Cortex("http://127.0.0.1:9") as cortex, pytest.raises(ValidationError) as refused:
        wrong(cortex.mutable)
    assert (refused.value.code, refused.value.field) == (code, field)
