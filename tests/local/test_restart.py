"""`kill -9` of the server in the middle of a reply: whoever starts it again finds the reply ended, and the chat free."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.test_stack import Process


class Chatting(Process):
    """The chat backend with its real leases, and somebody who is signed in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, CONCAVE_APPS="chalicelib.functions")
        self.token = self._post("/dev/token", {"subject": "alice", "org": "acme"})["token"]

    def _post(self, path: str, body: Any, **headers: str) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def call(self, kind: str, path: str, **args: Any) -> Any:
        said = self._post(f"/api/{kind}", {"path": path, "args": args}, Authorization=f"Bearer {self.token}")
        assert said["status"] == "success", said
        return said["value"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Chatting]:
    running = Chatting(tmp_path / "own")
    yield running
    running.process.kill()
    running.process.wait(5)


def test_a_reply_that_was_cut_by_a_kill_is_ended_at_the_next_start(server: Chatting) -> None:
    """A laptop's file has one process at a time, so nobody writes what is running when it is opened: no lease is waited for."""
    session = server.call("mutation", "chat:startSession")

    def last() -> dict[str, Any]:
        found: dict[str, Any] = server.call("query", "chat:getMessages", sessionId=session)[-1]
        return found

    def chunks() -> str:
        page = server.call("query", "chat:subscribeToChunks", sessionId=session, messageId=last()["messageId"])
        return "".join(each["chunk"] for each in page)

    server.call("mutation", "chat:sendMessage", sessionId=session, content="/pace 40\nwrite 2000 words")
    server.until(lambda: bool(chunks()), True)
    seen = chunks()
    server.process.kill()
    server.process.wait(5)
    server.start()
    server.until(lambda: last()["status"], "interrupted")
    assert last()["content"].startswith(seen)
    server.call("mutation", "chat:sendMessage", sessionId=session, content="/say again")
    server.until(lambda: last()["content"].strip(), "again")
