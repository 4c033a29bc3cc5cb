"""Finding in a log and among conversations: times, roles, what is kept with them; each against a plain reading of everything."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.functions.conftest import House
from tests.support.conversations import Cortex, Failed, backend, fill, opened, say


@pytest.fixture
def cortex(house: House) -> Cortex:
    return backend(house)


@pytest.fixture
def talk(house: House, cortex: Cortex) -> str:
    """Forty messages of three roles, up to three seconds apart."""
    rng, name = random.Random(5), opened(cortex)
    for number in range(40):
        house.clock.ahead += rng.choice([0, 1, 1_000, 3_000])
        say(cortex, name, f"m{number}", rng.choice(["user", "agent", "system"]), tail=0)
    return name


def whole(cortex: Cortex, name: str) -> list[Any]:
    found: list[Any] = cortex.get_history(conversationId=name, limit=1000)["messages"]
    return found


def test_history_of_a_range_of_times_and_of_roles_is_what_a_plain_reading_finds(cortex: Cortex, talk: str) -> None:
    everything = whole(cortex, talk)
    times = [each["timestamp"] for each in everything]
    rng = random.Random(7)
    for _ in range(60):
        since, until = sorted([rng.choice([times[0] - 9, *times, times[-1] + 9]) + rng.choice([-0.5, 0, 0.5]) for _ in range(2)])
        asked: dict[str, Any] = {
            "sortOrder": rng.choice(["asc", "desc"]),
            "offset": rng.choice([0, 0, 3]),
            "limit": rng.choice([5, 100]),
        }
        wanted = everything
        if rng.random() < 0.7 and since < until:
            asked |= {"since": since, "until": until}
            wanted = [each for each in wanted if since <= each["timestamp"] <= until]
        if rng.random() < 0.5:
            asked["roles"] = rng.sample(["user", "agent", "system"], rng.choice([1, 2]))
            wanted = [each for each in wanted if each["role"] in asked["roles"]]
        ordered = wanted[::-1] if asked["sortOrder"] == "desc" else wanted
        page = cortex.get_history(conversationId=talk, **asked)
        assert page["messages"] == ordered[asked["offset"] : asked["offset"] + asked["limit"]], asked
        assert page["total"] == len(wanted)
        assert page["hasMore"] == (asked["offset"] + asked["limit"] < len(wanted))


def test_a_range_of_times_is_found_in_a_long_log_and_roles_only_in_a_part_of_it(house: House, cortex: Cortex) -> None:
    name = opened(cortex)
    fill(house, name, 1_500, "text")
    house.clock.ahead += 60_000
    say(cortex, name, "late", tail=0)
    late = cortex.get(conversationId=name, messageLimit=1)["messages"][0]["timestamp"]
    page = cortex.get_history(conversationId=name, since=late)
    assert ([each["content"] for each in page["messages"]], page["total"], page["hasMore"]) == (["late"], 1, False)
    with pytest.raises(Failed, match="FILTER_TOO_BROAD"):
        cortex.get_history(conversationId=name, roles=["user"])
    assert cortex.get_history(conversationId=name, roles=["user"], since=late - 30_000)["total"] == 1


def test_get_shows_as_many_messages_as_are_asked_for(cortex: Cortex, talk: str) -> None:
    for most in (1, 3, 100):
        shown = cortex.get(conversationId=talk, messageLimit=most)
        assert shown["messages"] == whole(cortex, talk)[-most:]
        assert shown.get("messagesTruncated", False) == (most < 40)
    bare = cortex.get(conversationId=talk, includeMessages=False)
    assert (bare["messages"], bare["messagesTruncated"], bare["messageCount"]) == ([], True, 40)


@pytest.fixture
def shelf(house: House, cortex: Cortex) -> Cortex:
    """Conversations with metadata, last spoken in at different times; `silent` never was."""
    kept = {"red": {"colour": "red", "size": 3}, "blue": {"colour": "Blue", "tags": ["café"]}, "silent": {"colour": "red"}}
    for name, metadata in kept.items():
        house.clock.ahead += 1_000
        opened(cortex, "reader", f"a-{name}", conversationId=name, metadata=metadata)
    for name in ("blue", "red"):
        house.clock.ahead += 1_000
        say(cortex, name, "colourless words", tail=0)
    return cortex


def ids(found: list[Any]) -> list[str]:
    return [each["conversationId"] for each in found]


def test_lists_are_narrowed_by_the_last_message_and_by_metadata(shelf: Cortex) -> None:
    heard = {each["conversationId"]: each.get("lastMessageAt") for each in shelf.list()}
    assert heard["silent"] is None
    assert ids(shelf.list(lastMessageAfter=heard["blue"])) == ["red"]
    assert ids(shelf.list(lastMessageBefore=heard["red"])) == ["blue"]
    assert ids(shelf.list(lastMessageAfter=0, sortBy="lastMessageAt")) == ["red", "blue"]
    assert ids(shelf.list(metadata={"colour": "red"})) == ["silent", "red"]
    assert ids(shelf.list(metadata={"colour": "red", "size": 3})) == ["red"]
    assert ids(shelf.list(metadata={"tags": ["café"]})) == ["blue"]
    assert shelf.list(metadata={"colour": None}) == []
    assert len(shelf.list(metadata={})) == 3


def found(answer: Any) -> list[str]:
    return [each["conversation"]["conversationId"] for each in answer["results"]]


def test_search_looks_into_what_is_kept_with_conversations_where_that_is_asked(shelf: Cortex) -> None:
    assert found(shelf.search(query="red")) == []
    assert sorted(found(shelf.search(query="red", options={"searchIn": "metadata"}))) == ["red", "silent"]
    assert found(shelf.search(query="CAFE blue", options={"searchIn": "metadata"})) == ["blue"]
    both = shelf.search(query="colour", options={"searchIn": "both"})
    assert sorted(found(both)) == ["blue", "red", "silent"]
    assert found(both)[-1] == "silent", "words in messages and beside them count more"
    assert all(each["highlights"] for each in both["results"])


def test_search_and_export_keep_to_a_range_of_dates(shelf: Cortex) -> None:
    created = {each["conversationId"]: each["createdAt"] for each in shelf.list()}
    dates = {"start": created["red"], "end": created["blue"]}
    assert sorted(found(shelf.search(query="colourless", filters={"dateRange": dates}))) == ["blue", "red"]
    assert found(shelf.search(query="colourless", filters={"dateRange": {"start": created["blue"]}})) == ["blue"]
    told = json.loads(shelf.export(format="json", filters={"dateRange": {"start": created["blue"]}})["data"])
    assert ids(told) == ["silent", "blue"]
    named = shelf.export(format="json", filters={"conversationIds": ["red", "blue"], "dateRange": {"end": created["red"]}})
    assert ids(json.loads(named["data"])) == ["red"]
    with pytest.raises(Failed, match="INVALID_DATE_RANGE"):
        shelf.search(query="x", filters={"dateRange": {"start": 5, "end": 5}})
