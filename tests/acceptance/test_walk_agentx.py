"""Images, runs and the engine's requests over a real server with real sockets, on both stores."""

from __future__ import annotations

import itertools
import json
import urllib.request
from typing import Any

import pytest

from tests.support.chat import Frames, socketio
from tests.walk.conftest import Backend, engine, live, own, shared, shared_dynamodb

__all__ = ["engine", "live", "own", "shared", "shared_dynamodb"]
_requests = itertools.count()


@pytest.fixture(params=["shared", "shared_dynamodb"])
def server(request: pytest.FixtureRequest, live: str) -> Backend:
    """One server for the file: on SQLite, then on the DynamoDB engine."""
    found: Backend = request.getfixturevalue(request.param)
    return found


def asked(socket: Frames, what: str, **data: Any) -> dict[str, Any]:
    """A request; its response, by the request's id."""
    number = f"r{next(_requests)}"
    socket.say(f"{what}_request", {**data, "requestId": number})
    found: dict[str, Any] = socket.wait(f"{what}_response", lambda told: told.get("requestId") == number)
    return found


def of_image(socket: Frames, image: str) -> list[tuple[str, dict[str, Any]]]:
    """What was told of an image, in order, by the filter of 000-20."""
    return [
        (each["event"], each["data"])
        for each in socket.heard
        if isinstance(each.get("data"), dict) and each["data"].get("context", {}).get("imageId") == image
    ]


def of_message(socket: Frames, image: str, message: str) -> list[tuple[str, dict[str, Any]]]:
    return [(name, data) for name, data in of_image(socket, image) if data["messageId"] == message]


def text_of(heard: list[tuple[str, dict[str, Any]]]) -> str:
    return "".join(data["text"] for name, data in heard if name == "text_delta")


def called(server: Backend, kind: str, path: str, token: str, **args: Any) -> Any:
    """A call over the HTTP door."""
    body = json.dumps({"path": path, "args": args}).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(f"{server.url}/api/{kind}", body, headers), timeout=20) as answer:
        told = json.load(answer)
    assert told["status"] == "success", told
    return told["value"]


def test_a_conversation_from_its_creation_to_its_interruption(server: Backend) -> None:
    """000-11…20, 26, 29, U03, U04, U15, U16: create, send, streamed events with their context, history, interrupt."""
    alice, bob = Frames(server.url, server.token("alice")), Frames(server.url, server.token("bob"))
    for each in (alice, bob):
        each.wait("connection:ready")
    domain = asked(alice, "container_create", name="Support", systemPrompt="Be short.")["record"]["domainId"]
    made = asked(alice, "image_create", containerId=f"domain_{domain}", config={"name": "Case"})
    record = made["record"]
    image = record["imageId"]
    assert (record["name"], record["systemPrompt"], image[:4]) == ("Case", "Be short.", "img_")
    sent = asked(alice, "message_send", imageId=image, content="/say Hello there.")
    alice.wait("conversation_end", lambda told: told["messageId"] == sent["messageId"])
    heard = of_message(alice, image, sent["messageId"])
    assert heard[0][0] == "conversation_start"
    assert heard[-1][0] == "conversation_end"
    assert text_of(heard).strip() == "Hello there."
    for _, data in of_image(alice, image):
        context = data["context"]
        assert (context["containerId"], context["sessionId"]) == (f"domain_{domain}", record["sessionId"])
        assert context["agentId"].startswith("agent_")
    log = asked(alice, "image_messages", imageId=image)["messages"]
    assert [each["content"].strip() for each in log] == ["/say Hello there.", "Hello there."]
    long = asked(alice, "message_send", imageId=image, content="/pace 30\nwrite 5000 characters")["messageId"]
    alice.wait("text_delta", lambda told: told["messageId"] == long)
    assert [each["imageId"] for each in asked(alice, "agent_list")["agents"]] == [image]
    assert asked(alice, "agent_interrupt", imageId=image)["interrupted"] is True
    alice.wait("conversation_end", lambda told: told["messageId"] == long)
    told = of_message(alice, image, long)
    interrupted = dict(told)["message_interrupted"]
    assert 0 < len(interrupted["content"]) < 5000
    assert text_of(told) == interrupted["content"]
    assert dict(told)["error_message"]["code"] == "GENERATION_ABORTED"
    assert asked(bob, "image_run", imageId=image)["error"]["code"] == "IMAGE_NOT_FOUND"
    assert of_image(bob, image) == []
    for each in (alice, bob):
        each.close()


def test_the_official_socketio_client_speaks_the_engines_requests(server: Backend, request: pytest.FixtureRequest) -> None:
    """000-E01, 11…20; what is claimed stands in tests/clients-chat/chat.mjs, scenario `agentx`."""
    assert socketio(server.url, "agentx", user="carol").found(90) == "fine"


def test_a_reply_of_an_agents_run_ends_though_its_server_is_killed(own: Backend) -> None:
    """000-U18, 001-26, U16: `kill -9` in the middle; who comes back hears the end, the run has ended, and the task is free."""
    token = own.token("alice")
    first = Frames(own.url, token)
    warm = asked(first, "image_create")["record"]["imageId"]  # this server's lease is short; the SDK loads with the first reply
    asked(first, "message_send", imageId=warm, content="/say warm")
    first.wait("conversation_end", lambda told: told["context"]["imageId"] == warm, seconds=40)
    task = called(own, "mutation", "tasks:create", token, title="Bridge")["taskId"]
    words = "/pace 30\nwrite 5000 characters"
    run = called(own, "mutation", "tasks:startRun", token, taskId=task, type="planification", message=words)
    image = called(own, "query", "chat:getSession", token, sessionId=run["sessionId"])["imageId"]
    asked(first, "image_run", imageId=image)
    first.wait("text_delta", lambda told: told["context"]["imageId"] == image)
    own.kill()
    own.start()
    again = Frames(own.url, token)
    asked(again, "image_run", imageId=image)
    before = text_of(of_image(first, image))
    if called(own, "query", "tasks:getRun", token, agentRunId=run["agentRunId"])["state"] == "running":
        # On an engine that others may share, a writer is dead when its lease is over; on one's own file the start has ended it.
        again.wait("conversation_end", lambda told: told["context"]["imageId"] == image, seconds=40)
        heard = text_of(of_image(again, image))
        assert heard.startswith(before)
        assert heard == asked(again, "image_messages", imageId=image)["messages"][-1]["content"]
    assert asked(again, "image_messages", imageId=image)["messages"][-1]["content"].startswith(before)
    ended = called(own, "query", "tasks:getRun", token, agentRunId=run["agentRunId"])
    assert (ended["status"], ended["state"]) == ("failed", "interrupted")
    assert "running" not in called(own, "query", "tasks:get", token, taskId=task)
    again.close()


def test_a_burst_of_requests_is_answered_to_the_last(server: Backend) -> None:
    """000-E01: questions and calls back to back, many in one millisecond."""
    alice = Frames(server.url, server.token("dora"))
    alice.wait("connection:ready")
    numbers = [f"burst-{number}" for number in range(60)]
    for number, name in enumerate(numbers):
        alice.say("image_create_request" if number % 6 == 0 else "image_list_request", {"requestId": name})
    for number, name in enumerate(numbers):
        event = "image_create_response" if number % 6 == 0 else "image_list_response"
        alice.wait(event, lambda told, name=name: told["requestId"] == name, seconds=60)
    answered = [each["data"]["requestId"] for each in alice.heard if each["event"].endswith("_response")]
    assert sorted(answered) == sorted(numbers), "each once"
    assert len(asked(alice, "image_list")["records"]) == 10
    alice.close()
