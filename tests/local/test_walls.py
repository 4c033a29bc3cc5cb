"""API Gateway's limits, with a fake clock and a fake wire, and once through real sockets where bytes matter."""

from __future__ import annotations

import threading

import pytest
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.sync.client import connect
from websockets.uri import parse_uri

from infra.local.aws.api_gateway import Connection, Connections, Walls


class FakeWire:
    """Collects what is written, and says how much of it is still waiting."""

    def __init__(self) -> None:
        self.written = b""
        self.waiting = 0
        self.finished = self.expiring = False

    def write(self, data: bytes) -> None:
        self.written += data

    def buffered(self) -> int:
        return self.waiting

    def finish(self) -> None:
        self.finished = True

    def expire(self) -> None:
        self.expiring = True


class Pair:
    """A connection of the gateway and a client, joined by pretend bytes."""

    def __init__(self, walls: Walls | None = None, now: float = 0.0) -> None:
        self.wire = FakeWire()
        self.connection = Connection("c1", self.wire, walls or Walls(), now)
        self.client = ClientProtocol(parse_uri("ws://127.0.0.1/api/sync"), max_size=None)
        self.handshake: Request = self.client.connect()

    def open(self) -> Pair:
        assert self.connection.accept(self.handshake) == 101
        return self.deliver()

    def deliver(self) -> Pair:
        data, self.wire.written = self.wire.written, b""
        if self.client.state.name == "CONNECTING":
            self.client.send_request(self.handshake)
            self.client.data_to_send()
        self.client.receive_data(data)
        return self

    def sent(self, now: float = 0.0) -> list[str]:
        """What the gateway makes of everything the client has sent."""
        return self.connection.receive(b"".join(self.client.data_to_send()), now)

    def code(self) -> int | None:
        """The close code that has reached the client."""
        self.deliver()
        return self.client.close_rcvd.code if self.client.close_rcvd else None


def test_a_frame_of_32_kb_passes_and_one_more_byte_closes_with_1009():
    pair = Pair().open()
    pair.client.send_text(b"x" * 32768)
    assert pair.sent() == ["x" * 32768]
    pair.client.send_text(b"x" * 32769)
    assert pair.sent() == []
    assert pair.code() == 1009


def test_fragments_make_a_message_of_128_kb_and_not_more():
    pair = Pair().open()
    for number in range(4):
        (pair.client.send_text if number == 0 else pair.client.send_continuation)(b"x" * 32768, fin=number == 3)
    assert [len(message) for message in pair.sent()] == [131072]
    for number in range(5):
        (pair.client.send_text if number == 0 else pair.client.send_continuation)(b"x" * 32768, fin=number == 4)
    assert pair.sent() == []
    assert pair.code() == 1009


def test_a_binary_frame_closes_with_1003_and_what_follows_it_is_not_read():
    pair = Pair().open()
    pair.client.send_text(b"before")
    pair.client.send_binary(b"\x00")
    pair.client.send_text(b"after")
    assert pair.sent() == ["before"]
    assert pair.code() == 1003


def test_text_that_is_no_utf_8_closes_with_1007():
    pair = Pair().open()
    pair.client.send_text(b"\xff")
    assert pair.sent() == []
    assert pair.code() == 1007


def test_a_post_of_128_kb_passes_and_one_more_byte_is_413():
    pair = Pair().open()
    assert pair.connection.send("é" * 65536, 0) == 200
    assert pair.connection.send("é" * 65536 + "x", 0) == 413


def test_a_post_to_a_client_that_does_not_read_is_429_and_writes_nothing():
    pair = Pair(Walls(outbound_bytes=1000)).open()
    pair.wire.waiting = 900
    assert pair.connection.send("x" * 101, 0) == 429
    assert pair.wire.written == b""
    assert pair.connection.send("x" * 100, 0) == 200


def test_ten_idle_minutes_close_with_1001_and_traffic_in_either_direction_counts():
    pair = Pair().open()
    pair.connection.tick(599)
    pair.client.send_text(b"x")
    pair.sent(now=599)
    pair.connection.tick(1198)
    pair.connection.send("x", 1198)
    pair.connection.tick(1797)
    assert pair.code() is None
    pair.connection.tick(1798)
    assert pair.code() == 1001


def test_two_hours_close_with_1001_however_busy_it_is():
    pair = Pair().open()
    pair.connection.send("x", 7199)
    pair.connection.tick(7199)
    assert pair.code() is None
    pair.connection.send("x", 7200)
    pair.connection.tick(7200)
    assert pair.code() == 1001


def test_nothing_is_posted_after_the_goodbye():
    pair = Pair().open()
    pair.connection.close(1001)
    assert pair.connection.send("x", 0) == 410
    assert pair.wire.expiring


def test_a_message_before_the_clients_own_close_is_read():
    pair = Pair().open()
    pair.client.send_text(b"last words")
    pair.client.send_close(1000)
    assert pair.sent() == ["last words"]
    assert pair.connection.closing() == (1000, "")


def test_a_connection_is_posted_to_only_while_it_is_open():
    connections = Connections(lambda: 0.0)
    assert connections.post("c1", "x") == 410
    pair = Pair()
    connections.add(pair.connection)
    assert connections.post("c1", "x") == 410
    assert connections.delete("c1") == 410
    pair.open()
    assert connections.post("c1", "x") == 200
    assert connections.delete("c1") == 204
    assert connections.post("c1", "x") == 410
    assert connections.delete("c1") == 410


def test_a_handshake_header_too_long_for_the_protocol_is_refused_politely():
    pair = Pair()
    pair.handshake.headers["X-Long"] = "x" * 9000
    assert pair.connection.accept(pair.handshake) == 400
    assert pair.wire.written.startswith(b"HTTP/1.1 400")


# Through real sockets ---------------------------------------------------------------------------------------------------


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
    from infra.local.aws.posts import LocalGateway

    gateway = LocalGateway()
    with local.socket() as (client, connection):
        assert gateway.post(connection, "x") == "ok"
        assert client.recv(timeout=5) == "x"
    assert gateway.post("abc.1", "x") == "gone"  # nobody listens at port 1
    assert gateway.close("abc.1") is True


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
