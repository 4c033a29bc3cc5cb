"""Conversations in the order of their last change: exact, though a message moves them in their index once a minute."""

from __future__ import annotations

import random

import pytest

from chalicelib.domain.conversations import moved
from tests.data.mutants import swapped
from tests.functions.conftest import House
from tests.functions.test_conversations_rules import ids
from tests.support.conversations import Cortex, backend, opened, say


@pytest.fixture
def cortex(house: House) -> Cortex:
    return backend(house)


def moved_at_random(house: House, cortex: Cortex, seed: int) -> None:
    """Conversations are written to at random moments; whatever part of a list is asked for is a part of the whole order."""
    rng = random.Random(seed)
    names = [f"c{number}" for number in range(6)]
    for name in names:
        opened(cortex, "u", f"a{name}", conversationId=name)
    for _ in range(15):
        house.clock.ahead += rng.choice((1, 1_000, 20_000, 61_000))
        say(cortex, rng.choice(names), "text", tail=0)
    whole = sorted(cortex.list(), key=lambda each: each["updatedAt"])
    for limit in range(1, 7):
        assert ids(cortex.list(userId="u", sortBy="updatedAt", sortOrder="asc", limit=limit)) == ids(whole[:limit])
        assert ids(cortex.list(userId="u", sortBy="updatedAt", limit=limit)) == ids(whole[::-1][:limit])
    for at, each in enumerate(whole):
        before, after = {"updatedBefore": each["updatedAt"]}, {"updatedAfter": each["updatedAt"]}
        assert ids(cortex.list(userId="u", sortBy="updatedAt", sortOrder="asc", limit=2, **after)) == ids(whole[at + 1 : at + 3])
        assert ids(cortex.list(userId="u", sortBy="updatedAt", limit=2, **before)) == ids(whole[:at][::-1][:2])


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_the_last_change_is_exact_though_its_index_knows_the_minute(house: House, cortex: Cortex, seed: int) -> None:
    moved_at_random(house, cortex, seed)


@pytest.mark.parametrize("seed", [1, 3, 4])
def test_who_reads_the_index_alone_lists_conversations_out_of_order(house: House, cortex: Cortex, seed: int) -> None:
    with swapped((moved, "MOST_IN_A_MINUTE", 1)), pytest.raises(AssertionError):
        moved_at_random(house, cortex, seed)


def test_a_message_moves_its_conversation_once_a_minute(house: House, cortex: Cortex) -> None:
    opened(cortex, "u", "a", conversationId="c")
    house.clock.ahead += 60_000 - house.clock.now_ms() % 60_000
    moves = []
    for _ in range(3):
        house.store.reset()
        say(cortex, "c", "text", tail=0)
        moves.append(house.store.wcu.get("fences", 0) > 0)
        house.clock.ahead += 10_000
    assert moves == [True, False, False]
