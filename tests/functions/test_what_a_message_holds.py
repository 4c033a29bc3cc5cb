"""One rule for a message's text, whichever door it comes through; and typed refusals for what comes with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.model.server import ScriptedModel
from tests.functions.conftest import Refusal
from tests.functions.rooms import Gateway, Socket, refused, room_of
from tests.support.conversations import Cortex, Failed, opened, say

BLANK = ["", " ", "   ", "\n\t", "\u3000\u00a0"]
Door = Callable[[str], Any]


@pytest.fixture
def gateway(model: ScriptedModel) -> Gateway:
    return Gateway(model)


def doors(gateway: Gateway) -> dict[str, Door]:
    """Every function by which a person says something that the model answers."""
    alice = gateway.person("alice")
    session = alice.mutation("chat:startSession")
    image = alice.query("images:list")[0]["imageId"]
    (room,) = alice.query("rooms:list")["data"]
    task = alice.mutation("tasks:create", title="A task")["taskId"]
    started = alice.mutation("adapter:startConversation", taskId=task)["conversationId"]
    agent = alice.mutation("schedules:create", name="n", schedule="0 0 * * *", prompt="p")["scheduleId"]
    Socket(alice, "tab")
    return {
        "chat:sendMessage": lambda text: alice.mutation("chat:sendMessage", sessionId=session, content=text),
        "images:send": lambda text: alice.mutation("images:send", imageId=image, content=text),
        "rooms:send": lambda text: alice.mutation("rooms:send", conversationId=room["conversationId"], content=text),
        "adapter:startConversation": lambda text: alice.mutation("adapter:startConversation", taskId=task, message=text),
        "adapter:sendMessage": lambda text: alice.mutation("adapter:sendMessage", conversationId=started, message=text),
        "adapter:startAgentConversation": lambda text: alice.mutation(
            "adapter:startAgentConversation", agentId=agent, message=text
        ),
        "controls:command": lambda text: alice.mutation("controls:command", socket="tab", conversationId=started, command=text),
        "tasks:startRun": lambda text: alice.mutation("tasks:startRun", taskId=task, type="planification", message=text),
    }


def test_a_blank_message_is_refused_alike_at_every_door(gateway: Gateway) -> None:
    for door, say_ in doors(gateway).items():
        for text in BLANK:
            with pytest.raises(Refusal) as told:
                say_(text)
            assert told.value.tag == "MESSAGE_CONTENT_REQUIRED", (door, text, told.value.tag)


def test_a_message_of_10_001_characters_is_refused_alike_at_every_door(gateway: Gateway) -> None:
    for door, say_ in doors(gateway).items():
        for letter in ("x", "字", "😀"):
            with pytest.raises(Refusal) as told:
                say_(letter * 10_001)
            assert told.value.tag == "MESSAGE_TOO_LONG", (door, told.value.tag)


@pytest.mark.parametrize("text", BLANK)
def test_where_agents_answer_a_blank_message_needs_something_with_it(gateway: Gateway, text: str) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    refused("MESSAGE_CONTENT_REQUIRED", bot.send, text)
    assert bot.send(text, attachments=["document:plan"])["message"]["attachments"] == ["document:plan"]
    assert bot.send(text, type="tool_call", toolCalls=[{"id": "t"}])["message"]["toolCalls"] == [{"id": "t"}]


def test_where_agents_answer_a_message_has_100_000_characters_and_fits_a_document(gateway: Gateway) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    refused("MESSAGE_TOO_LONG", bot.send, "x" * 100_001)
    refused("MessageTooLarge", bot.send, "字" * 100_000, toolCalls=["x" * 60_000])
    refused("MessageTooLarge", bot.send, "😀" * 100_000)
    sent = bot.send("字" * 100_000)["message"]
    whole = bot.person.query("history:message", conversationId=room_of(bot), messageId=sent["messageId"])
    assert whole["content"] == "字" * 100_000


@pytest.mark.parametrize("text", BLANK)
def test_the_conversations_door_says_it_in_its_own_code(gateway: Gateway, text: str) -> None:
    cortex = Cortex.of(gateway.person("backend", "acme", ("service",)))
    with pytest.raises(Failed, match="MISSING_REQUIRED_FIELD") as told:
        say(cortex, opened(cortex), text)
    assert told.value.data["field"] == "message.content"


def nested(levels: int) -> Any:
    return json.loads('{"a":' * levels + "1" + "}" * levels)


@pytest.mark.parametrize("levels", [25, 31, 40, 60])
def test_what_is_nested_too_deep_for_a_document_is_a_typed_refusal(gateway: Gateway, levels: int) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    refused("MessageTooDeep", bot.send, "x", toolResults=[nested(levels)])
    refused("MessageTooDeep", bot.send, "x", usage=nested(levels))
    refused("MetricsTooLarge", bot.person.mutation, "agents:heartbeat", agentId="bot", metrics=nested(levels))
    cortex = Cortex.of(gateway.person("backend", "acme", ("service",)))
    with pytest.raises(Failed, match="METADATA_TOO_DEEP"):
        opened(cortex, metadata=nested(levels))
    with pytest.raises(Failed, match="METADATA_TOO_DEEP"):
        say(cortex, opened(cortex), "x", metadata=[nested(levels)])
    assert opened(cortex, metadata=nested(24))
