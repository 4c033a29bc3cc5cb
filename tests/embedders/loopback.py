"""A server on this machine that answers as an endpoint of embeddings in OpenAI's style does, and as Bedrock's InvokeModel."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from chalicelib.embedders.hashing import Hashing


class Embeddings(ThreadingHTTPServer):
    """The server. `asked` are the requests so far; `say`, when set, is answered to each: status and body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.say: tuple[int, bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """What a real one would say; rows in another order than they were asked for."""
        size = body.get("dimensions") or body.get("output_dimension") or 16
        embed = Hashing(size).embed
        if path.startswith("/model/cohere."):
            return {"embeddings": {"float": embed(body["texts"])}, "texts": body["texts"]}
        if path.startswith("/model/"):
            return {"embedding": embed([body["inputText"]])[0], "inputTextTokenCount": 1}
        rows = [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(embed(body["input"]))]
        return {"object": "list", "data": rows[::-1], "model": body.get("model", "")}


class _Handler(BaseHTTPRequestHandler):
    server: Embeddings

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = unquote(self.path)
        self.server.asked.append((path, dict(self.headers), body))
        status, said = self.server.say or (200, json.dumps(self.server.answer(path, body)).encode())
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


@contextmanager
def serving() -> Iterator[Embeddings]:
    """A server, as long as the context is open."""
    server = Embeddings()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
