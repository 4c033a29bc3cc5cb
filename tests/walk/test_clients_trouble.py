"""The official clients through restarts, closed sockets, silence and a second process."""

from __future__ import annotations

import sqlite3
import urllib.request
from contextlib import closing
from pathlib import Path

from tests.support.engine import Engine
from tests.support.official import Client, npm, pypi
from tests.walk.conftest import SCENARIOS, Backend, on


def test_a_connection_that_the_server_deletes_comes_back_right(shared: Backend) -> None:
    """`DELETE @connections`, as a holder in doubt does it."""
    before = connections(shared)
    client = npm(shared.url, "disturbed", rounds=1)
    try:
        assert client.hear() == {"ready": 1}
        for name in connections(shared) - before:
            request = urllib.request.Request(f"{shared.url}/_aws/ws/@connections/{name}", method="DELETE")
            urllib.request.urlopen(request, timeout=10).close()
        client.say("go")
        assert client.found() == [[0, 1]] * 5
    finally:
        client.stop()


def connections(server: Backend) -> set[str]:
    """The ids of the connections that have a mailbox, from the local store."""
    with closing(sqlite3.connect(f"file:{server.folder / 'concave.db'}?mode=ro", uri=True)) as db:
        rows = db.execute('SELECT CAST(pk AS TEXT) FROM "items.mailboxes"').fetchall()
    return {name for (name,) in rows if name.endswith(f".{server.port}")}


def test_a_killed_server_comes_back_to_right_values(own: Backend) -> None:
    """`kill -9` with live subscriptions; on both stores. Values go on from where they were, and never back."""
    client = npm(own.url, "disturbed", rounds=2)
    try:
        for number in (1, 2):
            assert client.hear() == {"ready": number}
            own.kill()
            own.start()
            client.say("go")
        assert client.found() == [[0, 1, 2]] * 5
    finally:
        client.stop()


def test_python_comes_back_with_js_paths_after_a_kill(own: Backend) -> None:
    """On a reconnect Rust-based clients name `scenarios.js:get`."""
    client = pypi(own.url, "follow", "js-paths")
    try:
        assert client.hear() == 0
        own.add("js-paths")
        assert client.hear() == 1
        own.kill()
        own.start()
        own.add("js-paths", 2)
        heard = client.hear()
        assert (client.hear() if heard == 1 else heard) == 3
        assert client.found() == "fine"
    finally:
        client.stop()


def test_quiet_clients_are_pinged_and_stay_connected(tmp_path: Path) -> None:
    """25 s and 50 s in life, 1 s here: npm gives up after 60 s without a message, Rust-based clients after 30 s."""
    server = Backend(tmp_path / "data", PING_SECONDS="1", PING_SECONDS_RUST="1", SWEEP_SECONDS="0.5", **SCENARIOS)
    running: list[Client] = []
    try:
        running.append(npm(server.url, "idle", ms=20_000))
        running.append(npm(server.url, "road"))
        running.append(pypi(running[1].hear()["url"], "follow", "quiet"))
        assert running[2].hear() == 0
        assert [running[1].hear() for _ in range(3)] == [{"ping": True, "connections": 1}] * 3
        server.add("quiet", 3)
        assert running[2].hear() == 3
        assert running[2].found() == "fine"
        running[1].say("end")
        assert running[1].found()["connections"] == 1
        assert running[0].found() == {"connections": 1}
    finally:
        for each in running:
            each.stop()
        server.stop()


def test_a_commit_reaches_npm_on_another_process_also_when_its_own_is_killed(engine: Engine, tmp_path: Path) -> None:
    """Nothing travels inside a process: A commits and dies, the subscriber of B is told."""
    # If A dies while it serves B's connections, their leases must end first: 30 s in life.
    soon = {"MAILBOX_LEASE": "3", "SWEEP_SECONDS": "0.5"}
    one, two = (Backend(tmp_path / name, **on(engine), **SCENARIOS, **soon) for name in ("one", "two"))
    watchers = [npm(two.url, "follow", name="across"), pypi(two.url, "follow", "across")]
    try:
        assert [each.hear() for each in watchers] == [0, 0]
        one.add("across")
        assert [each.hear() for each in watchers] == [1, 1]
        one.add("across", 2)
        one.kill()
        assert [each.hear() for each in watchers] == [3, 3]
        assert [each.found() for each in watchers] == ["fine", "fine"]
    finally:
        for each in watchers:
            each.stop()
        one.kill()
        two.stop()
