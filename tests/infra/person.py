"""Somebody who uses the packaged backend as people do: over a socket, and over HTTP."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.support.bench_client import Client


class Person(Client):
    """A client that also calls actions over its socket."""

    def action(self, path: str, args: dict[str, Any]) -> Any:
        number = self._requests
        self._requests += 1
        self._send(type="Action", requestId=number, udfPath=path, args=[args])
        self._until(lambda: number in self._answers)
        return self._answers.pop(number)["result"]


def registers_agents(url: str, by: Person) -> None:
    """Two agents are registered, over HTTP and over a socket: each has a signed secret, and one comes in with its token."""
    told = by.action("agents:create", {"id": "by-socket"})
    assert told["secret"].count(".") == 2
    headers = {"Authorization": f"Bearer {by.token}", "Content-Type": "application/json"}
    for path, args in (("agents:create", {"id": "by-http"}), ("agents:connect", {"agentId": "by-http"})):
        asked = urllib.request.Request(
            f"{url}/api/action", json.dumps({"path": path, "args": args, "format": "json"}).encode(), headers
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            told = json.load(answer)["value"]
    headers["Authorization"] = f"Bearer {told['accessToken']}"
    mine = urllib.request.Request(f"{url}/api/query", b'{"path": "agents:list", "args": {}}', headers)
    with urllib.request.urlopen(mine, timeout=60) as answer:  # verified by the public half
        assert answer.status == 200
