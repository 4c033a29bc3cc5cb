"""What reading and writing a conversation costs beside the cheapest request, at 10 and at 10,000 messages.

`make bench-log` starts a local server in a process of its own and asks it over one kept
connection. Every round asks everything once, so that what else the machine does falls on all alike; the figures are medians,
and their ratio to `GET /version` in the same run is what two versions can be compared by.
"""

from __future__ import annotations

import http.client
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chalicelib.data.tables import all_specs
from chalicelib.runtime.registry import load
from chalicelib.settings import Settings
from infra.local.issuer import DevIssuer
from infra.local.model.server import ScriptedModel
from infra.local.sqlite.store import SqliteStore
from tests.functions.conftest import House
from tests.support.conversations import backend, fill, opened
from tests.walk.server import Served

LENGTHS = (10, 10_000)
ROUNDS = 120
TEXT = "A message of an ordinary length, as people write them to one another in a chat. " * 2


class Line:
    """One kept connection to the server."""

    def __init__(self, url: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def version(self) -> bytes:
        """The cheapest request."""
        self._connection.request("GET", "/version")
        return self._connection.getresponse().read()

    def call(self, kind: str, path: str, **args: Any) -> bytes:
        """A function; its whole answer."""
        self._connection.request("POST", f"/api/{kind}", json.dumps({"path": path, "args": args}), self._headers)
        text = self._connection.getresponse().read()
        assert json.loads(text)["status"] == "success", text
        return text


def timed(work: Callable[[], bytes]) -> tuple[float, int]:
    """Milliseconds, and bytes of the answer."""
    started = time.perf_counter()
    answer = work()
    return (time.perf_counter() - started) * 1000, len(answer)


def prepared(folder: Path) -> None:
    """Conversations of each length in the data of a server that is not running yet."""
    load(("chalicelib.functions",))  # which declares the tables
    with ScriptedModel(port=0) as model:
        house = House(model, SqliteStore(str(folder / "concave.db"), all_specs()))
        for length in LENGTHS:
            name = opened(backend(house), f"user-{length}", "agent-1", conversationId=f"conv-{length}")
            fill(house, name, length, TEXT)
            written = opened(backend(house), f"writer-{length}", "agent-1", conversationId=f"written-{length}")
            fill(house, written, length, TEXT)
        house.store.inner.close()


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepared(folder)
        server = Served(folder, CONCAVE_APPS="chalicelib.functions")
        try:
            report(Line(server.url, DevIssuer(Settings(data_dir=folder)).token("backend", "acme", roles=["service"])))
        finally:
            server.stop()


def report(line: Line) -> None:
    """Ask everything once a round, and print medians and ratios."""
    works: dict[str, Callable[[], bytes]] = {"GET /version": line.version}
    for length in LENGTHS:
        here, there = {"conversationId": f"conv-{length}"}, {"conversationId": f"written-{length}"}
        message = {"role": "user", "content": TEXT}
        works |= {
            f"get, {length:,} messages": lambda here=here: line.call("query", "conversations:get", **here),
            f"list, {length:,} messages": lambda n=length: line.call("query", "conversations:list", userId=f"user-{n}"),
            f"addMessage, {length:,} messages": lambda there=there, message=message: line.call(
                "mutation", "conversations:addMessage", **there, message=message
            ),
        }
    took: dict[str, list[tuple[float, int]]] = {what: [] for what in works}
    for _ in range(ROUNDS):
        for what, work in works.items():
            took[what].append(timed(work))
    base = statistics.median(ms for ms, _ in took["GET /version"])
    print(f"\n  {'medians of ' + str(ROUNDS):<32}{'ms':>8}{'x /version':>12}{'bytes':>9}")
    for what, found in took.items():
        median = statistics.median(ms for ms, _ in found)
        print(f"  {what:<32}{median:8.2f}{median / base:12.1f}{round(statistics.median(size for _, size in found)):9d}")


if __name__ == "__main__":
    main()
