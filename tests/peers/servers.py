"""The servers that are compared: how each is started, watched and given a message."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, ClassVar

from tests.peers.viewers import Events, Http, Socket, Viewer, sync_frames
from tests.walk.server import Serving

HERE = Path(__file__).parent
VIEWERS_AT_ONCE = 50


class Unavailable(Exception):
    """A server that is not installed here; the text says what is missing."""


def _drain(stream: IO[str]) -> None:
    """Read what it says until its end."""
    with stream:
        for _ in stream:
            pass


class Peer:
    """A server in a process of its own. `title` names it, `promise` says what "stored" and "told" mean for it."""

    title: ClassVar[str]
    promise: ClassVar[str]
    pid: int
    process: subprocess.Popen[str] | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def spawn(self, command: Sequence[str | Path], ready: str = "") -> str:
        """Start it; returns its first line that contains `ready`. Unavailable: it ended before."""
        self.process = subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.pid = self.process.pid
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if ready in line:
                # A full pipe would stop it.
                threading.Thread(target=_drain, args=(self.process.stdout,), daemon=True).start()
                return line.strip()
        self.process.stdout.close()
        raise Unavailable("".join(said[-5:]).strip() or "it said nothing and ended")

    async def prepare(self) -> None:
        """Start it, until it can be used. Unavailable: it is not installed."""
        raise NotImplementedError

    def viewer(self) -> Socket | Events:
        """One viewer, not connected yet."""
        raise NotImplementedError

    async def watch(self, count: int) -> list[Viewer]:
        """So many viewers, each of whom will be told of the next message."""
        made = list[Viewer]()
        while len(made) < count:
            group = [self.viewer() for _ in range(min(VIEWERS_AT_ONCE, count - len(made)))]
            made += await asyncio.gather(*(each.open() for each in group))
        return made

    async def say(self, text: str) -> None:
        """Send one message."""
        raise NotImplementedError

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)


class Spoken(Peer):
    """A server that is told its messages over a WebSocket, by a client that is no viewer when the server allows it."""

    speaker: Socket | None = None

    def speaking(self) -> Socket:
        """Who sends."""
        raise NotImplementedError

    def frame(self, text: str) -> str:
        """The frame that sends a message."""
        raise NotImplementedError

    async def say(self, text: str) -> None:
        if self.speaker is None:
            self.speaker = await self.speaking().open()
        await self.speaker.send(self.frame(text))


class Concave(Spoken):
    """This repository's server: a row for each message, and a query that shows the newest."""

    title = "Concave (owner)"
    promise = "a SQLite file, synchronous=NORMAL; a transaction, and a query that is evaluated again"
    served: Serving | None = None
    sent = 0

    async def prepare(self) -> None:
        self.served = Serving(
            self.folder, LIVE="owner", CALLS_PER_SECOND="0", CONCAVE_APPS="chalicelib.functions,tests.peers.room"
        )
        self.pid = self.served.process.pid
        self.url = self.served.url.replace("http", "ws") + "/api/1.48.0/sync"

    def viewer(self) -> Socket:
        return Socket(self.url, sync_frames("room:newest", {}), "QueryUpdated", "QueryUpdated")

    def speaking(self) -> Socket:
        return Socket(self.url, sync_frames(), "Nothing", "")

    def frame(self, text: str) -> str:
        self.sent += 1
        return json.dumps({"type": "Mutation", "requestId": self.sent, "udfPath": "room:say", "args": [{"text": text}]})

    def stop(self) -> None:
        if self.served is not None:
            self.served.stop()


class Bare(Spoken):
    """What `websockets` can do at most."""

    title = "bare websockets"
    promise = "nothing is stored; a frame is sent to everybody (to 1: the sender's own echo)"

    async def prepare(self) -> None:
        self.url = f"ws://127.0.0.1:{self.spawn([sys.executable, HERE / 'bare.py'])}"

    def viewer(self) -> Socket:
        return Socket(self.url, [], "x", "welcome")

    async def watch(self, count: int) -> list[Viewer]:
        made = await super().watch(count)
        assert isinstance(made[0], Socket)
        self.speaker = made[0]
        return made

    def frame(self, text: str) -> str:
        return text


class SocketIo(Spoken):
    """socket.io 4 with better-sqlite3."""

    title = "socket.io + SQLite"
    promise = "a SQLite file, synchronous=NORMAL; an event to a room, at most once"

    async def prepare(self) -> None:
        if not (HERE / "node_modules/better-sqlite3/build/Release/better_sqlite3.node").exists():
            raise Unavailable("better-sqlite3 is not built in tests/peers (make bench-peers does, with npm and a C++ compiler)")
        port = self.spawn(["node", HERE / "socketio.mjs", self.folder / "messages.db", "NORMAL"])
        self.url = f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"

    def viewer(self) -> Socket:
        return Socket(self.url, ["40"], '42["message"', '40{"sid"')

    def speaking(self) -> Socket:
        return self.viewer()

    def frame(self, text: str) -> str:
        return "42" + json.dumps(["message", text])

    async def watch(self, count: int) -> list[Viewer]:
        made = await super().watch(count)
        assert isinstance(made[0], Socket)
        self.speaker = made[0]
        return made


class PocketBase(Peer):
    """PocketBase: a collection, and its realtime events."""

    title = "PocketBase"
    promise = "its SQLite file as it comes; server-sent events, at most once"

    async def prepare(self) -> None:
        program = shutil.which("pocketbase", path=str(Path(sys.executable).parent)) or shutil.which("pocketbase")
        if program is None:
            raise Unavailable("no program `pocketbase` (pip install -r tests/peers/requirements.txt)")
        # Without a folder for them it leaves migrations beside its data, and the next run would find them there.
        data = (f"--dir={self.folder / 'data'}", f"--migrationsDir={self.folder / 'migrations'}")
        who = {"identity": "bench@example.com", "password": "only-for-a-bench"}
        subprocess.run([program, "superuser", "upsert", *who.values(), *data], check=True, capture_output=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = port = free.getsockname()[1]
        self.spawn([program, "serve", f"--http=127.0.0.1:{port}", *data], "Server started")
        self.http = Http(port)
        token = (await self.http.ask("POST", "/api/collections/_superusers/auth-with-password", who))["token"]
        rules = {"listRule": "", "viewRule": "", "createRule": ""}
        made = {"name": "messages", "type": "base", "fields": [{"name": "text", "type": "text"}], **rules}
        await self.http.ask("POST", "/api/collections", made, token)

    def viewer(self) -> Events:
        return Events(self.port, "/api/realtime", "event:messages/*")

    async def watch(self, count: int) -> list[Viewer]:
        made = await super().watch(count)
        for each in made:
            assert isinstance(each, Events)
            named = {"clientId": json.loads(each.greeting)["clientId"], "subscriptions": ["messages/*"]}
            await self.http.ask("POST", "/api/realtime", named)
        return made

    async def say(self, text: str) -> None:
        await self.http.ask("POST", "/api/collections/messages/records", {"text": text})


class DurableStreams(Peer):
    """The reference server of Durable Streams."""

    title = "Durable Streams"
    promise = "an append-only file, fdatasync for each message (stronger than the others); server-sent events by offset"

    async def prepare(self) -> None:
        if not (HERE / "node_modules/@durable-streams/server").exists():
            raise Unavailable("@durable-streams/server is not installed in tests/peers (make bench-peers does, with npm)")
        self.port = int(self.spawn(["node", HERE / "durable.mjs", self.folder], "port ").removeprefix("port "))
        self.http = Http(self.port)
        await self.http.ask("PUT", "/v1/stream/room")

    def viewer(self) -> Events:
        return Events(self.port, "/v1/stream/room?offset=now&live=sse", "event: data")

    async def say(self, text: str) -> None:
        await self.http.ask("POST", "/v1/stream/room", {"text": text})


PEERS: tuple[type[Peer], ...] = (Concave, Bare, SocketIo, PocketBase, DurableStreams)
