"""API Gateway's limits, through real sockets. The clock is the test's."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from infra.local.aws.api_gateway import Connection, Connections, Walls
from infra.local.aws.posts import LocalGateway
from tests.local.conftest import Local


def told(local: Local, count: int) -> list[str]:
    """What so many message handlers were called with."""
    return [local.app.messages.get(timeout=5)["body"] for _ in range(count)]


def code(client: ClientConnection) -> int | None:
    """The close code that reaches the client."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            client.recv(timeout=5)
    return client.close_code


def open_still(client: ClientConnection) -> bool:
    return client.ping().wait(5)


def frames(client: ClientConnection, *parts: tuple[Opcode, bytes, bool]) -> None:
    """Send frames as they are, in one packet: the client itself would refuse to."""
    data = b"".join(Frame(opcode, body, fin=fin).serialize(mask=True) for opcode, body, fin in parts)
    client.socket.sendall(data)


def test_a_frame_of_32_kb_passes_and_one_more_byte_closes_with_1009(local):
    with local.socket() as (client, _):
        client.send("x" * 32768)
        assert told(local, 1) == ["x" * 32768]
        client.send("x" * 32769)
        assert code(client) == 1009
    assert local.app.messages.empty()


def test_fragments_make_a_message_of_128_kb_and_not_more(local):
    with local.socket() as (client, _):
        client.send(["x" * 32768] * 4)
        assert [len(text) for text in told(local, 1)] == [131072]
        with contextlib.suppress(ConnectionClosed):  # the goodbye may come before the frame that ends the message is sent
            client.send([*["x" * 32768] * 4, "x"])
        assert code(client) == 1009
    assert local.app.messages.empty()


def test_a_binary_frame_closes_with_1003_and_what_follows_it_is_not_read(local):
    with local.socket() as (client, _):
        frames(client, (Opcode.TEXT, b"before", True), (Opcode.BINARY, b"\0", True), (Opcode.TEXT, b"after", True))
        assert code(client) == 1003
    assert told(local, 1) == ["before"]
    local.app.disconnects.get(timeout=5)
    assert local.app.messages.empty()


@contextlib.contextmanager
def nothing_reported() -> Iterator[None]:
    """What clients do wrong is no fault of the server's, and is not in its log as one."""
    said: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger("uvicorn.error").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("uvicorn.error").removeHandler(handler)
    assert said == []


def test_text_that_is_no_utf_8_closes_with_1007_and_what_came_before_it_counts(local):
    with nothing_reported(), local.socket() as (client, _):
        frames(client, (Opcode.TEXT, b"before", True), (Opcode.TEXT, b"\xff", True), (Opcode.TEXT, b"after", True))
        assert code(client) == 1007
    assert told(local, 1) == ["before"]
    local.app.disconnects.get(timeout=5)
    assert local.app.messages.empty()


def test_what_came_in_one_packet_before_a_frame_that_is_too_large_counts(local):
    with local.socket() as (client, _):
        frames(client, (Opcode.TEXT, b"before", True), (Opcode.TEXT, b"x" * 32769, True))
        assert code(client) == 1009
    assert told(local, 1) == ["before"]


@pytest.mark.parametrize(
    "frame", [b"\x81\x05hello", b"\xf1\x80abcd", b"\x83\x80abcd"], ids=["unmasked", "reserved bits", "opcode 3"]
)
def test_a_frame_that_is_none_closes_with_1002(local, frame):
    with local.socket() as (client, _):
        client.socket.sendall(frame)
        assert code(client) == 1002


def test_a_post_of_128_kb_passes_and_one_more_byte_is_413(local):
    with local.socket(max_size=None) as (client, connection):
        assert local.gateway.post(connection, "é" * 65536) == "ok"
        assert client.recv(timeout=5) == "é" * 65536
        assert local.gateway.post(connection, "é" * 65536 + "x") == "too_large"


class FakeWire:
    """A socket whose buffer is as full as a test says."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.waiting = 0
        self.seen = 0.0
        self.open = True

    def send(self, data: bytes) -> None:
        self.written.append(data)

    def buffered(self) -> int:
        return self.waiting

    def close(self, code: int, reason: str = "") -> None:
        self.open = False

    def closing(self) -> tuple[int, str]:
        return 1006, ""


def test_a_post_to_a_client_that_does_not_read_is_429_and_writes_nothing():
    wire = FakeWire()
    connection = Connection("c1", wire, Walls(outbound_bytes=1000), 0.0)
    wire.waiting = 900
    assert connection.send("x" * 101, 0) == 429
    assert wire.written == []
    assert connection.send("x" * 100, 0) == 200


def test_a_client_that_reads_only_when_it_has_sent_everything_is_told_1009_too(local):
    with deaf(local) as (line, _):
        line.sendall(b"\x81\xff" + (4_000_000).to_bytes(8, "big") + bytes(4))
        for _ in range(40):
            line.sendall(b"x" * 100_000)
        answer = b""
        while data := line.recv(4096):
            answer += data
    assert b"\x88" + bytes([len(answer[answer.rindex(b"\x88") + 2 :])]) + (1009).to_bytes(2, "big") in answer


@contextlib.contextmanager
def deaf(local: Local) -> Iterator[tuple[socket.socket, str]]:
    """A client that opens a socket and never reads again, with small buffers in between."""
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(10)
        line.connect(("127.0.0.1", local.port))
        line.sendall(
            b"GET /api/sync HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" % local.port
            + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert line.recv(12) == b"HTTP/1.1 101"
        yield line, local.app.connects.get(timeout=5)["requestContext"]["connectionId"]


def test_a_client_that_does_not_read_fills_its_own_buffer_only_and_is_cut_when_it_must_go(local):
    with deaf(local) as (_, connection), local.socket() as (client, other):
        posted = [local.gateway.post(connection, "x" * 100_000) for _ in range(60)]
        assert posted[0] == "ok"
        assert posted[-1] == "unknown", "429"
        assert local.gateway.post(other, "for another") == "ok"
        assert client.recv(timeout=5) == "for another"
        before = local.lines()
        assert local.gateway.close(connection) is True
        gone = local.app.disconnects.get(timeout=10)["requestContext"]
        assert (gone["connectionId"], gone["disconnectStatusCode"]) == (connection, 1000)
        assert local.until(lambda: local.lines() == before - 1), "the deaf client's TCP connection is cut"


def test_ten_idle_minutes_close_with_1001_and_traffic_in_either_direction_counts(local):
    with local.socket() as (client, connection):
        local.tick(599)
        client.send("x")
        told(local, 1)
        local.tick(599)
        local.gateway.post(connection, "x")
        local.tick(599)
        client.recv(timeout=5)
        local.tick(1)
        assert code(client) == 1001


def test_two_hours_close_with_1001_however_busy_it_is(local):
    with local.socket() as (client, connection):
        for _ in range(14):
            local.tick(500)
            local.gateway.post(connection, "x")
        local.tick(199)
        assert open_still(client)
        local.tick(1)
        assert code(client) == 1001


def test_nothing_is_posted_after_the_goodbye(local):
    with local.socket() as (_, connection):
        local.loop.do(lambda: local.server.connections.delete(connection))
        assert local.gateway.post(connection, "x") == "gone"


def test_a_message_before_the_clients_own_close_is_read_and_its_code_is_told(local):
    with local.socket() as (client, _):
        frames(client, (Opcode.TEXT, b"last words", True), (Opcode.CLOSE, b"\x03\xe8", True))
        assert told(local, 1) == ["last words"]
        assert local.app.disconnects.get(timeout=5)["requestContext"]["disconnectStatusCode"] == 1000


def test_a_client_that_is_cut_off_is_told_as_1006(local):
    with local.socket() as (client, _):
        client.socket.shutdown(socket.SHUT_RDWR)
        assert local.app.disconnects.get(timeout=5)["requestContext"]["disconnectStatusCode"] == 1006


def test_a_connection_is_posted_to_only_while_it_is_open():
    connections = Connections(lambda: 0.0)
    assert connections.post("c1", "x") == 410
    wire = FakeWire()
    wire.open = False
    connections.add(Connection("c1", wire, Walls(), 0.0))
    assert connections.post("c1", "x") == 410
    assert connections.delete("c1") == 410
    wire.open = True
    assert connections.post("c1", "x") == 200
    assert connections.delete("c1") == 204
    assert connections.post("c1", "x") == 410
    assert connections.delete("c1") == 410


def test_a_handshake_header_too_long_for_the_protocol_is_refused_politely(local):
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{local.port}/api/sync", additional_headers={"X-Long": "x" * 9000})
    assert refused.value.response.status_code == 431


# Bytes ------------------------------------------------------------------------------------------------------------------


def test_a_client_is_told_1009_although_it_was_still_sending(local):
    with local.socket(max_size=None) as (client, _):
        client.send("x" * 2_000_000)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=5)
        assert client.close_code == 1009


def test_walls_of_time_by_the_servers_clock(local):
    with local.socket() as (client, _):
        local.tick(599)
        client.ping().wait(5)
        local.tick(599)
        assert client.ping().wait(5)
        local.tick(600)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=5)
        assert client.close_code == 1001


def test_a_post_inside_connect_is_gone(local):
    seen: list[str] = []
    local.app.on_connect = lambda event: seen.append(local.gateway.post(event["requestContext"]["connectionId"], "early")) or 200
    with local.socket() as (client, connection):
        assert seen == ["gone"]
        assert local.gateway.post(connection, "now") == "ok"
        assert client.recv(timeout=5) == "now"
    local.app.disconnects.get(timeout=5)
    assert local.gateway.post(connection, "late") == "gone"
    assert local.gateway.close(connection) is True


def test_posts_arrive_in_the_order_in_which_they_were_awaited(local):
    with local.socket() as (client, connection):
        for number in range(50):
            assert local.gateway.post(connection, str(number)) == "ok"
        assert [client.recv(timeout=5) for _ in range(50)] == [str(number) for number in range(50)]


def test_a_post_from_inside_a_message_handler_reaches_the_client(local):
    local.app.on_message = lambda event: local.gateway.post(event["requestContext"]["connectionId"], "answer")
    with local.socket() as (client, _):
        client.send("question")
        assert client.recv(timeout=5) == "answer"


def test_close_ends_the_connection_and_a_client_that_does_not_read_gets_429(local):
    with local.socket() as (client, connection):
        assert local.gateway.close(connection) is True
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=5)
    local.walls.outbound_bytes = 10
    with local.socket() as (client, connection):
        assert local.gateway.post(connection, "x" * 11) == "unknown"
        assert local.gateway.post(connection, "x" * 140_000) == "too_large"


def test_get_connection_tells_when_and_who(local):
    with local.socket(user_agent_header="test/1") as (_, connection):
        found = local.gateway._client.get_connection(ConnectionId=connection)
    assert found["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "test/1"}
    assert found["ConnectedAt"] <= found["LastActiveAt"]


def test_a_server_that_is_dead_has_no_connections(local):
    gateway = LocalGateway()
    with local.socket() as (client, connection):
        assert gateway.post(connection, "x") == "ok"
        assert client.recv(timeout=5) == "x"
    assert gateway.post("abc.1", "x") == "gone"  # nobody listens at port 1
    assert gateway.close("abc.1") is True


def test_a_post_to_a_socket_of_this_process_needs_no_request_and_says_the_same(local):
    gateway = LocalGateway(local.server, local.loop)
    local.walls.outbound_bytes = 140_000
    with local.socket(max_size=None) as (client, connection):
        assert gateway.is_open(connection)
        for number in range(50):
            assert gateway.post(connection, str(number)) == "ok"
        assert [client.recv(timeout=5) for _ in range(50)] == [str(number) for number in range(50)]
        assert gateway.post(connection, "x" * 131_073) == "too_large"
        local.walls.outbound_bytes = 10
        assert gateway.post(connection, "x" * 11) == "unknown"
        assert gateway.close(connection) is True
        assert gateway.post(connection, "late") == "gone"
        assert code(client) == 1000
    local.app.disconnects.get(timeout=5)
    assert local.lines() == 0, "no HTTP connection was made"
    assert not gateway.is_open(connection)
    assert gateway.close(connection) is True


def test_a_post_after_the_server_has_ended_finds_nobody():
    ended = Local()
    gateway = LocalGateway(ended.server, ended.loop)
    ended.stop()
    assert gateway.post(f"abc.{ended.port}", "x") == "gone"


def test_the_handshake_waits_for_connect(local, gate):
    local.app.on_connect = lambda event: gate.wait(5) and 200
    opened = threading.Event()

    def client() -> None:
        with connect(f"ws://127.0.0.1:{local.port}/api/sync"):
            opened.set()

    thread = threading.Thread(target=client)
    thread.start()
    local.app.connects.get(timeout=5)
    assert not opened.is_set()
    gate.set()
    assert opened.wait(5)
    thread.join(5)
