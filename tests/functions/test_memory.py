"""Remembering a turn, recalling what fits, facts, forgetting, and what was kept of an answer that did not end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.functions.conftest import House, Person
from tests.support.memories import axis, code, ids, keep

TURN: dict[str, Any] = {
    "space": "home",
    "conversationId": "talk",
    "userMessage": "I have moved to Köln and drink green tea",
    "agentResponse": "Noted: Köln, green tea",
    "agentId": "helper",
}


@pytest.fixture
def alice(house: House) -> Person:
    return house.person("alice")


@pytest.fixture
def org(house: House) -> Person:
    """The org's own backend."""
    return house.person("backend", roles=("service",))


# Remembering -------------------------------------------------------------------------------------------------------------


def test_a_turn_is_two_messages_and_two_memories_of_them(house: House, alice: Person) -> None:
    made = alice.mutation("memory:remember", **TURN, userName="Alice", importance=70, tags=["home"], metadata={"from": "web"})
    assert made["added"]
    talk = alice.query("conversations:get", conversationId="talk")
    assert talk["participants"] == {"userId": "alice", "agentId": "helper"}
    said, answered = talk["messages"]
    assert [(each["role"], each["content"]) for each in (said, answered)] == [
        ("user", TURN["userMessage"]),
        ("agent", TURN["agentResponse"]),
    ]
    assert (said["metadata"], answered["agentId"]) == ({"from": "web"}, "helper")
    assert made["conversation"]["messages"] == [said, answered]
    first, second = made["memories"]
    assert first["source"]["userName"] == "Alice"
    assert [each["conversationRef"]["messageIds"] for each in (first, second)] == [[said["id"]], [answered["id"]]]
    assert {each["metadata"]["importance"] for each in (first, second)} == {70}
    assert ids(alice.query("memories:list", space="home")) == ids([second, first])


def test_the_same_key_is_the_same_turn_however_often_and_at_once(house: House, alice: Person) -> None:
    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(lambda _: alice.mutation("memory:remember", **TURN, key="k1"), range(6)))
    assert sorted(each["added"] for each in told) == [False] * 5 + [True]
    assert len({tuple(ids(each["memories"])) for each in told}) == 1
    assert (house.rows("memories"), house.rows("chatMessages"), house.rows("conversations")) == (2, 2, 1)
    refused = code(alice, "mutation", "memory:remember", **{**TURN, "userMessage": "other"}, key="k1")
    assert refused == ("MESSAGE_ALREADY_EXISTS", "message.id")
    again = alice.mutation("memory:remember", **TURN, key="k2")
    assert (again["added"], again["conversation"]["messageCount"]) == (True, 4)
    assert house.rows("memories") == 4


def test_what_was_forgotten_is_not_remembered_again_by_a_late_repetition(house: House, alice: Person) -> None:
    made = alice.mutation("memory:remember", **TURN, key="k1")
    alice.mutation("memory:forget", space="home", memoryId=made["memories"][0]["memoryId"])
    again = alice.mutation("memory:remember", **TURN, key="k1")
    assert (again["added"], ids(again["memories"])) == (False, ids(made["memories"][1:]))


def test_a_summary_is_remembered_in_place_of_both_texts(alice: Person) -> None:
    made = alice.mutation("memory:remember", **TURN, summary="Alice lives in Köln")
    (memory,) = made["memories"]
    assert (memory["content"], memory["contentType"]) == ("Alice lives in Köln", "summarized")
    assert len(memory["conversationRef"]["messageIds"]) == 2


def test_nobody_remembers_for_others_or_into_their_conversations(house: House, alice: Person, org: Person) -> None:
    alice.mutation("memory:remember", **TURN)
    bob = house.person("bob")
    assert code(bob, "mutation", "memory:remember", **TURN) == ("CONVERSATION_ALREADY_EXISTS", "conversationId")
    assert code(bob, "mutation", "memory:remember", **TURN, userId="alice") == ("FORBIDDEN", "userId")
    assert code(org, "mutation", "memory:remember", **TURN) == ("OWNER_REQUIRED", "userId")
    without = {name: value for name, value in TURN.items() if name != "agentId"}
    assert code(alice, "mutation", "memory:remember", **without) == ("AGENT_REQUIRED_FOR_USER_CONVERSATION", "agentId")
    assert code(org, "mutation", "memory:remember", **TURN, userId="bob") == ("INVALID_PARTICIPANTS", "userId")
    assert org.mutation("memory:remember", **TURN, userId="alice")["added"]
    assert code(alice, "mutation", "memory:remember", **TURN, key="a\nb") == ("INVALID_ID_FORMAT", "key")


# Recalling ---------------------------------------------------------------------------------------------------------------


def test_what_fits_a_question_is_recalled_with_a_text_for_a_model(house: House, alice: Person) -> None:
    alice.mutation(
        "memory:remember", **TURN, facts=[{"fact": "Alice lives in Köln", "subject": "alice", "predicate": "lives in"}]
    )
    house.work()
    keep(alice, "The weather was fine")
    told = alice.action("memory:recall", space="home", query="koln tea", includeConversation=True)
    assert told["mode"] == "hybrid"
    assert {each["content"] for each in told["memories"][:2]} == {TURN["userMessage"], TURN["agentResponse"]}
    assert [each["fact"] for each in told["facts"]] == ["Alice lives in Köln"]
    assert {each["content"] for each in told["messages"]} == {TURN["userMessage"], TURN["agentResponse"]}
    lines = told["context"].split("\n")
    assert lines[0] == "- Alice lives in Köln"
    short = alice.action("memory:recall", space="home", query="koln tea", maxCharacters=30)
    assert short["context"] == "- Alice lives in Köln"


def test_what_says_the_same_is_recalled_once_and_what_is_recalled_counts_as_accessed(house: House, alice: Person) -> None:
    for text in ("Green tea", "green  tea", "GREEN TEA"):
        keep(alice, text)
    told = alice.action("memory:recall", space="home", query="green tea")
    assert len(told["memories"]) == 1
    (memory,) = told["memories"]
    found = alice.query("memories:get", space="home", memoryId=memory["memoryId"])
    assert (found["accessCount"], found["version"]) == (1, 1)
    assert found["lastAccessed"] > 0


def test_nothing_of_others_is_recalled(house: House, alice: Person) -> None:
    alice.mutation("memory:remember", **TURN, facts=[{"fact": "Alice drinks green tea"}])
    house.work()
    for other in (house.person("bob"), house.anybody(), house.person("alice", org="north")):
        told = other.action("memory:recall", space="home", query="green tea", includeConversation=True)
        assert (told["memories"], told["facts"], told["messages"], told["context"]) == ([], [], [], "")


def test_without_an_embedder_words_are_recalled(model: Any) -> None:
    house = House(model, embedder="given")
    alice = house.person("alice")
    keep(alice, "green tea")
    house.work()
    told = alice.action("memory:recall", space="home", query="tea")
    assert (told["mode"], len(told["memories"])) == ("words", 1)
    assert alice.action("memory:recall", space="home", query="", embedding=axis(1))["mode"] == "semantic"
    assert code(alice, "action", "memory:recall", space="home", query=" ") == ("MISSING_REQUIRED_FIELD", "query")


# Forgetting --------------------------------------------------------------------------------------------------------------


def test_forgetting_takes_the_memory_and_its_facts_and_leaves_the_conversation(house: House, alice: Person) -> None:
    made = alice.mutation("memory:remember", **TURN, facts=[{"fact": "Alice drinks tea"}, {"fact": "Alice moved"}])
    memory = made["memories"][0]["memoryId"]
    shown = alice.query("memory:get", space="home", memoryId=memory, includeConversation=True)
    assert [each["content"] for each in shown["messages"]] == [TURN["userMessage"]]
    assert len(shown["facts"]) == 2
    told = alice.mutation("memory:forget", space="home", memoryId=memory)
    assert told["factsDeleted"] == 2
    assert alice.query("memory:countFacts", space="home") == 0
    assert alice.query("memory:get", space="home", memoryId=memory) is None
    assert alice.query("conversations:get", conversationId="talk")["messageCount"] == 2
    house.work()
    assert alice.query("memory:getErasure", receiptId=told["receiptId"])["state"] == "completed"


def test_forgetting_with_the_conversation_deletes_it_whole_or_is_refused(house: House, alice: Person) -> None:
    made = alice.mutation("memory:remember", **TURN)
    here = {"space": "home", "memoryId": made["memories"][0]["memoryId"]}
    assert code(alice, "mutation", "memory:forget", **here, deleteConversation=True)[0] == "ENTIRE_CONVERSATION_ONLY"
    told = alice.mutation("memory:forget", **here, deleteConversation=True, deleteEntireConversation=True)
    assert told["conversationId"] == "talk"
    house.work()
    assert alice.query("conversations:get", conversationId="talk") is None
    (left,) = alice.query("memories:list", space="home")
    assert "conversationRef" not in left


# Facts -------------------------------------------------------------------------------------------------------------------


def lives(person: Person, town: str, **more: Any) -> Any:
    return person.mutation(
        "memory:storeFact",
        space="home",
        fact=f"Alice lives in {town}",
        subject="Alice",
        predicate="lives in",
        object=town,
        **more,
    )


def test_a_newer_fact_supersedes_and_the_same_confirms(alice: Person) -> None:
    first = lives(alice, "Köln", confidence=60)
    same = lives(alice, "KOLN", confidence=90)
    assert (first["action"], same["action"]) == ("ADD", "NONE")
    assert (same["fact"]["confirmations"], same["fact"]["confidence"], same["fact"]["fact"]) == (1, 90, "Alice lives in Köln")
    moved = lives(alice, "Rom")
    assert (moved["action"], moved["superseded"]) == ("SUPERSEDE", first["fact"]["factId"])
    assert [each["fact"] for each in alice.query("memory:listFacts", space="home")] == ["Alice lives in Rom"]
    assert alice.query("memory:countFacts", space="home") == 1
    assert alice.query("memory:countFacts", space="home", includeSuperseded=True) == 2
    told = alice.query("memory:getFactHistory", space="home", factId=moved["fact"]["factId"])
    assert [(each["object"], each["status"]) for each in told] == [("Köln", "superseded"), ("Rom", "active")]
    assert told[0]["supersededBy"] == told[1]["factId"]
    assert told[0]["validUntil"] > 0
    found = alice.action("memory:recall", space="home", query="lives")["facts"]
    assert [each["object"] for each in found] == ["Rom"]


def test_of_facts_that_come_at_once_one_is_active(alice: Person) -> None:
    towns = ["Rom", "Paris", "Wien", "Prag", "Oslo", "Bern"]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda town: lives(alice, town), towns))
    (held,) = alice.query("memory:listFacts", space="home")
    told = alice.query("memory:getFactHistory", space="home", factId=held["factId"])
    assert sorted(each["object"] for each in told) == sorted(towns)
    assert [each["supersededBy"] for each in told[:-1]] == [each["factId"] for each in told[1:]]


def test_a_fact_whose_clock_was_behind_still_takes_the_place_of_the_one_before_it(house: House, alice: Person) -> None:
    """A call that was run again kept its time, which is before that of the commit it came after."""
    lives(alice, "Rom")
    for town in ("Paris", "Wien", "Prag"):
        house.clock.ahead -= 1_000
        lives(alice, town)
    (held,) = alice.query("memory:listFacts", space="home")
    told = alice.query("memory:getFactHistory", space="home", factId=held["factId"])
    assert [each["object"] for each in told] == ["Rom", "Paris", "Wien", "Prag"]


def test_facts_are_their_users_and_refused_with_their_codes(house: House, alice: Person) -> None:
    fact = lives(alice, "Köln")["fact"]["factId"]
    bob = house.person("bob")
    for other in (bob, house.anybody(), house.person("alice", org="north")):
        assert other.query("memory:getFact", space="home", factId=fact) is None
        assert other.query("memory:listFacts", space="home") == []
        assert other.query("memory:countFacts", space="home", userId="alice") == 0
        assert other.query("memory:getFactHistory", space="home", factId=fact) == []
    assert code(bob, "mutation", "memory:deleteFact", space="home", factId=fact) == ("FACT_NOT_FOUND", None)
    assert alice.query("memory:getFact", space="work", factId=fact) is None
    store = {"space": "home", "fact": "x"}
    assert code(alice, "mutation", "memory:storeFact", **store, confidence=101) == ("INVALID_CONFIDENCE", "confidence")
    assert code(alice, "mutation", "memory:storeFact", **store, subject="a") == ("MISSING_REQUIRED_FIELD", "predicate")
    assert code(alice, "mutation", "memory:storeFact", space="home", fact=" ") == ("MISSING_REQUIRED_FIELD", "fact")
    assert code(bob, "mutation", "memory:storeFact", **store, memoryId=keep(alice, "x"))[0] == "MEMORY_NOT_FOUND"
    assert alice.mutation("memory:deleteFact", space="home", factId=fact) is True
    assert alice.query("memory:countFacts", space="home") == 0


def test_a_memory_has_as_many_facts_as_are_forgotten_with_it(house: House, alice: Person) -> None:
    memory = keep(alice, "much", conversationRef=None)
    for number in range(6):
        alice.mutation("memory:storeFact", space="home", fact=f"fact {number}", memoryId=memory)
    refused = code(alice, "mutation", "memory:storeFact", space="home", fact="one more", memoryId=memory)
    assert refused == ("TOO_MANY_FACTS", "memoryId")
    assert alice.mutation("memory:forget", space="home", memoryId=memory)["factsDeleted"] == 6


# An answer that is still being said --------------------------------------------------------------------------------------


def test_what_has_come_of_an_answer_is_kept_found_by_nobody_and_gone_with_the_whole(house: House, alice: Person) -> None:
    here = {"space": "home", "key": "k1"}
    for text in ("Noted:", "Noted: Köln"):
        kept = alice.mutation("memory:rememberPart", **here, content=text)
    assert (kept["status"], kept["content"]) == ("partial", "Noted: Köln")
    assert alice.query("memory:getPart", **here)["content"] == "Noted: Köln"
    for archived in (False, True):
        assert alice.query("memories:search", space="home", query="noted", includeArchived=archived) == []
        assert alice.query("memories:list", space="home", includeArchived=archived) == []
        assert alice.query("memories:count", space="home", includeArchived=archived) == 0
    assert house.person("bob").query("memory:getPart", **here) is None
    assert house.person("bob").mutation("memory:dropPart", **here) is False
    alice.mutation("memory:remember", **TURN, key="k1")
    assert alice.query("memory:getPart", **here) is None
    assert house.rows("memories") == 2
    alice.mutation("memory:rememberPart", space="home", key="k2", content="x")
    assert alice.mutation("memory:dropPart", space="home", key="k2") is True
    assert house.rows("memories") == 2
