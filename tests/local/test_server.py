"""HTTP and sockets over a real port: what becomes of a request on its way to a handler and back."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from contextlib import ExitStack
from http.client import HTTPMessage
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from infra.local.aws.api_gateway import Walls
from tests.local.conftest import Local


def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any, HTTPMessage]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    line.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = line.getresponse()
    text = answer.read()
    line.close()
    kind = answer.headers.get("content-type", "")
    return answer.status, json.loads(text) if "json" in kind else text.decode(), answer.headers


def test_a_request_becomes_a_rest_proxy_event_and_its_answer_comes_back(local):
    status, event, _ = ask(local.port, "POST", "/api/query?a=1&a=2&b=%20", b'{"x":1}', Convex_Client="npm-1.48.0")
    assert status == 200
    assert event["path"] == "/api/query"
    assert event["httpMethod"] == "POST"
    assert event["body"] == '{"x":1}'
    assert event["isBase64Encoded"] is False
    assert event["queryStringParameters"] == {"a": "2", "b": " "}
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"], "b": [" "]}
    assert event["headers"]["convex-client"] == "npm-1.48.0"
    assert event["requestContext"]["resourcePath"] == "/{proxy+}"


def test_bytes_that_are_no_text_come_as_base64(local):
    _, event, _ = ask(local.port, "POST", "/api/x", b"\xff\xfe")
    assert event["isBase64Encoded"] is True
    assert event["body"] == "//4="


def test_duplicate_slashes_are_one(local):
    assert ask(local.port, "GET", "//api///query")[1]["path"] == "/api/query"


@pytest.mark.parametrize("path", ["/", "/api/query", "/broken", "/_aws/ws/@connections/none"])
def test_no_answer_may_be_framed_by_another_site(local, path):
    headers = ask(local.port, "GET", path)[2]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Strict-Transport-Security" not in headers, "a laptop speaks plain HTTP"


def test_one_connection_serves_many_requests(local):
    line = http.client.HTTPConnection("127.0.0.1", local.port, timeout=5)
    for number in range(3):
        line.request("POST", f"/api/{number}", b"x")
        assert json.loads(line.getresponse().read())["path"] == f"/api/{number}"
    line.close()


def test_a_handler_that_raises_is_a_502_and_a_slow_one_a_504(local, gate):
    assert ask(local.port, "GET", "/broken")[:2] == (502, {"message": "Internal server error"})
    local.walls.integration_s = 0.05
    local.app.app = lambda event, context: gate.wait(5)
    assert ask(local.port, "GET", "/slow")[:2] == (504, {"message": "Endpoint request timed out"})


def test_a_body_beyond_the_wall_is_a_413(local):
    local.walls.body_bytes = 1000
    assert ask(local.port, "POST", "/api/query", b"x" * 1001)[0] == 413


def test_what_is_no_http_is_a_400(local):
    line = http.client.HTTPConnection("127.0.0.1", local.port, timeout=5)
    line.connect()
    line.sock.sendall(b"hello there\r\n\r\n")
    assert line.sock.recv(100).startswith(b"HTTP/1.1 400")
    line.close()


@pytest.mark.parametrize("path", ["/api/sync", "/api/1.48.0/sync", "//api/1.48.0/sync", "/chat"])
def test_sync_paths_open_a_socket_and_connect_learns_the_path(local, path):
    with connect(f"ws://127.0.0.1:{local.port}{path}?x=1", additional_headers={"Convex-Client": "python-0.8.1"}):
        event = local.app.connects.get(timeout=5)
    assert event["queryStringParameters"] == {"x": "1", "path": path.replace("//", "/")}
    assert event["headers"]["convex-client"] == "python-0.8.1"
    assert event["requestContext"]["routeKey"] == "$connect"


@pytest.mark.parametrize("path", ["/", "/api/a/b/sync", "/api/query", "/_aws/ws"])
def test_any_other_path_has_no_socket(local, path):
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{local.port}{path}")
    assert refused.value.response.status_code == 404


def test_connect_may_refuse(local):
    local.app.on_connect = lambda event: 401
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{local.port}/api/sync")
    assert refused.value.response.status_code == 401
    assert local.app.disconnects.empty()


def test_each_message_is_an_invocation_of_its_own_and_they_run_at_the_same_time(local):
    both = threading.Barrier(2, timeout=5)
    local.app.on_message = lambda event: both.wait()  # neither returns before both have begun
    with local.socket() as (client, connection):
        client.send("one")
        client.send("two")
        events = [local.app.messages.get(timeout=5) for _ in range(2)]
    assert {event["body"] for event in events} == {"one", "two"}
    assert {event["requestContext"]["connectionId"] for event in events} == {connection}
    assert not both.broken


def test_fragments_are_one_message(local):
    with local.socket() as (client, _):
        client.send(["ab", "cd", "ef"])
        assert local.app.messages.get(timeout=5)["body"] == "abcdef"


def test_a_message_sent_just_before_the_close_still_arrives(local):
    with local.socket() as (client, _):
        client.send("last words")
    assert local.app.messages.get(timeout=5)["body"] == "last words"


def test_disconnect_tells_code_and_reason(local):
    with local.socket() as (client, connection):
        client.close(4001, "enough")
    context = local.app.disconnects.get(timeout=5)["requestContext"]
    assert (context["connectionId"], context["disconnectStatusCode"], context["disconnectReason"]) == (connection, 4001, "enough")


def test_a_handler_that_fails_is_told_to_the_client_as_api_gateway_does(local):
    def fail(event):
        raise RuntimeError("broken on purpose")

    local.app.on_message = fail
    with local.socket() as (client, connection):
        client.send("x")
        told = json.loads(client.recv(timeout=5))
    assert told["message"] == "Internal server error"
    assert told["connectionId"] == connection


def test_stopping_says_goodbye_with_1001(local):
    with local.socket() as (client, _):
        local.loop.run(local.server.stop())
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=5)
        assert client.close_code == 1001


def test_the_page_the_keys_and_tokens_are_served_without_the_app(local):
    assert "<html" in ask(local.port, "GET", "/")[1]
    assert ask(local.port, "GET", "/.well-known/jwks.json")[1] == {"keys": []}
    assert ask(local.port, "POST", "/dev/token", b'{"subject":"alice","org":"acme"}')[1] == {"token": "alice@acme"}
    assert ask(local.port, "POST", "/dev/token", b'{"subject":"alice","org":"acme","roles":[5]}')[0] == 400
    told = ask(local.port, "POST", "/dev/token", b'{"subject":"a","org":"b","roles":["service"]}')[1]
    assert told == {"token": "a@b+service"}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"subject":1,"org":"a"}', b'{"subject":"","org":"a"}'])
def test_a_token_needs_a_subject_and_an_org(local, body):
    status, answer, _ = ask(local.port, "POST", "/dev/token", body)
    assert (status, answer["code"]) == (400, "BadRequest")


def test_a_page_of_another_local_port_may_mint(local):
    origin = "http://localhost:5173"
    status, _, headers = ask(local.port, "OPTIONS", "/dev/token", Origin=origin, Access_Control_Request_Headers="content-type")
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, origin)
    assert ask(local.port, "POST", "/dev/token", b'{"subject":"a","org":"b"}', Origin=origin)[0] == 200


@pytest.mark.parametrize(
    "path", ["/dev/token", "/api/mutation", "/version", "/", "/_aws/ws/@connections/x", "/.well-known/jwks.json"]
)
@pytest.mark.parametrize(
    "header",
    [
        {"Host": "evil.test"},
        {"Host": "evil.test:{port}"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
    ],
)
def test_a_foreign_host_or_origin_is_refused_everywhere(local, path, header):
    headers = {name: value.format(port=local.port) for name, value in header.items()}
    assert ask(local.port, "POST", path, b'{"subject":"a","org":"b"}', **headers)[0] == 403


@pytest.mark.parametrize("header", [{"Host": "evil.test"}, {"Origin": "https://evil.test"}])
def test_a_foreign_host_or_origin_opens_no_socket(local, header):
    line = http.client.HTTPConnection("127.0.0.1", local.port, timeout=5)
    handshake = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
    }
    line.request("GET", "/api/sync", headers={**handshake, **header})
    assert line.getresponse().status == 403
    line.close()
    assert local.app.connects.empty()


def test_the_walls_are_api_gateways():
    walls = Walls()
    assert (walls.frame_bytes, walls.message_bytes, walls.post_bytes) == (32768, 131072, 131072)
    assert (walls.idle_s, walls.life_s, walls.integration_s) == (600, 7200, 29)


HALF = [b"GET / HTT", b"\r\n", b"POST /api/query HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 9\r\n\r\n{}"]


@pytest.mark.parametrize("part", HALF)
def test_a_request_that_never_arrives_whole_is_answered_408_and_its_connection_ends(local, part):
    local.walls.integration_s = 0.2
    with socket.create_connection(("127.0.0.1", local.port), timeout=5) as line:
        line.sendall(part.replace(b"%d", b"%d" % local.port))
        answer = b""
        while data := line.recv(4096):
            answer += data
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"RequestTimeout" in answer


def everything(line: socket.socket) -> bytes:
    said = b""
    while data := line.recv(4096):
        said += data
    return said


def test_a_request_that_was_refused_early_and_never_arrives_whole_has_one_answer(local):
    local.walls.integration_s = 0.2
    with socket.create_connection(("127.0.0.1", local.port), timeout=5) as line:
        line.sendall(b"POST /api/query HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 9\r\n\r\n{}")
        said = everything(line)
    assert said.startswith(b"HTTP/1.1 403 ")
    assert said.count(b"HTTP/1.1") == 1


def test_a_trickle_of_bytes_does_not_hold_a_request_open(local):
    local.walls.integration_s = 0.3
    with socket.create_connection(("127.0.0.1", local.port), timeout=5) as line:
        line.settimeout(0.05)
        line.sendall(b"GET / HTTP/1.1\r\nHost: ")
        said = b""
        for _ in range(100):
            try:
                line.sendall(b"x")
                if not (data := line.recv(4096)):
                    break
                said += data
            except TimeoutError:
                continue
            except ConnectionError:
                break
    assert said.startswith(b"HTTP/1.1 408 ")


def test_three_hundred_half_requests_keep_nobody_out_and_are_gone_in_time(local):
    local.walls.integration_s = 2
    halves = [b"GET / HTT", b"POST /api/query HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 9\r\n\r\n{}" % local.port]
    with ExitStack() as lines:
        for number in range(300):
            line = lines.enter_context(socket.create_connection(("127.0.0.1", local.port), timeout=5))
            line.sendall(halves[number % 2])
        assert ask(local.port, "POST", "/api/query", b"{}")[0] == 200
        with local.socket() as (client, _):
            client.send("x")
            assert local.app.messages.get(timeout=5)["body"] == "x"
        assert local.until(lambda: local.lines() == 0)


@pytest.mark.parametrize("whole", [True, False])
def test_a_head_beyond_the_wall_is_a_431_also_before_it_has_ended(local, whole):
    with socket.create_connection(("127.0.0.1", local.port), timeout=5) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX: " % local.port + b"x" * 11_000 + b"\r\n\r\n" * whole)
        assert everything(line).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nHost: 127.0.0.1:%d\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX : y\r\n\r\n",
    ],
    ids=["no Host", "two Hosts", "no ASCII", "length and chunks", "two lengths", "a space in a name"],
)
def test_a_head_that_a_proxy_could_read_in_another_way_is_a_400_and_reaches_no_handler(local, head):
    local.app.app = lambda event, context: pytest.fail("a handler was called")
    with socket.create_connection(("127.0.0.1", local.port), timeout=5) as line:
        line.sendall(head.replace(b"%d", b"%d" % local.port))
        assert everything(line).startswith(b"HTTP/1.1 400 ")


@pytest.fixture
def large(tmp_path):
    """A server with a page of eight megabytes."""
    (tmp_path / "large.txt").write_bytes(b"x" * 8_000_000)
    running = Local(tmp_path)
    running.walls.keep_alive_s = 1.5
    yield running
    running.stop()


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
def test_a_client_that_reads_nothing_of_its_answer_is_cut_and_a_slow_one_is_not(large, more):
    with socket.socket() as idle, socket.socket() as slow:
        for line in (idle, slow):
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            line.settimeout(10)
            line.connect(("127.0.0.1", large.port))
            line.sendall(b"GET /large.txt HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % large.port + more + b"\r\n")
        read = 0
        while read < 8_000_000:
            read += len(data := slow.recv(300_000))
            assert data, "the slow client was cut"
            threading.Event().wait(0.04)
        slow.close()
        assert large.until(lambda: large.lines() == 0)


def test_a_client_that_says_nothing_is_let_go(local):
    local.walls.keep_alive_s = 0.2
    with socket.create_connection(("127.0.0.1", local.port), timeout=5) as line:
        assert line.recv(1) == b""


def test_requests_that_come_in_one_packet_are_answered_in_their_order(local):
    one = b"POST /api/%d HTTP/1.1\r\nHost: 127.0.0.1:" + b"%d" % local.port + b"\r\nContent-Length: 1\r\n%b\r\nx"
    with socket.create_connection(("127.0.0.1", local.port), timeout=5) as line:
        line.sendall(b"".join(one % (number, b"Connection: close\r\n" * (number == 4)) for number in range(5)))
        said = everything(line)
    paths = [json.loads(part.partition(b"\r\n\r\n")[2])["path"] for part in said.split(b"HTTP/1.1 200")[1:]]
    assert paths == [f"/api/{number}" for number in range(5)]


def test_deep_json_is_the_handlers_to_answer_and_no_fault_of_the_server(local):
    status, event, _ = ask(local.port, "POST", "/api/query", b'{"path":' + b"[" * 2000 + b"]" * 2000 + b"}")
    assert status == 200
    assert len(event["body"]) > 4000
    with connect(f"ws://127.0.0.1:{local.port}/api/sync") as client:
        client.send("[" * 5000)
        assert local.app.messages.get(timeout=5)["body"].startswith("[[")
        client.send("still here")
        assert local.app.messages.get(timeout=5)["body"] == "still here"
