"""A small client of the sync protocol for the benchmark: blocking, one socket, exact moments."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve


class Client:
    """One connection."""

    def __init__(self, url: str, token: str, compression: str | None = "deflate") -> None:
        self.url, self.token = url, token
        address = url.replace("http", "ws") + "/api/1.48.0/sync"
        self.socket = connect(address, max_size=None, legacy=True, compression=compression)
        self._version = 0
        self._requests = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._moment = threading.Condition()
        self._transitions: list[tuple[float, dict[str, Any]]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._send(type="Connect", sessionId=str(uuid.uuid4()), connectionCount=0, lastCloseReason="InitialConnect")
        self._send(type="Authenticate", baseVersion=0, tokenType="User", value=token)
        self._modify([])
        self._until(lambda: any(each["endVersion"]["querySet"] == 1 for _, each in self._transitions))

    def mutation(self, path: str, args: dict[str, Any]) -> Any:
        """Call a mutation; returns when the Transition that shows its effect is here."""
        number = self._requests
        self._requests += 1
        self._send(type="Mutation", requestId=number, udfPath=path, args=[args])
        self._until(lambda: number in self._answers and self._shown(self._answers[number]))
        answer = self._answers.pop(number)
        if not answer["success"]:
            raise RuntimeError(answer["result"])
        return answer["result"]

    def subscribe(self, path: str, args: dict[str, Any]) -> None:
        """Add a query; returns when its first value is here."""
        number = self._version
        self._modify([{"type": "Add", "queryId": number, "udfPath": path, "args": [args]}])
        self._until(lambda: any(change["queryId"] == number for _, each in self._transitions for change in each["modifications"]))

    def query(self, path: str, args: dict[str, Any]) -> Any:
        """A query over HTTP."""
        body = json.dumps({"path": path, "args": args, "format": "json"}).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/api/query", body, headers), timeout=30) as response:
            return json.load(response)["value"]

    def next_transition(self) -> Callable[[], float]:
        """A wait for the next Transition that changes something: call the result for its moment."""
        before = len(self._transitions)

        def wait() -> float:
            self._until(lambda: any(each["modifications"] for _, each in self._transitions[before:]))
            return next(moment for moment, each in self._transitions[before:] if each["modifications"])

        return wait

    def close(self) -> None:
        """Hang up."""
        self.socket.close()
        self._reader.join(5)

    @staticmethod
    def echo(url: str) -> Callable[[str], str]:
        """A function that sends a text and returns what comes back."""
        socket = connect(url, legacy=True)

        def send(text: str) -> str:
            socket.send(text)
            return str(socket.recv())

        return send

    def until(self, ready: Callable[[], bool]) -> None:
        """Wait for what frames bring; `ready` is asked after each. TimeoutError after 30 s."""
        self._until(ready)

    def _shown(self, answer: dict[str, Any]) -> bool:
        if not answer["success"]:
            return True
        return any(_ts(each["endVersion"]["ts"]) >= _ts(answer["ts"]) for _, each in self._transitions[-50:])

    def _modify(self, changes: list[dict[str, Any]]) -> None:
        self._send(type="ModifyQuerySet", baseVersion=self._version, newVersion=self._version + 1, modifications=changes)
        self._version += 1

    def _send(self, **frame: Any) -> None:
        self.socket.send(json.dumps(frame))

    def _read(self) -> None:
        for text in self.socket:
            message, now = json.loads(text), time.perf_counter()
            with self._moment:
                if message["type"] == "Transition":
                    self._transitions.append((now, message))
                elif message["type"] in ("MutationResponse", "ActionResponse"):
                    self._answers[message["requestId"]] = message
                elif message["type"] != "Ping":
                    raise RuntimeError(text)
                self._moment.notify_all()

    def _until(self, ready: Callable[[], bool]) -> None:
        with self._moment:
            if not self._moment.wait_for(ready, timeout=30):
                raise TimeoutError("the server did not answer within 30 s")


def _ts(text: str) -> int:
    import base64

    return int.from_bytes(base64.b64decode(text), "little")


@contextmanager
def echo_server() -> Iterator[str]:
    """A WebSocket server that only echoes, on a free port."""

    def repeat(socket: ServerConnection) -> None:
        for text in socket:
            socket.send(text)

    with serve(repeat, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join(5)
