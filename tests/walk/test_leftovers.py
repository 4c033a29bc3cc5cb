"""Clients come, work and go, many of them without a word; nothing of them stays."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from chalicelib.aws.gateway import POOL
from tests.support.loop import alone
from tests.support.official import post
from tests.walk.leftovers import held, left
from tests.walk.server import Served

APPS = "chalicelib.functions,examples.counter,tests.apps.held"
A_SOCKET = "infra/local/socket_protocol/Socket"

CLIENTS, TOGETHER = 100, 4
"""How many come in a round, and how many watch the same."""
ROUNDS, MORE_MB = 16, 3
"""After so many rounds it must have come to rest, and what two rounds may add then: 15 KB for each client that came."""
MORE_OBJECTS = CLIENTS // 6
"""What a round may add of a class, by what runs when it is counted: half of what those alone would leave who are cut off."""


async def visit(url: str, number: int) -> None:
    """One client: connects, watches, counts, and leaves when it has seen that; each third one by cutting its socket."""
    name = f"visit-{number // TOGETHER}"
    async with connect(f"{url.replace('http', 'ws')}/api/1.48.0/sync", open_timeout=60) as socket:
        added = {"type": "Add", "queryId": 0, "udfPath": "counter:get", "args": [{"name": name}]}
        say = {"type": "Connect", "sessionId": str(uuid.uuid4()), "connectionCount": 0, "lastCloseReason": "InitialConnect"}
        await socket.send(json.dumps(say))
        await socket.send(json.dumps({"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [added]}))
        await until(socket, lambda told: bool(told.get("modifications")))
        call = {"type": "Mutation", "requestId": 0, "udfPath": "counter:add", "args": [{"name": name}]}
        await socket.send(json.dumps(call))
        await until(socket, lambda told: told["type"] == "MutationResponse" and told["success"])
        if number % 3 == 0:
            socket.transport.abort()


async def until(socket: ClientConnection, holds: Any) -> None:
    """Read until a message is what we wait for."""
    async with asyncio.timeout(60):
        while not holds(json.loads(await socket.recv())):
            pass


async def crowd(url: str, count: int) -> None:
    """So many, at once."""
    await asyncio.gather(*(visit(url, number) for number in range(count)))


def rest(server: Served, most_s: float = 20.0) -> None:
    """Wait until nothing is left."""
    end = time.monotonic() + most_s
    while left(server.folder):
        assert time.monotonic() < end, f"left behind: {left(server.folder)}"
        time.sleep(0.05)


def at_rest(after: list[tuple[int, int]]) -> bool:
    """Whether the last two rounds have asked for nothing that those before them had not: what leaks never comes to that."""
    return len(after) > 3 and max(after[-2:])[0] <= max(after[:-2])[0] + MORE_MB


def counted(server: Served, most_s: float = 30.0) -> dict[str, float]:
    """The objects of the server's process when no socket is left: one that was cut off may take some seconds to end."""
    end = time.monotonic() + most_s
    while (objects := asked(server, "objects")).get(A_SOCKET):
        assert time.monotonic() < end, f"sockets that are left: {objects[A_SOCKET]}"
        time.sleep(0.1)
    return dict(objects)


def asked(server: Served, path: str) -> Any:
    """What a query of `tests/apps/held.py` answers."""
    return post(server.url, "/api/query", {"path": f"held:{path}", "args": {}, "format": "json"})["value"]


def until_ready(server: Served, most_s: float = 120.0) -> None:
    """Wait until the model's SDK is loaded: it is some 50 MB, and takes as many rounds as the machine is busy."""
    end = time.monotonic() + most_s
    while asked(server, "ready") is not True:
        assert time.monotonic() < end
        time.sleep(0.1)


def grown(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """By how much each class has more objects, where that is more than chance."""
    more = {kind: count - before.get(kind, 0) for kind, count in after.items()}
    return {kind: count for kind, count in more.items() if count > MORE_OBJECTS}


def test_one_object_for_each_client_that_is_cut_off_is_seen() -> None:
    assert grown({"Socket": 3, "Call": 1}, {"Socket": 3 + CLIENTS // 3, "Call": 9}) == {"Socket": CLIENTS // 3}


def test_what_grows_with_each_round_never_comes_to_rest() -> None:
    leaking = [(83 + 10 * number, 17) for number in range(ROUNDS)]
    assert not any(at_rest(leaking[:number]) for number in range(ROUNDS))
    assert at_rest([(81, 17), (99, 17), (121, 17), (122, 17), (123, 17)])


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="what a process holds is read from /proc")
def test_hundreds_of_clients_leave_nothing_behind(tmp_path: Path) -> None:
    server = Served(tmp_path / "data", SWEEP_SECONDS="0.5", CONCAVE_APPS=APPS)
    try:
        until_ready(server)
        fresh = held(server.process.pid)[1]
        after: list[tuple[int, int]] = []
        objects: list[dict[str, float]] = []
        # Caches and pools are filled first, and threads are begun where many call at once: in which round, hangs on the machine.
        while not at_rest(after):
            assert len(after) < ROUNDS, after
            alone(crowd(server.url, CLIENTS))
            rest(server)
            after.append(held(server.process.pid))
            objects.append(counted(server))
        assert grown(objects[-2], objects[-1]) == {}
        # The pool of connections to `@connections`, of which each has two ends here, grows when many post at once, to its bound.
        # Threads hold files of the database, too. Of 100 clients each third one was cut off: a file kept for those alone would
        # be more than 133 after four rounds, beside what the pools hold.
        assert after[-1][1] <= fresh + 2 * POOL + 40, (fresh, after)
    finally:
        server.stop()
    assert not [line for line in server.lines if "Traceback" in line]
