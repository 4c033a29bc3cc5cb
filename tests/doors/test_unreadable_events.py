"""Frames of a chat socket that cannot be read are answered, in both dialects; the connection stays, and the next one counts."""

from __future__ import annotations

import json

import pytest

from infra.local.model.server import ScriptedModel
from tests.functions.frames import Chat, Line


@pytest.fixture
def chat(model: ScriptedModel) -> Chat:
    return Chat(model)


BROKEN = {
    "nested 1,100 deep": "[" * 1100 + "]" * 1100,
    "900 deep": '{"a":' * 900 + "1" + "}" * 900,
    "400 digits": "9" * 400,
    "5,000 digits": "9" * 5000,
    "NaN": "NaN",
    "half a surrogate": '"cut \\ud83d"',
    "half a surrogate in a key": '{"\\ud83d":1}',
}


@pytest.mark.parametrize("packets", [False, True])
@pytest.mark.parametrize("part", BROKEN.values(), ids=BROKEN)
def test_an_event_whose_data_cannot_be_read_is_refused_under_its_own_acknowledgement(
    chat: Chat, part: str, packets: bool
) -> None:
    line = Line(chat, "alice@acme", packets=packets)
    data = f'{{"content":{part}}}'
    line.send(f'42/chat,70["message:send",{data}]' if packets else f'{{"event":"message:send","data":{data},"id":"n70"}}')
    chat.tell()
    assert not line.closed
    if packets:
        (ack,) = [json.loads(text[10:])[0] for text in line.posted if text.startswith("43/chat,70[")]
    else:
        told = [json.loads(text) for text in line.posted]
        (ack,) = [each["data"] for each in told if each["event"] == "ack" and each["id"] == "n70"]
    assert ack["success"] is False
    assert ack["error"]
    assert line.ask("conversation:join", {"conversationId": "nowhere"})["success"] is False


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[1]",
        "NaN",
        '{"event":7}',
        '{"event":"message:send","data":{},"id":1.5}',
        '{"event":"message:send","data":{},"id":NaN}',
        '{"data":{}}',
        '42/chat,["message:send",{}]',
    ],
)
def test_a_json_frame_that_is_none_is_told_in_an_error_event(chat: Chat, body: str) -> None:
    line = Line(chat, "alice@acme")
    line.send(body)
    (error,) = line.heard("error")
    assert error["code"] == "BadFrame"
    assert error["error"].startswith("This frame cannot be read: ")
    assert not line.closed


@pytest.mark.parametrize(
    "body",
    [
        *("", "4", "4x", "42", "9", "bAQID", '451-["x",{"_placeholder":true,"num":0}]', "42/other,[]"),
        *('42/chat,["message:send",1,2]', '{"event":"message:send"}', '42/chat,["message:send",NaN]'),
    ],
)
def test_a_packet_that_is_none_is_told_in_an_error_event(chat: Chat, body: str) -> None:
    line = Line(chat, "alice@acme", packets=True)
    line.send(body)
    (error,) = line.heard("error")
    assert error["code"] == "BadFrame"
    assert not line.closed


def test_a_packet_that_cannot_be_read_is_refused_under_its_own_acknowledgement(chat: Chat) -> None:
    line = Line(chat, "alice@acme", packets=True)
    line.send('42/chat,3["message:send",{},{},{}]')
    (ack,) = [json.loads(text[9:])[0] for text in line.posted if text.startswith("43/chat,3[")]
    assert (ack["success"], ack["code"]) == (False, "BadFrame")


def test_half_a_surrogate_in_what_is_given_back_to_the_sender_is_replaced(chat: Chat) -> None:
    line = Line(chat, "alice@acme")
    line.send('{"event":"image_get_request","data":{"requestId":"r\\ud83d","imageId":"none"},"id":"n\\ud83d"}')
    assert [each["requestId"] for each in line.heard("image_get_response")] == ["r\ufffd"]
    assert not line.closed
