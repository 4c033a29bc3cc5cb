"""Whose a memory is, and what is refused with which code and field (invariant 9)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.schema import DIMENSIONS
from tests.functions.conftest import House, Person
from tests.support.memories import SYSTEM, axis, code, keep


@pytest.fixture
def org(house: House) -> Person:
    """The org's own backend."""
    return house.person("backend", roles=("service",))


# Who may -----------------------------------------------------------------------------------------------------------------


def test_a_memory_is_its_users_and_in_its_space_and_org_only(house: House, org: Person) -> None:
    alice, bob = house.person("alice"), house.person("bob")
    memory = keep(alice, "alice's tea", embedding=axis(1))
    nobody, elsewhere = house.anybody(), house.person("alice", org="north")
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("query", "memories:get", {}),
        ("query", "memories:getVersion", {"version": 1}),
        ("query", "memories:getHistory", {}),
        ("query", "memories:getAtTimestamp", {"timestamp": 9e12}),
    ]
    for caller in (bob, nobody, elsewhere, house.person("backend", org="north", roles=("service",))):
        for kind, path, more in calls:
            assert not getattr(caller, kind)(path, space="home", memoryId=memory, **more)
        assert caller.query("memories:list", space="home") == []
        assert caller.query("memories:count", space="home", userId="alice") == 0
        assert caller.query("memories:search", space="home", query="tea", embedding=axis(1)) == []
        assert json.loads(caller.query("memories:export", space="home", format="json")["data"]) == []
    for caller in (alice, org):
        assert caller.query("memories:get", space="home", memoryId=memory)["content"] == "alice's tea"
        assert caller.query("memories:get", space="work", memoryId=memory) is None
        for path in ("archive", "restoreFromArchive", "delete", "update"):
            more = {"content": "x"} if path == "update" else {}
            refused = code(caller, "mutation", f"memories:{path}", space="work", memoryId=memory, **more)
            assert refused == ("PERMISSION_DENIED", "space")
            refused = code(bob, "mutation", f"memories:{path}", space="home", memoryId=memory, **more)
            assert refused == ("MEMORY_NOT_FOUND", None)
    assert bob.action("memories:deleteMany", space="home", memoryIds=[memory])["deleted"] == 0
    assert bob.action("memories:updateMany", space="home", importance=1)["updated"] == 0
    assert code(bob, "mutation", "memories:store", space="home", content="x", source=SYSTEM, userId="alice") == (
        "FORBIDDEN",
        "userId",
    )
    assert code(nobody, "mutation", "memories:store", space="home", content="x", source=SYSTEM)[0] == "Unauthorized"


def test_users_refer_to_conversations_and_messages_that_they_see_only(house: House, org: Person) -> None:
    alice, bob, namesake = house.person("alice"), house.person("bob"), house.person("alice", org="north")

    def talk(person: Person) -> tuple[str, str]:
        who = {"userId": person.user.subject if person.user else "", "agentId": "helper"}
        made = person.mutation("conversations:create", type="user-agent", participants=who)["conversationId"]
        told = person.mutation("conversations:addMessage", conversationId=made, message={"role": "user", "content": "x"})
        return made, told["messages"][0]["id"]

    (hers, her_message), (his, his_message) = talk(alice), talk(bob)
    from_talk: Any = {"space": "home", "content": "x", "source": {"type": "conversation"}}

    def refused(person: Person, conversation: str, *messages: str) -> tuple[str, str | None]:
        ref = {"conversationId": conversation, "messageIds": list(messages)}
        return code(person, "mutation", "memories:store", **from_talk, conversationRef=ref)

    for stranger in (bob, namesake):
        for conversation in (hers, "conv-none"):
            assert refused(stranger, conversation) == ("CONVERSATION_NOT_FOUND", "conversationRef.conversationId")
    for message in (her_message, "msg-none"):
        assert refused(bob, his, message) == ("MESSAGE_NOT_FOUND", "conversationRef.messageIds")
    kept = keep(bob, "x", conversationRef={"conversationId": his, "messageIds": [his_message]})
    assert bob.query("memories:get", space="home", memoryId=kept)["conversationRef"]["messageIds"] == [his_message]
    elsewhere = {"conversationId": "kept-elsewhere", "messageIds": ["m1"]}
    assert (
        org.query("memory:get", space="home", memoryId=keep(org, "x", conversationRef=elsewhere), includeConversation=True)[
            "messages"
        ]
        == []
    )


# Refusals ----------------------------------------------------------------------------------------------------------------

GOOD: dict[str, Any] = {"space": "home", "content": "x", "source": SYSTEM}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"embedding": []}, ("INVALID_EMBEDDING", "embedding")),
        ({"embedding": [1.0] * 3}, ("INVALID_EMBEDDING", "embedding")),
        ({"embedding": [float("nan"), *[1.0] * (DIMENSIONS - 1)]}, ("INVALID_EMBEDDING", "embedding")),
        ({"embedding": [0.0] * DIMENSIONS}, ("INVALID_EMBEDDING", "embedding")),
        ({"embedding": "words"}, ("INVALID_EMBEDDING", "embedding")),
        ({"embedding": ["a"] * DIMENSIONS}, ("INVALID_EMBEDDING", "embedding[0]")),
        ({"metadata": {"importance": 101}}, ("INVALID_IMPORTANCE", "metadata.importance")),
        ({"metadata": {"importance": -1}}, ("INVALID_IMPORTANCE", "metadata.importance")),
        ({"metadata": {"importance": 1.5}}, ("INVALID_IMPORTANCE", "metadata.importance")),
        ({"metadata": {"importance": True}}, ("INVALID_IMPORTANCE", "metadata.importance")),
        ({"metadata": {"tags": "x"}}, ("INVALID_TAGS", "metadata.tags")),
        ({"metadata": {"tags": ["x"] * 21}}, ("INVALID_TAGS", "metadata.tags")),
        ({"metadata": {"tags": [" "]}}, ("INVALID_TAGS", "metadata.tags")),
        ({"metadata": {"a": "x" * 20_000}}, ("METADATA_TOO_LARGE", "metadata")),
        ({"source": {"type": "dream"}}, ("INVALID_SOURCE_TYPE", "source.type")),
        ({"source": {"type": "conversation"}}, ("MISSING_CONVERSATION_REF", "conversationRef")),
        ({"contentType": "sung"}, ("INVALID_CONTENT_TYPE", "contentType")),
        ({"content": " "}, ("MISSING_REQUIRED_FIELD", "content")),
        ({"content": "x" * 65_537}, ("CONTENT_TOO_LONG", "content")),
        ({"space": ""}, ("INVALID_ID_FORMAT", "space")),
        ({"space": "a\nb"}, ("INVALID_ID_FORMAT", "space")),
        ({"space": "x" * 201}, ("INVALID_ID_FORMAT", "space")),
        ({"userId": ""}, ("INVALID_ID_FORMAT", "userId")),
        (
            {"conversationRef": {"conversationId": "c", "messageIds": ["a", "a"]}},
            ("DUPLICATE_VALUES", "conversationRef.messageIds"),
        ),
    ],
)
def test_what_may_not_be_is_refused_with_its_field(org: Person, house: House, change: Any, expected: tuple[str, str]) -> None:
    assert code(org, "mutation", "memories:store", **{**GOOD, **change}) == expected
    assert house.rows("memories") == 0


def test_a_search_needs_words_or_a_vector_and_the_right_one(org: Person) -> None:
    assert code(org, "query", "memories:search", space="home") == ("MISSING_REQUIRED_FIELD", "query")
    assert code(org, "query", "memories:search", space="home", embedding=[1.0]) == ("INVALID_EMBEDDING", "embedding")
    assert code(org, "query", "memories:search", space="home", query="x", minImportance=200)[0] == "INVALID_IMPORTANCE"
    assert code(org, "query", "memories:search", space="home", query="x", limit=0) == ("INVALID_RANGE", "limit")
    assert code(org, "mutation", "memories:update", space="home", memoryId=keep(org, "x")) == ("MISSING_REQUIRED_FIELD", None)
    assert code(org, "mutation", "memories:update", space="home", memoryId="mem-no", content="x") == ("MEMORY_NOT_FOUND", None)
