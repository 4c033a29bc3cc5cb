"""The chat door: frames in, acknowledgements and events out, in both dialects; what is lost is found, strangers learn nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.backend import Backend
from chalicelib.doors import row_lines, sockets
from chalicelib.doors.all_events import EVENTS
from chalicelib.doors.event_words import Events
from chalicelib.live import queries, rows
from chalicelib.live.session import State
from infra.local.model.server import ScriptedModel
from tests.data.mutants import swapped
from tests.functions import strangers
from tests.functions.frames import Chat, Line
from tests.live.call_mutants import ReadsTheOlderArguments
from tests.support.client import Broken


@pytest.fixture
def chat(model: ScriptedModel) -> Chat:
    return Chat(model)


def agent_token(chat: Chat, name: str = "bot", **settings: Any) -> str:
    """A registered agent's token."""
    alice = chat.person("alice")
    chat.act(alice, "agents:create", id=name, settings=settings)
    return str(chat.act(alice, "agents:connect", agentId=name)["accessToken"])


@pytest.mark.parametrize("packets", [False, True])
def test_an_agents_socket_is_told_its_conversation_first(chat: Chat, packets: bool) -> None:
    """A client cannot read the server's `socket.data`, so it is said in events."""
    bot = Line(chat, agent_token(chat), packets=packets)
    (ready,) = bot.heard("connection:ready")
    (here,) = bot.heard("presence:update")
    assert (ready["type"], ready["agentId"], here["status"]) == ("agent", "bot", "online")
    assert ready["conversationId"] == here["conversationId"]
    if packets:
        assert [text[:2] for text in bot.posted] == ["0{", "40", "42", "42"]
    assert bot.ask("message:send", {"content": "I am ready to help!"})["message"]["conversationId"] == ready["conversationId"]


@pytest.mark.parametrize("packets", [False, True])
def test_an_acknowledgement_comes_before_what_it_caused_and_once(chat: Chat, packets: bool) -> None:
    bot, alice = Line(chat, agent_token(chat), packets=packets), Line(chat, "alice@acme", packets=packets)
    room = {"conversationId": bot.heard("connection:ready")[0]["conversationId"]}
    alice.ask("conversation:join", room)
    chat.tell()
    told = len(alice.posted)
    assert bot.ask("message:send", {"content": "hello"})["success"]
    chat.tell()
    chat.tell()
    assert len(alice.posted) == told + 1
    assert [each["content"] for each in alice.heard("message:new")] == ["hello"]
    assert bot.heard("message:new") == []
    assert [each["content"] for each in bot.heard("message:sent")] == ["hello"]


def test_a_frame_whose_invocation_died_is_run_by_the_ticker_once(chat: Chat) -> None:
    """Nothing accepted is lost: the frame is stored before anything else happens."""
    bot = Line(chat, agent_token(chat))
    body = {"type": "Mutation", "requestId": 7, "udfPath": "rooms:send", "args": [{"content": "late", "socket": bot.name}]}
    note = json.dumps({"event": "message:send", "ack": "a"})
    assert row_lines.store(chat.backend, bot.name, rows.MUTATION, 7, json.dumps(body), note)
    for _ in range(2):
        chat.clock.ahead += 120_000
        chat.sweep()
    acks = [json.loads(text) for text in bot.posted if '"ack"' in text]
    assert [each["data"]["message"]["content"] for each in acks] == ["late"]


def test_a_page_of_missed_messages_is_followed_by_the_next_at_once(chat: Chat) -> None:
    bot = Line(chat, agent_token(chat))
    place = {"after": 0, "open": []}
    for number in range(55):
        bot.ask("message:send", {"content": f"m{number}"})
    (room,) = chat.person("alice").query("rooms:list", agentId="bot")["data"]
    alice = chat.person("alice")
    alice.mutation("rooms:addParticipant", conversationId=room["_id"], participantType="user", participantId="alice")
    inner = next(iter(chat.person("alice").query("feeds:feed", socket="x")["next"]["seen"]), None)
    assert (inner, place["after"]) == (None, 0)
    internal = next(row["_id"] for row in _rows(chat, "conversations") if row["conversationId"] == room["_id"])
    back = Line(chat, "alice@acme", offset=f"{internal}:0")
    assert [each["content"] for each in back.heard("message:new")] == [f"m{number}" for number in range(55)]


def _rows(chat: Chat, table: str) -> list[dict[str, Any]]:
    from infra.local.sqlite.values import decode

    with chat.sqlite._guard():
        found = chat.sqlite._db.execute(f'SELECT item FROM "items.{table}"').fetchall()
    return [decode(row[0]) for row in found]


def what_a_room_costs_a_listener(model: ScriptedModel) -> None:
    """Where a feed goes on from is kept in the mailbox, where the release writes it."""
    chat = Chat(model)
    bot, alice = Line(chat, agent_token(chat)), Line(chat, "alice@acme")
    room = {"conversationId": bot.heard("connection:ready")[0]["conversationId"]}
    alice.ask("conversation:join", room)
    chat.tell()
    for number in range(3):
        assert bot.ask("message:send", {"content": f"hello {number}"})["success"]
        chat.store.reset()
        chat.tell()
        written = {table: units for table, units in chat.store.wcu.items() if units}
        if [each["content"] for each in alice.heard("message:new")] != [f"hello {each}" for each in range(number + 1)]:
            raise Broken("a message was not told once")
        assert written == {"mailboxes": 2}, written


def test_a_listener_costs_two_small_writes_and_hears_every_message_once(model: ScriptedModel) -> None:
    what_a_room_costs_a_listener(model)
    with swapped((Backend, "turn_type", ReadsTheOlderArguments)), pytest.raises(Broken):
        what_a_room_costs_a_listener(model)


def test_long_arguments_are_packed(model: ScriptedModel) -> None:
    with swapped((rows, "PLAIN_CHARS", 0)):
        what_a_room_costs_a_listener(model)


def test_arguments_that_are_too_long_for_a_mailbox_go_into_their_row(model: ScriptedModel) -> None:
    with swapped((queries, "WARM_BYTES", 0)):
        test_an_acknowledgement_comes_before_what_it_caused_and_once(Chat(model), False)


def test_an_ended_connection_leaves_nothing(chat: Chat) -> None:
    bot = Line(chat, agent_token(chat))
    bot.leave()
    for table in ("chatSockets", "presences", "mailboxes", "subscriptions", "inbox", "watches"):
        assert _rows(chat, table) == [], table


def test_a_suspended_agents_sockets_are_told_and_closed(chat: Chat) -> None:
    """Its document is in the feed's read set."""
    bot = Line(chat, agent_token(chat))
    chat.person("alice").mutation("agents:suspend", agentId="bot")
    chat.tell()
    assert bot.heard("error")[-1]["error"] == "The agent is suspended."
    assert bot.closed


def test_a_socket_whose_token_is_over_is_told_and_closed(chat: Chat) -> None:
    token = agent_token(chat)
    bot = Line(chat, token, packets=True)
    chat.clock.ahead += 25 * 3600 * 1000
    chat.sweep()
    assert bot.closed
    assert bot.posted[-1].startswith("44/chat,")


def test_a_socketio_client_is_pinged_however_busy_it_is(chat: Chat) -> None:
    """Engine.IO clients give up without a ping, whatever else they hear."""
    bot = Line(chat, agent_token(chat), packets=True)
    for _ in range(4):
        chat.clock.ahead += 30_000
        bot.ask("message:send", {"content": "busy"})
        chat.sweep()
    assert bot.posted.count("2") >= 2
    bot.send("3")
    assert not bot.closed


def test_who_never_signs_in_is_closed(chat: Chat) -> None:
    idle = Line.__new__(Line)
    chat.lines.posted["idle"] = []
    idle.chat, idle.packets, idle.name = chat, True, "idle"
    assert sockets.connect(chat.backend, "idle", "/socket.io/", {}, {"EIO": "4", "transport": "websocket"}) == 200
    sockets.welcome(chat.backend, "idle")
    assert idle.posted[0].startswith("0{")
    chat.clock.ahead += 60_000
    chat.sweep()
    assert idle.closed


def test_a_token_of_the_handshake_does_not_stand_in_the_row_any_longer_than_it_is_needed(chat: Chat) -> None:
    token = agent_token(chat)
    chat.lines.posted["bot"] = []
    query = {"EIO": "4", "transport": "websocket", "token": token}
    assert sockets.connect(chat.backend, "bot", "/socket.io/", {}, query) == 200
    sockets.welcome(chat.backend, "bot")
    sockets.message(chat.backend, "bot", "40/chat,", chat.clock.now_ms())
    assert any(text.startswith("40/chat,") for text in chat.lines.posted["bot"])
    assert token not in json.dumps(chat.backend.mailboxes.read("bot"), default=str)
    assert token not in json.dumps(list(chat.store.query("inbox", "bot").items), default=str)


def test_an_event_before_the_sign_in_closes_the_connection(chat: Chat) -> None:
    chat.lines.posted["early"] = []
    sockets.connect(chat.backend, "early", "/chat", {}, {"EIO": "4", "transport": "websocket"})
    sockets.message(chat.backend, "early", '42/chat,["message:send",{"content":"x"}]', 0)
    assert "early" in chat.lines.closed


def test_every_event_calls_a_public_function(chat: Chat) -> None:
    for name, row in EVENTS.items():
        function = chat.backend.registry.get(row.function)
        assert function.public, name
        assert function.kind == ("query" if row.query else "mutation"), name
        assert not row.socket or "socket" in function.args.__struct_encode_fields__, name


QUIET = {"agent_get_request", "agent_list_request", "image_list_request", "image_stop_request"} | {
    "unsubscribe-session",
    "unsubscribe-task",
    "abort-session",
    "check-session-status",
}
"""Requests whose answer to strangers is not a refusal: nothing runs, there is nothing, nothing was heard of."""


@pytest.mark.parametrize("packets", [False, True])
@pytest.mark.parametrize("event", EVENTS)
def test_strangers_learn_nothing_by_any_event(chat: Chat, event: str, packets: bool) -> None:
    """Invariant 9: byte for byte what a random id gets; generated from the rows and the functions' signatures."""
    bot = Line(chat, agent_token(chat))
    real_room = bot.heard("connection:ready")[0]["conversationId"]
    real_message = bot.ask("message:send", {"content": "a secret"})["message"]["messageId"]
    alice = chat.person("alice")
    own = alice.mutation("images:create", config={"name": "a secret"})["record"]
    domain = alice.mutation("domains:create", name="a secret")["domainId"]
    real = {"conversationId": real_room, "messageId": real_message, "parentId": real_message}
    real |= {"imageId": own["imageId"], "sessionId": own["sessionId"], "domainId": domain, "containerId": f"domain_{domain}"}
    function = chat.backend.registry.get(EVENTS[event].function)
    names = [name for name in strangers.naming(function) if name in real]
    plain = {name: part for name, part in strangers.made_up(function).items() if name not in {*names, "socket"}}
    for token in ("bob@acme", "alice@other"):
        told = []
        for number, found in enumerate((real, {name: f"{strangers.NAMES[name]}{'q' * 20}" for name in names})):
            line = Line(chat, token, packets=packets, name=f"line-{token}-{number}")
            before = len(line.posted)
            ack = line.ask(event, {**plain, **{name: found[name] for name in names}})
            chat.tell()
            said = "\n".join(line.posted[before:]).replace(line.name, "line")
            told.append(strangers.MADE_NOW.sub("*", said))
            assert ack["success"] is False or not names or event in QUIET
            assert "secret" not in said
            line.leave()
        assert told[0] == told[1], f"{token} by {event}"
    assert bot.heard("presence:update")[1:] == []
    assert len(chat.person("alice").query("rooms:list", agentId="bot")["data"]) == 1


def test_a_feed_that_says_nothing_moves_no_cursor_and_posts_nothing() -> None:
    state = State(opened=1, settled=True, first=True)
    quiet = json.dumps({"query": 0, "value": {"events": [], "next": {"socket": "s"}, "more": False}})
    told = Events().compose(state.version, state, [], [quiet], 5_000_000)
    assert (told.posts, told.moved, told.again, told.close) == ([], {0: '[{"socket": "s"}]'}, frozenset(), "")
