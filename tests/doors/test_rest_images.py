"""Domains, images and their conversations over REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.functions.conftest import House
from tests.support.rest import Rest

People = Callable[..., Rest]


def test_a_domain_and_its_conversations_from_first_to_last(rest: People, house: House) -> None:
    alice = rest("alice@acme")
    status, made = alice("POST", "/domains", {"name": "Support", "systemPrompt": "Be short."})
    assert status == 201
    path = f"/domains/{made['data']['domainId']}"
    status, started = alice("POST", f"{path}/conversations", {"title": "Case 1"})
    assert status == 201
    conversation, image = started["data"]["conversationId"], started["data"]["imageId"]
    assert alice("GET", f"/conversations/{conversation}")[1]["data"]["title"] == "Case 1"
    status, sent = alice("POST", f"/images/{image}/messages", {"content": "/say hello"})
    assert status == 201
    house.work()
    log = alice("GET", f"/images/{image}/messages")[1]["data"]
    assert (log[-1]["messageId"], log[-1]["content"].strip()) == (sent["data"]["messageId"], "hello")
    assert alice("PATCH", f"/conversations/{conversation}/title", {"title": "Case one"})[1]["data"]["name"] == "Case one"
    assert alice("POST", f"/conversations/{conversation}/abort") == (200, {"data": False})
    page = alice("GET", f"{path}/conversations?pageSize=5")[1]
    assert (page["meta"]["total"], page["data"][0]["title"]) == (1, "Case one")
    fork = alice("POST", f"/images/{image}/fork", {})[1]["data"]["record"]
    assert fork["parentImageId"] == image
    assert alice("POST", f"/images/{image}/regenerate", {})[0] == 201
    assert alice("POST", f"/images/{image}/regenerate", {})[0] == 409, "it is being written"
    assert alice("DELETE", f"/images/{image}")[0] == 200
    assert alice("GET", f"/images/{image}")[0] == 404
    assert alice("PATCH", path, {"name": "Help"})[1]["data"]["name"] == "Help"
    assert alice("DELETE", path)[0] == 200
    assert alice("GET", "/domains")[1]["data"] == []


@pytest.mark.parametrize("title", ["", "x" * 201])
def test_a_title_has_one_to_two_hundred_characters(rest: People, title: str) -> None:
    alice = rest("alice@acme")
    conversation = alice("POST", "/images", {})[1]["data"]["record"]["conversationId"]
    assert alice("PATCH", f"/conversations/{conversation}/title", {"title": title})[0] == 400
    assert alice("PATCH", f"/conversations/{conversation}/title", {"title": "x" * 200})[0] == 200


@pytest.mark.parametrize(
    ("content", "code"),
    [("", "MESSAGE_CONTENT_REQUIRED"), ("   ", "MESSAGE_CONTENT_REQUIRED"), ("x" * 10_001, "MESSAGE_TOO_LONG")],
)
def test_a_message_that_is_refused_says_its_code(rest: People, content: str, code: str) -> None:
    alice = rest("alice@acme")
    image = alice("POST", "/images", {})[1]["data"]["record"]["imageId"]
    status, told = alice("POST", f"/images/{image}/messages", {"content": content})
    assert (status, told["code"], told["field"]) == (400, code, "content")


def test_a_server_of_tools_that_is_refused_says_its_code(rest: People) -> None:
    servers: dict[str, Any] = {"promptx": {"url": "https://a.example/mcp"}}
    status, told = rest("alice@acme")("POST", "/domains", {"name": "x", "mcpServers": servers})
    assert (status, told["code"]) == (400, "MCP_NAME_RESERVED")


def test_a_foreign_user_gets_not_found_and_never_forbidden(rest: People) -> None:
    """As for one that never was: on get, list, delete, title, send."""
    alice, bob = rest("alice@acme"), rest("bob@acme")
    domain = alice("POST", "/domains", {"name": "x"})[1]["data"]["domainId"]
    started = alice("POST", f"/domains/{domain}/conversations", {})[1]["data"]
    image, conversation = started["imageId"], started["conversationId"]
    for method, path, body in (
        ("GET", f"/domains/{domain}", None),
        ("GET", f"/domains/{domain}/conversations", None),
        ("POST", f"/domains/{domain}/conversations", {}),
        ("GET", f"/images/{image}", None),
        ("DELETE", f"/images/{image}", None),
        ("POST", f"/images/{image}/messages", {"content": "x"}),
        ("GET", f"/images/{image}/messages", None),
        ("PATCH", f"/conversations/{conversation}/title", {"title": "mine"}),
        ("POST", f"/conversations/{conversation}/abort", {}),
        ("POST", f"/images/{image}/fork", {}),
    ):
        assert bob(method, path, body)[0] == 404, (method, path)
    assert bob("GET", "/domains")[1]["data"] == bob("GET", "/images")[1]["data"] == []


def test_a_conversation_of_an_image_is_told_with_its_names_wherever_it_is_asked_for(rest: People) -> None:
    """The image, the session and the domain stand in the conversation; the writer in the image's metadata."""
    alice = rest("alice@acme")
    domain = alice("POST", "/domains", {"name": "Support", "model": "some-model"})[1]["data"]["domainId"]
    made = alice("POST", f"/domains/{domain}/conversations", {})[1]["data"]
    told = alice("GET", f"/conversations/{made['conversationId']}")[1]["data"]
    assert (told["imageId"], told["sessionId"], told["domainId"]) == (made["imageId"], made["sessionId"], domain)
    image = alice("GET", f"/images/{made['imageId']}")[1]["data"]
    assert image["metadata"] == {"model": "some-model", "provider": "anthropic"}


@pytest.mark.parametrize(
    ("content", "code"),
    [("", "MESSAGE_CONTENT_REQUIRED"), (" \n", "MESSAGE_CONTENT_REQUIRED"), ("x" * 10_001, "MESSAGE_TOO_LONG")],
)
def test_a_message_to_a_conversation_is_refused_by_the_same_codes(rest: People, content: str, code: str) -> None:
    """`POST /conversations/:id/messages`, of 0, of blanks, of 10,001 characters; 10,000 are accepted."""
    alice = rest("alice@acme")
    path = f"/conversations/{alice('POST', '/images', {})[1]['data']['record']['conversationId']}/messages"
    status, told = alice("POST", path, {"content": content})
    assert (status, told["code"], told["field"]) == (400, code, "content")
    assert alice("POST", path, {"content": "x" * 10_000})[0] == 201


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/conversations/conv-x", "CONVERSATION_NOT_FOUND"),
        ("/domains/d-x", "DOMAIN_NOT_FOUND"),
        ("/images/img_x", "IMAGE_NOT_FOUND"),
        ("/tasks/task-x", "TaskNotFound"),
        ("/agent-runs/arun-x", "AgentRunNotFound"),
    ],
)
def test_what_is_not_there_has_its_own_code_by_every_verb(rest: People, path: str, code: str) -> None:
    alice = rest("alice@acme")
    status, told = alice("GET", path)
    assert (status, told["code"]) == (404, code)
    if path.startswith("/conversations"):
        assert alice("POST", f"{path}/messages", {"content": "x"})[1]["code"] == code
        assert alice("PATCH", f"{path}/title", {"title": "x"})[1]["code"] == code


def test_messages_are_listed_by_limit_and_offset_from_the_newest(rest: People) -> None:
    """`GET /conversations/:id/messages?limit&offset`."""
    alice = rest("alice@acme")
    conversation = alice("POST", "/conversations", {"title": "Talk"})[1]["data"]["conversationId"]
    for number in range(5):
        assert alice("POST", f"/conversations/{conversation}/messages", {"content": f"m{number}"})[0] == 201
    path = f"/conversations/{conversation}/messages"

    def listed(query: str) -> list[str]:
        return [each["content"] for each in alice("GET", f"{path}?{query}")[1]["data"]]

    assert listed("limit=2") == listed("limit=2&offset=0") == ["m3", "m4"]
    assert listed("limit=2&offset=2") == ["m1", "m2"]
    assert listed("limit=2&offset=4") == ["m0"]
    assert listed("limit=2&offset=5") == listed("limit=2&offset=50") == []
    assert alice("GET", f"{path}?offset=-1")[0] == 400


def test_a_session_is_named_as_its_writer_calls_it(rest: People) -> None:
    """`PATCH /conversations/:id/claude-id`; a stranger is told that there is no such conversation."""
    alice, bob = rest("alice@acme"), rest("bob@acme")
    task = alice("POST", "/tasks", {"title": "Fix it"})[1]["data"]["taskId"]
    made = alice("POST", f"/tasks/{task}/conversations", {})[1]["data"]
    path = f"/conversations/{made['conversationId']}/claude-id"
    assert bob("PATCH", path, {"claudeSessionId": "x"})[0] == 404
    told = alice("PATCH", path, {"claudeConversationId": "cafe-1"})[1]["data"]
    assert (told["sessionId"], told["claudeSessionId"]) == (made["sessionId"], "cafe-1")
    image = alice("GET", f"/conversations/{made['conversationId']}")[1]["data"]["imageId"]
    assert alice("GET", f"/images/{image}")[1]["data"]["metadata"]["claudeSdkSessionId"] == "cafe-1"


def test_a_conversation_of_a_task_may_be_made_before_anything_is_said(rest: People, house: House) -> None:
    """`POST /tasks/:id/conversations` without a message; its first message begins its session."""
    alice = rest("alice@acme")
    task = alice("POST", "/tasks", {"title": "Fix it"})[1]["data"]["taskId"]
    status, made = alice("POST", f"/tasks/{task}/conversations", {})
    assert (status, "messageId" in made["data"], made["data"]["isNewSession"]) == (201, False, True)
    assert alice("GET", f"/tasks/{task}")[1]["data"]["status"] == "in_progress"
    (listed,) = alice("GET", f"/tasks/{task}/conversations")[1]["data"]
    assert (listed["conversationId"], listed["active"]) == (made["data"]["conversationId"], False)
    status, refused = alice("POST", f"/tasks/{task}/conversations", {"options": {"thinking": "off"}})
    assert (status, refused["code"]) == (400, "MessageRequired")
    person = house.person("alice")
    sent = person.mutation("adapter:sendMessage", conversationId=listed["conversationId"], message="/say aye")
    house.work()
    assert person.query("chat:getMessages", sessionId=sent["sessionId"])[-1]["content"].strip() == "aye"


def test_a_schedule_is_looked_at_over_rest(rest: People) -> None:
    alice = rest("alice@acme")
    assert alice("POST", "/schedules/validate", {"schedule": "0 9 * * MON"})[1]["data"]["valid"] is True
    assert alice("POST", "/schedules/validate", {"schedule": "0 25 * * *"})[1]["data"]["valid"] is False
