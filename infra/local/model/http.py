"""The scripted model's sockets and requests: HTTP/1.1, one thread a connection.

An answer that waits (for its pace, or because a directive says so) waits in `select` on its own socket, so a client that goes
away is noticed at that moment and recorded: tests see in `requests` whether a stop really closed the connection.
"""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from infra.local.model import answers as model_answers
from infra.local.model import wire as model_wire
from infra.local.model.script import STATUS_FAULTS, Script, parse
from infra.local.model.stream import Pace, Stream, compose
from infra.local.model.wire import BadModelRequest, Part

MODELS = ("claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-5-5")
MAX_BODY = 32 * 1024 * 1024
"""The Messages API's own limit, in bytes."""


@dataclass
class Recorded:
    """One request, as it arrived and as it ended. Moments are of `time.monotonic()`.

    `sent` counts the chunks of the answer that were written; `done` is set when the server is through with the request, and
    `closed_early` says that this was because the client had gone.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any
    at: float
    status: int = 0
    sent: int = 0
    closed_early: bool = False
    ended_at: float | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Host(Protocol):
    """The model behind the sockets: what it remembers from one request to the next."""

    pace: Pace
    cache: model_wire.PromptCache
    stopping: threading.Event

    def record(self, request: Recorded) -> None:
        """A request arrived."""

    def acts_up(self, script: Script, body: Mapping[str, Any]) -> bool:
        """Whether this request gets its ordered fault."""


class Server(ThreadingHTTPServer):
    """Threads that nobody waits for, and sockets that can all be closed."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], model: Host) -> None:
        self.model = model
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the connections that are left; their threads wake and close them."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):  # its client was faster
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle of a write is no news; everything else is printed as usual."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class Gone(ConnectionError):
    """The client closed its side while an answer was being written."""


class _Handler(BaseHTTPRequestHandler):
    """One connection; several requests may follow each other on it."""

    protocol_version = "HTTP/1.1"
    server_version = "ScriptedModel"
    sys_version = ""
    disable_nagle_algorithm = True
    timeout = 300
    server: Server

    # Receiving ----------------------------------------------------------------------------------------------------------

    def do_GET(self) -> None:
        """`/v1/models` and one model; anything else is 404."""
        path = urlsplit(self.path).path
        self._record(None)
        with self._noting_the_end():
            model_id = path.removeprefix("/v1/models/")
            if path == "/v1/models":
                models = [_model(name) for name in MODELS]
                self._json(200, {"data": models, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]})
            elif model_id in MODELS:
                self._json(200, _model(model_id))
            else:
                self._error(404, "not_found_error", "Not found")

    def do_POST(self) -> None:
        """`/v1/messages` and `/v1/messages/count_tokens`, with or without `?beta=true`."""
        length = self.headers.get("content-length", "")
        size = int(length) if re.fullmatch(r"\d{1,12}", length) else 0
        body = None
        with suppress(ValueError):  # no JSON is no body, and is refused as such
            body = json.loads(self.rfile.read(size)) if 0 < size <= MAX_BODY else None
        self._record(body)
        with self._noting_the_end():
            if size > MAX_BODY:
                self.close_connection = True  # the rest of the body was not read
                self._error(413, "request_too_large", "Request exceeds the maximum size")
                return
            try:
                self._post(urlsplit(self.path).path, body)
            except BadModelRequest as bad:
                self._error(bad.status, bad.kind, bad.message)

    def _post(self, path: str, body: Any) -> None:
        model_wire.check_headers(self.recorded.headers)
        if path == "/v1/messages/count_tokens":
            self._json(200, {"input_tokens": model_wire.prompt_tokens(model_wire.check_body(body, counting=True))})
        elif path == "/v1/messages":
            self._answer(model_wire.check_body(body))
        else:
            self._error(404, "not_found_error", "Not found")

    def _record(self, body: Any) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.recorded = Recorded(self.command, parts.path, parse_qs(parts.query), headers, body, time.monotonic())
        self.request_id = model_wire.fresh_id("req")
        self.server.model.record(self.recorded)

    @contextmanager
    def _noting_the_end(self) -> Iterator[None]:
        """Records how the request ended, also when the client was gone."""
        try:
            yield
        except ConnectionError:
            self.recorded.closed_early = True
            raise
        finally:
            self.recorded.ended_at = time.monotonic()
            self.recorded.done.set()

    # Answering ----------------------------------------------------------------------------------------------------------

    def _answer(self, body: dict[str, Any]) -> None:
        model = self.server.model
        script = parse(model_answers.last_words(body))
        self.wait(script.silent_s)
        faulty = model.acts_up(script, body)
        if faulty and script.fault in STATUS_FAULTS:
            status, kind, text = STATUS_FAULTS[script.fault]
            wait = {} if script.retry_after is None else {"retry-after": f"{script.retry_after:g}"}
            self._error(status, kind, text, wait)
            return
        parts, reason = compose(body, script)
        fault = script.fault if faulty and script.fault != "empty" else None
        if body.get("stream"):
            Stream(self, body, script, fault).run(parts, reason, model.pace, model.cache.price(body))
        else:
            self.wait(script.slow_s)
            self._whole(body, parts, "refusal" if fault == "refusal" else reason, fault)

    def _whole(self, body: dict[str, Any], parts: list[Part], reason: str, fault: str | None) -> None:
        """The answer to a request that does not stream; a fault of streams cuts it off in the middle."""
        spoken = sum(len(part.chunks) for part in parts)
        cost = self.server.model.cache.price(body).fields() | {"output_tokens": spoken}
        message = model_wire.message(body["model"], model_wire.content_of(parts), reason, cost)
        if fault in (None, "refusal"):
            self._json(200, message)
            return
        if fault == "midstream":
            self._error(529, "overloaded_error", "Overloaded")
            return
        data = json.dumps(message).encode()
        self.head(200, {"content-type": "application/json", "content-length": str(len(data))})
        self.wfile.write(data[: len(data) // 2])
        self.break_off(fault)

    def _json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        self.head(status, {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})})
        self.wfile.write(data)

    def _error(self, status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        self._json(status, model_wire.error_body(kind, message, self.request_id), headers)

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        self.recorded.status = status
        self.send_response(status)
        for name, value in {**headers, "request-id": self.request_id}.items():
            self.send_header(name, value)
        self.end_headers()

    def write(self, data: bytes, chunks: int = 0) -> None:
        """Send a part of the body, which holds so many chunks of the answer."""
        self.wfile.write(data)
        self.recorded.sent += chunks

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the backend's own log tells what is asked of the model."""

    # Waiting and breaking -----------------------------------------------------------------------------------------------

    def wait(self, seconds: float) -> None:
        """Let time pass; a client that leaves meanwhile ends it at once.

        Raises:
            Gone: the client closed the connection, or the server stops.
        """
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            readable, _, _ = select.select([self.connection], [], [], left)
            if readable:
                if self.connection.recv(1, socket.MSG_PEEK) == b"":
                    raise Gone
                # The next request is already there; it has to wait its turn.
                if self.server.model.stopping.wait(min(left, 0.05)):
                    raise Gone

    def break_off(self, fault: str | None) -> None:
        """End the connection the way this fault does."""
        self.close_connection = True
        if fault == "stall":
            self.wait(float(self.timeout))
        elif fault == "reset":
            # Closing with a linger of zero seconds sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.rfile.close()
            self.connection.close()


def _model(name: str) -> dict[str, Any]:
    title = name.replace("-", " ").title()
    return {"type": "model", "id": name, "display_name": title, "created_at": "2026-01-01T00:00:00Z", "lifecycle": "active"}
