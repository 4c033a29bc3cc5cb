"""Requests and events of AgentX's engine over a chat socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.domain.feeds.image import code_of
from chalicelib.doors.all_events import EVENTS
from chalicelib.schema import ChatMessage
from tests.doors.test_events import Chat, Line, chat
from tests.functions.conftest import model
from tests.support.writing import at_chunk

__all__ = ["chat", "model"]
STARTED, ENDED = ["conversation_start", "turn_request", "thinking_start"], ["turn_response", "conversation_end"]


def asked(line: Line, event: str, **data: Any) -> dict[str, Any]:
    """A request, and its response by the request's id."""
    number = f"req-{len(line.posted)}"
    line.ask(event, {**data, "requestId": number})
    name = event.replace("_request", "_response")
    return next(each for each in line.heard(name) if each["requestId"] == number)


def streamed(line: Line, image: str) -> list[tuple[str, dict[str, Any]]]:
    """What was told of an image, in order: only the events that name it."""
    found = []
    for text in line.posted:
        frame = json.loads(text[text.index("{") :] if text.startswith("{") else "{}")
        data = frame.get("data")
        if isinstance(data, dict) and data.get("context", {}).get("imageId") == image:
            found.append((frame["event"], data))
    return found


def test_a_conversation_from_creation_to_the_end_of_a_reply(chat: Chat) -> None:
    """The response path is `data.record.imageId`; events come in their order."""
    alice = Line(chat, "alice@acme")
    container = asked(alice, "container_create_request", name="Support", systemPrompt="Be short.")["record"]
    made = asked(alice, "image_create_request", containerId=f"domain_{container['domainId']}", config={"name": "Case"})
    image = made["record"]["imageId"]
    assert image.startswith("img_")
    sent = asked(alice, "message_send_request", imageId=image, content="/say Hello there.")
    chat.work()
    chat.tell()
    told = streamed(alice, image)
    names = [name for name, _ in told]
    assert names[:5] == ["user_message", *STARTED, "conversation_responding"]
    assert names[-3:] == ["assistant_message", *ENDED]
    assert set(names[5:-3]) == {"text_delta"}
    assert "".join(data["text"] for name, data in told if name == "text_delta").strip() == "Hello there."
    for _, data in told:
        context = data["context"]
        assert context["containerId"] == f"domain_{container['domainId']}"
        assert context["sessionId"] == made["record"]["sessionId"]
        assert context["agentId"].startswith("agent_")
    assert told[-1][1]["messageId"] == sent["messageId"]
    log = asked(alice, "image_messages_request", imageId=image)["messages"]
    assert [each["content"].strip() for each in log] == ["/say Hello there.", "Hello there."]


def test_events_of_another_image_reach_nobody_else(chat: Chat) -> None:
    """A socket hears of the images that it asked for, and no stranger hears of any."""
    alice, tab, bob = Line(chat, "alice@acme", name="a1"), Line(chat, "alice@acme", name="a2"), Line(chat, "bob@acme", name="b1")
    one = asked(alice, "image_create_request")["record"]["imageId"]
    two = asked(alice, "image_create_request")["record"]["imageId"]
    assert "record" in asked(tab, "image_run_request", imageId=two)
    assert asked(bob, "image_run_request", imageId=two)["error"]["code"] == "IMAGE_NOT_FOUND"
    asked(alice, "message_send_request", imageId=one, content="/say one")
    asked(alice, "message_send_request", imageId=two, content="/say two")
    chat.work()
    chat.tell()
    assert streamed(alice, one)
    assert streamed(alice, two)
    assert streamed(tab, one) == []
    assert [name for name, _ in streamed(tab, two)] == [name for name, _ in streamed(alice, two)]
    assert not any("context" in text for text in bob.posted)


def test_who_comes_in_the_middle_of_a_reply_is_told_it_from_its_beginning(chat: Chat) -> None:
    """A late subscriber gets what was said, and then the rest, once."""
    alice = Line(chat, "alice@acme", name="a1")
    image = asked(alice, "image_create_request")["record"]["imageId"]
    asked(alice, "message_send_request", imageId=image, content="/say " + "word " * 700)
    late = list[Line]()

    def joins() -> None:
        late.append(Line(chat, "alice@acme", name="late"))
        asked(late[0], "image_run_request", imageId=image)
        chat.tell()

    with at_chunk(chat.backend, 3, joins, stored=True):
        chat.work()
    chat.tell()
    told = streamed(late[0], image)
    assert next(name for name, _ in told) == "conversation_start"
    assert "".join(data["text"] for name, data in told if name == "text_delta").split() == ["word"] * 700
    assert [name for name, _ in told].count("conversation_end") == 1


def test_what_tools_do_is_told_as_it_happens_and_once(chat: Chat) -> None:
    """`tool_planned`, `tool_executing`, `tool_result_message`; options of a send over the socket."""
    alice = Line(chat, "alice@acme", name="a1")
    servers = {"search": {"url": "https://search.example.com/mcp"}}
    image = asked(alice, "image_create_request", config={"mcpServers": servers})["record"]["imageId"]
    words = "/tool find x\n/tool_error read y\n/say found it"
    asked(alice, "message_send_request", imageId=image, content=words, options={"thinking": "off"})
    early = list[list[str]]()

    def look() -> None:
        chat.tell()
        early.append([name for name, _ in streamed(alice, image)])

    with at_chunk(chat.backend, 1, look, stored=True):
        chat.work()
    chat.tell()
    one = ["tool_planned", "tool_executing", "tool_result_message"]
    assert early == [["user_message", *STARTED, *one]], "told while the reply was being written"
    told = streamed(alice, image)
    assert [name for name, _ in told if name.startswith("tool_")] == one * 2
    assert [data["isError"] for name, data in told if name == "tool_result_message"] == [False, True]
    late = Line(chat, "alice@acme", name="late")
    log = asked(late, "image_messages_request", imageId=image)["messages"]
    assert [part["type"] for part in log[-1]["parts"]] == ["tool_call", "tool_result"] * 2 + ["text"]


def test_an_interrupted_reply_says_so_and_keeps_its_text(chat: Chat) -> None:
    """An agent is found by the image, without an agent's id."""
    alice = Line(chat, "alice@acme")
    image = asked(alice, "image_create_request")["record"]["imageId"]
    asked(alice, "message_send_request", imageId=image, content="/say never")
    (agent,) = asked(alice, "agent_list_request")["agents"]
    assert (agent["imageId"], agent["agentId"][:6]) == (image, "agent_")
    assert asked(alice, "agent_get_request", agentId=agent["agentId"])["alive"] is True
    assert asked(alice, "agent_destroy_request", agentId="agent_x", imageId=image)["destroyed"] is False, "another reply"
    assert asked(alice, "agent_interrupt_request", agentId=agent["agentId"])["interrupted"] is True
    assert asked(alice, "agent_interrupt_request", imageId=image)["interrupted"] is False, "once"
    chat.work()
    chat.tell()
    told = streamed(alice, image)
    assert [name for name, _ in told][-4:] == ["message_interrupted", "error_message", *ENDED]
    assert told[-3][1]["code"] == "GENERATION_ABORTED"
    assert asked(alice, "agent_list_request")["agents"] == []


def test_a_failed_reply_says_why(chat: Chat) -> None:
    alice = Line(chat, "alice@acme")
    image = asked(alice, "image_create_request")["record"]["imageId"]
    asked(alice, "message_send_request", imageId=image, content="/fail invalid\nhello")
    chat.work()
    chat.tell()
    (error,) = [data for name, data in streamed(alice, image) if name == "error_message"]
    assert (error["code"], error["status"], error["reason"]) == ("AGENTX_ERROR", 502, "invalid_request")
    assert (error["category"], error["recoverable"]) == ("driver", False)


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        ("completed", None, None),
        ("completed", "max_tokens", None),
        ("aborted", "stopped", "GENERATION_ABORTED"),
        ("failed", "timeout", "GENERATION_TIMEOUT"),
        ("failed", "deadline", "GENERATION_TIMEOUT"),
        ("failed", "overloaded", "AGENTX_ERROR"),
        ("interrupted", "the writer of this reply died", "AGENTX_ERROR"),
    ],
)
def test_every_ending_has_its_code(status: Any, reason: str | None, code: str | None) -> None:
    about: dict[str, Any] = {"conversation": "c", "sequence": 2, "session_id": "s", "role": "assistant", "content": ""}
    assert code_of(ChatMessage(id="m", **about, completed=True, timestamp=0.0, status=status, reason=reason)) == code


def test_the_whole_set_of_requests_answers_under_its_names(chat: Chat) -> None:
    alice = Line(chat, "alice@acme")
    domain = f"domain_{asked(alice, 'container_create_request', name='D')['record']['domainId']}"
    image = asked(alice, "image_create_request", containerId=domain)["record"]
    ids = {"imageId": image["imageId"], "containerId": domain, "sessionId": image["sessionId"]}
    wants = {
        "container_get_request": ("containerId",),
        "image_list_request": ("containerId",),
        "session_resume_request": ("sessionId",),
        "agent_get_request": ("sessionId",),
        "container_list_request": (),
        "agent_list_request": (),
        "agent_destroy_all_request": (),
    }
    skipped = ("container_create_request", "image_create_request", "message_send_request", "image_delete_request")
    for event, row in EVENTS.items():
        if not row.responds or event in skipped:
            continue
        data = {name: ids[name] for name in wants.get(event, ("imageId",))}
        more = {"title": "Renamed"} if event == "session_title_update_request" else {}
        told = asked(alice, event, **data, **more)
        assert "error" not in told, (event, told)
    assert asked(alice, "image_get_request", imageId=image["imageId"])["record"]["name"] == "Renamed"
    assert "receiptId" in asked(alice, "image_delete_request", imageId=image["imageId"])
    assert asked(alice, "image_get_request", imageId=image["imageId"])["error"]["code"] == "IMAGE_NOT_FOUND"


def test_a_refused_request_answers_with_its_error_by_its_id(chat: Chat) -> None:
    alice = Line(chat, "alice@acme")
    image = asked(alice, "image_create_request")["record"]["imageId"]
    told = asked(alice, "message_send_request", imageId=image, content="x" * 10_001)
    assert (told["error"]["code"], told["error"]["field"]) == ("MESSAGE_TOO_LONG", "content")
    told = asked(alice, "image_create_request", config={"mcpServers": {"promptx": {"url": "https://a.example/"}}})
    assert told["error"]["code"] == "MCP_NAME_RESERVED"


def test_the_engines_own_shapes_are_taken(chat: Chat) -> None:
    """A container is named by its caller, and every request of agents names one."""
    alice, bob = Line(chat, "alice@acme"), Line(chat, "bob@acme")
    made = asked(alice, "container_create_request", containerId="my-container")
    assert (made["containerId"], made["record"]["name"]) == ("my-container", "my-container")
    again = asked(alice, "container_create_request", containerId="my-container", name="Other")
    assert again["record"] == made["record"]
    assert asked(bob, "container_create_request", containerId="my-container")["record"]["domainId"] != made["record"]["domainId"]
    assert asked(alice, "container_get_request", containerId="my-container")["record"] == made["record"]
    image = asked(alice, "image_create_request", containerId="my-container", config={"name": "Case"})["record"]["imageId"]
    other = asked(alice, "image_create_request")["record"]["imageId"]
    assert [each["imageId"] for each in asked(alice, "image_list_request", containerId="my-container")["records"]] == [image]
    updates = {"name": "Renamed", "description": "What it is"}
    record = asked(alice, "image_update_request", imageId=image, updates=updates)["record"]
    assert (record["name"], record["description"]) == ("Renamed", "What it is")
    told = asked(alice, "image_update_request", imageId=image, updates={"systemPrompt": "x"})
    assert "error" in told, "a snapshot does not change"
    for each in (image, other):
        asked(alice, "message_send_request", imageId=each, content="/say hi")
    assert [each["imageId"] for each in asked(alice, "agent_list_request", containerId="my-container")["agents"]] == [image]
    assert len(asked(alice, "agent_list_request")["agents"]) == 2
    assert asked(bob, "agent_list_request", containerId=f"domain_{made['record']['domainId']}")["agents"] == []
    assert asked(bob, "agent_destroy_all_request", containerId="nobodys")["error"]["code"] == "DOMAIN_NOT_FOUND"
    assert asked(alice, "agent_destroy_all_request", containerId="my-container")["destroyed"] == 1
    chat.work()
    assert [each["imageId"] for each in asked(alice, "agent_list_request")["agents"]] in ([other], [])
    assert asked(alice, "agent_destroy_all_request", containerId="my-container")["destroyed"] == 0
