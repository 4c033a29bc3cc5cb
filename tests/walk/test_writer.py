"""The writer of a reply and its readers are apart: sockets come and go, and a writer that stood still is not believed any more.

Checks 15 and 18, with whole processes.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.bench_client import Client
from tests.support.engine import Engine
from tests.support.official import post
from tests.walk.conftest import on
from tests.walk.server import Served


def signed_in(url: str) -> Client:
    """Alice, connected."""
    return Client(url, str(post(url, "/dev/token", {"subject": "alice", "org": "acme"})["token"]))


def wait(holds: Callable[[], Any], what: str, most_s: float = 40.0) -> Any:
    """Ask until something is so."""
    end = time.monotonic() + most_s
    while not (found := holds()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)
    return found


def reply_of(client: Client, session: str) -> Callable[[], dict[str, Any]]:
    """How to ask for the session's reply, over HTTP."""
    return lambda: dict(client.query("chat:getMessages", {"sessionId": session})[-1])


def chunks(client: Client, session: str, reply: str) -> str:
    """The accepted chunks of a reply, joined."""
    text, after = "", -1
    while page := client.query("chat:subscribeToChunks", {"sessionId": session, "messageId": reply, "after": after, "limit": 64}):
        text += "".join(each["chunk"] for each in page)
        after = page[-1]["sequence"]
    return text


def test_a_reply_is_completed_although_every_socket_is_closed(served: Served) -> None:
    """Disconnect is not stop."""
    client = signed_in(served.url)
    session = client.mutation("chat:startSession", {})
    reply = client.mutation("chat:sendMessage", {"sessionId": session, "content": "/pace 120\nWrite about rivers in 100 words"})
    wait(lambda: chunks(client, session, reply), "the first chunk")
    client.close()
    told = wait(lambda: (found := reply_of(client, session)())["completed"] and found, "the end of the reply")
    assert told["status"] == "completed"
    assert len(told["content"].split()) > 80
    assert chunks(client, session, reply) == told["content"]


def test_a_writer_that_stood_still_changes_nothing_when_it_wakes_up(engine: Engine, tmp_path: Path) -> None:
    """SIGSTOP for longer than its lease: another process ends its reply; SIGCONT: the reply stays as it is.

    Only what it cost may become more exact: the writer knows what the model counted, where its end was an estimate."""
    soon = {"RUN_LEASE": "4", "SWEEP_SECONDS": "0.5"}
    running = [Served(tmp_path / "writer", **on(engine), **soon)]
    try:
        writer = running[0]
        client = signed_in(writer.url)
        session = client.mutation("chat:startSession", {})
        content = "/pace 30\nWrite about rivers in 500 words"
        reply = client.mutation("chat:sendMessage", {"sessionId": session, "content": content})
        wait(lambda: len(chunks(client, session, reply)) > 20, "some chunks")
        client.close()
        os.kill(writer.process.pid, signal.SIGSTOP)
        other = Served(tmp_path / "other", **on(engine), **soon)  # not sooner: it might have become the writer
        running.append(other)
        reader = signed_in(other.url)
        ended = wait(lambda: (found := reply_of(reader, session)())["completed"] and found, "the end of the reply")
        assert (ended["status"], ended["content"]) == ("interrupted", chunks(reader, session, reply))
        os.kill(writer.process.pid, signal.SIGCONT)
        # The writer's process serves again, and the next message is answered: the old one has nothing to say any more.
        after = reader.mutation("chat:sendMessage", {"sessionId": session, "content": "/say still here"})
        wait(lambda: reply_of(reader, session)()["completed"], "the next reply")
        log = {each["messageId"]: each for each in client.query("chat:getMessages", {"sessionId": session})}
        assert log[after]["content"] == "still here"
        assert log[reply] == {**ended, "usage": log[reply]["usage"]}
        assert chunks(client, session, reply) == ended["content"]
        reader.close()
    finally:
        for each in running:
            each.kill()
