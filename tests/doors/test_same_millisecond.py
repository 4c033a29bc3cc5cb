"""Frames of a chat socket that come in one millisecond: each is answered once, in order, also when those before it are gone."""

from __future__ import annotations

import json

import pytest

from chalicelib.doors import sockets
from tests.doors.test_events import Chat, chat
from tests.functions.conftest import model
from tests.functions.frames import Line

__all__ = ["chat", "model"]


@pytest.mark.parametrize(
    "events", [["image_list_request"], ["image_create_request"], ["image_list_request", "image_create_request"]]
)
def test_requests_of_one_millisecond_are_all_answered(chat: Chat, events: list[str]) -> None:
    """Queries, mutations and both: nothing that was asked is lost."""
    alice = Line(chat, "alice@acme")
    at = chat.clock.now_ms()
    for number in range(20):
        frame = {"event": events[number % len(events)], "data": {"requestId": number}, "id": f"n{number}"}
        sockets.message(chat.backend, alice.name, json.dumps(frame), at)
    told = [json.loads(text) for text in alice.posted]
    assert [each["id"] for each in told if each["event"] == "ack"] == [f"n{number}" for number in range(20)]
    answered = [each["data"]["requestId"] for each in told if each["event"].endswith("_response")]
    assert answered == list(range(20))
    made = sum(events[number % len(events)] == "image_create_request" for number in range(20))
    assert len(chat.person("alice").query("images:list")) == made
