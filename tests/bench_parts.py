"""What the benchmarks are made of: a local server whose requests are counted, and a store that is a network away."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from chalicelib.settings import Settings
from infra.local.faults.counting import CountingStore
from infra.local.stack import Stack
from tests.support.stores import Around

T = TypeVar("T")


@dataclass
class Row:
    """One line of the report."""

    what: str
    store: CountingStore

    def print(self) -> None:
        """Requests by verb, then units."""
        requests = ", ".join(f"{count} {verb}" for verb, count in sorted(self.store.requests.items()))
        written = sum(count for (verb, _), count in self.store.items.items() if verb in ("write", "transact"))
        rcu, wcu = sum(self.store.rcu.values()), sum(self.store.wcu.values())
        print(f"  {self.what:<44} {written:5d} items written  {wcu:7.1f} WCU  {rcu:7.1f} RCU   {requests}")


class Far(Around):
    """A store that is a network away: every request takes some time longer.

    Args:
        inner: the store that does the work.
        seconds: how much longer.
    """

    def __init__(self, inner: Any, seconds: float) -> None:
        super().__init__(inner)
        self._seconds = seconds

    def around(self, verb: str, work: Callable[[], T]) -> T:
        """One request."""
        time.sleep(self._seconds)
        return super().around(verb, work)


class Counted:
    """A local server with a counting store, and quiet: no sweeps while something is counted."""

    def __init__(self, folder: Path, far_s: float = 0, **settings_: Any) -> None:
        self.store: CountingStore = None  # type: ignore[assignment]
        self.far_s = far_s
        apps = ("chalicelib.functions", "examples.counter")
        settings = Settings(
            data_dir=folder, port=0, apps=apps, identity_wait_ms=0, live="rows", workers_shared=("*",), **settings_
        )
        self.stack = Stack(settings, sweep_s=3600, wrap_store=self._wrap)
        self.stack.start()
        self.url = self.stack.url
        self.token = self.stack.issuer.token("alice", "acme")

    def _wrap(self, store: Any) -> CountingStore:
        from chalicelib.data.tables import all_specs

        self.store = CountingStore(Far(store, self.far_s) if self.far_s else store, all_specs())
        return self.store

    def count(self, what: str, work: Any) -> None:
        """Do something and print what it took, fan-out included."""
        self.settle()
        self.store.reset()
        work()
        self.settle()
        Row(what, self.store).print()

    def settle(self) -> None:
        """Wait until the store has been quiet for a moment: fan-out and jobs are done."""
        before = -1
        while before != (now := sum(self.store.requests.values())):
            before = now
            threading.Event().wait(0.25)

    def http(self, kind: str, path: str, args: dict[str, Any]) -> Any:
        """A call over HTTP; of an object with a `conversationId`, that."""
        body = json.dumps({"path": path, "args": args, "format": "json"}).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/api/{kind}", body, headers), timeout=30) as response:
            value = json.load(response)["value"]
        return value["conversationId"] if isinstance(value, dict) and "conversationId" in value else value
