"""Clients of a history: over sockets, as npm's client behaves when it comes back, and over HTTP. Each is one thread."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPException
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.histories.history import History, Step

GONE = (OSError, HTTPException, WebSocketException, TimeoutError)
"""What it looks like when a server or a road to it is not there."""
ANSWER_S, BACK_S = 10.0, 0.05
Roads = Callable[[], str]
"""Where to go now: the URL of one of the servers."""


def steps_of(told: Sequence[dict[str, Any]]) -> list[Step]:
    """Steps as a function answers them; numbers come as floats."""
    return [
        Step(each["key"], int(each["value"])) if "value" in each else Step(each["key"], saw=tuple(map(int, each["saw"])))
        for each in told
    ]


def asked(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Steps as a function's argument."""
    return [{"key": each.key} if each.value is None else {"key": each.key, "value": each.value} for each in steps]


class Caller:
    """A socket's client: what is not answered is asked again with the same number after a reconnect, as npm's client does.

    It also watches some keys: each value of that live query is a read of its own, which may be old but never older than the last.
    """

    def __init__(self, roads: Roads, history: History, keys: Sequence[str], stopped: threading.Event) -> None:
        self.roads, self.history, self.keys, self.stopped = roads, history, list(keys), stopped
        self.socket: ClientConnection | None = None
        self.reconnects = -1
        self._renew()

    def _renew(self) -> None:
        """Somebody else, who was never here."""
        self.session, self.requests, self.connections = str(uuid.uuid4()), 0, 0
        self.shown: str | None = None
        self.largest = ""

    def call(self, steps: Sequence[Step]) -> None:
        """A transaction, until it is answered or the world ends."""
        began, number = time.monotonic(), self.requests
        self.requests += 1
        frame = json.dumps(
            {"type": "Mutation", "requestId": number, "udfPath": "lists:transact", "args": [{"steps": asked(steps)}]}
        )
        while not self.stopped.is_set():
            with suppress(*GONE):
                if self.socket is None:
                    self._connect()
                assert self.socket is not None
                self.socket.send(frame)
                answer = self._answer(number)
                if not answer["success"]:
                    self.history.errors.add(str(answer["result"]).rpartition("]")[2])
                    self.history.add(steps, "failed", began)
                else:
                    self.history.add(steps_of(answer["result"]), "ok", began)
                return
            self.leave()
            self.stopped.wait(BACK_S)
        self.history.add(steps, "unknown", began)

    def abandon(self, steps: Sequence[Step]) -> None:
        """Ask for a transaction, and be gone for good before its answer."""
        began, number = time.monotonic(), self.requests
        frame = {"type": "Mutation", "requestId": number, "udfPath": "lists:transact", "args": [{"steps": asked(steps)}]}
        with suppress(*GONE):
            if self.socket is None:
                self._connect()
            assert self.socket is not None
            self.socket.send(json.dumps(frame))
        self.history.add(steps, "unknown", began)
        self.leave()
        self._renew()

    def leave(self) -> None:
        """Hang up."""
        if self.socket is not None:
            with suppress(*GONE):
                self.socket.close()
        self.socket = None

    def _connect(self) -> None:
        self.reconnects += 1
        url = self.roads().replace("http", "ws") + "/api/1.48.0/sync"
        self.socket = connect(url, open_timeout=ANSWER_S, close_timeout=0.1, max_size=None, ping_interval=None, legacy=True)
        hello: dict[str, Any] = {"type": "Connect", "sessionId": self.session, "connectionCount": self.connections}
        hello["lastCloseReason"] = "InitialConnect" if self.connections == 0 else "OnCloseInvoked"
        if self.largest:
            hello["maxObservedTimestamp"] = self.largest
        self.connections += 1
        watch = {"type": "Add", "queryId": 0, "udfPath": "lists:look", "args": [{"keys": self.keys}]}
        for frame in (
            hello,
            {"type": "Authenticate", "baseVersion": 0, "tokenType": "None"},
            {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [watch]},
        ):
            self.socket.send(json.dumps(frame))

    def _answer(self, number: int) -> dict[str, Any]:
        """The answer of a call; what the live query shows on the way is noted. TimeoutError: there is none."""
        assert self.socket is not None
        until = time.monotonic() + ANSWER_S
        while True:
            message = json.loads(self.socket.recv(timeout=max(0.0, until - time.monotonic())))
            if message["type"] == "Transition":
                self._show(message)
            elif message["type"] == "MutationResponse" and message["requestId"] == number:
                return dict(message)
            elif message["type"] in ("FatalError", "AuthError"):
                raise AssertionError(message)

    def _show(self, message: dict[str, Any]) -> None:
        self.largest = message["endVersion"]["ts"]
        for each in message["modifications"]:
            if each["type"] == "QueryUpdated":
                self.shown = self.history.add(steps_of(each["value"]), "ok", time.monotonic(), live=True, after=self.shown)


class Visitor:
    """A client over HTTP: each call stands alone, and when there is no answer nobody knows what came of it."""

    def __init__(self, roads: Roads, history: History) -> None:
        self.roads, self.history = roads, history
        self.heard = True
        """Whether the last call had an answer."""

    def call(self, steps: Sequence[Step]) -> None:
        """A transaction, asked once."""
        began = time.monotonic()
        told = self._post("mutation", "lists:transact", {"steps": asked(steps)})
        if told is None:
            self.history.add(steps, "unknown", began)
        else:
            self.history.add(steps_of(told), "ok", began)

    def look(self, keys: Sequence[str]) -> list[Step] | None:
        """A query; None when there was no answer."""
        began = time.monotonic()
        told = self._post("query", "lists:look", {"keys": list(keys)})
        if told is None:
            return None
        steps = steps_of(told)
        self.history.add(steps, "ok", began)
        return steps

    def _post(self, kind: str, path: str, args: dict[str, Any]) -> list[dict[str, Any]] | None:
        body = json.dumps({"path": path, "args": args, "format": "json"}).encode()
        request = urllib.request.Request(f"{self.roads()}/api/{kind}", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
                told = json.load(answer)
        except (*GONE, json.JSONDecodeError):
            self.heard = False
            return None
        self.heard = True
        if told["status"] != "success":
            self.history.errors.add(str(told["errorMessage"]).rpartition("]")[2])
            return None
        return list(told["value"])


def steps(rng: random.Random, keys: Sequence[str], numbers: Callable[[], int]) -> list[Step]:
    """One to four appends and reads of some keys."""
    return [
        Step(rng.choice(keys), numbers()) if rng.random() < 0.55 else Step(rng.choice(keys)) for _ in range(rng.randint(1, 4))
    ]
