"""One request id from a client's frame to its commit, its fan-out and the posts, through every hop of the real server."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from chalicelib.settings import Settings
from infra.local.stack import Stack


class Told(logging.Handler):
    """Gathers the lines that carry traces."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.posts: dict[str, set[str]] = {}
        self.commits: list[str] = []
        self.fan_outs: list[str] = []
        self.both = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the ids."""
        if record.getMessage() == "commit" and getattr(record, "trace", ""):
            self.commits.append(record.trace)  # type: ignore[attr-defined]
        if record.getMessage() == "told":
            self.fan_outs += record.traces  # type: ignore[attr-defined]
        if record.getMessage() == "posted":
            self.posts.setdefault(record.trace, set()).add(record.connection_id)  # type: ignore[attr-defined]
        if any(len(self.posts.get(each, ())) == 2 for each in set(self.commits) & set(self.fan_outs)):
            self.both.set()


@pytest.fixture
def told() -> Told:
    return Told()


def _joined(socket: ClientConnection, *modifications: dict[str, Any]) -> None:
    """Say hello, subscribe, and wait for the first values."""
    for frame in (
        {"type": "Connect", "sessionId": "a-session", "connectionCount": 0, "lastCloseReason": None},
        {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": modifications},
    ):
        socket.send(json.dumps(frame))
    while json.loads(socket.recv(20))["type"] != "Transition":
        pass


def test_the_id_of_a_request_is_in_its_commit_the_fan_out_and_the_posts_to_both_who_are_told(tmp_path: Path, told: Told) -> None:
    logger = logging.getLogger("concave")
    before = logger.level
    logger.addHandler(told)
    logger.setLevel(logging.DEBUG)
    stack = Stack(Settings(data_dir=tmp_path, port=0, apps=("chalicelib.functions", "examples.counter"), live="rows"))
    stack.start()
    try:
        query = {"type": "Add", "queryId": 0, "udfPath": "counter:get", "args": [{"name": "traced"}]}
        url = f"{stack.url.replace('http', 'ws')}/api/sync"
        with connect(url) as socket, connect(url) as watcher:
            _joined(socket)
            _joined(watcher, query)
            for number in range(10):  # a turn that is under way may take an answer in; it posts in its own request's name
                call = {"type": "Mutation", "requestId": number, "udfPath": "counter:add", "args": [{"name": "traced"}]}
                socket.send(json.dumps(call))
                while json.loads(socket.recv(20))["type"] != "MutationResponse":
                    pass
                if told.both.wait(2):
                    break
        assert told.both.is_set()
        traces = {each["trace"] for each in stack.store.scan("commits").items if each["path"] == "counter:add"}
        assert traces == set(told.commits)
        assert set(told.fan_outs) <= traces
    finally:
        stack.stop()
        logger.removeHandler(told)
        logger.setLevel(before)
