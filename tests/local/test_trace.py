"""One request id from a client's frame to the fan-out of its commit, through every hop of the real server."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import pytest
from websockets.sync.client import connect

from chalicelib.settings import Settings
from infra.local.stack import Stack


class Told(logging.Handler):
    """Gathers the lines that carry traces."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.commits: list[str] = []
        self.fan_outs: list[str] = []
        self.both = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the ids."""
        if record.getMessage() == "commit" and getattr(record, "trace", ""):
            self.commits.append(record.trace)  # type: ignore[attr-defined]
        if record.getMessage() == "told":
            self.fan_outs += record.traces  # type: ignore[attr-defined]
        if set(self.commits) & set(self.fan_outs):
            self.both.set()


@pytest.fixture
def told() -> Told:
    return Told()


def test_the_id_of_the_request_that_brought_a_mutation_is_in_its_commit_and_its_fan_out(tmp_path: Path, told: Told) -> None:
    logger = logging.getLogger("concave")
    before = logger.level
    logger.addHandler(told)
    logger.setLevel(logging.INFO)
    stack = Stack(Settings(data_dir=tmp_path, port=0, apps=("chalicelib.functions", "examples.counter")))
    stack.start()
    try:
        call = {"type": "Mutation", "requestId": 0, "udfPath": "counter:add", "args": [{"name": "traced"}]}
        with connect(f"{stack.url.replace('http', 'ws')}/api/sync") as socket:
            for frame in (
                {"type": "Connect", "sessionId": "a-session", "connectionCount": 0, "lastCloseReason": None},
                {"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": []},
                call,
            ):
                socket.send(json.dumps(frame))
            while json.loads(socket.recv(20))["type"] != "MutationResponse":
                pass
        assert told.both.wait(20)
        (row,) = [each for each in stack.store.scan("commits").items if each["path"] == "counter:add"]
        assert row["trace"] in told.commits
        assert row["trace"] in told.fan_outs
    finally:
        stack.stop()
        logger.removeHandler(told)
        logger.setLevel(before)
