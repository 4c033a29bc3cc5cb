"""What is broken is found by `make smoke`, and nothing else is called broken."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cloud.stage import Stage
from tests.infra.test_bundle import here_is_lambda

pytestmark = [here_is_lambda, pytest.mark.timeout(600)]
REFUSED = b'{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}'


def _failed(stage: Stage, *looks: str) -> set[str]:
    # What is broken never answers: half a minute is enough to know it.
    done = stage.smoke("--seconds", "30", *(part for look in ("version", *looks) for part in ("--only", look)))
    failed = {line.split()[1].rstrip(":") for line in done.stdout.splitlines() if line.split()[0] == "FAILED"}
    assert done.returncode == (1 if failed else 0), f"{done.stdout}{done.stderr}"
    return failed


def test_a_wrong_model_key_is_found(stage: Stage) -> None:
    with _answering(401, REFUSED) as url, stage.with_settings("generate", MODEL_URL=url):
        assert _failed(stage, "query", "reply") == {"reply"}


def test_a_closed_path_of_sockets_is_found(stage: Stage) -> None:
    """The edge sends their paths to the HTTP API."""
    behaviours = stage.behaviours()
    kept, behaviours[:] = list(behaviours), [each for each in behaviours if each[1]["TargetOriginId"] != "sockets"]
    try:
        assert _failed(stage, "query", "socket") == {"socket"}
    finally:
        behaviours[:] = kept


def test_a_missing_permission_is_found(stage: Stage) -> None:
    with stage.without(lambda statement: statement["Sid"].startswith("Tables"), "run_job"):
        assert _failed(stage, "query", "jobs") == {"jobs"}


def test_a_post_over_the_wall_is_found(stage: Stage) -> None:
    """An address of @connections that takes nothing: what smoke is told of it is what the functions are."""
    with _answering(413, b'{"message":"Request Entity Too Large"}') as url, stage.with_settings("ws_message", WS_ENDPOINT=url):
        assert _failed(stage, "query", "posts") == {"posts"}


@contextmanager
def _answering(status: int, body: bytes) -> Iterator[str]:
    """A server that has one answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_DELETE = do_POST
        do_GET = do_POST

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
