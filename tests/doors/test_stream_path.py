"""`/conversations/ID/stream`: one conversation's replies as they are written, for its owner."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.doors import sockets
from tests.doors.test_agentx import ENDED, STARTED
from tests.doors.test_events import Chat, chat
from tests.functions.conftest import model

__all__ = ["chat", "model"]


def listen(chat: Chat, conversation: str, token: str | None, name: str) -> int:
    """Open the path. Returns the handshake's status."""
    chat.lines.posted[name] = []
    query = {} if token is None else {"token": token}
    status = sockets.connect(chat.backend, name, f"/conversations/{conversation}/stream", {}, query)
    if status == 200:
        sockets.welcome(chat.backend, name)
        chat.tell()
    return status


def told(chat: Chat, name: str) -> list[tuple[str, dict[str, Any]]]:
    frames = [json.loads(text) for text in chat.lines.posted[name]]
    return [(each["event"], each["data"]) for each in frames]


def test_a_conversations_stream_is_heard_by_opening_its_path(chat: Chat) -> None:
    alice = chat.person("alice")
    image = alice.mutation("images:create")["record"]
    other = alice.mutation("images:create")["record"]
    assert listen(chat, image["conversationId"], "alice@acme", "line") == 200
    alice.mutation("images:send", imageId=image["imageId"], content="/say Hello there.")
    alice.mutation("images:send", imageId=other["imageId"], content="/say Not here.")
    chat.work()
    chat.tell()
    names = [name for name, _ in told(chat, "line")]
    assert names[:5] == ["connection:ready", "user_message", *STARTED]
    assert names[-3:] == ["assistant_message", *ENDED]
    assert {data["context"]["imageId"] for _, data in told(chat, "line")[1:]} == {image["imageId"]}
    chat.lines.posted["again"] = []
    alice.mutation("images:send", imageId=image["imageId"], content="/say more")
    assert listen(chat, image["conversationId"], "alice@acme", "again") == 200
    chat.work()
    chat.tell()
    assert [name for name, _ in told(chat, "again")][1:4] == STARTED, "it begins with the reply that is being written"


@pytest.mark.parametrize("token", [None, "", "not a token"])
def test_a_stream_needs_a_token(chat: Chat, token: str | None) -> None:
    image = chat.person("alice").mutation("images:create")["record"]
    assert listen(chat, image["conversationId"], token, "line") == 401
    assert chat.lines.posted["line"] == []


@pytest.mark.parametrize("who", ["bob@acme", "alice@other"])
def test_a_stranger_is_told_that_there_is_no_such_conversation(chat: Chat, who: str) -> None:
    """As for one that never was; the connection ends."""
    image = chat.person("alice").mutation("images:create")["record"]
    said = []
    for number, conversation in enumerate((image["conversationId"], "conv-never")):
        listen(chat, conversation, who, f"line{number}")
        said.append(told(chat, f"line{number}"))
        assert f"line{number}" in chat.lines.closed
    assert said[0] == said[1] == [("error", {"code": "CONVERSATION_NOT_FOUND", "error": "Conversation not found"})]
