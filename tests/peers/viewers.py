"""How a viewer of each server listens: one counter of arrivals, over a WebSocket or server-sent events."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect


class Viewer:
    """Who waits for the next message. `at` is when it came, by `time.perf_counter`."""

    def __init__(self) -> None:
        self.seen, self.at, self.greeted = asyncio.Event(), 0.0, asyncio.Event()
        self.reader: asyncio.Task[None] | None = None

    def arrived(self) -> None:
        """A message is here."""
        self.at = time.perf_counter()
        self.seen.set()

    async def close(self) -> None:
        """End the reader, and with it the connection."""
        assert self.reader is not None
        self.reader.cancel()
        await asyncio.gather(self.reader, return_exceptions=True)


class Socket(Viewer):
    """A WebSocket without compression.

    Args:
        url: where, `ws:…`.
        first: frames to send at once.
        mark: what a frame contains that brings a message.
        greeting: what the frame contains after which the viewer is there; empty for none.
    """

    def __init__(self, url: str, first: Sequence[str], mark: str, greeting: str) -> None:
        super().__init__()
        self.url, self.first, self.mark, self.greeting = url, first, mark, greeting
        self.socket: ClientConnection | None = None

    async def open(self) -> Socket:
        """Connect, and return when the server has said its greeting."""
        self.socket = await connect(self.url, compression=None, ping_interval=None, max_size=None)
        for frame in self.first:
            await self.socket.send(frame)
        self.reader = asyncio.ensure_future(self._read(self.socket))
        if self.greeting:
            await asyncio.wait_for(self.greeted.wait(), 60)
        return self

    async def send(self, text: str) -> None:
        """Send a frame."""
        assert self.socket is not None
        await self.socket.send(text)

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                if text == "2":  # Engine.IO asks whether we are there
                    await socket.send("3")
                elif not self.greeted.is_set() and self.greeting and self.greeting in str(text):
                    self.greeted.set()
                elif self.mark in str(text):
                    self.arrived()
        finally:
            await socket.close()


class Events(Viewer):
    """Server-sent events over HTTP/1.1. `greeting` is the line of data that came first."""

    def __init__(self, port: int, path: str, mark: str) -> None:
        super().__init__()
        self.port, self.path, self.mark, self.greeting = port, path, mark.encode(), ""

    async def open(self) -> Events:
        """Connect, and return when the first event is here."""
        self.reader = asyncio.ensure_future(self._read())
        await asyncio.wait_for(self.greeted.wait(), 60)
        return self

    async def _read(self) -> None:
        lines, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
            while line := await lines.readline():
                if not self.greeted.is_set() and line.startswith(b"data:"):
                    self.greeting = line[5:].decode().strip()
                    self.greeted.set()
                elif line.startswith(self.mark):
                    self.arrived()
        finally:
            writer.close()


class Http:
    """Requests over one connection that is kept open."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.lines: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        """One request; returns the body, from JSON. RuntimeError: the server refused it."""
        if self.writer is None:
            self.lines, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        assert self.lines is not None
        sent = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(sent)}\r\n"
        self.writer.write((head + (f"Authorization: {token}\r\n" if token else "") + "\r\n").encode() + sent)
        if not (first := await self.lines.readline()):
            raise ConnectionError("the server closed the connection instead of answering")
        status = int(first.split()[1])
        headers = {}
        while line := (await self.lines.readline()).strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        taken = b""
        if "content-length" in headers:
            taken = await self.lines.readexactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            while size := int(await self.lines.readline(), 16):
                taken += await self.lines.readexactly(size)
                await self.lines.readline()
            await self.lines.readline()
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {taken[:200]!r}")
        return json.loads(taken) if taken else None

    def close(self) -> None:
        """End the connection."""
        if self.writer is not None:
            self.writer.close()


def sync_frames(path: str = "", args: dict[str, Any] | None = None) -> list[str]:
    """What a client says first in Convex's protocol; with a path, it watches that query."""
    frames: list[dict[str, Any]] = [
        {"type": "Connect", "sessionId": str(uuid.uuid4()), "connectionCount": 0, "lastCloseReason": "InitialConnect"},
        {"type": "Authenticate", "baseVersion": 0, "tokenType": "None"},
    ]
    if path:
        query = {"type": "Add", "queryId": 0, "udfPath": path, "args": [args or {}]}
        frames.append({"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [query]})
    return [json.dumps(frame) for frame in frames]
