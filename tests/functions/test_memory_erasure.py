"""Erasing over all layers of memory: one receipt, in any order of deaths, and nothing is left in any row or index."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib import ActionCtx
from chalicelib.domain.memory import erasure
from tests.data.mutants import swapped
from tests.functions.conftest import House, Person
from tests.support.memories import axis, code, keep

TURN: dict[str, Any] = {"space": "home", "userMessage": "a canary sings", "agentResponse": "a canary was heard", "agentId": "a"}
TABLES = ("memories", "memoryVersions", "facts", "conversations", "chatMessages", "chatSessions", "images", "indexRows")
TABLES += ("memoryErasures", "erasures", "participants")


@pytest.fixture
def org(house: House) -> Person:
    """The org's own backend."""
    return house.person("backend", roles=("service",))


def stored(house: House) -> bytes:
    """Everything that the tables of memory, conversations and indexes hold."""
    store: Any = house.store.inner
    found = [store._db.execute(f'SELECT item FROM "items.{name}"').fetchall() for name in TABLES]
    return b"".join(bytes(item) for rows in found for (item,) in rows)


def filled(house: House, name: str, turns: int = 3) -> Person:
    """A user with conversations, memories in two spaces, versions and facts."""
    person = house.person(name)
    for number in range(turns):
        person.mutation(
            "memory:remember", **TURN, conversationId=f"{name}-{number}", facts=[{"fact": f"{name}'s canary {number}"}]
        )
    memory = keep(person, "a canary at work", space="work", embedding=axis(1))
    for number in range(3):
        person.mutation("memories:update", space="work", memoryId=memory, content=f"a canary at work {number}")
    person.mutation("memories:archive", space="work", memoryId=memory)
    person.mutation("memory:rememberPart", space="home", key="k", content="a canary is")
    house.work()
    return person


def test_one_receipt_says_what_was_erased_of_a_user_in_every_layer(house: House, org: Person) -> None:
    alice, bob = filled(house, "alice"), filled(house, "bob")
    told = alice.action("memory:erase", userId="alice", confirm=True)
    assert (told["state"], told["userId"]) == ("completed", "alice")
    assert told["layers"] == ["memories", "facts", "immutable", "mutable", "conversations"]
    counted = {name: told["erased"][name] for name in ("memories", "memoryVersions", "facts", "conversations", "chatMessages")}
    assert counted == {"memories": 8, "memoryVersions": 3, "facts": 3, "conversations": 3, "chatMessages": 6}
    for reader in (alice, org):
        assert reader.query("memory:getErasure", receiptId=told["receiptId"]) == told
    assert bob.query("memory:getErasure", receiptId=told["receiptId"]) is None
    assert house.rows("erasures") == 0, "the receipt of the conversations is a part of this one"
    assert alice.query("conversations:count") == alice.query("memories:count", space="home", includeArchived=True) == 0
    assert (bob.query("conversations:count"), bob.query("memory:countFacts", space="home")) == (3, 3)
    again = alice.action("memory:erase", userId="alice", confirm=True)
    assert (again["state"], again["erased"]) == ("completed", {})
    bob.action("memory:erase", userId="bob", confirm=True)
    assert b"canary" not in stored(house)


def test_a_space_is_erased_of_one_user_or_of_everybody_and_conversations_stay(house: House, org: Person) -> None:
    alice, bob = filled(house, "alice"), filled(house, "bob")
    told = alice.action("memory:erase", userId="alice", space="home", confirm=True)
    assert (told["layers"], told["space"]) == (["memories", "facts"], "home")
    assert told["erased"] == {"memories": 7, "facts": 3}
    assert alice.query("conversations:count") == 3
    assert alice.query("memories:count", space="work", includeArchived=True) == 1
    assert bob.query("memories:count", space="home") == 6
    everything = org.action("memory:erase", space="home", confirm=True)
    assert everything["erased"] == {"memories": 7, "facts": 3}
    assert bob.query("memories:count", space="home") == 0


def test_who_may_erase_what(house: House, org: Person) -> None:
    bob = filled(house, "bob", turns=1)
    alice = house.person("alice")
    assert code(alice, "action", "memory:erase", userId="bob", confirm=True) == ("FORBIDDEN", "userId")
    assert code(alice, "action", "memory:erase", space="home", confirm=True) == ("FORBIDDEN", "userId")
    assert code(alice, "action", "memory:erase", confirm=True) == ("MISSING_REQUIRED_FIELD", "userId")
    assert code(org, "action", "memory:erase", userId="bob") == ("CONFIRMATION_REQUIRED", "confirm")
    assert code(house.anybody(), "action", "memory:erase", userId="bob", confirm=True)[0] == "Unauthorized"
    assert bob.query("memories:count", space="home") == 2


def test_an_erasure_that_nobody_carries_on_is_carried_on_by_the_sweep(house: House, org: Person) -> None:
    alice = filled(house, "alice")
    receipt = house.backend.executor.call("acme", "memory:beginErasure", user_id="alice", space=None)
    house.later.asked.clear()  # its job is lost
    house.backend.executor.call("acme", "memory_jobs:step", erasure_id=receipt)
    told = org.query("memory:getErasure", receiptId=receipt)
    assert told["state"] == "running"
    assert alice.query("memories:count", space="home") < 6
    house.clock.ahead += int(erasure.STILL_MS) + 1_000
    house.sweep()
    house.work()
    told = org.query("memory:getErasure", receiptId=receipt)
    assert told["state"] == "completed"
    assert b"canary" not in stored(house)


def test_it_is_not_completed_before_the_indexes_are_cleared(house: House, org: Person) -> None:
    """Of each step what is stored is looked at: a receipt that says completed leaves no word anywhere."""
    filled(house, "alice")
    receipt = house.backend.executor.call("acme", "memory:beginErasure", user_id="alice", space=None)
    for _ in range(60):
        told = house.backend.executor.call("acme", "memory_jobs:step", erasure_id=receipt)
        assert org.query("memory:getErasure", receiptId=receipt)["state"] == "running"
        if told["do"] == "settle":
            break
    assert told["do"] == "settle"
    assert sorted(told["spaces"]) == ["home", "work"]
    house.later.asked.clear()
    house.backend.executor.call("acme", "memory_jobs:settled", erasure_id=receipt, spaces=["home"])
    assert org.query("memory:getErasure", receiptId=receipt)["state"] == "running"


def test_many_memories_are_erased_in_steps_that_each_fit_a_commit(house: House, org: Person) -> None:
    for number in range(90):
        keep(org, f"a canary {number}", userId="alice", space="s" if number else "t", generateEmbedding=False)
    house.sweep()  # which moves the words of so many into blocks
    told = org.action("memory:erase", userId="alice", confirm=True)
    assert (told["state"], told["erased"]) == ("completed", {"memories": 90})
    assert b"canary" not in stored(house)


def test_words_would_stay_in_the_blocks_of_the_index_without_the_clearing(house: House, org: Person) -> None:
    """The protective step switched off."""
    for number in range(90):
        keep(org, f"a canary {number}", userId="alice", space="s", generateEmbedding=False)
    house.sweep()
    with swapped((ActionCtx, "settle", lambda self, index, **named: None)):
        told = org.action("memory:erase", userId="alice", confirm=True)
    assert told["state"] == "completed"
    assert b"canary" in stored(house)
