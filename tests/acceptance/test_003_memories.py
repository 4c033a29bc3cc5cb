"""Memories (group 2) and memory (group 3), on both stores: what is stored, races, and whose it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.data.store import Store
from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House, Person
from tests.support.memories import axis, code, ids, keep

TURN: dict[str, Any] = {
    "space": "home",
    "conversationId": "talk",
    "userMessage": "I drink tea at the Café in Köln",
    "agentResponse": "日本語の検索 noted",
    "agentId": "helper",
}


@pytest.fixture
def house(model: ScriptedModel, store: Store) -> House:
    return House(model, store)


@pytest.fixture
def alice(house: House) -> Person:
    return house.person("alice")


@pytest.fixture
def org(house: House) -> Person:
    """The org's own backend."""
    return house.person("backend", roles=("service",))


def test_a_memory_is_stored_as_it_is_told_with_its_versions_and_references(house: House, org: Person) -> None:
    """003-38, 003-40, 003-U13."""
    ref = {"conversationId": "conv-1", "messageIds": ["msg-1"]}
    kept = {"immutableRef": {"type": "kb", "id": "tea", "version": 2}, "mutableRef": {"namespace": "n", "key": "k"}}
    memory = keep(org, "Ein Café", conversationRef=ref, embedding=axis(1), metadata={"importance": 70, "tags": ["a"]}, **kept)
    row = stored(house, memory)
    assert (row["content"], row["version"], row["status"], row["importance"]) == ("Ein Café", 1, "active", 70)
    for text in ("Ein Tee", "Ein Kaffee"):
        org.mutation("memories:update", space="home", memoryId=memory, content=text, embedding=axis(0, 1))
    here = {"space": "home", "memoryId": memory}
    told = org.mutation("memories:archive", **here)
    assert org.mutation("memories:restoreFromArchive", **here)["version"] == told["version"] == 3
    assert (told["conversationRef"], told["immutableRef"]) == (ref, kept["immutableRef"])
    assert [each["content"] for each in org.query("memories:getHistory", **here)] == ["Ein Café", "Ein Tee", "Ein Kaffee"]
    assert org.query("memories:search", space="home", query="cafe") == []
    for how in ({"query": "kaffee"}, {"embedding": axis(0, 1)}, {"query": "kaffee", "embedding": axis(0, 1)}):
        assert ids(org.query("memories:search", space="home", **how)) == [memory]
    org.mutation("memories:delete", **here)
    house.work()
    assert stored(house, memory) is None
    assert org.query("memories:getHistory", **here) == []


def stored(house: House, memory: str) -> Any:
    """The row, as the store has it."""
    from chalicelib.data.tables import document_key
    from chalicelib.schema import Memory

    return house.store.get(document_key(Memory, "acme", memory))


def test_counts_are_lists_after_changes_at_once(house: House, org: Person) -> None:
    """003-U19."""

    def come_and_go(number: int) -> None:
        user = f"u{number % 2}"
        memory = keep(org, f"tea {number}", userId=user, generateEmbedding=False)
        if number % 3 == 0:
            org.mutation("memories:delete", space="home", memoryId=memory)
        elif number % 3 == 1:
            org.mutation("memories:archive", space="home", memoryId=memory)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(12)))
    for asked in ({}, {"userId": "u0"}, {"userId": "u1"}, {"includeArchived": True}, {"sourceType": "system"}):
        found = org.query("memories:list", space="home", **asked)
        assert org.query("memories:count", space="home", **asked) == len(found), asked
        assert len(found) == {"": 4, "includeArchived": 8, "sourceType": 4}.get(next(iter(asked), ""), 2)


def test_a_turn_with_its_facts_is_one_commit_that_is_made_once(house: House, alice: Person) -> None:
    """003-39, 003-U15: the largest turn that may be said fits a transaction, also when it is said four times at once."""
    facts = [{"fact": f"fact {each}", "subject": "alice", "predicate": f"p{each}", "object": "x"} for each in range(3)]
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda _: alice.mutation("memory:remember", **TURN, key="k", facts=facts), range(4)))
    assert sorted(each["added"] for each in told) == [False, False, False, True]
    assert alice.query("memories:count", space="home") == len(alice.query("memories:list", space="home")) == 2
    assert alice.query("conversations:get", conversationId="talk")["messageCount"] == 2
    assert alice.query("memory:countFacts", space="home") == 3
    house.work()
    for words, expected in (("cafe koln", TURN["userMessage"]), ("検索", TURN["agentResponse"])):
        found = alice.action("memory:recall", space="home", query=words)
        assert found["memories"][0]["content"] == expected


def test_facts_that_come_at_once_leave_one_that_is_held(alice: Person) -> None:
    """003-U14."""

    def lives(town: str) -> Any:
        who = {"subject": "alice", "predicate": "lives in", "object": town}
        return alice.mutation("memory:storeFact", space="home", fact=f"Alice lives in {town}", **who)

    towns = ["Rom", "Paris", "Wien", "Prag"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lives, towns))
    (held,) = alice.query("memory:listFacts", space="home")
    told = alice.query("memory:getFactHistory", space="home", factId=held["factId"])
    assert sorted(each["object"] for each in told) == sorted(towns)
    assert sum(each["status"] == "active" for each in told) == 1


def test_an_erasure_of_a_user_is_one_receipt_over_all_layers(house: House, alice: Person, org: Person) -> None:
    """003-39: memories, versions, facts and conversations; nothing of anybody else."""
    for number in range(3):
        talk = {**TURN, "conversationId": f"talk-{number}"}
        alice.mutation("memory:remember", **talk, facts=[{"fact": f"fact {number}"}])
    memory = keep(alice, "one", space="work")
    alice.mutation("memories:update", space="work", memoryId=memory, content="two")
    other = keep(house.person("bob"), "bob's tea")
    house.work()
    told = org.action("memory:erase", userId="alice", confirm=True)
    counted = {name: told["erased"][name] for name in ("memories", "memoryVersions", "facts", "conversations", "chatMessages")}
    assert told["state"] == "completed"
    assert counted == {"memories": 7, "memoryVersions": 1, "facts": 3, "conversations": 3, "chatMessages": 6}
    assert ids(org.query("memories:list", space="home")) == [other]
    assert org.query("memories:search", space="home", query="cafe koln") == []


def test_isolation_by_space_and_by_user(house: House, alice: Person, org: Person) -> None:
    """003-U13: a guessed id is worth nothing."""
    memory = keep(alice, "tea", embedding=axis(1))
    bob = house.person("bob")
    assert bob.query("memories:get", space="home", memoryId=memory) is None
    assert bob.query("memories:search", space="home", query="tea", embedding=axis(1)) == []
    assert alice.query("memories:search", space="work", query="tea", embedding=axis(1)) == []
    assert code(bob, "mutation", "memories:delete", space="home", memoryId=memory)[0] == "MEMORY_NOT_FOUND"
    assert code(alice, "mutation", "memories:delete", space="work", memoryId=memory)[0] == "PERMISSION_DENIED"
    assert ids(org.query("memories:list", space="home")) == [memory]


def test_a_space_keeps_its_memories_for_a_time(house: House, org: Person) -> None:
    """003-39: more than one look takes, and what is important stays."""
    for number in range(33):
        keep(org, f"m{number}", generateEmbedding=False, metadata={"importance": 90 if number % 11 == 0 else 10})
    org.mutation("memory:setRetention", space="home", days=1, keepImportance=80)
    house.clock.ahead += 2 * 86_400_000
    for _ in range(4):
        house.sweep()
        house.work()
    found = org.query("memories:list", space="home")
    assert {each["metadata"]["importance"] for each in found} == {90}
    assert org.query("memories:count", space="home") == len(found) == 3
