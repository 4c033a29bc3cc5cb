"""The 26 tests that the document of conversations names, each under its number: on SQLite, on a DynamoDB engine, over HTTP.

The caller is the org's own backend (a token with the role `service`), as in the document.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from chalicelib.settings import Settings
from infra.local.issuer import DevIssuer
from tests.functions.conftest import House
from tests.support.conversations import Cortex, Failed, dynamo_house
from tests.walk.server import Served

PAIR = {"userId": "user-1", "agentId": "agent-1"}
TRIO = ["agent-1", "agent-2", "agent-3"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(tmp_path_factory.mktemp("served") / "data", CONCAVE_APPS="chalicelib.functions")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def dynamo(model: Any) -> Iterator[House]:
    with dynamo_house(model) as house:
        yield house


@pytest.fixture(params=["memory", "dynamodb", "http"])
def cortex(request: pytest.FixtureRequest) -> Cortex:
    """The backend of an org of this test's own."""
    org = f"org-{re.sub('[^a-z0-9]', '', request.node.name)[:40]}"
    if request.param == "http":
        server = request.getfixturevalue("served")
        token = DevIssuer(Settings(data_dir=server.folder)).token("backend", org, roles=["service"])
        return Cortex.over_http(server.url, token)
    house: House = request.getfixturevalue("house" if request.param == "memory" else "dynamo")
    return Cortex.of(house.person("backend", org, ("service",)))


def pair(cortex: Cortex, **more: Any) -> Any:
    return cortex.create(type="user-agent", participants=PAIR, **more)


def said(cortex: Cortex, conversation: Any, content: str, role: str = "user", **more: Any) -> Any:
    message = {"role": role, "content": content, **more}
    return cortex.add_message(conversationId=conversation["conversationId"], message=message)


def test_t01_creates_a_user_agent_conversation(cortex: Cortex) -> None:
    made = pair(cortex, metadata={"source": "test", "nested": {"list": [1, None, "x"]}})
    assert made["conversationId"].startswith("conv-")
    assert (made["type"], made["participants"]) == ("user-agent", PAIR)
    assert (made["messageCount"], made["messages"]) == (0, [])
    assert made["metadata"] == {"source": "test", "nested": {"list": [1, None, "x"]}}
    assert made["createdAt"] > 0
    assert made["updatedAt"] > 0
    assert cortex.get(conversationId=made["conversationId"]) == made


def test_t02_creates_an_agent_agent_conversation(cortex: Cortex) -> None:
    made = cortex.create(type="agent-agent", participants={"agentIds": TRIO})
    assert made["type"] == "agent-agent"
    assert made["participants"] == {"agentIds": TRIO}
    assert cortex.get(conversationId=made["conversationId"]) == made


def test_t03_accepts_a_custom_conversation_id(cortex: Cortex) -> None:
    assert pair(cortex, conversationId="conv-custom-123")["conversationId"] == "conv-custom-123"


def test_t04_a_duplicate_conversation_id_is_refused(cortex: Cortex) -> None:
    pair(cortex, conversationId="conv-duplicate")
    with pytest.raises(Failed, match="CONVERSATION_ALREADY_EXISTS") as refused:
        pair(cortex, conversationId="conv-duplicate")
    assert refused.value.data["code"] == "CONVERSATION_ALREADY_EXISTS"


@pytest.mark.parametrize("participants", [{"userId": "user-1"}, {"agentId": "agent-1"}, {}])
def test_t05_a_user_agent_conversation_needs_both(cortex: Cortex, participants: dict[str, str]) -> None:
    with pytest.raises(Failed, match="user-agent conversations require userId and agentId"):
        cortex.create(type="user-agent", participants=participants)


def test_t06_an_agent_agent_conversation_needs_two(cortex: Cortex) -> None:
    with pytest.raises(Failed, match="agent-agent conversations require at least 2 agentIds"):
        cortex.create(type="agent-agent", participants={"agentIds": ["agent-1"]})


def test_t07_retrieves_an_existing_conversation(cortex: Cortex) -> None:
    made = pair(cortex)
    got = cortex.get(conversationId=made["conversationId"])
    assert (got["conversationId"], got["type"]) == (made["conversationId"], "user-agent")


def test_t08_a_conversation_that_does_not_exist_is_null(cortex: Cortex) -> None:
    assert cortex.get(conversationId="conv-does-not-exist") is None


def test_t09_adds_a_message(cortex: Cortex) -> None:
    made = pair(cortex)
    updated = said(cortex, made, "Hello, agent!", metadata={"source": "web"})
    assert updated["messageCount"] == 1
    (message,) = updated["messages"]
    assert re.match("^msg-", message["id"])
    assert (message["role"], message["content"], message["metadata"]) == ("user", "Hello, agent!", {"source": "web"})
    assert message["timestamp"] > 0
    assert cortex.get(conversationId=made["conversationId"]) == updated


def test_t10_appends_and_never_changes_what_was_said(cortex: Cortex) -> None:
    made = pair(cortex)
    first = said(cortex, made, "First message")
    second = said(cortex, made, "Second message", "agent", agentId="agent-1")
    third = said(cortex, made, "Third message", "system")
    assert second["messages"][:1] == first["messages"]
    assert third["messages"][:2] == second["messages"]
    assert [each["role"] for each in third["messages"]] == ["user", "agent", "system"]
    assert third["messages"][1]["agentId"] == "agent-1"
    times = [each["timestamp"] for each in third["messages"]]
    assert times == sorted(set(times))
    assert cortex.get(conversationId=made["conversationId"]) == third


def test_t11_accepts_a_custom_message_id(cortex: Cortex) -> None:
    assert said(cortex, pair(cortex), "Custom", id="msg-custom-abc")["messages"][0]["id"] == "msg-custom-abc"


def test_t12_nothing_is_added_to_a_conversation_that_does_not_exist(cortex: Cortex) -> None:
    with pytest.raises(Failed, match="CONVERSATION_NOT_FOUND"):
        said(cortex, {"conversationId": "conv-does-not-exist"}, "Test")


@pytest.fixture
def several(cortex: Cortex) -> Cortex:
    """Two conversations of a user, and one of agents, as the document's own tests have them."""
    for agent in ("agent-l1", "agent-l2"):
        cortex.create(type="user-agent", participants={"userId": "user-l", "agentId": agent})
    cortex.create(type="agent-agent", participants={"agentIds": ["agent-l1", "agent-l2"]})
    return cortex


def test_t13_lists_all(several: Cortex) -> None:
    assert len(several.list()) == 3


def test_t14_lists_by_user(several: Cortex) -> None:
    found = several.list(userId="user-l")
    assert [each["participants"]["userId"] for each in found] == ["user-l", "user-l"]


def test_t15_lists_by_agent_in_both_types(several: Cortex) -> None:
    found = several.list(agentId="agent-l1")
    assert sorted(each["type"] for each in found) == ["agent-agent", "user-agent"]
    for each in found:
        named = each["participants"]
        assert "agent-l1" in (named.get("agentId"), *named.get("agentIds", []))


def test_t16_lists_by_type(several: Cortex) -> None:
    assert [each["type"] for each in several.list(type="user-agent")] == ["user-agent"] * 2
    assert [each["type"] for each in several.list(type="agent-agent")] == ["agent-agent"]


def test_t17_combines_filters(several: Cortex) -> None:
    (found,) = several.list(userId="user-l", agentId="agent-l1")
    assert found["participants"] == {"userId": "user-l", "agentId": "agent-l1"}


def test_t18_respects_the_limit(several: Cortex) -> None:
    assert len(several.list(limit=2)) == 2


def test_t19_counts_all(several: Cortex) -> None:
    assert several.count() == 3


def test_t20_counts_by_user(several: Cortex) -> None:
    assert several.count(userId="user-l") == 2


def test_t21_counts_by_agent(several: Cortex) -> None:
    assert several.count(agentId="agent-l1") == 2


def test_t22_counts_by_type(several: Cortex) -> None:
    assert (several.count(type="user-agent"), several.count(type="agent-agent")) == (2, 1)


def test_t25_atomic_consistent_in_order_and_as_stored(cortex: Cortex) -> None:
    made = pair(cortex)
    for number in range(5):
        last = said(cortex, made, f"Message {number + 1}", "agent" if number % 2 else "user")
    stored = cortex.get(conversationId=made["conversationId"])
    assert stored["messageCount"] == len(stored["messages"]) == 5
    assert [each["content"] for each in stored["messages"]] == [f"Message {number}" for number in range(1, 6)]
    times = [each["timestamp"] for each in stored["messages"]]
    assert times == sorted(times)
    assert stored == last


def test_t26_a_filtered_list_comes_within_a_second(several: Cortex) -> None:
    started = time.monotonic()
    several.list(userId="user-l", agentId="agent-l1")
    assert time.monotonic() - started < 1


def test_t23_deletes_a_conversation(cortex: Cortex) -> None:
    made = pair(cortex)
    said(cortex, made, "soon gone")
    done = cortex.delete(conversationId=made["conversationId"])
    assert (done["deleted"], done["messagesDeleted"], done["restorable"]) == (True, 1, False)
    assert (done["conversationId"], done["state"]) == (made["conversationId"], "completed")
    assert cortex.get(conversationId=made["conversationId"]) is None
    assert (cortex.list(), cortex.count()) == ([], 0)


def test_t24_a_conversation_that_does_not_exist_cannot_be_deleted(cortex: Cortex) -> None:
    with pytest.raises(Failed, match="CONVERSATION_NOT_FOUND"):
        cortex.delete(conversationId="conv-does-not-exist")


def test_concurrent_messages_lose_nothing(cortex: Cortex) -> None:
    """On every store and over a real door; a hundred at once in `test_conversations_more`."""
    made = pair(cortex)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda number: said(cortex, made, f"m{number}"), range(30)))
    stored = cortex.get(conversationId=made["conversationId"])
    assert stored["messageCount"] == len(stored["messages"]) == 30
    assert sorted(each["content"] for each in stored["messages"]) == sorted(f"m{number}" for number in range(30))
    assert cortex.list()[0]["messageCount"] == 30


def test_fifty_simultaneous_get_or_create_make_one(cortex: Cortex) -> None:
    """By a claim, on every store."""

    def ask(_: int) -> str:
        return str(cortex.get_or_create(type="user-agent", participants=PAIR)["conversationId"])

    with ThreadPoolExecutor(25) as pool:
        assert len(set(pool.map(ask, range(50)))) == 1
    assert cortex.count() == len(cortex.list()) == 1


def test_several_are_deleted_with_what_they_held(cortex: Cortex) -> None:
    """A dry run, a threshold, and a receipt, on every store."""
    for number in range(7):
        said(cortex, pair(cortex), f"m{number}")
    assert cortex.delete_many(userId="user-1", dryRun=True)["wouldDeleteMessages"] == 7
    with pytest.raises(Failed, match="DELETE_MANY_THRESHOLD_EXCEEDED"):
        cortex.delete_many(userId="user-1", confirmationThreshold=6)
    done = cortex.delete_many(userId="user-1")
    assert (done["deleted"], done["totalMessagesDeleted"], done["state"]) == (7, 7, "completed")
    assert (cortex.count(), cortex.list()) == (0, [])
    proof = cortex.get_erasure(receiptId=done["receiptId"])
    assert (proof["state"], proof["erased"]["chatMessages"], proof["erased"]["conversations"]) == ("completed", 7, 7)
