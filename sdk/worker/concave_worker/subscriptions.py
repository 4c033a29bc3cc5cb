"""The client for subscriptions: queries that stay true, over one socket that speaks Convex's sync protocol.

It only watches. The socket is made again whenever it breaks, with all queries and a good token; whoever watches sees the
newest value, and not every one in between.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect

from concave_worker.errors import Refused, Unreachable, WorkerError, refusal
from concave_worker.pauses import pauses
from concave_worker.tokens import Tokens

CLIENT = "1.48.0"
"""The version of Convex's client whose protocol this is."""
OPEN_S = 20.0
SILENT_S = 90.0
"""A socket on which nothing arrives for so long, not even the server's ping, is taken for dead."""


@dataclass
class Watch:
    """One live query."""

    number: int
    path: str
    args: dict[str, Any]
    news: asyncio.Event = field(default_factory=asyncio.Event)
    value: Any = None
    error: Refused | None = None
    ended: bool = False

    async def values(self) -> AsyncIterator[Any]:
        """The value now and after each change, until the watch ends. Raises what the query failed with."""
        while True:
            await self.news.wait()
            self.news.clear()
            if self.ended:
                return
            if self.error is not None:
                raise self.error
            yield self.value


class Subscriptions:
    """The socket and what it watches.

    Args:
        url: the backend's, http or https.
        tokens: who watches.
        told: called with True when the socket has told all its values, and with False when it broke.
    """

    def __init__(self, url: str, tokens: Tokens, told: Callable[[bool], None] = lambda connected: None) -> None:
        scheme, _, rest = url.rstrip("/").partition("://")
        self._url = f"{'wss' if scheme == 'https' else 'ws'}://{rest}/api/{CLIENT}/sync"
        self._tokens, self._told = tokens, told
        self._watches: dict[int, Watch] = {}
        self._number = self._version = self._identity = self._connections = 0
        self._socket: ClientConnection | None = None
        self._session = secrets.token_hex(16)
        self._said = asyncio.Lock()
        self._waits = pauses()

    def watch(self, path: str, args: Mapping[str, Any]) -> Watch:
        """Watch a query from now on."""
        self._number += 1
        watch = self._watches[self._number] = Watch(self._number, path, dict(args))
        self._later(self._changed([_add(watch)]))
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Watch it no longer; whoever reads its values is through."""
        if self._watches.pop(watch.number, None) is not None:
            self._later(self._changed([{"type": "Remove", "queryId": watch.number}]))
        watch.ended = True
        watch.news.set()

    def _later(self, sending: Any) -> None:
        if self._socket is None:
            sending.close()
        else:
            task = asyncio.ensure_future(sending)
            _running.add(task)
            task.add_done_callback(_running.discard)

    async def run(self) -> None:
        """Hold the connection for ever. Raises `Refused`, `Revoked`, `Replaced`: what no second try changes."""
        while True:
            with suppress(OSError, TimeoutError, websockets.WebSocketException, Unreachable):
                await self._once()
            self._socket = None
            self._told(False)
            await asyncio.sleep(next(self._waits))

    async def _once(self) -> None:
        """One socket, until it breaks."""
        bearer = await self._tokens.bearer(time.monotonic())
        async with connect(self._url, open_timeout=OPEN_S, max_size=None, compression=None, ping_interval=None) as socket:
            await self._hello(socket, bearer)
            parts = [asyncio.create_task(self._listen(socket)), asyncio.create_task(self._renew())]
            try:
                done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for part in parts:
                    part.cancel()
                await asyncio.gather(*parts, return_exceptions=True)
            for part in done:
                part.result()

    async def _hello(self, socket: ClientConnection, bearer: str) -> None:
        hello = {"type": "Connect", "sessionId": self._session, "connectionCount": self._connections, "clientTs": 0}
        self._connections += 1
        async with self._said:
            self._version, self._identity = 0, 1
            await socket.send(json.dumps(hello))
            await socket.send(_authenticate(bearer, 0))
            self._socket = socket
        await self._changed([_add(watch) for watch in self._watches.values()])

    async def _changed(self, changes: list[dict[str, Any]]) -> None:
        """Tell the server about watches. A socket that breaks meanwhile is told all of them when it is back."""
        async with self._said:
            if self._socket is None or not changes:
                return
            frame = {"type": "ModifyQuerySet", "baseVersion": self._version, "newVersion": self._version + 1}
            self._version += 1
            await self._send(json.dumps({**frame, "modifications": changes}))

    async def _send(self, frame: str) -> None:
        assert self._socket is not None
        try:
            await self._socket.send(frame)
        except websockets.ConnectionClosed:
            self._socket = None

    async def _renew(self) -> None:
        """Say who we are again before the token ends."""
        while True:
            await asyncio.sleep(self._tokens.renew_in_s + 1)
            bearer = await self._tokens.bearer(time.monotonic() + SILENT_S)
            async with self._said:
                if self._socket is not None:
                    await self._send(_authenticate(bearer, self._identity))
                    self._identity += 1

    async def _listen(self, socket: ClientConnection) -> None:
        while True:
            async with asyncio.timeout(SILENT_S):
                message = json.loads(await socket.recv())
            match message["type"]:
                case "Transition":
                    for change in message["modifications"]:
                        self._hear(change)
                    if message["endVersion"]["querySet"] == self._version:
                        self._waits = pauses()
                        self._told(True)
                case "AuthError":
                    self._tokens.forget(await self._tokens.bearer(time.monotonic()))
                    raise OSError("the token was refused")
                case "FatalError":
                    raise WorkerError(f"the backend refused the connection: {message['error']}")

    def _hear(self, change: Mapping[str, Any]) -> None:
        watch = self._watches.get(change["queryId"])
        if watch is None or change["type"] == "QueryRemoved":
            return
        watch.error = None
        if change["type"] == "QueryUpdated":
            watch.value = change["value"]
        else:
            data = change.get("errorData") or {}
            watch.error = refusal(str(data.get("code", "ServerError")), str(data.get("message", change["errorMessage"])), data)
        watch.news.set()


_running: set[asyncio.Future[None]] = set()


def _add(watch: Watch) -> dict[str, Any]:
    return {"type": "Add", "queryId": watch.number, "udfPath": watch.path, "args": [watch.args]}


def _authenticate(bearer: str, base: int) -> str:
    return json.dumps({"type": "Authenticate", "tokenType": "User", "value": bearer, "baseVersion": base})
