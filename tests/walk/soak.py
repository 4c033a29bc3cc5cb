"""`make soak`: clients that come, watch, are cut off and come back for minutes while others commit, and nothing of them is left.

`python -m tests.walk.soak [minutes] [clients] [owner|rows …]`. Everybody must end on the newest value, no value may go back, and
when all are gone nothing of theirs may remain: rows, sockets, queries, watches, frames, files. Memory is a slope.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.support.official import post
from tests.walk.leftovers import held, left
from tests.walk.server import Served

APPS = "chalicelib.functions,examples.counter,tests.apps.held"
NAMES, WRITERS, EVERY_S = 50, 4, 0.2
"""Counters; sockets that change them, each so often."""
STAY_S = (2.0, 30.0)
GONE = (OSError, WebSocketException, TimeoutError)


@dataclass
class Soak:
    """What a soak came to. `lost`: clients that did not end on the newest value. `left`: what remained, by what it is."""

    connections: int = 0
    cut: int = 0
    changes: int = 0
    delivered: int = 0
    lost: list[str] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)
    files: tuple[int, int] = (0, 0)
    threads: tuple[int, int] = (0, 0)
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Seconds and MB."""

    def slope(self) -> float:
        """MB a minute over the last two thirds, by least squares."""
        rest = self.memory[len(self.memory) // 3 :]
        mean_x, mean_y = (sum(each[axis] for each in rest) / len(rest) for axis in (0, 1))
        spread = sum((x - mean_x) ** 2 for x, _ in rest)
        return 60 * sum((x - mean_x) * (y - mean_y) for x, y in rest) / spread if spread else 0.0


class World:
    """The clients of one server.

    Args:
        url: of the server.
        seed: of when clients come and go.
    """

    def __init__(self, url: str, seed: int) -> None:
        self.url, self.rng, self.found = url.replace("http", "ws") + "/api/1.48.0/sync", random.Random(seed), Soak()
        self.over, self.expected = asyncio.Event(), Counter[str]()
        self.coming = asyncio.Semaphore(20)

    async def open(self, *more: dict[str, Any]) -> ClientConnection:
        """A socket that has said who it is."""
        async with self.coming:
            socket = await connect(self.url, compression=None, open_timeout=60, ping_interval=None, close_timeout=5)
        hello = {"type": "Connect", "sessionId": str(uuid.uuid4()), "connectionCount": 0, "lastCloseReason": "InitialConnect"}
        for frame in (hello, {"type": "Authenticate", "baseVersion": 0, "tokenType": "None"}, *more):
            await socket.send(json.dumps(frame))
        self.found.connections += 1
        return socket

    async def person(self, number: int) -> None:
        """Somebody who watches a counter, is away now and then, and stays at the end until the newest value is there."""
        name, newest = f"soak-{number % NAMES}", 0
        added = {"type": "Add", "queryId": 0, "udfPath": "counter:get", "args": [{"name": name}]}
        watch = {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [added]}
        while True:
            socket = await self.open(watch)
            stay = asyncio.get_running_loop().time() + self.rng.uniform(*STAY_S)
            while True:
                until = asyncio.get_running_loop().time() + 60 if self.over.is_set() else stay
                if self.over.is_set() and newest == self.expected[name]:
                    break
                try:
                    async with asyncio.timeout_at(min(until, asyncio.get_running_loop().time() + 1)):
                        text = await socket.recv()
                except TimeoutError:
                    if asyncio.get_running_loop().time() < until - 0.5:
                        continue
                    break
                newest = self._seen(number, name, newest, json.loads(text))
            await self._leave(socket, number)
            if self.over.is_set():
                if newest != self.expected[name]:
                    self.found.lost.append(f"client {number} ended on {newest} of {name}, which is {self.expected[name]}")
                return
            await asyncio.sleep(self.rng.uniform(0, 2))

    def _seen(self, number: int, name: str, newest: int, message: dict[str, Any]) -> int:
        for each in message.get("modifications", ()):
            value = int(each["value"])
            self.found.delivered += 1
            if value < newest:
                self.found.lost.append(f"client {number} was shown {value} of {name} after {newest}")
            newest = value
        return newest

    async def _leave(self, socket: ClientConnection, number: int) -> None:
        if self.rng.random() < 0.5:
            self.found.cut += 1
            socket.transport.abort()
        else:
            await socket.close()

    async def writer(self) -> None:
        """Somebody who changes counters, one after the other, until it is over."""
        nothing = {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": []}
        socket, number = await self.open(nothing), 0
        while not self.over.is_set():
            name = f"soak-{self.rng.randrange(NAMES)}"
            call = {"type": "Mutation", "requestId": number, "udfPath": "counter:add", "args": [{"name": name}]}
            await socket.send(json.dumps(call))
            while (message := json.loads(await asyncio.wait_for(socket.recv(), 60)))["type"] != "MutationResponse":
                pass
            assert message["success"], message
            self.expected[name] += 1
            self.found.changes += 1
            number += 1
            await asyncio.sleep(EVERY_S)
        await socket.close()

    async def live(self, clients: int, seconds: float, pid: int) -> None:
        """All of it; memory is looked at twice a second."""
        people = [asyncio.create_task(self.person(number)) for number in range(clients)]
        writers = [asyncio.create_task(self.writer()) for _ in range(WRITERS)]
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            self.found.memory.append((time.monotonic() - began, psutil.Process(pid).memory_info().rss / 2**20))
            await asyncio.sleep(0.5)
            for each in (*people, *writers):
                if each.done():
                    each.result()  # raises what went wrong there
        self.over.set()
        await asyncio.gather(*writers, *people)


def counts(url: str) -> dict[str, int]:
    """What the server's process holds in memory."""
    told = post(url, "/api/query", {"path": "held:held", "args": {}, "format": "json"})
    return {what: int(count) for what, count in told["value"].items()}


def soak(live: str, folder: Path, clients: int, seconds: float, seed: int = 1) -> Soak:
    """One server, so many clients for so long. What is left is looked at for at most 30 seconds."""
    server = Served(folder, LIVE=live, SWEEP_SECONDS="1", CALLS_PER_SECOND="0", CONCAVE_APPS=APPS)
    try:
        pid = server.process.pid

        async def run() -> Soak:
            world = World(server.url, seed)
            await world.live(clients, seconds, pid)
            return world.found

        before, files = counts(server.url), held(pid)[1]
        found = asyncio.run(run())
        until = time.monotonic() + 30
        while True:
            after = counts(server.url)
            found.left = {**left(folder), **{what: count for what, count in after.items() if count and what != "threads"}}
            if not found.left or time.monotonic() > until:
                break
            time.sleep(0.2)
        found.files, found.threads = (files, held(pid)[1]), (before["threads"], after["threads"])
        traces = [line for line in server.lines if "Traceback" in line]
        if traces:
            found.left["errors in the log"] = len(traces)
    finally:
        server.stop()
    return found


def report(live: str, found: Soak) -> None:
    """A line for each figure."""
    first, last = found.memory[len(found.memory) // 3][1], found.memory[-1][1]
    print(
        f"{live}: {found.connections:,} connections, {found.cut:,} cut off; "
        f"{found.changes:,} commits, {found.delivered:,} values told\n"
        f"  lost or out of order {len(found.lost)}; left {found.left or 'nothing'}\n"
        f"  files {found.files[0]} before, {found.files[1]} after; threads {found.threads[0]}, {found.threads[1]}\n"
        f"  memory {first:.0f} MB after a third, {last:.0f} MB at the end, {found.slope():+.2f} MB a minute",
        *found.lost[:10],
        sep="\n  ",
        flush=True,
    )


def main(minutes: float, clients: int, drivers: list[str]) -> int:
    """Each way of keeping sockets. Returns 1 when something was lost or is left."""
    wrong = 0
    for live in drivers:
        with tempfile.TemporaryDirectory() as folder:
            found = soak(live, Path(folder), clients, minutes * 60)
        report(live, found)
        wrong += bool(found.lost or found.left)
    return int(wrong > 0)


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main(float(given[0]) if given else 10, int(given[1]) if len(given) > 1 else 500, given[2:] or ["owner"]))
