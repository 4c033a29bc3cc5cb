"""Conversations with images on a chat socket: what is told of a reply, in what order, to whom, however it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infra.local.model.server import ScriptedModel
from tests.acceptance.conftest import Chat
from tests.doors.test_agentx import asked, streamed
from tests.functions.frames import Line
from tests.functions.test_busy import told
from tests.support.rest import Rest
from tests.support.writing import at_chunk

CONTEXT = {"containerId", "imageId", "agentId", "sessionId"}
LONG = "/say " + "word " * 700


def new(line: Line, **config: Any) -> str:
    """An image of this socket's."""
    return str(asked(line, "image_create_request", **({"config": config} if config else {}))["record"]["imageId"])


def during(chat: Chat, chunk: int, happens: Callable[[], Any]) -> None:
    """Write the replies that wait; something happens before their chunk of this number is stored."""
    with at_chunk(chat.backend, chunk, happens):
        chat.work()
    chat.tell()


def text_of(heard: list[tuple[str, dict[str, Any]]]) -> str:
    return "".join(data["text"] for name, data in heard if name == "text_delta")


def test_a_message_of_any_door_is_told_in_the_same_order_with_its_whole_context(chat: Chat) -> None:
    """000-15…20, U04, U15: start, deltas, complete; a message that REST sent, too."""
    alice, caller = Line(chat, "alice@acme"), Rest(chat.backend, "alice@acme")
    image = new(alice)
    session = caller("GET", f"/images/{image}")[1]["data"]["sessionId"]
    room = caller("GET", f"/images/{image}")[1]["data"]["conversationId"]
    orders = []
    for send in (
        lambda: asked(alice, "message_send_request", imageId=image, content="/say Hello there."),
        lambda: caller("POST", f"/images/{image}/messages", {"content": "/say Hello there."}),
        lambda: caller("POST", f"/conversations/{room}/messages", {"content": "/say Hello there."}),
        lambda: caller("POST", f"/sessions/{session}/messages", {"content": "/say Hello there."}),
    ):
        before = len(streamed(alice, image))
        send()
        chat.work()
        chat.tell()
        heard = streamed(alice, image)[before:]
        assert text_of(heard).strip() == "Hello there."
        orders.append(list(dict.fromkeys(name for name, _ in heard)))
        for _, data in heard:
            assert set(data["context"]) == CONTEXT
            assert data["context"]["imageId"] == image
            assert data["context"]["containerId"] is None
    assert all(each[0] == "user_message" and each[-1] == "conversation_end" for each in orders)
    assert all(each == orders[0] for each in orders), "whichever door asked"
    first = orders[0]
    assert first.index("conversation_start") < first.index("text_delta") < first.index("assistant_message")


def test_an_interruption_in_the_middle_keeps_what_was_told(chat: Chat) -> None:
    """000-19, U03, U16: by the image alone; the text of the deltas is what stays."""
    alice = Line(chat, "alice@acme")
    image = new(alice)
    asked(alice, "message_send_request", imageId=image, content=LONG)
    during(chat, 3, lambda: asked(alice, "agent_interrupt_request", imageId=image))
    heard = streamed(alice, image)
    ended = dict(heard)
    assert heard[-1][1]["status"] == "aborted"
    assert ended["error_message"]["code"] == "GENERATION_ABORTED"
    assert 0 < len(ended["message_interrupted"]["content"]) < len(LONG)
    assert text_of(heard) == ended["message_interrupted"]["content"]
    log = asked(alice, "image_messages_request", imageId=image)["messages"]
    assert log[-1]["content"] == text_of(heard)
    assert asked(alice, "agent_interrupt_request", imageId=image)["interrupted"] is False
    asked(alice, "message_send_request", imageId=image, content="/say and on")
    chat.work()
    assert asked(alice, "image_messages_request", imageId=image)["messages"][-1]["content"].strip() == "and on"


def test_a_reply_that_takes_too_long_says_so(model: ScriptedModel) -> None:
    """000-U17: the operator's limit; what was said until then stays."""
    chat = Chat(model, generation_timeout_s=3)
    alice = Line(chat, "alice@acme")
    image = new(alice)
    asked(alice, "message_send_request", imageId=image, content="/pace 20\nwrite 5000 characters")
    chat.work()
    chat.tell()
    heard = streamed(alice, image)
    assert [data["code"] for name, data in heard if name == "error_message"] == ["GENERATION_TIMEOUT"]
    assert text_of(heard)
    assert text_of(heard) == asked(alice, "image_messages_request", imageId=image)["messages"][-1]["content"]


def test_who_loses_the_socket_in_the_middle_goes_on_with_the_next(chat: Chat) -> None:
    """000-U18: the rest comes, and nothing is missing; the reply itself is not touched."""
    first = Line(chat, "alice@acme", name="first")
    image = new(first)
    asked(first, "message_send_request", imageId=image, content=LONG)
    second: list[Line] = []

    def swap() -> None:
        chat.tell()
        first.leave()
        second.append(Line(chat, "alice@acme", name="second"))
        asked(second[0], "image_run_request", imageId=image)

    during(chat, 3, swap)
    told_before, heard = text_of(streamed(first, image)), streamed(second[0], image)
    whole = asked(second[0], "image_messages_request", imageId=image)["messages"][-1]["content"]
    assert 0 < len(told_before) < len(whole)
    assert whole.startswith(told_before)
    assert text_of(heard) == whole
    assert [name for name, _ in heard].count("conversation_end") == 1


def test_who_is_not_signed_in_gets_no_socket_and_a_stranger_no_stream(chat: Chat) -> None:
    """000-U19, U10: isolated by conversation, also within an org."""
    assert Line(chat, None).status == 401
    assert Line(chat, "nonsense").status == 401
    alice, bob, north = Line(chat, "alice@acme"), Line(chat, "bob@acme"), Line(chat, "alice@north")
    image = new(alice)
    for stranger in (bob, north):
        for event, more in (
            ("image_run_request", {}),
            ("image_get_request", {}),
            ("image_messages_request", {}),
            ("message_send_request", {"content": "x"}),
            ("agent_interrupt_request", {}),
            ("image_update_request", {"name": "mine"}),
            ("image_delete_request", {}),
            ("session_fork_request", {}),
        ):
            real = asked(stranger, event, imageId=image, **more)["error"]
            random = asked(stranger, event, imageId=image[:-3] + "qqq", **more)["error"]
            assert (real["code"], real) == ("IMAGE_NOT_FOUND", random), event
        assert asked(stranger, "image_list_request")["records"] == []
        assert asked(stranger, "agent_list_request")["agents"] == []
    asked(alice, "message_send_request", imageId=image, content="/say mine")
    chat.work()
    chat.tell()
    assert streamed(alice, image)
    assert streamed(bob, image) == streamed(north, image) == []


def test_an_agent_that_was_destroyed_remembers_when_it_is_spoken_to_again(chat: Chat) -> None:
    """000-U03, E07 (04, 09, 10): there is nothing to restore, because nothing was in its memory."""
    alice = Line(chat, "alice@acme")
    image = new(alice)
    asked(alice, "message_send_request", imageId=image, content="/say My name is Ada.")
    chat.work()
    asked(alice, "agent_destroy_request", imageId=image)
    assert asked(alice, "agent_list_request")["agents"] == []
    later = Line(chat, "alice@acme", name="another-day")
    assert len(asked(later, "image_messages_request", imageId=image)["messages"]) == 2
    asked(later, "message_send_request", imageId=image, content="/say yes")
    chat.work()
    assert told(chat) == ["/say My name is Ada.", "My name is Ada.", "/say yes"]


def test_usage_is_told_with_each_message_and_adds_up_over_tool_steps(chat: Chat) -> None:
    """000-E07 (13): in the event and in the log."""
    alice = Line(chat, "alice@acme")
    image = new(alice, mcpServers={"search": {"url": "https://search.example.com/mcp"}})
    asked(alice, "message_send_request", imageId=image, content="/pause\n/tool find x\n/say found it")
    chat.work()
    chat.tell()
    (end,) = [data for name, data in streamed(alice, image) if name == "assistant_message"]
    log = asked(alice, "image_messages_request", imageId=image)["messages"]
    assert end["usage"] == log[-1]["usage"]
    assert end["usage"]["inputTokens"] > 0
    assert end["usage"]["outputTokens"] > 3


def test_a_socket_says_what_functions_and_rest_say(chat: Chat) -> None:
    """000-E07 (16): remote is local; 000-16, 18."""
    alice, caller, local = Line(chat, "alice@acme"), Rest(chat.backend, "alice@acme"), chat.person("alice")
    image = new(alice, name="Case", customData={"n": 1})
    asked(alice, "message_send_request", imageId=image, content="/say hello")
    chat.work()
    record = local.query("images:get", imageId=image)
    assert asked(alice, "image_get_request", imageId=image)["record"] == record
    assert caller("GET", f"/images/{image}")[1]["data"] == record
    assert asked(alice, "image_list_request")["records"] == local.query("images:list") == caller("GET", "/images")[1]["data"]
    log = local.query("images:messages", imageId=image)
    assert asked(alice, "image_messages_request", imageId=image)["messages"] == log
    assert caller("GET", f"/images/{image}/messages")[1]["data"] == log


def test_a_fork_and_a_title_over_the_socket(chat: Chat) -> None:
    """000-E04: `session_fork_request`, `session_resume_request`, `session_title_update_request`."""
    alice = Line(chat, "alice@acme")
    image = new(alice)
    asked(alice, "message_send_request", imageId=image, content="/say one")
    chat.work()
    fork = asked(alice, "session_fork_request", imageId=image)["record"]
    assert fork["parentImageId"] == image
    asked(alice, "message_send_request", imageId=fork["imageId"], content="/say two")
    chat.work()
    assert told(chat) == ["/say one", "one", "/say two"]
    assert len(asked(alice, "image_messages_request", imageId=image)["messages"]) == 2
    assert asked(alice, "session_resume_request", sessionId=fork["sessionId"])["sessionId"] == fork["sessionId"]
    assert asked(alice, "session_title_update_request", imageId=fork["imageId"], title="Two")["record"]["name"] == "Two"


def test_every_event_that_can_be_told_of_an_image_has_a_context(chat: Chat) -> None:
    """000-20, U04: of a reply that completes, fails, is stopped, and one that calls tools."""
    alice = Line(chat, "alice@acme")
    image = new(alice, mcpServers={"search": {"url": "https://search.example.com/mcp"}})
    for content in ("/say ok", "/fail invalid\nx", "/tool find x\n/say found", "/think hm\n/say thought"):
        asked(alice, "message_send_request", imageId=image, content=content)
        chat.work()
    asked(alice, "message_send_request", imageId=image, content="/say never")
    asked(alice, "agent_interrupt_request", imageId=image)
    chat.work()
    chat.tell()
    names = {name for name, _ in streamed(alice, image)}
    assert {"conversation_end", "error_message", "tool_executing", "message_interrupted"} <= names
    about_images = names | {"conversation_start", "text_delta", "user_message", "assistant_message"}
    for name in about_images:
        for data in alice.heard(name):
            assert set(data["context"]) == CONTEXT, name
            assert data["context"]["agentId"].startswith("agent_")


def test_an_event_without_a_sign_in_is_answered_by_nothing(chat: Chat) -> None:
    """000-U19: the engine's requests are only there behind the chat door's sign-in."""
    packets = Line(chat, None, packets=True)
    packets.send('42/chat,0["image_create_request",{}]')
    assert packets.closed
    assert not [text for text in packets.posted if "record" in text]


def test_a_socket_that_closes_takes_its_subscriptions_with_it_and_stops_nothing(chat: Chat) -> None:
    """000-U18, U19, 001-U11: images, sessions and tasks; the reply goes on."""
    alice, person = Line(chat, "alice@acme"), chat.person("alice")
    image = new(alice)
    record = asked(alice, "image_get_request", imageId=image)["record"]
    task = person.mutation("tasks:create", title="Bridge")["taskId"]
    assert alice.ask("subscribe-session", {"sessionId": record["sessionId"]})["isStreaming"] is False
    assert alice.ask("subscribe-task", {"taskId": task})["agentRuns"] == []
    asked(alice, "message_send_request", imageId=image, content=LONG)
    assert chat.rows("chatSockets") == 1
    during(chat, 2, alice.leave)
    told = len(alice.posted)
    chat.tell()
    assert chat.rows("chatSockets") == 0
    assert len(alice.posted) == told
    assert person.query("images:messages", imageId=image)[-1]["status"] == "completed"
