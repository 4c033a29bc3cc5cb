"""Clients of the chat gateway: the official Socket.IO client in Node, and JSON frames over a plain WebSocket."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.support.official import Client

CLIENTS = Path(__file__).parents[1] / "clients-chat"


class ChatClient(Client):
    """A scenario of the Socket.IO client (tests/clients-chat/chat.mjs)."""

    folder = CLIENTS


def socketio(url: str, scenario: str, **options: Any) -> ChatClient:
    """A scenario of the Socket.IO client."""
    if not (CLIENTS / "node_modules" / "socket.io-client").exists():
        pytest.skip("the Socket.IO client comes with `npm ci` in tests/clients-chat, which needs Node")
    return ChatClient("node", "chat.mjs", url, scenario, json.dumps(options))


class Frames:
    """Somebody who speaks JSON frames: `{event, data, id?}`."""

    def __init__(self, url: str, token: str | None = None, **wishes: Any) -> None:
        query = "&".join(f"{name}={quote(str(part))}" for name, part in {"token": token, **wishes}.items() if part is not None)
        self._opening = connect(url.replace("http", "ws", 1) + f"/chat?{query}", compression=None, ping_interval=None)
        self.socket: ClientConnection = self._opening.__enter__()
        self.heard: list[dict[str, Any]] = []
        self._numbers = 0

    def wait(self, event: str, fits: Callable[[Any], bool] = lambda data: True, seconds: float = 10.0) -> Any:
        """The data of the first event of this name that fits, heard already or yet to come."""
        until = time.monotonic() + seconds
        for each in self.heard:
            if each["event"] == event and fits(each.get("data")):
                return each["data"]
        while True:
            told = self.hear(until - time.monotonic())
            if told["event"] == event and fits(told.get("data")):
                return told["data"]

    def hear(self, seconds: float) -> dict[str, Any]:
        """The next frame."""
        try:
            told: dict[str, Any] = json.loads(self.socket.recv(timeout=max(0.01, seconds)))
        except TimeoutError as error:
            raise AssertionError(f"nothing came; heard {self.heard}") from error
        self.heard.append(told)
        return told

    def say(self, event: str, data: Any = None) -> None:
        """Send an event that wants no acknowledgement."""
        self.socket.send(json.dumps({"event": event, "data": data}))

    def ask(self, event: str, data: Any = None) -> Any:
        """Send an event; its acknowledgement."""
        self._numbers += 1
        number = self._numbers
        self.socket.send(json.dumps({"event": event, "data": data, "id": number}))
        until = time.monotonic() + 10
        while True:
            told = self.hear(until - time.monotonic())
            if told["event"] == "ack" and told["id"] == number:
                return told["data"]

    def close(self) -> None:
        """Go."""
        self._opening.__exit__(None, None, None)
