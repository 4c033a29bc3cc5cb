"""Domains, images and their conversations over REST (000-U08, U09, U10, U12, U13)."""

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
    """000-U10, on get, list, delete, title, send."""
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
