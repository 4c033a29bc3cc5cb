"""Messages of rooms: voices, fields, counters, both doors, reading the log."""

from __future__ import annotations

import threading

import pytest

from infra.local.model.server import ScriptedModel
from tests.functions.rooms import Gateway, Socket, refused, room_of, texts


@pytest.fixture
def gateway(model: ScriptedModel) -> Gateway:
    return Gateway(model)


# Messages --------------------------------------------------------------------------------------------------------------


def test_user_and_agent_see_each_others_messages_and_not_their_own(gateway: Gateway) -> None:
    """The document's own example answers every `message:new`, so a sender must not get its own."""
    bot = Socket(gateway.agent("bot"), "s1")
    tabs = [Socket(gateway.person("alice"), name) for name in ("a1", "a2")]
    for tab in tabs:
        tab.call("gateway:join", conversationId=room_of(bot))
    for each in (bot, *tabs):
        each.heard()
    tabs[0].send("hello")
    assert texts(bot.heard("message:new")) == ["hello"]
    assert texts(tabs[0].heard("message:new")) == []
    assert texts(tabs[1].heard("message:new")) == ["hello"]
    bot.send("You said: hello")
    assert texts(bot.heard("message:new")) == []
    assert [texts(tab.heard("message:new")) for tab in tabs] == [["You said: hello"]] * 2


def test_a_message_keeps_every_field_of_the_document(gateway: Gateway) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    parent = bot.send("question")["message"]["messageId"]
    extra = {
        "type": "tool_result",
        "name": "search",
        "parentId": parent,
        "toolCalls": [{"id": "t1", "name": "search", "input": {"q": "x"}}],
        "toolResults": [{"id": "t1", "success": True, "executionTime": 12}],
        "thinking": {"content": "hm", "visible": False, "duration": 3},
        "usage": {"prompt": 10, "completion": 5, "totalTokens": 15, "cost": 0.25},
        "latency": 120,
        "error": "none",
        "attachments": ["https://example.com/a.png", "document:doc-1"],
    }
    told = bot.send("found", role="tool", **extra)["message"]
    (stored,) = [
        each for each in bot.person.query("history:messages", conversationId=room_of(bot))["data"] if each["content"] == "found"
    ]
    assert stored == told
    assert {name: told[name] for name in extra} == extra
    assert (told["participantId"], told["participantType"], told["role"], told["status"]) == ("bot", "agent", "tool", "sent")
    thread = bot.person.query("history:thread", conversationId=room_of(bot), messageId=parent)
    assert texts([{"data": each} for each in thread]) == ["question", "found"]
    room = bot.person.query("rooms:get", conversationId=room_of(bot))
    assert (room["totalTokens"], room["totalCost"], room["lastMessage"]) == (15, 0.25, "found")


@pytest.mark.parametrize("wrong", ["ftp://x/y", "javascript:alert(1)", "document:", "http://", "https:// x", ""])
def test_an_attachment_is_an_address_or_a_document(gateway: Gateway, wrong: str) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    told = refused("InvalidAttachments", bot.send, "x", attachments=["https://example.com/fine", wrong])
    assert told.data["invalidAttachments"] == [wrong]


def test_without_a_conversation_the_sender_is_told_what_to_do(gateway: Gateway) -> None:
    alice = Socket(gateway.person("alice"), "a1")
    assert "No conversation found. Please join a conversation first." in str(refused("NoConversation", alice.send, "x"))


def test_counters_are_exact_under_a_hundred_simultaneous_messages(gateway: Gateway) -> None:
    bots = [Socket(gateway.agent("bot"), "s1"), Socket(gateway.connected("bot", gateway.person("alice")), "s2")]

    def send(number: int) -> None:
        bots[number % 2].send(f"m{number}", usage={"totalTokens": 7, "cost": 0.000002})

    threads = [threading.Thread(target=send, args=(number,)) for number in range(100)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    room = bots[0].person.query("rooms:get", conversationId=room_of(bots[0]))
    assert (room["totalMessages"], room["totalTokens"], room["totalCost"]) == (100, 700, 0.0002)
    log = bots[0].person.query("history:messages", conversationId=room_of(bots[0]), limit=200)["data"]
    assert [each["sequence"] for each in log] == list(range(1, 101))
    assert {each["content"] for each in log} == {f"m{number}" for number in range(100)}


def test_a_message_of_a_convex_client_is_told_here_and_the_other_way_round(gateway: Gateway) -> None:
    """The same log behind both doors: `chat:sendMessage` is `message:new`, and the model answers `message:send`."""
    alice = gateway.person("alice")
    session = alice.mutation("chat:startSession")
    (room,) = alice.query("rooms:list")["data"]
    tabs = [Socket(alice, name) for name in ("a1", "a2")]
    for tab in tabs:
        tab.call("gateway:join", conversationId=room["_id"])
        tab.heard()
    alice.mutation("chat:sendMessage", sessionId=session, content="/say from convex")
    assert texts(tabs[0].heard("message:new")) == ["/say from convex"]
    gateway.work()
    assert texts(tabs[0].heard("message:new")) == ["from convex"], "the reply is told when it is done"
    tabs[0].send("/say from a socket")
    gateway.work()
    assert texts(tabs[0].heard("message:new")) == ["from a socket"]
    assert texts(tabs[1].heard("message:new")) == ["/say from convex", "from convex", "/say from a socket", "from a socket"]
    told = alice.query("chat:getMessages", sessionId=session)
    assert [each["content"] for each in told] == ["/say from convex", "from convex", "/say from a socket", "from a socket"]
    whole = alice.query("rooms:get", conversationId=room["_id"])
    assert (whole["totalMessages"], whole["lastMessage"]) == (4, "from a socket")
    assert whole["totalTokens"] > 0


@pytest.mark.parametrize("answers", ["an agent", "nobody"])
def test_where_no_model_answers_a_message_leaves_no_placeholder(gateway: Gateway, answers: str) -> None:
    """`Conversation.responder`: the connected agent answers, or nobody does; a reply that nobody writes would wait for ever."""
    alice = gateway.person("alice")
    if answers == "an agent":
        bot = Socket(gateway.agent("bot"), "s1")
        alice.mutation("gateway:open", socket="a1", conversationId=room_of(bot))
        alice.mutation("gateway:join", socket="a1", conversationId=room_of(bot))
    else:
        alice.mutation("conversations:create", type="user-agent", participants={"userId": "alice", "agentId": "a1"})
    for listed in alice.query("chat:listSessions"):
        message = alice.mutation("chat:sendMessage", sessionId=listed["sessionId"], content="hello", clientKey="k")
        assert alice.mutation("chat:sendMessage", sessionId=listed["sessionId"], content="hello", clientKey="k") == message
        (told,) = alice.query("chat:getMessages", sessionId=listed["sessionId"])
        assert (told["messageId"], told["role"], told["content"], told["completed"]) == (message, "user", "hello", True)
    gateway.work()
    gateway.sweep()
    assert gateway.rows("runs") == 0


def test_a_reply_that_was_being_written_at_the_join_is_told_when_it_is_done(gateway: Gateway) -> None:
    alice = gateway.person("alice")
    session = alice.mutation("chat:startSession")
    alice.mutation("chat:sendMessage", sessionId=session, content="/say late")
    (room,) = alice.query("rooms:list")["data"]
    tab = Socket(alice, "a1")
    tab.call("gateway:join", conversationId=room["_id"])
    assert texts(tab.heard("message:new")) == []
    gateway.work()
    assert texts(tab.heard("message:new")) == ["late"]


def test_a_closed_conversation_takes_no_messages_and_stays_readable(gateway: Gateway) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    bot.send("one")
    bot.person.mutation("rooms:close", conversationId=room_of(bot))
    refused("ConversationClosed", bot.send, "two", conversationId=room_of(bot))
    assert len(bot.person.query("history:messages", conversationId=room_of(bot))["data"]) == 1


def test_the_log_is_listed_by_role_attachments_and_text_and_counted(gateway: Gateway) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    alice = Socket(gateway.person("alice"), "a1")
    room = {"conversationId": room_of(bot)}
    alice.call("gateway:join", **room)
    for number in range(5):
        alice.send(f"Question {number}", attachments=["document:d1"] if number == 3 else [])
        bot.send(f"answer {number}")
    ask = alice.person.query
    assert texts([{"data": each} for each in ask("history:messages", **room, limit=2)["data"]]) == ["Question 4", "answer 4"]
    page = ask("history:messages", **room, limit=4)
    assert page["meta"] == {"total": 10, "before": 7}
    assert [each["sequence"] for each in ask("history:messages", **room, limit=4, before=7)["data"]] == [3, 4, 5, 6]
    assert len(ask("history:messages", **room, role="user")["data"]) == 5
    assert [each["content"] for each in ask("history:messages", **room, attachments=True)["data"]] == ["Question 3"]
    assert [each["content"] for each in ask("history:search", **room, text="QUESTION 1")["data"]] == ["Question 1"]
    numbers = ask("history:statistics", **room)
    assert (numbers["totalMessages"], numbers["byRole"], numbers["withAttachments"]) == (10, {"assistant": 5, "user": 5}, 1)


def test_a_summary_is_written_every_ten_messages_of_an_agents_room(gateway: Gateway) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    for number in range(9):
        bot.send(f"m{number}")
    assert gateway.work() == 0
    bot.send("the tenth")
    gateway.work()
    assert bot.person.query("rooms:get", conversationId=room_of(bot))["summary"]
