"""Servers of tools reach the model by the provider's connector; secrets meet their names only there."""

from __future__ import annotations

import json
import logging

import pytest

from infra.local.model.server import ScriptedModel
from tests.functions.conftest import House, Person
from tests.functions.test_busy import told
from tests.functions.test_chat import messages

SECRET = "sk-tools-and-nobody-else"
SERVERS = {
    "search": {"url": "https://search.tools.example/mcp", "authorization": {"secret": "SEARCH"}},
    "files": {"command": "uvx", "args": ["files"]},
}


@pytest.fixture
def house(model: ScriptedModel) -> House:
    return House(model, mcp_hosts=("*.tools.example",), mcp_commands=("uvx",), mcp_secrets={"SEARCH": SECRET})


def image(alice: Person, servers: object = None) -> tuple[str, str]:
    record = alice.mutation("images:create", config={"mcpServers": servers or SERVERS})["record"]
    return record["imageId"], record["sessionId"]


def test_the_models_provider_is_told_of_the_servers_it_can_reach(house: House) -> None:
    alice = house.person("alice")
    one, _ = image(alice)
    alice.mutation("images:send", imageId=one, content="/say hello")
    house.work()
    request = house.model.requests[-1]
    assert request.body["mcp_servers"] == [
        {"type": "url", "name": "search", "url": SERVERS["search"]["url"], "authorization_token": SECRET}
    ]
    assert request.body["tools"] == [{"type": "mcp_toolset", "mcp_server_name": "search", "default_config": {"enabled": True}}]
    assert "mcp-client-2025-11-20" in request.headers["anthropic-beta"]


def test_calls_and_answers_of_tools_are_parts_of_the_message_in_their_order(house: House) -> None:
    alice = house.person("alice")
    one, session = image(alice)
    alice.mutation("images:send", imageId=one, content="/tool find_bridge The Forth Bridge\n/say It is in Scotland.")
    house.work()
    reply = messages(alice, session)[-1]
    call, result, text = reply["parts"]
    assert (call["type"], call["name"], call["server"], call["input"]) == (
        "tool_call",
        "find_bridge",
        "search",
        {"words": "The Forth Bridge"},
    )
    assert (result["type"], result["id"], result["isError"]) == ("tool_result", call["id"], False)
    assert result["content"][0]["text"] == "The Forth Bridge"
    assert (text["type"], text["text"].strip()) == ("text", "It is in Scotland.")
    assert reply["content"] == text["text"], "the text is the text"
    alice.mutation("images:send", imageId=one, content="/say and now")
    house.work()
    assert [each.strip() for each in told(house)][1] == "It is in Scotland.", "earlier calls are told as their text"


def test_a_reply_without_tools_has_no_parts(house: House) -> None:
    alice = house.person("alice")
    session = alice.mutation("chat:startSession")
    alice.mutation("chat:sendMessage", sessionId=session, content="/tool find nothing\n/say plain")
    house.work()
    assert "parts" not in messages(alice, session)[-1]
    assert "mcp_servers" not in house.model.requests[-1].body


def test_a_long_answer_of_a_tool_is_cut_and_says_so(house: House) -> None:
    alice = house.person("alice")
    one, session = image(alice)
    long = "word " * 1900
    for _ in range(3):
        alice.mutation("images:send", imageId=one, content=f"/tool read {long}\n/say ok")
    house.work()
    parts = messages(alice, session)[-1]["parts"]
    assert [each.get("cut", False) for each in parts] == [False, False, False]
    assert len(json.dumps(parts)) < 60_000


def test_a_secret_is_in_no_document_no_answer_and_no_line_of_the_log(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    alice = house.person("alice")
    one, session = image(alice)
    alice.mutation("images:send", imageId=one, content="/tool find x\n/say hello")
    house.work()
    store = house.store.inner
    tables = ("images", "runs", "chatMessages", "chatChunks", "jobs", "commits")
    everything = [str(item) for table in tables for item in store.scan(table).items]
    answers = [alice.query("images:get", imageId=one), alice.query("chat:getMessages", sessionId=session)]
    assert len(everything) > 5
    assert SECRET not in "".join(everything) + json.dumps(answers) + caplog.text
    assert "'SEARCH'" in "".join(everything), "its name is"


def test_a_secret_that_the_operator_does_not_keep_ends_the_reply_with_its_reason(house: House) -> None:
    alice = house.person("alice")
    one, session = image(alice, {"x": {"url": "https://x.tools.example/", "authorization": {"secret": "NOBODY"}}})
    asked = len(house.model.requests)
    alice.mutation("images:send", imageId=one, content="/say hello")
    house.work()
    reply = messages(alice, session)[-1]
    assert (reply["status"], reply["reason"]) == ("failed", "mcp_error")
    assert len(house.model.requests) == asked, "the model was not asked"


def test_a_secret_that_is_bound_to_a_host_is_told_to_no_other(model: ScriptedModel) -> None:
    """`MCP_SECRET_SEARCH="search.tools.example sk-…"`: whoever makes an image chooses which server names which secret."""
    house = House(model, mcp_hosts=("*.tools.example",), mcp_secrets={"SEARCH": f"search.tools.example {SECRET}"})
    alice = house.person("alice")
    right, _ = image(alice, {"search": SERVERS["search"]})
    alice.mutation("images:send", imageId=right, content="/say hello")
    house.work()
    assert house.model.requests[-1].body["mcp_servers"][0]["authorization_token"] == SECRET
    asked = len(house.model.requests)
    wrong, session = image(alice, {"x": {"url": "https://mine.tools.example/", "authorization": {"secret": "SEARCH"}}})
    alice.mutation("images:send", imageId=wrong, content="/say hello")
    house.work()
    assert messages(alice, session)[-1]["reason"] == "mcp_error"
    assert len(house.model.requests) == asked


def test_the_key_of_the_model_is_no_secret_of_a_server(house: House) -> None:
    """Whoever makes an image chooses which server is told which secret."""
    alice = house.person("alice")
    theirs = {"x": {"url": "https://x.tools.example/", "authorization": {"secret": "ANTHROPIC_API_KEY"}}}
    one, session = image(alice, theirs)
    asked = len(house.model.requests)
    alice.mutation("images:send", imageId=one, content="/say hello")
    house.work()
    assert messages(alice, session)[-1]["reason"] == "mcp_error"
    assert len(house.model.requests) == asked
