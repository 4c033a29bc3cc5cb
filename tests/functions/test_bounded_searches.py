"""No search of conversations reads more than its published bound, and where that ends it, it says so and where to go on."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from chalicelib.domain.conversations import search
from tests.data.mutants import swapped
from tests.functions.conftest import House, Person
from tests.support.conversations import backend, fill, opened

TALKS, SAID = 9, 5
TEXT = "a needle in the hay " * 8


@pytest.fixture
def talks(house: House) -> list[str]:
    """Conversations of alice's with one agent, of some messages each, which bob has joined."""
    names = [opened(backend(house), "alice", "bot") for _ in range(TALKS)]
    for name in names:
        fill(house, name, SAID, TEXT)
        house.person("alice").mutation("rooms:addParticipant", conversationId=name, participantType="user", participantId="bob")
    house.sweep()
    return names


def whose(house: House) -> list[tuple[Person, dict[str, Any], dict[str, Any]]]:
    """Who looks through rows: the org's backend, a guest, an agent, and who looks into metadata."""
    org = house.person("backend", roles=("service",))
    both = {"searchIn": "both"}
    return [(org, {}, {}), (org, {"agentId": "bot"}, {}), (house.person("bob"), {}, {}), (house.person("alice"), {}, both)]


def read_of(house: House) -> Counter[str]:
    """How many rows of each table have been read since the counts were put to zero."""
    found: Counter[str] = Counter()
    for (verb, table), count in house.store.items.items():
        found[table] += count if verb in ("get", "batch_get", "query") else 0
    return found


def bounded(house: House, talks: list[str], seed: int) -> None:
    rng = random.Random(seed)
    most, messages = rng.randrange(1, TALKS + 2), rng.randrange(SAID, TALKS * SAID + 5)
    room = rng.choice((600, 2_000, 1_000_000))
    person, filters, options = whose(house)[seed % 4]
    with swapped((search, "CONVERSATIONS", most), (search, "MESSAGES", messages), (search, "BYTES", room)):
        found, before = set[str](), None
        for _ in range(TALKS * SAID + 1):
            dates = {} if before is None else {"createdBefore": before}
            house.store.reset()
            asked = {"query": "needle", "filters": {**filters, **dates, "limit": 100}}
            answer = person.query("conversations:search", **asked, **({"options": options} if options else {}))
            assert answer["searchedConversations"] <= most + (TALKS if options else 0)
            assert answer["searchedMessages"] <= messages + (TALKS * SAID if options else 0)
            if not options:
                assert read_of(house)["chatMessages"] <= messages + most, (most, messages, room)
            found |= {each["conversation"]["conversationId"] for each in answer["results"]}
            assert answer["complete"] == ("continueBefore" not in answer)
            if answer["complete"]:
                break
            assert before is None or answer["continueBefore"] < before
            before = answer["continueBefore"]
        assert answer["complete"]
        assert found == set(talks)


def test_a_search_that_looks_through_rows_keeps_to_its_bound_and_goes_on_where_it_ended(house: House, talks: list[str]) -> None:
    def in_all_of_them() -> None:
        for seed in range(12):
            bounded(house, talks, seed)

    def unbounded(*args: Any, most: int, **more: Any) -> Any:
        return read(*args, most=10_000, **more)

    in_all_of_them()
    read = search.read
    with swapped((search, "read", unbounded)), pytest.raises(AssertionError):
        in_all_of_them()


def test_a_search_by_the_index_reads_as_many_messages_as_it_says(house: House, talks: list[str]) -> None:
    alice = house.person("alice")
    with swapped((search, "LEAST_HITS", 10), (search, "MOST_HITS", 10)):
        house.store.reset()
        answer = alice.query("conversations:search", query="needle", filters={"limit": 3})
        assert (answer["complete"], answer["searchedMessages"]) == (False, 10)
        assert read_of(house)["chatMessages"] <= 10 + 4
    answer = alice.query("conversations:search", query="needle", filters={"limit": 3})
    assert (answer["complete"], answer["searchedMessages"]) == (True, TALKS * SAID)
