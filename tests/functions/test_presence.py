"""Presence, typing, receipts and coming back."""

from __future__ import annotations

import pytest

from infra.local.model.server import ScriptedModel
from tests.functions.rooms import Gateway, Socket, refused, room_of, texts


@pytest.fixture
def gateway(model: ScriptedModel) -> Gateway:
    return Gateway(model)


# Presence, typing, receipts --------------------------------------------------------------------------------------------


def test_an_agent_finds_its_conversation_in_its_own_presence(gateway: Gateway) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    (told,) = bot.heard("presence:update")
    assert (told["data"]["type"], told["data"]["agentId"], told["data"]["status"]) == ("agent", "bot", "online")
    assert told["data"]["conversationId"] == room_of(bot)


def test_closing_one_of_two_tabs_leaves_its_user_online(gateway: Gateway) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    tabs = [Socket(gateway.person("alice"), name) for name in ("a1", "a2")]
    room = {"conversationId": room_of(bot)}
    bot.heard()
    tabs[0].call("gateway:join", **room)
    assert [each["event"] for each in bot.heard()][-2:] == ["user:joined", "presence:update"]
    tabs[1].call("gateway:join", **room)
    assert bot.heard() == []
    assert [each["id"] for each in bot.person.query("gateway:online", **room)["online"]] == ["bot", "alice"]
    tabs[0].ended()
    assert bot.heard() == []
    assert bot.person.query("gateway:online", **room)["onlineUsers"] == ["alice"]
    tabs[1].ended()
    told = bot.heard()
    assert [(each["event"], each["data"].get("status")) for each in told] == [("user:left", None), ("presence:update", "offline")]
    assert bot.person.query("gateway:online", **room)["onlineUsers"] == []


def test_presence_never_expires_while_connected_and_ends_with_a_connection_that_died(gateway: Gateway) -> None:
    """Leased, renewed by the sweep from what the mailbox says."""
    bot = Socket(gateway.agent("bot"), "s1")
    gateway.backend.mailboxes.open("s1", {"opened": gateway.clock.now_ms(), "kind": "chat", "bucket": "none"})
    dead = Socket(gateway.connected("bot", gateway.person("alice")), "s2")
    assert dead.ready["conversationId"] == room_of(bot)
    for _ in range(3):
        gateway.clock.ahead += 3600 * 1000
        gateway.sweep()
    assert [each["id"] for each in bot.person.query("gateway:online", conversationId=room_of(bot))["online"]] == ["bot"]
    refused("SocketNotFound", dead.call, "gateway:join", conversationId=room_of(bot))
    gateway.backend.mailboxes.delete("s1")
    gateway.clock.ahead += 3600 * 1000
    gateway.sweep()
    assert bot.person.query("agents:get", agentId="bot")["online"] is False


def test_typing_reaches_the_others_and_stops_by_itself(gateway: Gateway) -> None:
    """One client event, two server events; a sender does not get its own."""
    bot = Socket(gateway.agent("bot"), "s1")
    alice = Socket(gateway.person("alice"), "a1")
    alice.call("gateway:join", conversationId=room_of(bot))
    bot.heard(), alice.heard()
    alice.call("gateway:typing", isTyping=True)
    assert [(each["event"], each["data"]["isTyping"], each["data"]["userId"]) for each in bot.heard()] == [
        ("user:typing", True, "alice")
    ]
    assert alice.heard() == []
    bot.call("gateway:typing", isTyping=True)
    assert [each["event"] for each in alice.heard()] == ["agent:typing"]
    alice.call("gateway:typing", isTyping=False)
    assert [each["data"]["isTyping"] for each in bot.heard("user:typing")] == [False]
    gateway.clock.ahead += 7_000
    gateway.work()
    assert [each["data"]["isTyping"] for each in alice.heard("agent:typing")] == [False]


def test_receipts_are_stored_and_unread_messages_are_counted(gateway: Gateway) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    alice = Socket(gateway.person("alice"), "a1")
    room = {"conversationId": room_of(bot)}
    alice.call("gateway:join", **room)
    ids = [bot.send(f"m{number}")["message"]["messageId"] for number in range(3)]
    ask = alice.person.query
    assert ask("receipts:unread", **room)["unread"] == 3
    assert bot.person.query("receipts:unread", **room)["unread"] == 0
    bot.heard(), alice.heard()
    alice.person.mutation("receipts:read", **room, messageId=ids[1])
    (told,) = bot.heard()
    assert (told["event"], told["data"]["messageId"], told["data"]["userId"]) == ("message:read", ids[1], "alice")
    assert alice.heard() == []
    alice.person.mutation("receipts:read", **room, messageId=ids[0])
    assert bot.heard() == [], "nobody unreads"
    assert ask("receipts:unread", **room)["unread"] == 1
    refused("MessageNotFound", alice.person.mutation, "receipts:read", **room, messageId="msg-1-nothing")
    alice.send("I have read it all")
    assert ask("receipts:unread", **room)["unread"] == 0
    assert {(each["id"], each["sequence"]) for each in ask("receipts:get", **room)} == {("alice", 4), ("bot", 3)}


# Coming back -----------------------------------------------------------------------------------------------------------


def test_a_client_that_comes_back_with_its_offset_misses_nothing(gateway: Gateway) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    alice = Socket(gateway.person("alice"), "a1")
    alice.call("gateway:join", conversationId=room_of(bot))
    bot.send("one")
    (told,) = alice.heard("message:new")
    alice.ended()
    for number in range(45):
        bot.send(f"missed {number}")
    back = Socket(gateway.person("alice"), "a2", offset=told["offset"])
    assert back.ready["recovered"]
    assert texts(back.heard("message:new")) == [f"missed {number}" for number in range(45)]
    stranger = Socket(gateway.person("bob"), "b1", offset=told["offset"])
    assert (stranger.ready["rooms"], stranger.ready["recovered"], stranger.heard()) == ([], False, [])


def test_a_client_that_is_cut_before_its_first_message_misses_nothing(gateway: Gateway) -> None:
    """It was told where it stands when it was connected, and when it joined."""
    bot, alice = Socket(gateway.agent("bot"), "s1"), Socket(gateway.person("alice"), "a1")
    assert alice.ready.get("offset") is None
    alice.call("gateway:join", conversationId=room_of(bot))
    (joined,) = [each for each in alice.heard() if each["data"].get("userId") == "alice"]
    alice.ended()
    writer = gateway.person("alice")
    writer.mutation("rooms:send", conversationId=room_of(bot), content="while nobody was there")
    bot.ended()
    for back in (Socket(bot.person, "s2", offset=bot.ready["offset"]), Socket(writer, "a2", offset=joined["offset"])):
        assert back.ready["recovered"]
        assert texts(back.heard("message:new")) == ["while nobody was there"]
        assert texts(back.heard("message:new")) == []


def test_an_agent_that_comes_back_afresh_is_told_the_last_twenty_messages(gateway: Gateway) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    assert bot.heard("conversation:history") == [], "nothing was said yet"
    for number in range(25):
        bot.send(f"m{number}")
    (told,) = Socket(bot.person, "s2").heard("conversation:history")
    assert [each["content"] for each in told["data"]["messages"]] == [f"m{number}" for number in range(5, 25)]
    gateway.person("alice").mutation("agents:update", agentId="bot", settings={"history": 0})
    assert Socket(gateway.connected("bot", gateway.person("alice")), "s3").heard("conversation:history") == []


def test_an_agent_is_told_the_last_messages_in_one_event_if_its_owner_says_so(gateway: Gateway) -> None:
    bot = Socket(gateway.agent("bot", history=2), "s1")
    for number in range(4):
        bot.send(f"m{number}")
    (told,) = Socket(bot.person, "s2").heard("conversation:history")
    assert [each["content"] for each in told["data"]["messages"]] == ["m2", "m3"]
