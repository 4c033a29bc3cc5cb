"""The figures of sockets in memory, and the bytes of a reply by either way: a server in a process of its own."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect

from tests.bench_contention import ACCOUNTS
from tests.bench_cost import Tab
from tests.bench_peers import cpu_ms, quiet
from tests.peers.viewers import sync_frames
from tests.support.bench_client import Client
from tests.support.official import post
from tests.support.road import HOST, Road
from tests.walk.server import Served, Serving

SOCKETS, SECONDS = 8, 4.0
PIECES, PIECE = 200, 200


@contextmanager
def served(kind: type[Served] = Served, **env: str) -> Iterator[Served]:
    """A server."""
    with tempfile.TemporaryDirectory() as folder:
        server = kind(Path(folder), CALLS_PER_SECOND="0", **env)
        try:
            yield server
        finally:
            server.stop()


async def transfers() -> dict[str, float]:
    """Transfers for each second of the server's CPU time: sockets that each wait for an answer before they call again."""
    with served(Serving, LIVE="owner", CONCAVE_APPS="chalicelib.functions,tests.bench_contention") as server:
        await quiet(server.process.pid)
        url = server.url.replace("http", "ws") + "/api/1.48.0/sync"
        sockets = [await connect(url, compression=None, ping_interval=None) for _ in range(SOCKETS)]
        for each in sockets:
            for frame in sync_frames():
                await each.send(frame)
        for number in range(ACCOUNTS):
            await _call(sockets[0], number, "openAccount", {"name": f"a{number}"})
        found = {}
        for name, hot in (("calm", 0.0), ("hot", 0.8)):
            began, until = cpu_ms(server.process.pid), time.perf_counter() + SECONDS
            done = await asyncio.gather(*(_press(each, seed, hot, until) for seed, each in enumerate(sockets)))
            found[name] = sum(done) / (cpu_ms(server.process.pid) - began) * 1000
        for each in sockets:
            await each.close()
    return found


async def _press(to: ClientConnection, seed: int, hot: float, until: float) -> int:
    rng, done = random.Random(seed), 0
    base = ACCOUNTS * (1 + int(hot > 0) * 1000)
    while time.perf_counter() < until:
        one, other = (0, 1) if rng.random() < hot else rng.sample(range(ACCOUNTS), 2)
        await _call(to, base + done, "transfer", {"one": f"a{one}", "other": f"a{other}"})
        done += 1
    return done


async def _call(to: ClientConnection, number: int, name: str, args: dict[str, str]) -> None:
    call = {"type": "Mutation", "requestId": number, "udfPath": f"bench_contention:{name}", "args": [args]}
    await to.send(json.dumps(call))
    while True:
        text = await asyncio.wait_for(to.recv(), 60)
        if '"MutationResponse"' in str(text):
            assert json.loads(text)["success"], text
            return


def bytes_of_a_reply(live: str) -> float:
    """Bytes to a tab that shows a reply of 40,000 characters, which a worker writes in 200 pieces, ÷ its text.

    A piece is written when the tab has the one before, as a model's pace leaves it the time. One that writes a hundred pieces a
    second is followed in updates that skip some, and each asks for what it skipped: with rows that is up to two fifths more.
    """
    env = {"WS_COMPRESSION": "on", "ALLOWED_HOSTS": HOST}
    with served(Serving, LIVE=live, CONCAVE_APPS="chalicelib.functions", **env) as server:
        road = Road(int(server.port))
        worker = post(server.url, "/dev/token", {"subject": "w1", "org": "acme", "roles": ["worker"]})["token"]
        alice = post(server.url, "/dev/token", {"subject": "alice", "org": "acme"})["token"]
        near, writer = Client(server.url, alice), Client(server.url, worker)
        session = near.mutation("chat:startSession", {"workerId": "w1"})
        reply = near.mutation("chat:sendMessage", {"sessionId": session, "content": "Write."})
        tab = Tab(road.url, alice, session, "deflate" if live == "owner" else None)
        tab.follow(reply)
        rng, before, text = random.Random(1), road.bytes, ""
        for number in range(PIECES):
            piece = _words(rng)
            text += piece
            writer.mutation("chat:writeChunk", {"sessionId": session, "messageId": reply, "chunk": piece, "sequence": number})
            tab.until(partial(_has, tab, number))
        _complete(server.url, worker, {"sessionId": session, "messageId": reply, "content": text})
        tab.until(lambda: tab.completed(reply))
        tab.move()
        assert tab.reading.text
        assert text.startswith(tab.reading.text)
        told = road.bytes - before
        for each in (tab, near, writer):
            each.close()
        road.close()
    return told / len(text)


def _has(tab: Tab, number: int) -> bool:
    tab.move()
    return tab.reading.last >= number


def _complete(url: str, token: str, args: dict[str, str]) -> None:
    """End a reply over HTTP: its whole text is more than a frame may hold."""
    body = json.dumps({"path": "chat:completeMessage", "args": args, "format": "json"}).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/api/mutation", body, headers), timeout=30) as answer:
        told = json.load(answer)
    assert told["status"] == "success", told


def _words(rng: random.Random) -> str:
    """A piece of prose: 200 characters of words that are used as often as words are."""
    letters = "etaoinshrdlucmfwypvbgk"
    said = ""
    while len(said) < PIECE:
        word = random.Random(int(rng.paretovariate(0.8)) % 3000)
        said += "".join(word.choices(letters, range(len(letters), 0, -1), k=word.randint(2, 9))) + " "
    return said[:PIECE]
