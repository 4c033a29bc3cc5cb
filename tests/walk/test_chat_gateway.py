"""The chat gateway over real doors: the official Socket.IO client, JSON frames, REST and the Convex clients, on both stores."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.chat import Frames, socketio
from tests.walk.conftest import Backend

STORES = ["shared", "shared_dynamodb"]


@pytest.fixture(scope="module", params=STORES)
def server(request: pytest.FixtureRequest, live: str) -> Backend:
    """One server for the file: on SQLite, then on the DynamoDB engine; sockets in memory, then in rows."""
    found: Backend = request.getfixturevalue(request.param)
    return found


def rest(server: Backend, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
    """A call of the REST door; its JSON."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def agent(server: Backend, name: str, owner: str = "alice") -> str:
    """A registered agent's token."""
    token = server.token(owner)
    rest(server, "POST", "/agents", {"id": name}, token)
    return str(rest(server, "POST", f"/agents/{name}/connect", {}, token)["accessToken"])


@pytest.mark.parametrize("scenario", ["flows", "steps", "echo", "recovers", "cutEarly", "suspended"])
def test_the_official_socketio_client_passes(server: Backend, scenario: str, request: pytest.FixtureRequest) -> None:
    """A manual script and two programs, as documents have them; what each scenario claims stands in tests/clients-chat."""
    name = f"{scenario}-{'sqlite' if 'shared]' in request.node.name else 'dynamodb'}"
    socketio(server.url, scenario, agent=name.replace("[", "")).found(90)


@pytest.mark.parametrize("scenario", ["flows", "steps", "recovers"])
def test_the_official_client_passes_with_its_default_transports(server: Backend, scenario: str, request: Any) -> None:
    """It begins with polls and goes on over WebSocket."""
    name = f"polls-{scenario}-{'sqlite' if 'shared]' in request.node.name else 'dynamodb'}"
    socketio(server.url, scenario, agent=name.replace("[", ""), defaults=True).found(90)


def test_a_program_that_names_no_transport_connects_without_an_error(server: Backend) -> None:
    found = socketio(server.url, "program").found()
    assert found == {"errors": [], "user": "alice", "joined": False, "transport": "websocket"}


def test_twenty_programs_that_name_no_transport_connect_at_once(shared: Backend) -> None:
    assert socketio(shared.url, "programs", defaults=True).found() == ["websocket"]


def test_the_same_tokens_count_and_are_refused_with_default_transports(shared: Backend) -> None:
    assert socketio(shared.url, "tokens", defaults=True).found(90) == ["alice"] * 3 + ["refused"] * 3 + ["A token is needed."]


def test_three_ways_to_bring_a_token_and_three_bad_ones(shared: Backend) -> None:
    assert socketio(shared.url, "tokens").found() == ["alice"] * 3 + ["refused"] * 3 + ["A token is needed."]


def test_a_burst_arrives_whole_and_in_order(shared: Backend) -> None:
    assert socketio(shared.url, "burst", agent="burster").found() == list(range(30))


def test_fifty_simultaneous_sockets_of_an_agent_share_one_conversation(server: Backend) -> None:
    """Over real sockets."""
    token = agent(server, "crowd")

    def connect(_: int) -> tuple[Frames, str]:
        socket = Frames(server.url, token)
        return socket, socket.wait("connection:ready", seconds=60)["conversationId"]

    with ThreadPoolExecutor(25) as pool:
        opened = list(pool.map(connect, range(50)))
    for socket, _ in opened:
        socket.close()
    assert len({room for _, room in opened}) == 1
    listed = rest(server, "GET", "/conversations?filter[agentId]=crowd&filter[status]=active", token=server.token("alice"))
    assert len(listed["data"]) == 1


def test_json_frames_say_the_same(server: Backend) -> None:
    """`{event, data, id?}` in, `{event, data}` and `{event: "ack", id, data}` out."""
    bot, alice = Frames(server.url, agent(server, "framed")), Frames(server.url, server.token("alice"))
    room = {"conversationId": bot.wait("connection:ready")["conversationId"]}
    alice.wait("connection:ready")
    assert alice.ask("conversation:join", room)["success"]
    sent = alice.ask("message:send", {**room, "content": "hello"})
    assert (sent["success"], sent["message"]["content"]) == (True, "hello")
    assert bot.wait("message:new")["content"] == "hello"
    bot.say("message:send", {"content": "Hello! How can I help you?", "role": "assistant"})
    assert bot.wait("message:sent")["role"] == "assistant"
    assert alice.wait("message:new")["content"].startswith("Hello!")
    refused = alice.ask("message:send", {"conversationId": "conv-nothing", "content": "x"})
    assert (refused["success"], refused["code"]) == (False, "ConversationNotFound")
    assert alice.ask("message:send", {"content": 5})["code"] == "ArgumentValidationError"
    assert alice.ask("nonsense", {})["code"] == "BadEvent"
    assert alice.ask("message:send", "text")["code"] == "BadEvent"
    assert alice.ask("conversation:online", room)["onlineUsers"] == ["alice"]
    bot.close()
    assert alice.wait("presence:update", lambda data: data["status"] == "offline")["agentId"] == "framed"
    alice.close()


def test_a_message_of_any_door_is_told_on_every_other(server: Backend) -> None:
    """A Convex client's `sendMessage` is `message:new`; a socket's `message:send` is in the session's messages; so is REST's."""
    token = server.token("alice")
    session = rest(server, "POST", "/sessions", {}, token)["data"]
    room = rest(server, "GET", "/conversations/my-conversations?limit=1", token=token)["data"][0]["_id"]
    tab = Frames(server.url, token, conversationId=room)
    assert tab.wait("connection:ready")["conversationId"] == room
    rest(server, "POST", "/api/mutation", _call("chat:sendMessage", sessionId=session, content="/say from convex"), token)
    assert tab.wait("message:new", lambda data: data["role"] == "user")["content"] == "/say from convex"
    assert tab.wait("message:new", lambda data: data["role"] == "assistant")["content"] == "from convex"
    assert tab.ask("message:send", {"content": "/say from a socket"})["success"]
    assert tab.wait("message:new", lambda data: data["content"] == "from a socket")
    rest(server, "POST", f"/conversations/{room}/messages", {"content": "/say from rest"}, token)
    assert tab.wait("message:new", lambda data: data["content"] == "/say from rest")
    assert tab.wait("message:new", lambda data: data["content"] == "from rest")
    told = rest(server, "POST", "/api/query", _call("chat:getMessages", sessionId=session), token)["value"]
    assert [each["content"] for each in told][:4] == ["/say from convex", "from convex", "/say from a socket", "from a socket"]
    tab.close()


def _call(path: str, **args: Any) -> dict[str, Any]:
    return {"path": path, "args": args}


def test_frames_without_a_good_token_are_refused_in_the_handshake(shared: Backend) -> None:
    for token in (None, "nonsense"):
        with pytest.raises(InvalidStatus) as refused:
            Frames(shared.url, token)
        assert refused.value.response.status_code == 401


@pytest.mark.parametrize("frame", ["{", '{"event":5}', "42[]", '{"data":{}}'])
def test_a_frame_that_no_client_sends_is_answered_and_the_connection_stays(shared: Backend, frame: str) -> None:
    socket = Frames(shared.url, shared.token("alice"))
    socket.wait("connection:ready")
    socket.socket.send(frame)
    assert socket.wait("error")["code"] == "BadFrame"
    assert socket.ask("conversation:join", {"conversationId": "nowhere"})["success"] is False


def test_a_client_that_names_its_offset_gets_what_it_missed(shared: Backend) -> None:
    bot, token = Frames(shared.url, agent(shared, "patient")), shared.token("alice")
    room = bot.wait("connection:ready")["conversationId"]
    alice = Frames(shared.url, token)
    alice.wait("connection:ready")
    alice.ask("conversation:join", {"conversationId": room})
    bot.ask("message:send", {"content": "one"})
    alice.wait("message:new")
    offset = next(each["offset"] for each in alice.heard if each["event"] == "message:new")
    alice.close()
    for number in range(3):
        bot.ask("message:send", {"content": f"missed {number}"})
    back = Frames(shared.url, token, offset=offset)
    assert back.wait("connection:ready")["recovered"]
    assert [
        back.wait("message:new", lambda data, n=number: data["content"] == f"missed {n}")["sequence"] for number in range(3)
    ] == [2, 3, 4]
    bot.close()
    back.close()


def test_what_was_told_survives_kill_9_of_the_server(own: Backend) -> None:
    """The rooms, members and messages are data; a client comes back and goes on."""
    token = agent(own, "survivor")
    bot = Frames(own.url, token)
    room = bot.wait("connection:ready")["conversationId"]
    assert bot.ask("message:send", {"content": "before"})["success"]
    own.kill()
    own.start()
    again = Frames(own.url, token)
    assert again.wait("connection:ready")["conversationId"] == room
    assert again.ask("message:send", {"content": "after"})["message"]["sequence"] == 2
    again.close()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("EIO=3&transport=polling", 5),
        ("EIO=4&transport=flashsocket", 0),
        ("EIO=4", 0),
        ("EIO=4&transport=polling&sid=nobody", 1),
        (f"EIO=4&transport=polling&sid={'x' * 32}", 1),
    ],
)
def test_a_poll_that_begins_nothing_is_refused_in_engine_ios_words(shared: Backend, query: str, code: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        rest(shared, "GET", f"/socket.io/?{query}")
    told = json.load(refused.value)
    assert (refused.value.code, told["code"]) == (400, code)
    assert told["message"]


def test_a_healthy_gateway_says_so(shared: Backend) -> None:
    assert rest(shared, "GET", "/chat/health")["status"] == "ok"
