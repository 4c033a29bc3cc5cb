"""`make bench-live`: what a change costs until everybody has it, for both ways of keeping sockets.

For 1, 10, 100 and 1000 subscribers of one counter: the time from a call to its own Transition, to another socket's and to the
last one's, and the CPU time of the server for each change. Times say something only as a ratio to the bare echo of the same
run, which is measured against a server in a process of its own; CPU is the process's own count.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.walk.server import Served

CHANGES = {1: 200, 10: 200, 100: 60, 1000: 15}
ECHO = """
import asyncio
from websockets.asyncio.server import serve
async def repeat(socket):
    async for text in socket:
        await socket.send(text)
async def main():
    async with serve(repeat, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()
asyncio.run(main())
"""


class Tab:
    """One socket that watches the counter."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket, self.seen, self.told = socket, asyncio.Event(), 0.0
        self.reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        async for text in self.socket:
            if "QueryUpdated" in text:
                self.told = time.perf_counter()
                self.seen.set()

    async def close(self) -> None:
        await self.socket.close()
        await self.reader


async def tab(url: str, name: str) -> Tab:
    """A socket with its first value."""
    made = Tab(await connect(url.replace("http", "ws") + "/api/1.48.0/sync", compression=None, ping_interval=None))
    for frame in (
        {"type": "Connect", "sessionId": str(uuid.uuid4()), "connectionCount": 0, "lastCloseReason": "InitialConnect"},
        {"type": "Authenticate", "baseVersion": 0, "tokenType": "None"},
        {
            "type": "ModifyQuerySet",
            "baseVersion": 0,
            "newVersion": 1,
            "modifications": [{"type": "Add", "queryId": 0, "udfPath": "counter:get", "args": [{"name": name}]}],
        },
    ):
        await made.socket.send(json.dumps(frame))
    await asyncio.wait_for(made.seen.wait(), 60)
    return made


def cpu_ms(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


async def quiet(pid: int) -> None:
    """Wait until a process has begun: a server imports the model's SDK after its first words."""
    before = -1000.0
    while (now := cpu_ms(pid)) - before > 30:
        before = now
        await asyncio.sleep(1)


async def echo(rounds: int = 300) -> float:
    """The median time of an echo, in milliseconds."""
    server = subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    times = []
    async with connect(f"ws://127.0.0.1:{server.stdout.readline().strip()}", compression=None) as socket:
        for _ in range(rounds):
            began = time.perf_counter()
            await socket.send("x" * 200)
            await socket.recv()
            times.append(time.perf_counter() - began)
    server.terminate()
    server.wait()
    return statistics.median(times) * 1000


async def measure(server: Served, tabs: list[Tab], name: str, changes: int) -> dict[str, float]:
    """Change the counter so often, each time until everybody has it."""
    mine, others = tabs[0], tabs[1:]
    own, another, last = list[float](), list[float](), list[float]()
    began_cpu = cpu_ms(server.process.pid)
    for number in range(changes):
        for each in tabs:
            each.seen.clear()
        began = time.perf_counter()
        call: dict[str, Any] = {"type": "Mutation", "requestId": number, "udfPath": "counter:add", "args": [{"name": name}]}
        await mine.socket.send(json.dumps(call))
        for each in tabs:
            await asyncio.wait_for(each.seen.wait(), 60)
        own.append(mine.told - began)
        another.append(others[0].told - began)
        last.append(max(each.told for each in tabs) - began)
    used = cpu_ms(server.process.pid) - began_cpu
    medians = {"own": own, "another": another, "last": last}
    return {**{word: statistics.median(times) * 1000 for word, times in medians.items()}, "cpu": used / changes}


async def report(live: str, most: int) -> None:
    """One way of keeping sockets."""
    with tempfile.TemporaryDirectory() as folder:
        server = Served(Path(folder), LIVE=live, CALLS_PER_SECOND="0")
        try:
            await quiet(server.process.pid)
            bare = await echo()
            print(f"\n{live}; a bare echo takes {bare:.2f} ms")
            for subscribers, changes in CHANGES.items():
                if subscribers > most:
                    continue
                name = f"n{subscribers}"
                tabs = [await tab(server.url, name) for _ in range(subscribers + 1)]
                found = await measure(server, tabs, name, changes)
                print(
                    f"{subscribers:5} subscribers: own {found['own']:7.2f} ms, another {found['another']:7.2f} ms "
                    f"({found['another'] / bare:.1f} echoes), last {found['last']:8.2f} ms; "
                    f"server CPU {found['cpu']:.2f} ms a change"
                )
                await asyncio.gather(*(each.close() for each in tabs))
        finally:
            server.stop()


def main() -> None:
    """`python -m tests.bench_live [most subscribers] [owner|rows]`."""
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for live in sys.argv[2:] or ["rows", "owner"]:
        asyncio.run(report(live, most))


if __name__ == "__main__":
    main()
