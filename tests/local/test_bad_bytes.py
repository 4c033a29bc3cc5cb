"""Whatever bytes a client sends, and wherever it stops: the server goes on serving everybody else."""

from __future__ import annotations

import base64
import logging
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.local.conftest import Local
from tests.local.test_server import ask

KEY = base64.b64encode(b"0123456789abcdef").decode()
HOST = "Host: 127.0.0.1:{port}\r\n"
REQUESTS = [
    "GET / HTTP/1.1\r\n" + HOST + "\r\n",
    "POST /api/query HTTP/1.1\r\n" + HOST + "Content-Length: 20\r\nExpect: 100-continue\r\n\r\n" + "x" * 20,
    "POST /api/query HTTP/1.1\r\n" + HOST + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "GET /api/sync HTTP/1.1\r\n"
    + HOST
    + f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    + "\x81\x85abcd\x00\x00\x00\x00\x00",
]
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def say(port: int, data: bytes, reset: bool) -> None:
    """Send it, and go: with a goodbye, or without one."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line:
        line.sendall(data)
        if reset:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def serves(local: Local, caplog: pytest.LogCaptureFixture) -> None:
    """The next client is answered, and nothing of the server fell over unseen."""
    assert ask(local.port, "POST", "/api/query", b"{}")[0] == 200
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@MANY
@given(request=st.sampled_from(REQUESTS), cut=st.integers(0, 400), reset=st.booleans())
def test_a_request_that_stops_anywhere_stops_nobody_else(
    local: Local, caplog: pytest.LogCaptureFixture, request: str, cut: int, reset: bool
) -> None:
    whole = request.format(port=local.port).encode("latin-1")
    say(local.port, whole[: cut % (len(whole) + 1)], reset)
    serves(local, caplog)


@MANY
@given(
    request=st.sampled_from(REQUESTS),
    at=st.integers(0, 400),
    noise=st.binary(min_size=1, max_size=40),
    reset=st.booleans(),
)
def test_noise_in_a_request_stops_nobody_else(
    local: Local, caplog: pytest.LogCaptureFixture, request: str, at: int, noise: bytes, reset: bool
) -> None:
    whole = request.format(port=local.port).encode("latin-1")
    at %= len(whole) + 1
    say(local.port, whole[:at] + noise + whole[at:], reset)
    serves(local, caplog)
