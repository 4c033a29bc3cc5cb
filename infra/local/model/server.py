"""The scripted model: a loopback server that speaks the Messages API, so that the real SDK runs without a key or a network.

    python -m infra.local.model --port 8088          # MODEL_URL=http://127.0.0.1:8088 points the backend at it

It answers in Markdown at a readable pace, counts tokens, and misbehaves on demand: a line such as `/fail overloaded` in the
last message orders a failure. All directives are in `script.py`; asking the model for `help` shows them.

Where things are: what it says `answers.py` and `prose.py`, what a directive means `script.py`, the API's paths `api.py`, its
requests `wire.py`, events `events.py` and prices `prompt.py`, sockets `http.py`, one streamed answer `stream.py`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from infra.local.model.api import Api
from infra.local.model.http import Recorded, Server
from infra.local.model.prompt import PromptCache
from infra.local.model.script import Script, usage
from infra.local.model.stream import Pace

__all__ = ["Pace", "Recorded", "ScriptedModel"]


class ScriptedModel:
    """The server. Use it as a context manager, or `start` and `stop` it.

    Args:
        port: 0 takes any free one.
        pace: the speed of every answer without a `/pace` of its own.
        cache_least: the shortest prefix, in tokens, that the prompt cache keeps; the real one wants 1024 or more.
    """

    def __init__(self, port: int = 0, pace: Pace | None = None, cache_least: int = 0) -> None:
        self.pace = pace or Pace()
        self.requests: list[Recorded] = []
        self.stopping = threading.Event()
        self.cache = PromptCache(cache_least)
        self._news = threading.Condition()
        self._failed: dict[str, int] = {}
        self._server = Server(port, Api(self).answer, self.stopping)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="scripted-model", daemon=True)

    @property
    def url(self) -> str:
        """Its base URL, without `/v1`, as the SDK wants it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> ScriptedModel:
        """Serve, in threads of its own."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port and every connection. It cannot be started again."""
        self.stopping.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.hang_up()

    def __enter__(self) -> ScriptedModel:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def wait_for(self, count: int, timeout_s: float = 5.0) -> Recorded:
        """The `count`-th request (from 1), once it has arrived.

        Raises:
            TimeoutError: it did not within `timeout_s`.
        """
        with self._news:
            if not self._news.wait_for(lambda: len(self.requests) >= count, timeout_s):
                raise TimeoutError(f"{len(self.requests)} of {count} requests came within {timeout_s} s")
            return self.requests[count - 1]

    def record(self, request: Recorded) -> None:
        """A request arrived."""
        with self._news:
            self.requests.append(request)
            self._news.notify_all()

    def acts_up(self, script: Script, body: Mapping[str, Any]) -> bool:
        """Whether this request gets its ordered fault: always, or the first `times` that this prompt is sent."""
        if script.fault is None or not script.times:
            return script.fault is not None
        key = hashlib.sha256(json.dumps(body["messages"], sort_keys=True).encode()).hexdigest()
        with self._news:
            self._failed[key] = self._failed.get(key, 0) + 1
            return self._failed[key] <= script.times


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.model", description="A scripted model.", epilog=usage())
    parser.add_argument("--port", type=int, default=8088, help="port on 127.0.0.1; 0 takes any free one")
    parser.add_argument("--pace", type=float, default=Pace.tokens_per_s, help="tokens a second; 0 is as fast as possible")
    asked = parser.parse_args()
    model = ScriptedModel(asked.port, Pace(asked.pace)).start()
    print(f"scripted model on {model.url}", flush=True)  # noqa: T201 - a program's one line
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        model.stop()
