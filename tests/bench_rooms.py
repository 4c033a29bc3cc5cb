"""The chat gateway, counted: what a message to a room costs, and how many go through in a second."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from websockets.sync.client import connect

from tests.bench_parts import Counted

ROOMS, MESSAGES = 8, 40


class Tab:
    """A socket of JSON frames."""

    def __init__(self, url: str, token: str) -> None:
        self.socket = connect(f"{url.replace('http', 'ws')}/chat?token={token}", max_size=None, legacy=True)
        self._heard = threading.Condition()
        self._frames: list[dict[str, Any]] = []
        self._acks = 0
        threading.Thread(target=self._read, daemon=True).start()
        self.wait("connection:ready", 1)

    def _read(self) -> None:
        for text in self.socket:
            with self._heard:
                self._frames.append(json.loads(text))
                self._heard.notify_all()

    def wait(self, event: str, count: int) -> None:
        """Until so many of these have come."""
        with self._heard:
            assert self._heard.wait_for(lambda: sum(each["event"] == event for each in self._frames) >= count, 60)

    def call(self, event: str, **data: Any) -> None:
        """An event, until it is acknowledged."""
        self._acks += 1
        self.send(event, self._acks, data)
        self.wait("ack", self._acks)

    def send(self, event: str, number: int, data: dict[str, Any]) -> None:
        """An event, without waiting."""
        self.socket.send(json.dumps({"event": event, "id": number, "data": data}))

    def close(self) -> None:
        """Hang up."""
        self.socket.close()


def rooms(server: Counted) -> None:
    """Units of a message by how many hear it; then messages a second of one process."""
    print("\nThe chat gateway\n")
    room = server.http("mutation", "conversations:create", _between("alice", "one"))
    tabs = [Tab(server.url, server.token) for _ in range(11)]
    tabs[0].call("conversation:join", conversationId=room)
    here = 0
    for hear in (1, 10):
        for tab in tabs[here + 1 : hear + 1]:
            tab.call("conversation:join", conversationId=room)
        here = hear
        server.count(f"a message that {hear} others hear", lambda: tabs[0].call("message:send", conversationId=room, content="x"))
    for tab in tabs:
        tab.close()
    _through(server)


def _between(user: str, agent: str) -> dict[str, Any]:
    return {"type": "user-agent", "participants": {"userId": user, "agentId": agent}}


def _through(server: Counted) -> None:
    """Rooms of two sockets, one of which sends: how many messages a second are stored, acknowledged and heard."""
    pairs = []
    for number in range(ROOMS):
        room = server.http("mutation", "conversations:create", _between("alice", f"agent-{number}"))
        pair = (Tab(server.url, server.token), Tab(server.url, server.token))
        for tab in pair:
            tab.call("conversation:join", conversationId=room)
        pairs.append((room, *pair))
    start = time.perf_counter()
    for number in range(MESSAGES):
        for room, sender, _ in pairs:
            sender.send("message:send", 1000 + number, {"conversationId": room, "content": f"message {number}"})
    for _, sender, listener in pairs:
        sender.wait("message:sent", MESSAGES)
        listener.wait("message:new", MESSAGES)
    taken = time.perf_counter() - start
    print(f"\n  {ROOMS * MESSAGES} messages in {ROOMS} rooms: {ROOMS * MESSAGES / taken:.0f} a second, one process on SQLite")
    print(
        "  The document's gateway claims 5,000 to 10,000 messages a second and instance, each broadcast and none kept from being"
    )
    print(
        "  stored twice. Here a message is a transaction; in the cloud the walls are one conversation's row (about 12 commits a"
    )
    print("  second) and the account's 10,000 posts a second, and not a process.")
    for _, *both in pairs:
        for tab in both:
            tab.close()
