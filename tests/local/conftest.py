"""A real server on a free port, in front of a small stand-in for `app.py`: same entry points, nothing behind them."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from chalicelib.aws.gateway import ApiGateway
from infra.local.aws.api_gateway import Walls
from infra.local.aws.lambdas import Lambdas
from infra.local.loop import Loop
from infra.local.origin_check import OriginCheck
from infra.local.routes import LocalRoutes
from infra.local.server import Server
from infra.local.site import Site


class StandIn:
    """Records every event; a test replaces the handlers that it is about."""

    def __init__(self) -> None:
        self.connects: queue.Queue[dict[str, Any]] = queue.Queue()
        self.messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self.disconnects: queue.Queue[dict[str, Any]] = queue.Queue()
        self.on_connect: Callable[[dict[str, Any]], int] = lambda event: 200
        self.on_message: Callable[[dict[str, Any]], None] = lambda event: None

    def app(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        if event["path"] == "/broken":
            raise RuntimeError("broken on purpose")
        return {"statusCode": 200, "body": json.dumps(event), "headers": {"Content-Type": "application/json"}}

    def ws_connect(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        self.connects.put(event)
        return {"statusCode": self.on_connect(event)}

    def ws_message(self, event: dict[str, Any], context: Any) -> None:
        self.messages.put(event)
        self.on_message(event)

    def ws_disconnect(self, event: dict[str, Any], context: Any) -> None:
        self.disconnects.put(event)


class FakeClock:
    """Seconds that move when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FakeIssuer:
    def token(self, subject: str, org: str, **claims: Any) -> str:
        return "+".join([f"{subject}@{org}", *claims.get("roles", [])])

    def jwks(self) -> dict[str, Any]:
        return {"keys": []}


class Local:
    """What a test gets: the parts, and shortcuts to talk to them."""

    def __init__(self, page: Path = Path("nowhere")) -> None:
        self.app = StandIn()
        self.clock = FakeClock()
        self.walls = Walls()
        self.lambdas = Lambdas(self.app)
        self.server = Server(self.lambdas, LocalRoutes(FakeIssuer(), Site(page)), self.walls, self.clock)
        self.loop = Loop()
        self.loop.start()
        self.port = self.loop.run(self.server.bind(0))
        self.loop.run(self.server.serve(OriginCheck(self.port)))
        self.gateway = ApiGateway(f"http://127.0.0.1:{self.port}/_aws/ws", sign=False)

    def stop(self) -> None:
        self.loop.run(self.server.stop())
        self.loop.stop()
        self.lambdas.stop()

    @contextmanager
    def socket(self, path: str = "/api/1.48.0/sync", **options: Any) -> Iterator[tuple[ClientConnection, str]]:
        """An open client, and the connection's id."""
        with connect(f"ws://127.0.0.1:{self.port}{path}", close_timeout=1, **options) as client:
            yield client, self.app.connects.get(timeout=5)["requestContext"]["connectionId"]

    def tick(self, seconds: float) -> None:
        """Let this much time pass, and the walls of time look at every connection."""
        self.clock.now += seconds
        self.loop.do(self.server.connections.tick)

    def lines(self) -> int:
        """How many TCP connections the server has."""
        return self.loop.do(lambda: self.server.lines)

    def until(self, look: Callable[[], bool]) -> bool:
        """Look again until it is so, for ten seconds at most."""
        deadline = time.monotonic() + 10
        while not (found := look()) and time.monotonic() < deadline:
            time.sleep(0.02)
        return found


@pytest.fixture
def local() -> Iterator[Local]:
    running = Local()
    yield running
    running.stop()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """A handler may wait for it; it opens at the end of the test at the latest."""
    event = threading.Event()
    yield event
    event.set()
