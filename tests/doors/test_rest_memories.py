"""Memories and memory over REST: every row once, and the statuses of what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.rest import Rest

People = Callable[..., Rest]

SYSTEM = {"type": "system"}


def test_a_memory_from_its_storing_to_its_deletion(rest: People) -> None:
    alice = rest("alice@acme")
    status, told = alice("POST", "/spaces/diary/memories", {"content": "green tea", "source": SYSTEM})
    memory = told["data"]["memoryId"]
    assert (status, told["data"]["space"]) == (201, "diary")
    one = f"/spaces/diary/memories/{memory}"
    assert alice("GET", one)[1]["data"]["content"] == "green tea"
    assert alice("PATCH", one, {"content": "black tea"})[1]["data"]["version"] == 2
    assert [each["version"] for each in alice("GET", f"{one}/versions")[1]["data"]] == [1, 2]
    assert alice("GET", f"{one}/versions/1")[1]["data"]["content"] == "green tea"
    assert alice("GET", f"{one}/at?timestamp=9000000000000")[1]["data"]["content"] == "black tea"
    found = alice("POST", "/spaces/diary/memories/search", {"query": "tea"})[1]["data"]
    assert [each["memoryId"] for each in found] == [memory]
    assert alice("GET", "/spaces/diary/memories?limit=5")[1]["data"][0]["memoryId"] == memory
    assert alice("GET", "/spaces/diary/memories/count")[1]["data"] == 1
    assert alice("GET", "/spaces/diary/memories/export?format=json")[1]["count"] == 1
    assert alice("POST", "/spaces/diary/memories/update", {"importance": 9})[1]["data"]["updated"] == 1
    assert alice("POST", f"{one}/archive")[1]["data"]["status"] == "archived"
    assert alice("POST", f"{one}/restore")[1]["data"]["status"] == "active"
    gone = alice("DELETE", one)[1]["data"]
    assert alice("GET", f"/spaces/erasures/{gone['receiptId']}")[0] == 200
    assert alice("POST", "/spaces/diary/memories/delete", {})[1]["data"]["deleted"] == 0


def test_a_turn_its_facts_and_its_erasure(rest: People) -> None:
    alice = rest("alice@acme")
    turn = {"conversationId": "talk", "userMessage": "I drink tea", "agentResponse": "Noted", "agentId": "helper"}
    assert alice("PUT", "/spaces/diary/parts/k", {"content": "Not"})[0] == 200
    assert alice("GET", "/spaces/diary/parts/k")[1]["data"]["content"] == "Not"
    status, told = alice("POST", "/spaces/diary/remember", {**turn, "key": "k"})
    assert (status, told["data"]["added"]) == (201, True)
    assert alice("GET", "/spaces/diary/parts/k")[0] == 404
    assert alice("DELETE", "/spaces/diary/parts/k")[1]["data"] is False
    recalled = alice("POST", "/spaces/diary/recall", {"query": "tea"})[1]["data"]
    assert recalled["context"] == "- I drink tea"
    memory = told["data"]["memories"][0]["memoryId"]
    fact = alice("POST", "/spaces/diary/facts", {"fact": "Alice drinks tea", "memoryId": memory})[1]["data"]["fact"]["factId"]
    assert alice("GET", "/spaces/diary/facts/count")[1]["data"] == len(alice("GET", "/spaces/diary/facts")[1]["data"]) == 1
    assert alice("GET", f"/spaces/diary/facts/{fact}")[1]["data"]["fact"] == "Alice drinks tea"
    assert len(alice("GET", f"/spaces/diary/facts/{fact}/history")[1]["data"]) == 1
    shown = alice("GET", f"/spaces/diary/recollections/{memory}?includeConversation=true")[1]["data"]
    assert [each["content"] for each in shown["messages"]] == ["I drink tea"]
    assert alice("DELETE", f"/spaces/diary/facts/{fact}")[1]["data"] is True
    assert alice("POST", f"/spaces/diary/recollections/{memory}/forget", {})[1]["data"]["memoryId"] == memory
    erased = alice("POST", "/spaces/erase", {"userId": "alice", "confirm": True})[1]["data"]
    assert (erased["state"], erased["erased"]["conversations"]) == ("completed", 1)


def test_how_long_memories_are_kept_is_for_the_orgs_backend(rest: People) -> None:
    alice = rest("alice@acme")
    assert alice("GET", "/spaces/diary/retention")[0] == 404
    assert alice("PUT", "/spaces/diary/retention", {"days": 30})[0] == 403


@pytest.mark.parametrize(
    ("who", "method", "path", "body", "status", "code"),
    [
        ("alice@acme", "GET", "/spaces/diary/memories/mem-none", None, 404, "MEMORY_NOT_FOUND"),
        ("alice@acme", "DELETE", "/spaces/diary/memories/mem-none", None, 404, "MEMORY_NOT_FOUND"),
        ("alice@acme", "POST", "/spaces/diary/memories", {"content": "x"}, 400, "MISSING_REQUIRED_FIELD"),
        ("alice@acme", "POST", "/spaces/diary/memories", {"content": "x", "source": {"type": "y"}}, 400, "INVALID_SOURCE_TYPE"),
        ("alice@acme", "GET", "/spaces/diary/memories/mem-none/versions/0", None, 400, "INVALID_RANGE"),
        ("alice@acme", "POST", "/spaces/erase", {"userId": "bob", "confirm": True}, 403, "FORBIDDEN"),
        ("alice@acme", "GET", "/spaces/diary/facts/fact-none", None, 404, "FACT_NOT_FOUND"),
        (None, "GET", "/spaces/diary/memories", None, 401, "Unauthenticated"),
    ],
)
def test_what_is_refused_has_its_status(
    rest: People, who: str | None, method: str, path: str, body: Any, status: int, code: str
) -> None:
    got, told = rest(who)(method, path, body)
    assert (got, told["code"]) == (status, code)


def test_a_memory_of_another_space_is_told_to_its_owner_alone(rest: People) -> None:
    made = rest("alice@acme")("POST", "/spaces/diary/memories", {"content": "x", "source": SYSTEM})[1]["data"]["memoryId"]
    for who, code in (("alice@acme", "PERMISSION_DENIED"), ("bob@acme", "MEMORY_NOT_FOUND"), ("alice@north", "MEMORY_NOT_FOUND")):
        assert rest(who)("POST", f"/spaces/office/memories/{made}/archive")[1]["code"] == code
