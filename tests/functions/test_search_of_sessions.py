"""The chat's own search stands on the indexes of words: what it finds, for whom, at what cost, and of whatever age."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.data.store import Key, Update
from chalicelib.domain.replies import sessions
from chalicelib.runtime.indexes import Indexes
from chalicelib.schema import ChatMessage
from chalicelib.words import asked_words, counts, marked
from infra.local.model.server import ScriptedModel
from tests.data.mutants import swapped
from tests.functions.conftest import House, Person
from tests.functions.tabs import Live
from tests.support.conversations import backend, fill, opened, say


@pytest.fixture
def alice(house: House) -> Person:
    return house.person("alice")


def talk(person: Person, name: str, *said: str) -> str:
    """A session that a worker answers, so that no model is asked."""
    session = person.mutation("chat:startSession", workerId=f"{person.user.subject}/desk", name=name)
    for text in said:
        person.mutation("chat:sendMessage", sessionId=session, content=text)
    return str(session)


def names(hits: list[Any]) -> list[str]:
    return [each["session"]["name"] for each in hits]


def found(person: Person, query: str, **more: Any) -> list[str]:
    return names(person.query("chat:search", query=query, **more))


def test_sessions_are_found_by_their_name_and_by_what_was_said_in_them(alice: Person) -> None:
    talk(alice, "Trip to Köln", "Where do I sleep?")
    talk(alice, "Recipes", "A cake from Koln, please", "and a coffee")
    assert sorted(found(alice, "köl")) == ["Recipes", "Trip to Köln"]
    (hit,) = alice.query("chat:search", query="cake KOLN")
    assert hit["name"] == [{"text": "Recipes", "found": False}]
    (message,) = hit["messages"]
    assert message["role"] == "user"
    assert [each["text"] for each in message["excerpt"] if each.get("found")] == ["cake", "Koln"]
    assert "".join(each["text"] for each in message["excerpt"]) == "A cake from Koln, please"
    assert found(alice, "cake coffee") == [], "all words stand in one message"
    assert found(alice, "cakes") == []
    assert found(alice, "?!") == []
    assert len(found(alice, "o", limit=1)) == 0
    assert len(found(alice, "köl", limit=1)) == 1


def test_nobody_finds_what_somebody_else_said(house: House, alice: Person) -> None:
    talk(alice, "Secrets", "the password is swordfish")
    assert found(alice, "swordfish") == ["Secrets"]
    for stranger in (house.person("bob"), house.person("alice@rival"), house.anybody()):
        assert stranger.query("chat:search", query="swordfish") == []
        assert stranger.query("chat:search", query="secrets") == []


def test_what_is_deleted_is_found_no_more_although_its_log_goes_later(house: House, alice: Person) -> None:
    cortex = backend(house)
    name = opened(cortex, "alice")
    fill(house, name, 200, "a long log of needles")
    assert len(found(alice, "needles")) == 1
    cortex.delete(conversationId=name)
    assert found(alice, "needles") == []
    assert cortex.search(query="needles", filters={"userId": "alice"})["results"] == []
    house.work()
    assert found(alice, "needles") == []


def test_a_name_is_found_as_it_is_now_and_a_reply_that_another_stands_for_is_not(house: House, alice: Person) -> None:
    session = alice.mutation("chat:startSession", name="Before")
    alice.mutation("chat:sendMessage", sessionId=session, content="/say the tide comes")
    house.work()
    image = alice.query("chat:getSession", sessionId=session)["imageId"]
    alice.mutation("images:update", imageId=image, name="Afterwards")
    assert found(alice, "before") == []
    assert found(alice, "afterw") == ["Afterwards"]
    alice.mutation("images:regenerate", imageId=image)
    house.work()
    (hit,) = alice.query("chat:search", query="tide")
    assert [each["sequence"] for each in hit["messages"] if each["role"] == "assistant"] == [3]


def test_messages_that_are_older_than_the_index_are_found_when_it_is_built(house: House, alice: Person) -> None:
    talk(alice, "Old days", "gramophone records")
    indexes = Indexes(house.backend.executor)
    for fill_in, names_found in ((ChatMessage.sides["by_words"].fill, ["Old days"]), (lambda db, message: {}, [])):
        for item in house.store.scan("chatMessages").items:  # as it was before messages said whose they are
            key = Key("chatMessages", item["pk"], item["sk"])
            house.store.write(Update(key, {}, remove=(("reader",), ("by_words#s",))))
        indexes.begin(["chatMessages.by_words"])
        with swapped((ChatMessage.sides["by_words"], "fill", fill_in)):
            assert indexes.build("chatMessages.by_words").clean
        assert found(alice, "gramoph") == names_found


def test_who_becomes_a_conversations_user_finds_what_was_said_before(house: House) -> None:
    cortex = backend(house)
    room = opened(cortex, "alice", "bot")
    fill(house, room, 70, "minutes of a meeting")
    alice, bob = house.person("alice"), house.person("bob")
    alice.mutation("rooms:addParticipant", conversationId=room, participantType="user", participantId="bob")
    assert conversations(bob, "minutes") == [room], "a guest's are looked through"
    alice.mutation("rooms:removeParticipant", conversationId=room, participantType="user", participantId="alice")
    assert conversations(alice, "minutes") == []
    bob.mutation("rooms:removeParticipant", conversationId=room, participantType="user", participantId="bob")
    house.person("carol").mutation("chat:startSession")
    house.work()
    assert [each["reader"] for each in house.store.scan("chatMessages").items if each.get("reader")] == []
    asked = cortex.search(query="minutes", filters={"agentId": "bot"})
    assert [each["conversation"]["conversationId"] for each in asked["results"]] == [room]


def conversations(person: Person, query: str, **more: Any) -> list[str]:
    answer = person.query("conversations:search", query=query, **more)
    return [each["conversation"]["conversationId"] for each in answer["results"]]


def test_words_of_one_conversation_may_stand_in_several_messages(house: House) -> None:
    cortex = backend(house)
    both, one = opened(cortex, "alice"), opened(cortex, "alice", "other")
    say(cortex, both, "a kettle", tail=0)
    say(cortex, both, "of copper", tail=0)
    say(cortex, one, "a kettle", tail=0)
    alice = house.person("alice")
    assert conversations(alice, "kettle copper") == [both]
    assert sorted(conversations(alice, "kettle")) == sorted([both, one])
    assert conversations(alice, "kettle", filters={"agentId": "other"}) == [one]
    assert conversations(alice, "kettle", filters={"userId": "bob"}) == []
    answer = alice.query("conversations:search", query="copper")
    assert (answer["complete"], answer["searchedMessages"], answer["searchedConversations"]) == (True, 1, 1)


def test_a_search_costs_what_has_the_words_not_what_there_is(model: ScriptedModel) -> None:
    """Sixty conversations of twenty messages, with one that has the word; before the index each of them was read."""
    house = Live(model)
    cortex = backend(house)
    for number in range(60):
        name = opened(cortex, "alice", f"a{number}")
        fill(house, name, 20, "the same words as everywhere else " * 8 + ("needle" if number == 7 else ""))
    house.sweep()
    alice, units = house.person("alice"), {}
    for what, ask in {
        "of everything": lambda: cortex.search(query="needle"),
        "of hers": lambda: alice.query("conversations:search", query="needle"),
        "of her sessions": lambda: alice.query("chat:search", query="needle"),
    }.items():
        house.store.reset()
        ask()
        units[what] = sum(house.store.rcu.values())
    assert units["of hers"] * 4 <= units["of everything"], units
    assert units["of her sessions"] * 4 <= units["of everything"], units


def test_what_is_set_apart_is_what_the_index_counts() -> None:
    for text, query, parts in (
        ("Ein Café in Köln", "koln caf", [("Ein ", False), ("Caf", True), ("é in ", False), ("Köln", True)]),
        ("日本語の検索", "検索", [("日本語の", False), ("検索", True)]),
        ("日本語の検索", "語", [("日本", False), ("語", True), ("の検索", False)]),
        ("Straße", "strasse", [("Straße", True)]),
        ("nothing", "else", [("nothing", False)]),
    ):
        asked = asked_words(query)
        assert marked(text, asked) == parts
        assert all(counts(text, asked).values()) == any(hit for _, hit in parts)


def test_one_search_looks_at_so_many_messages_and_shows_three_of_a_session(alice: Person) -> None:
    talk(alice, "Long", *(f"needle {number}" for number in range(6)))
    talk(alice, "Short", "needle")
    with swapped((sessions, "MESSAGES_COMPARED", 4)):
        hits = alice.query("chat:search", query="needle")
    assert sum(len(each["messages"]) for each in hits) <= 4
    hits = alice.query("chat:search", query="needle")
    assert sorted(len(each["messages"]) for each in hits) == [1, 3]
