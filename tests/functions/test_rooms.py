"""Agents and their rooms (seed 002): find or create, members, messages, counters, receipts, presence, the future list."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from infra.local.model import ScriptedModel
from tests.functions.conftest import Person, Refusal
from tests.functions.rooms import Gateway, Socket, texts

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def gateway(model: ScriptedModel) -> Gateway:
    return Gateway(model)


def refused(tag: str, call: Any, *args: Any, **named: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call(*args, **named)
    assert caught.value.tag == tag
    return caught.value


def room_of(socket: Socket) -> str:
    return str(socket.ready["conversationId"])


# Find or create ----------------------------------------------------------------------------------------------------------


def test_the_first_connection_makes_a_conversation_as_the_document_says(gateway: Gateway) -> None:
    """002-12…17."""
    bot = gateway.agent("bot")
    socket = Socket(bot, "s1")
    room = bot.query("rooms:get", conversationId=room_of(socket))
    assert room["title"] == "Agent bot - Auto Conversation"
    assert room["description"] == "Automatically created conversation for agent"
    assert (room["conversationType"], room["status"], room["isDeleted"]) == ("chat", "active", False)
    assert (room["totalTokens"], room["totalMessages"], room["totalCost"]) == (0, 0, 0)
    assert [(each["type"], each["id"]) for each in room["participants"]] == [("agent", "bot")]
    assert (room["agentId"], room["orgId"], room["createdBy"], room["updatedBy"]) == ("bot", "acme", "bot", "bot")
    assert "userId" not in room


def test_later_connections_find_the_same_one_until_it_is_closed_or_archived(gateway: Gateway) -> None:
    """002-18…22."""
    bot = gateway.agent("bot")
    first = Socket(bot, "s1")
    first.ended()
    assert room_of(Socket(bot, "s2")) == room_of(first)
    for number, end in enumerate(("rooms:close", "rooms:archive")):
        before = room_of(Socket(bot, f"before{number}"))
        bot.mutation(end, conversationId=before)
        after = room_of(Socket(bot, f"after{number}"))
        assert after != before
        assert room_of(Socket(bot, f"again{number}")) == after
    assert len(bot.query("rooms:list", agentId="bot", status="active")["data"]) == 1


def test_fifty_simultaneous_connections_make_one_conversation(gateway: Gateway) -> None:
    """002-20 and the first defect of 002-U15: a condition in the commit, never find-then-insert."""
    bot = gateway.agent("bot")
    found: list[str] = []
    barrier = threading.Barrier(50)

    def connect(number: int) -> None:
        barrier.wait()
        found.append(room_of(Socket(bot, f"s{number}")))

    threads = [threading.Thread(target=connect, args=(number,)) for number in range(50)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 50
    assert len(set(found)) == 1
    assert len(bot.query("rooms:list")["data"]) == 1


def test_the_same_agent_id_in_another_org_is_another_agent(gateway: Gateway) -> None:
    here, there = Socket(gateway.agent("bot"), "s1"), Socket(gateway.agent("bot", "eve", "other"), "s2")
    assert room_of(here) != room_of(there)


# Who may do what ----------------------------------------------------------------------------------------------------------


def test_only_members_the_owner_and_invited_people_join(gateway: Gateway) -> None:
    """002-26, 28; 002-U15: `conversation:join` checks membership and org."""
    bot = gateway.agent("bot")
    room = room_of(Socket(bot, "s1"))
    bob, eve = gateway.person("bob"), gateway.person("bob", "other")
    strangers = [Socket(bob, "bob1"), Socket(eve, "eve1")]
    for each in strangers:
        real, made_up = (
            refused("ConversationNotFound", each.call, "gateway:join", conversationId=one) for one in (room, "conv-x")
        )
        assert real.data == made_up.data
        refused("ConversationNotFound", each.send, "x", conversationId=room)
        refused(
            "ConversationNotFound",
            each.person.mutation,
            "rooms:addParticipant",
            conversationId=room,
            participantType="user",
            participantId="bob",
        )
    owner = Socket(gateway.person("alice"), "alice1")
    assert owner.call("gateway:join", conversationId=room)["conversationId"] == room
    gateway.person("alice").mutation("rooms:addParticipant", conversationId=room, participantType="user", participantId="bob")
    gateway.person("alice").mutation("rooms:addParticipant", conversationId=room, participantType="user", participantId="bob")
    assert strangers[0].call("gateway:join", conversationId=room)
    assert [each["id"] for each in bob.query("rooms:participants", conversationId=room)] == ["bot", "alice", "bob"]
    refused(
        "Forbidden", bob.mutation, "rooms:removeParticipant", conversationId=room, participantType="user", participantId="alice"
    )


def test_who_is_taken_out_hears_that_and_no_more(gateway: Gateway) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    alice = Socket(gateway.person("alice"), "a1")
    alice.call("gateway:join", conversationId=room_of(bot))
    alice.heard()
    bot.call("rooms:send", content="one")
    bot.person.mutation("rooms:removeParticipant", conversationId=room_of(bot), participantType="user", participantId="alice")
    bot.send("two")
    assert [each["event"] for each in alice.heard()] == ["conversation:left"]
    assert alice.heard() == []


@pytest.mark.parametrize("role", ["assistant", "system", "tool"])
def test_a_user_cannot_speak_as_somebody_else(gateway: Gateway, role: str) -> None:
    """002-U15; review section 2, correction 6."""
    bot = Socket(gateway.agent("bot"), "s1")
    alice = Socket(gateway.person("alice"), "a1")
    alice.call("gateway:join", conversationId=room_of(bot))
    refused("RoleNotAllowed", alice.send, "x", role=role)
    if role == "system":
        refused("RoleNotAllowed", bot.send, "x", role=role)
    assert bot.send("x", role="assistant")["message"]["role"] == "assistant"
    assert alice.send("x")["message"]["role"] == "user"


def test_another_ones_socket_is_nobodys(gateway: Gateway) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    alice = gateway.person("alice")
    refused("NoConversation", alice.mutation, "rooms:send", content="x", socket="s1")
    refused("SocketNotFound", alice.mutation, "gateway:join", conversationId=room_of(bot), socket="s1")
    assert alice.query("feeds:feed", socket="s1")["events"] == []


def test_a_user_whose_name_looks_like_an_agents_is_refused(gateway: Gateway) -> None:
    gateway.agent("bot")
    refused("Unauthorized", gateway.person("agent:bot").query, "rooms:list")


# Messages ----------------------------------------------------------------------------------------------------------------


def test_user_and_agent_see_each_others_messages_and_not_their_own(gateway: Gateway) -> None:
    """002-23, 24, 29; the document's own example answers every `message:new`, so a sender must not get its own."""
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
    """002-U07."""
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
    """002-U08."""
    bot = Socket(gateway.agent("bot"), "s1")
    told = refused("InvalidAttachments", bot.send, "x", attachments=["https://example.com/fine", wrong])
    assert told.data["invalidAttachments"] == [wrong]


def test_without_a_conversation_the_sender_is_told_what_to_do(gateway: Gateway) -> None:
    """002-U05."""
    alice = Socket(gateway.person("alice"), "a1")
    assert "No conversation found. Please join a conversation first." in str(refused("NoConversation", alice.send, "x"))


def test_counters_are_exact_under_a_hundred_simultaneous_messages(gateway: Gateway) -> None:
    """002-U09 and the eighth defect of 002-U15."""
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
    """002-U10."""
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
    """002-U09."""
    bot = Socket(gateway.agent("bot"), "s1")
    for number in range(9):
        bot.send(f"m{number}")
    assert gateway.work() == 0
    bot.send("the tenth")
    gateway.work()
    assert bot.person.query("rooms:get", conversationId=room_of(bot))["summary"]


# Presence, typing, receipts -----------------------------------------------------------------------------------------------


def test_an_agent_finds_its_conversation_in_its_own_presence(gateway: Gateway) -> None:
    """002-25."""
    bot = Socket(gateway.agent("bot"), "s1")
    (told,) = bot.heard("presence:update")
    assert (told["data"]["type"], told["data"]["agentId"], told["data"]["status"]) == ("agent", "bot", "online")
    assert told["data"]["conversationId"] == room_of(bot)


def test_closing_one_of_two_tabs_leaves_its_user_online(gateway: Gateway) -> None:
    """002-U06, and the sixth defect of 002-U15."""
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
    """002-U06: leased, renewed by the sweep from what the mailbox says."""
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
    """002-U04, U12: one client event, two server events; a sender does not get its own."""
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
    """002-U03, and the fifth defect of 002-U15."""
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


# Coming back --------------------------------------------------------------------------------------------------------------


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


def test_an_agent_is_told_the_last_messages_in_one_event_if_its_owner_says_so(gateway: Gateway) -> None:
    """002-37."""
    bot = Socket(gateway.agent("bot", history=2), "s1")
    for number in range(4):
        bot.send(f"m{number}")
    (told,) = Socket(bot.person, "s2").heard("conversation:history")
    assert [each["content"] for each in told["data"]["messages"]] == ["m2", "m3"]


# The future list ----------------------------------------------------------------------------------------------------------


def test_an_agent_with_several_conversations_joins_them_all(gateway: Gateway) -> None:
    """002-35."""
    one = Socket(gateway.agent("single"), "s0")
    refused("Forbidden", one.person.mutation, "rooms:create", title="Another")
    bot = Socket(gateway.agent("bot", multiConversation=True), "s1")
    second = bot.person.mutation("rooms:create", title="Second")
    assert Socket(bot.person, "s2").ready["rooms"] == [room_of(bot), second["_id"]]


def test_a_quiet_conversation_is_archived_after_the_days_its_owner_said(gateway: Gateway) -> None:
    """002-36."""
    bot = Socket(gateway.agent("bot", archiveDays=2), "s1")
    gateway.clock.ahead += DAY_MS
    bot.send("not quiet yet")
    gateway.clock.ahead += DAY_MS + 1000
    gateway.sweep()
    gateway.work()
    state = lambda: bot.person.query("rooms:get", conversationId=room_of(bot))["status"]  # noqa: E731
    assert state() == "active"
    gateway.clock.ahead += 2 * DAY_MS
    gateway.sweep()
    gateway.work()
    assert state() == "archived"


def test_a_user_is_brought_to_the_least_busy_agent_that_is_connected(gateway: Gateway) -> None:
    """002-38."""
    rooms = {name: Socket(gateway.agent(name, audience="org"), f"socket-{name}") for name in ("one", "two")}
    Socket(gateway.agent("private"), "p1")
    gateway.agent("away", audience="org")
    found = [gateway.person(name).mutation("rooms:route")["agentId"] for name in ("u1", "u2", "u3", "u4")]
    assert sorted(found) == ["one", "one", "two", "two"]
    for each in rooms.values():
        each.ended()
    refused("AgentNotFound", gateway.person("u5").mutation, "rooms:route")


def test_an_agent_names_its_conversation(gateway: Gateway) -> None:
    """002-39: at once, or by its owner's setting."""
    bot = Socket(gateway.agent("bot", roomTitle="Help desk"), "s1")
    assert bot.person.query("rooms:get", conversationId=room_of(bot))["title"] == "Help desk"
    bot.person.mutation("rooms:update", conversationId=room_of(bot), title="Night desk")
    assert bot.person.query("rooms:get", conversationId=room_of(bot))["title"] == "Night desk"


# Credentials --------------------------------------------------------------------------------------------------------------


def test_a_suspended_agent_is_refused_and_its_sockets_end(gateway: Gateway) -> None:
    """002-U11."""
    alice = gateway.person("alice")
    bot = Socket(gateway.agent("bot"), "s1")
    alice.mutation("agents:suspend", agentId="bot")
    assert bot.person.query("feeds:feed", socket="s1")["close"] == "The agent is suspended."
    refused("AgentSuspended", bot.send, "x")
    refused("AgentSuspended", gateway.act, alice, "agents:connect", agentId="bot")
    alice.mutation("agents:activate", agentId="bot")
    assert bot.send("x")["message"]["content"] == "x"


def test_a_secret_connects_without_another_token_until_it_is_renewed(gateway: Gateway) -> None:
    """002-U11: shown once, stored nowhere."""
    alice, nobody = gateway.person("alice"), gateway.anybody()
    secret = gateway.act(alice, "agents:create", agentId="bot")["secret"]
    token = gateway.act(nobody, "agents:connect", agentId="bot", secret=secret)
    assert (token["expiresIn"], token["tokenType"]) == (86400, "Bearer")
    bot = Person(gateway, gateway.own.verify(token["accessToken"]))
    assert (bot.user.org, bot.query("agents:get", agentId="bot")["owner"]) == ("acme", "alice")  # type: ignore[union-attr]
    renewed = gateway.act(alice, "agents:regenerate", agentId="bot")["secret"]
    refused("BadCredentials", gateway.act, nobody, "agents:connect", agentId="bot", secret=secret)
    refused("Unauthorized", bot.query, "rooms:list")
    assert gateway.act(nobody, "agents:connect", agentId="bot", secret=renewed)
    refused("BadCredentials", gateway.act, nobody, "agents:connect", agentId="other", secret=renewed)
    for wrong in ("nonsense", token["accessToken"], ""):
        refused("InvalidToken", gateway.act, nobody, "agents:connect", agentId="bot", secret=wrong)


def test_a_secret_is_no_identity_on_any_other_door(gateway: Gateway) -> None:
    secret = gateway.act(gateway.person("alice"), "agents:create", agentId="bot")["secret"]
    with pytest.raises(Exception, match="aud"):
        gateway.own.verify(secret)


def test_disconnecting_an_agent_ends_its_tokens_and_keeps_its_secret(gateway: Gateway) -> None:
    alice = gateway.person("alice")
    bot = Socket(gateway.agent("bot"), "s1")
    alice.mutation("agents:disconnect", agentId="bot")
    assert "connect again" in bot.person.query("feeds:feed", socket="s1")["close"]
    assert Socket(gateway.connected("bot", alice), "s2").ready["conversationId"] == room_of(bot)


def test_only_its_owner_and_itself_reach_an_agent(gateway: Gateway) -> None:
    bot = gateway.agent("bot")
    assert bot.mutation("agents:heartbeat", agentId="bot", status="busy", metrics={"load": 0.5})
    assert gateway.person("alice").query("agents:get", agentId="bot")["health"] == "busy"
    for stranger in (gateway.person("bob"), gateway.person("alice", "other"), gateway.agent("spy", "bob")):
        assert stranger.query("agents:get", agentId="bot") is None
        for path in ("heartbeat", "disconnect", "suspend", "activate"):
            refused("AgentNotFound", stranger.mutation, f"agents:{path}", agentId="bot")
        refused("AgentNotFound", gateway.act, stranger, "agents:connect", agentId="bot")
        refused("AgentNotFound", gateway.act, stranger, "agents:regenerate", agentId="bot")
    refused("AgentNotFound", bot.mutation, "agents:suspend", agentId="bot")
    refused("AgentExists", gateway.act, gateway.person("bob"), "agents:create", agentId="bot")
