"""The walk end to end: a real server process, real sockets, the official npm and PyPI clients."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.engine import Engine
from tests.support.official import CLIENTS, Client
from tests.walk.conftest import on
from tests.walk.server import Served


def node(url: str, scenario: str, *rest: str, script: str = "walk.mjs") -> Client:
    """A scenario of the npm client in a process of its own."""
    if not (CLIENTS / "node_modules" / "convex").exists():
        pytest.skip("the npm client comes with `npm ci` in tests/clients, which needs Node")
    return Client("node", script, url, scenario, *rest)


def test_the_npm_client_counts_and_another_one_sees_it(served: Served) -> None:
    """Invariants 3, 4, 5."""
    assert node(served.url, "counter").found() == {"read": 20, "last": 20, "rising": True}


def test_a_reply_streams_to_two_tabs_and_a_stranger_sees_nothing(served: Served) -> None:
    """The main job."""
    told = node(served.url, "reply").found()
    assert (told["status"], told["same"], told["stranger"]) == ("completed", True, [])
    assert told["chunks"] > 3
    assert told["length"] > 200


PYTHON = """
import sys
from convex import ConvexClient, ConvexError
client = ConvexClient(sys.argv[1])
assert client.mutation("counter:add", {"name": "p", "amount": 2}) == 2.0, "a mutation without any query"
seen = []
for value in client.subscribe("counter:get", {"name": "p"}):
    seen.append(value)
    if len(seen) == 3:
        break
    client.mutation("counter:add", {"name": "p"})
assert seen == [2.0, 3.0, 4.0], seen
try:
    client.mutation("chat:startSession", {})
except ConvexError as error:
    assert error.data["code"] == "Unauthorized", error.data
else:
    raise AssertionError("an anonymous caller was let in")
try:
    client.mutation("counter:add", {"nam": "p"})
except Exception as error:
    assert "ArgumentValidationError" in str(error), error
print("fine")
"""


def test_the_pypi_client_counts_subscribes_and_gets_errors_as_data(served: Served) -> None:
    """In its own process: its blocking calls hold the interpreter's lock."""
    ran = subprocess.run(
        [sys.executable, "-c", PYTHON, served.url], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert ran.stdout.strip() == "fine", ran.stdout + ran.stderr


def test_a_killed_server_keeps_what_was_accepted_and_the_run_ends(tmp_path: Path) -> None:
    """Invariant 7: `kill -9` in the middle of a reply, then the same data again."""
    server = Served(tmp_path / "data", RUN_LEASE="3", SWEEP_SECONDS="1")
    try:
        client = node(server.url, "survivor")
        begun = client.hear()
        server.kill()
        server.start()
        told = client.found(90)
    finally:
        server.stop()
    assert told["status"] == "interrupted"
    assert told["reason"]
    assert told["content"].startswith(begun["text"])
    assert told["content"].startswith(told["seen"])


def test_a_commit_reaches_the_subscriber_of_another_process(engine: Engine, tmp_path: Path) -> None:
    """Check 1: nothing travels in a process; also when the first one is killed right after the commit."""
    one, two = Served(tmp_path / "one", **on(engine)), Served(tmp_path / "two", **on(engine))
    script = """
import sys, urllib.request, json
from convex import ConvexClient
client = ConvexClient(sys.argv[2])
for value in client.subscribe("counter:get", {"name": "both"}):
    print(int(value), flush=True)
    if value == 2:
        break
"""
    watcher = subprocess.Popen(
        [sys.executable, "-c", script, one.url, two.url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert watcher.stdout is not None
        assert watcher.stdout.readline().strip() == "0"
        for number in (1, 2):
            body = json.dumps({"path": "counter:add", "args": {"name": "both"}})
            told = subprocess.run(
                ["curl", "-s", "-d", body, f"{one.url}/api/mutation"], capture_output=True, text=True, timeout=20
            )
            if number == 2:
                one.kill()
            assert json.loads(told.stdout)["value"] == number
            assert watcher.stdout.readline().strip() == str(number)
        assert watcher.wait(20) == 0
    finally:
        watcher.kill()
        watcher.communicate()
        one.kill()
        two.stop()


def test_react_hooks_paginate_without_gaps_and_roll_back_what_was_refused(served: Served) -> None:
    """`convex/react`: useQuery, useMutation with an optimistic update, usePaginatedQuery, setAuth with its refresh."""
    told = node(served.url, "", script="react.mjs").found()
    assert told["refused"]
    assert told["pages"] == ["six", "five", "four", "three", "two", "one"]
    assert told["tokens"] >= 2
    # The optimistic value, then the real one; the refused one is painted and taken back.
    assert [value for value in told["values"] if value in (0, 1)][:2] == [0, 1]
    assert told["values"][-1] == 1
    assert 1.5 in told["values"]
