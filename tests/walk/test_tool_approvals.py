"""A tool of the model's own reply waits for a decision: with whole processes, both stores and both ways of delivery."""

from __future__ import annotations

import threading
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bench_client import Client
from tests.support.tool_server import ToolServer
from tests.walk.conftest import on
from tests.walk.server import Served
from tests.walk.test_writer import reply_of, signed_in, wait

FIND = '/use tools__find {"words": "a bridge"}'


@pytest.fixture
def tools() -> Iterator[ToolServer]:
    with ToolServer() as running:
        yield running


@pytest.fixture(params=["sqlite-owner", "sqlite-rows", "dynamodb-owner", "dynamodb-rows"])
def asking(request: pytest.FixtureRequest, tmp_path: Path, tools: ToolServer) -> Iterator[Served]:
    """A server that may use these tools: on SQLite, then on the DynamoDB engine; with its sockets in memory, then in rows."""
    store, _, live = request.param.partition("-")
    env = on(request.getfixturevalue("engine")) if store == "dynamodb" else {}
    server = Served(tmp_path / "data", LIVE=live, MCP_HOSTS=tools.origin, RUN_LEASE="4", SWEEP_SECONDS="0.5", **env)
    yield server
    server.stop()


def said(client: Client, tools: ToolServer, content: str) -> str:
    """A conversation with these tools, in which this is said. Returns its session."""
    config = {"mcpServers": {"tools": {"url": tools.url, "requireApproval": "always"}}}
    record = client.mutation("images:create", {"config": config})["record"]
    client.mutation("images:send", {"imageId": record["imageId"], "content": content})
    return str(record["sessionId"])


def asked(client: Client) -> Any:
    """What waits for a decision, once something does."""
    return wait(lambda: client.query("permissions:waiting", {}), "a request")[0]["requestId"]


def test_a_reply_waits_over_a_kill_and_one_of_two_decisions_counts(asking: Served, tools: ToolServer) -> None:
    alice = signed_in(asking.url)
    session = said(alice, tools, FIND)
    request = asked(alice)
    alice.close()
    asking.kill()
    asking.start()
    deciders = [signed_in(asking.url) for _ in range(2)]
    assert asked(deciders[0]) == request
    assert tools.calls == []
    told: list[Any] = []

    def decide(who: Client, option: str) -> None:
        try:
            told.append(who.mutation("permissions:decide", {"requestId": request, "optionId": option})["optionId"])
        except (RuntimeError, AssertionError, urllib.error.URLError) as refused:
            told.append(refused)

    threads = [threading.Thread(target=decide, args=pair) for pair in zip(deciders, ("once", "deny"), strict=True)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    reply = reply_of(deciders[0], session)
    ended = wait(lambda: (found := reply())["completed"] and found, "the end of the reply")
    (counted,) = [each for each in told if isinstance(each, str)]
    assert (ended["status"], tools.calls) == ("completed", [("find", "a bridge")] if counted == "once" else [])
    assert ended["parts"][1]["isError"] == (counted == "deny")
    for each in deciders:
        each.close()


def test_a_kill_while_a_tool_is_used_ends_the_reply_and_the_tool_is_not_used_again(asking: Served, tools: ToolServer) -> None:
    alice = signed_in(asking.url)
    session = said(alice, tools, '/use tools__slow {"seconds": 30}')
    alice.mutation("permissions:decide", {"requestId": asked(alice), "optionId": "once"})
    wait(lambda: tools.calls, "the tool to be used")
    alice.close()
    asking.kill()
    asking.start()
    again = signed_in(asking.url)
    reply = reply_of(again, session)
    ended = wait(lambda: (found := reply())["completed"] and found, "the end of the reply")
    assert (ended["status"], [each["type"] for each in ended["parts"]]) == ("interrupted", ["tool_call"])
    assert tools.calls == [("slow", 30.0)]
    again.close()
