"""Everything together, as `make dev` starts it, around a user's package of five lines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support import engine

HOME = Path(__file__).parents[2]

COUNTER = """
from chalicelib import Index, MutationCtx, QueryCtx, Table, mutation, query


class Count(Table, name="stackCounts"):
    name: str
    value: int = 0
    by_name = Index("name")


@query
def read(ctx: QueryCtx, name: str) -> int:
    found = ctx.db.query(Count.by_name(name)).first()
    return found.value if found else 0


@mutation
def add(ctx: MutationCtx, name: str, by: int = 1) -> int:
    found = ctx.db.query(Count.by_name(name)).first()
    if found is None:
        ctx.db.insert(Count(name=name, value=by))
        return by
    return ctx.db.patch(found, value=found.value + by).value
"""


class Process:
    """`python -m infra.local` in a folder of its own, with the counter as the only app."""

    program = "infra.local"

    def __init__(self, folder: Path, **env: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.env = folder, env
        self.data = folder / "data"
        self.module = folder / "stack_app.py"
        self.save(COUNTER)
        self.start()

    def start(self) -> None:
        (self.data / "port").unlink(missing_ok=True)
        mine = {
            "CONCAVE_APPS": "stack_app",
            "PORT": "0",
            "DATA_DIR": str(self.data),
            "PYTHONPATH": str(self.folder),
            "PYTHONFAULTHANDLER": "1",
        }
        env = {name: value for name, value in os.environ.items() if name not in ("STAGE", "STORE", "ALLOWED_HOSTS")}
        env |= mine | self.env
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-m", self.program], cwd=HOME, env=env, stdout=log, stderr=log)
        try:
            self.port = int(self.until(lambda: (self.data / "port").read_text()))
        except BaseException:
            self.process.kill()
            self.process.wait(5)
            raise

    def save(self, text: str) -> None:
        """The app's module, whole: who watches the file never sees the half of it."""
        whole = self.folder / "stack_app.saved"
        whole.write_text(text)
        whole.replace(self.module)

    def call(self, kind: str, path: str, **args: Any) -> Any:
        body = json.dumps({"path": path, "args": args}).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/{kind}", body, timeout=10) as answer:
            said = json.loads(answer.read())
        return said["value"] if said["status"] == "success" else said

    def until(self, look: Any, wanted: Any = None) -> Any:
        """Ask again until it answers (as wanted)."""
        deadline = time.monotonic() + 20
        while True:
            try:
                found = look()
                if wanted is None or found == wanted:
                    return found
            except (OSError, KeyError):
                found = None
            assert time.monotonic() < deadline, f"{found!r}\n{self.said()}"
            assert self.process.poll() is None, self.said()
            time.sleep(0.02)

    def said(self) -> str:
        return (self.folder / "log").read_text()

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # faulthandler writes where every thread is
            self.process.wait(5)
            raise AssertionError(self.said()) from None


@pytest.fixture
def process(tmp_path) -> Iterator[Process]:
    made = Process(tmp_path)
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGKILL)


class Watcher:
    """A client that watches one counter and, as every Convex client does, connects again when it is cut."""

    def __init__(self, process: Process, name: str) -> None:
        self.url, self.name = f"ws://127.0.0.1:{process.port}/api/sync", name
        self.connect()

    def connect(self) -> None:
        self.client: ClientConnection = connect(self.url).__enter__()
        session = {"sessionId": str(uuid.uuid4()), "connectionCount": 0, "lastCloseReason": "InitialConnect", "clientTs": 0}
        add = {"type": "Add", "queryId": 0, "udfPath": "stack_app:read", "args": [{"name": self.name}]}
        self.client.send(json.dumps({"type": "Connect", **session}))
        self.client.send(json.dumps({"type": "ModifyQuerySet", "baseVersion": 0, "newVersion": 1, "modifications": [add]}))

    def until(self, wanted: int) -> None:
        """Read until the value is this one."""
        while True:
            try:
                frame = json.loads(self.client.recv(timeout=20))
            except ConnectionClosed:
                self.connect()
                continue
            values = [change["value"] for change in frame.get("modifications", ()) if change["type"] == "QueryUpdated"]
            if values == [wanted]:
                return


@engine.needs_engine
def test_a_commit_in_one_server_reaches_a_client_of_another_also_when_the_first_is_killed_right_after_it(tmp_path):
    dynamo = engine.Engine(tmp_path / "dynamo.db")
    # Killed with the lease of the other's client in hand, a server leaves it to expire: then that client is cut and returns.
    env = {"STORE": "dynamodb", "DYNAMODB_ENDPOINT_URL": dynamo.url, "MAILBOX_LEASE": "1", "SWEEP_SECONDS": "1"}
    servers: list[Process] = []
    try:
        servers += [Process(tmp_path / "one", **env)]
        servers += [Process(tmp_path / "two", **env)]
        one, two = servers
        watcher = Watcher(two, "a")
        watcher.until(0)
        assert one.call("mutation", "stack_app:add", name="a") == 1
        watcher.until(1)
        assert one.call("mutation", "stack_app:add", name="a") == 2
        one.end(signal.SIGKILL)
        watcher.until(2)
        watcher.client.close()
    finally:
        for process in servers:
            if process.process.poll() is None:
                process.end(signal.SIGTERM)
        dynamo.stop()


def test_a_users_package_is_served_data_survives_kill_9_and_sigterm_ends_it_politely(process):
    assert process.call("mutation", "stack_app:add", name="a") == 1
    process.end(signal.SIGKILL)
    process.start()
    assert process.call("query", "stack_app:read", name="a") == 1
    assert process.end(signal.SIGTERM) == 0
    assert not (process.data / "port").exists()
    assert "Concave is running at http://127.0.0.1:" in process.said()
    assert "POST /api/query stack_app:read" in process.said()


def test_a_second_server_on_the_same_data_is_refused_with_a_sentence(process, tmp_path):
    env = {
        **os.environ,
        "CONCAVE_APPS": "stack_app",
        "PORT": "0",
        "DATA_DIR": str(process.data),
        "PYTHONPATH": str(process.folder),
    }
    done = subprocess.run(
        [sys.executable, "-m", "infra.local"], cwd=HOME, env=env, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("concave: ")
    assert "Traceback" not in done.stderr


def test_a_taken_port_and_a_wrong_setting_are_refused_with_a_sentence(process, tmp_path):
    env = {**os.environ, "DATA_DIR": str(tmp_path / "other"), "PORT": str(process.port)}
    run = [sys.executable, "-m", "infra.local"]
    done = subprocess.run(run, cwd=HOME, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, f"cannot listen on port {process.port}" in done.stderr) == (1, True)
    done = subprocess.run(run, cwd=HOME, env={**env, "PORT": "many"}, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "PORT='many'" in done.stderr) == (2, True)


def test_an_index_that_is_declared_on_old_documents_finds_them_after_the_save_and_counts_them(process):
    for name in ("a", "b", "c"):
        process.call("mutation", "stack_app:add", name=name, by=7)
    process.save(
        COUNTER.replace('by_name = Index("name")', 'by_name = Index("name")\n    by_value = Index("value")')
        + """

@query
def having(ctx: QueryCtx, value: int) -> list[str]:
    assert ctx.db.count(Count.by_value(value)) == len(ctx.db.query(Count.by_value(value)).collect())
    return [each.name for each in ctx.db.query(Count.by_value(value)).collect()]
"""
    )
    process.until(lambda: process.call("query", "stack_app:having", value=7), ["a", "b", "c"])
    assert "built the index stackCounts.by_value: 3 documents" in process.said()


def test_saving_a_file_changes_the_answer_and_a_new_table_is_made(process):
    process.call("mutation", "stack_app:add", name="a")
    process.save(
        COUNTER.replace("by: int = 1", "by: int = 10")
        + """

class Note(Table, name="stackNotes"):
    text: str


@mutation
def note(ctx: MutationCtx, text: str) -> str:
    return ctx.db.get(Note, ctx.db.insert(Note(text=text))).text
"""
    )
    process.until(lambda: process.call("mutation", "stack_app:note", text="x"), "x")
    assert process.call("mutation", "stack_app:add", name="a") == 11
    process.save(COUNTER + "\n  broken")
    process.until(lambda: f"stack_app.py:{COUNTER.count(chr(10)) + 2}: IndentationError" in process.said(), True)
    assert process.call("mutation", "stack_app:add", name="a") == 21
