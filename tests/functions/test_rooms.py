"""Rooms: found or made, who may come in, and the future list."""

from __future__ import annotations

import threading

import pytest

from chalicelib.domain.rooms.sending import AGENT_TURNS
from infra.local.model.server import ScriptedModel
from tests.functions.rooms import Gateway, Socket, refused, room_of


@pytest.fixture
def gateway(model: ScriptedModel) -> Gateway:
    return Gateway(model)


DAY_MS = 24 * 3600 * 1000


# Find or create --------------------------------------------------------------------------------------------------------


def test_the_first_connection_makes_a_conversation_as_the_document_says(gateway: Gateway) -> None:
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
    """A condition in the commit, never find-then-insert."""
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


# Who may do what -------------------------------------------------------------------------------------------------------


def test_only_members_the_owner_and_invited_people_join(gateway: Gateway) -> None:
    """`conversation:join` checks membership and org."""
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


def test_an_agents_owner_reaches_its_room_without_joining_by_every_function(gateway: Gateway) -> None:
    bot = Socket(gateway.agent("bot"), "s1")
    bot.call("rooms:send", content="first")
    room, alice, bob = room_of(bot), gateway.person("alice"), gateway.person("bob")
    asked = {"conversationId": room}
    assert [each["conversationId"] for each in alice.query("rooms:list", agentId="bot")["data"]] == [room]
    assert alice.query("rooms:get", **asked)["title"] == "Agent bot - Auto Conversation"
    assert [each["content"] for each in alice.query("history:messages", **asked)["data"]] == ["first"]
    assert [each["id"] for each in alice.query("rooms:participants", **asked)] == ["bot"]
    assert alice.mutation("rooms:update", **asked, title="Renamed")["title"] == "Renamed"
    assert alice.mutation("rooms:send", **asked, content="hello")["message"]["role"] == "user"
    assert [each["id"] for each in alice.query("rooms:participants", **asked)] == ["bot", "alice"], "who speaks takes part"
    assert alice.mutation("rooms:close", **asked)["status"] == "closed"
    assert alice.mutation("rooms:archive", **asked)["status"] == "archived"
    assert bob.query("rooms:get", **asked) is None
    refused("ConversationNotFound", bob.mutation, "rooms:close", **asked)
    assert alice.mutation("conversations:delete", **asked)["deleted"]
    assert alice.query("rooms:get", **asked) is None


def test_an_agents_owner_does_not_reach_what_others_opened_with_it(gateway: Gateway) -> None:
    gateway.agent("bot", audience="org", multiConversation=True)
    alice, bob = gateway.person("alice"), gateway.person("bob")
    private = bob.mutation("rooms:create", agentId="bot", title="Bob's own")["conversationId"]
    assert alice.query("rooms:get", conversationId=private) is None
    refused("ConversationNotFound", alice.mutation, "rooms:close", conversationId=private)


def test_an_agent_has_one_active_conversation_whoever_opens_it_first(gateway: Gateway) -> None:
    bot = gateway.agent("bot", audience="org")
    alice, bob = gateway.person("alice"), gateway.person("bob")
    first = alice.mutation("rooms:create", agentId="bot", title="Ours")
    assert (first["title"], [each["id"] for each in first["participants"]]) == ("Ours", ["bot", "alice"])
    second = bob.mutation("rooms:create", agentId="bot", title="Mine")
    assert (second["conversationId"], second["title"]) == (first["conversationId"], "Ours")
    assert room_of(Socket(bot, "s1")) == first["conversationId"]
    assert len(alice.query("rooms:list", agentId="bot", status="active")["data"]) == 1


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


# The future list -------------------------------------------------------------------------------------------------------


def test_an_agent_with_several_conversations_joins_them_all(gateway: Gateway) -> None:
    one = Socket(gateway.agent("single"), "s0")
    refused("Forbidden", one.person.mutation, "rooms:create", title="Another")
    bot = Socket(gateway.agent("bot", multiConversation=True), "s1")
    second = bot.person.mutation("rooms:create", title="Second")
    assert Socket(bot.person, "s2").ready["rooms"] == [room_of(bot), second["_id"]]


def test_a_quiet_conversation_is_archived_after_the_days_its_owner_said(gateway: Gateway) -> None:
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
    rooms = {name: Socket(gateway.agent(name, audience="org"), f"socket-{name}") for name in ("one", "two")}
    Socket(gateway.agent("private"), "p1")
    gateway.agent("away", audience="org")
    found = [gateway.person(name).mutation("rooms:route")["agentId"] for name in ("u1", "u2", "u3", "u4")]
    assert sorted(found) == ["one", "one", "two", "two"]
    for each in rooms.values():
        each.ended()
    refused("AgentNotFound", gateway.person("u5").mutation, "rooms:route")


def test_an_agent_names_its_conversation(gateway: Gateway) -> None:
    """At once, or by its owner's setting."""
    bot = Socket(gateway.agent("bot", roomTitle="Help desk"), "s1")
    assert bot.person.query("rooms:get", conversationId=room_of(bot))["title"] == "Help desk"
    bot.person.mutation("rooms:update", conversationId=room_of(bot), title="Night desk")
    assert bot.person.query("rooms:get", conversationId=room_of(bot))["title"] == "Night desk"


def test_a_deleted_conversation_takes_receipts_and_presences_with_it(gateway: Gateway) -> None:
    """Deletion takes what the gateway hangs on a conversation with it; its agent gets a new one."""
    bot, alice = Socket(gateway.agent("bot"), "s1"), Socket(gateway.person("alice"), "a1")
    alice.call("gateway:join", conversationId=room_of(bot))
    bot.send("one")
    alice.send("two")
    alice.heard()
    told = alice.person.mutation("conversations:delete", conversationId=room_of(bot))
    gateway.work()
    assert [each["event"] for each in alice.heard()] == ["conversation:left"]
    erased = alice.person.query("conversations:getErasure", receiptId=told["receiptId"])
    assert erased["state"] == "completed"
    assert (erased["erased"]["receipts"], erased["erased"]["presences"], erased["erased"]["chatMessages"]) == (2, 2, 2)
    assert room_of(Socket(bot.person, "s2")) != room_of(bot)


def test_two_agents_that_answer_each_other_stop_at_the_turn_limit_until_a_person_speaks(gateway: Gateway) -> None:
    """Check 34: an endless bill. One agent may say as much as it likes."""
    one = gateway.agent("one")
    room = room_of(Socket(one, "s1"))
    two, alice = gateway.agent("two"), gateway.person("alice")
    Socket(alice, "s2").call("gateway:join", conversationId=room)
    alice.mutation("rooms:addParticipant", conversationId=room, participantType="agent", participantId="two")
    alice.mutation("rooms:send", conversationId=room, content="go")
    for number in range(AGENT_TURNS):
        (one, two)[number % 2].mutation("rooms:send", conversationId=room, content=f"{number}")
    refused("TurnLimit", one.mutation, "rooms:send", conversationId=room, content="and on")
    two.mutation("rooms:send", conversationId=room, content="it was my turn, and I go on")
    alice.mutation("rooms:send", conversationId=room, content="well?")
    one.mutation("rooms:send", conversationId=room, content="again")
