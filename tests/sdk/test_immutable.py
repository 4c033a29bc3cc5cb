"""`cortex.immutable` against a real server: sync and async, and what is refused before any request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from concave_client import AsyncCortex, ConversationError, Cortex, ImmutableStore, ValidationError

from tests.sdk.conftest import Mint
from tests.support.loop import alone
from tests.walk.server import Served


@pytest.fixture
def cortex(served: Served, token: Mint) -> Iterator[Cortex]:
    with Cortex(served.url, token()) as client:
        yield client


def test_a_client_written_from_the_document_works(cortex: Cortex) -> None:
    store = cortex.immutable
    first = store.store("kb-article", "refund-policy", {"title": "Refunds", "days": 30}, user_id="u", metadata={"by": "a"})
    second = store.store("kb-article", "refund-policy", {"title": "Refunds in a café", "days": 60})
    assert (first.version, second.version, second.user_id) == (1, 2, "u")
    assert isinstance(second.version, int)
    assert [each.version for each in second.previous_versions] == [1]
    newest = store.get("kb-article", "refund-policy")
    assert newest is not None
    assert (newest.data, newest.previous_versions[0].data) == ({"title": "Refunds in a café", "days": 60}, first.data)
    one = store.get_version("kb-article", "refund-policy", 1)
    assert one is not None
    assert (one.data, one.metadata) == (first.data, {"by": "a"})
    history = store.get_history("kb-article", "refund-policy")
    assert [each.version for each in history] == [1, 2]
    then = datetime.fromtimestamp(history[0].timestamp / 1000, UTC)
    assert store.get_at_timestamp("kb-article", "refund-policy", history[0].timestamp) == history[0]
    assert store.get_at_timestamp("kb-article", "refund-policy", then.replace(year=2001)) is None
    (hit,) = store.search("cafe", type="kb-article")
    assert hit.entry.id == "refund-policy"
    assert store.count(type="kb-article") == len(store.list(user_id="u")) == 1
    assert store.purge_versions("kb-article", "refund-policy", 1).versions_remaining == 1
    assert store.purge_many(type="kb-article", dry_run=True).entries == ["kb-article/refund-policy"]
    assert store.purge("kb-article", "refund-policy").versions_deleted == 1
    assert store.get("kb-article", "refund-policy") is None
    with pytest.raises(ConversationError) as refused:
        store.purge("kb-article", "refund-policy")
    assert refused.value.code == "IMMUTABLE_ENTRY_NOT_FOUND"


def test_long_histories_and_lists_come_whole(cortex: Cortex) -> None:
    for number in range(5):
        cortex.immutable.store("t", "long", {"text": "x" * 40_000, "n": number})
        cortex.immutable.store("many", f"i{number}", {"text": "x" * 40_000})
    assert [each.data["n"] for each in cortex.immutable.get_history("t", "long")] == list(range(5))
    assert [each.id for each in cortex.immutable.list(type="many")] == ["i4", "i3", "i2", "i1", "i0"]
    assert cortex.immutable.get_history("t", "absent") == []


def test_the_async_client_does_the_same(served: Served, token: Mint) -> None:
    async def main() -> None:
        async with AsyncCortex(served.url, token()) as cortex:
            told = await asyncio.gather(*(cortex.immutable.store("t", "i", {"n": number}) for number in range(12)))
            assert sorted(each.version for each in told) == list(range(1, 13))
            assert [each.version for each in await cortex.immutable.get_history("t", "i")] == list(range(1, 13))
            with pytest.raises(ValidationError):
                cortex.immutable.store("", "i", {})  # at once, not when it is awaited

    alone(main())


WRONG: list[tuple[Callable[[ImmutableStore], Any], str, str | None]] = [
    (lambda store: store.store("", "i", {}), "INVALID_TYPE", "type"),
    (lambda store: store.store("t" * 101, "i", {}), "INVALID_TYPE", "type"),
    (lambda store: store.store("t", None, {}), "INVALID_ID", "id"),
    (lambda store: store.store("t", "i", []), "INVALID_DATA", "data"),
    (lambda store: store.store("t", "i", "text"), "INVALID_DATA", "data"),
    (lambda store: store.store("t", "i", {"a": object()}), "INVALID_DATA", "data"),
    (lambda store: store.store("t", "i", {"a": "x" * 70_000}), "DATA_TOO_LARGE", "data"),
    (lambda store: store.store("t", "i", {}, metadata="m"), "INVALID_METADATA", "metadata"),
    (lambda store: store.store("t", "i", {}, user_id=" "), "INVALID_USER_ID", "userId"),
    (lambda store: store.get_version("t", "i", 0), "INVALID_VERSION", "version"),
    (lambda store: store.get_version("t", "i", 1.5), "INVALID_VERSION", "version"),
    (lambda store: store.get_at_timestamp("t", "i", "now"), "INVALID_TIMESTAMP", "timestamp"),
    (lambda store: store.list(limit=0), "INVALID_LIMIT", "limit"),
    (lambda store: store.search(" "), "MISSING_REQUIRED_FIELD", "query"),
    (lambda store: store.purge_many(), "INVALID_FILTER", None),
    (lambda store: store.purge_versions("t", "i", 0), "INVALID_KEEP_LATEST", "keepLatest"),
]


@pytest.mark.parametrize(("wrong", "code", "field"), WRONG)
def test_what_is_wrong_is_told_before_any_request(wrong: Callable[[ImmutableStore], Any], code: str, field: str | None) -> None:
    with Cortex("http://127.0.0.1:9") as cortex, pytest.raises(ValidationError) as refused:
        wrong(cortex.immutable)
    assert (refused.value.code, refused.value.field) == (code, field)
