"""What is broken is found by `make smoke`, and nothing else is called broken."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cloud.stage import Stage, until
from tests.infra.test_bundle import here_is_lambda

pytestmark = [here_is_lambda, pytest.mark.timeout(600)]
REFUSED = b'{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}'


NEVER_S = 8
"""What waits for something that never comes waits so long: that it is broken, and not slow, is then seen elsewhere."""


def _failed(stage: Stage, *looks: str, seconds: int = 60) -> dict[str, str]:
    """What smoke calls broken, with its words; it has the time for each look that it has for an operator."""
    done = stage.smoke("--seconds", str(seconds), *(part for look in looks for part in ("--only", look)))
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    assert {about.rstrip(":") for _, about, _ in lines} == set(looks), f"{done.stdout}{done.stderr}"
    failed = {about.rstrip(":"): text for state, about, text in lines if state == "FAILED"}
    assert done.returncode == (1 if failed else 0), f"{done.stdout}{done.stderr}"
    return failed


def test_a_wrong_model_key_is_found(stage: Stage) -> None:
    asked: list[str] = []
    with _answering(401, REFUSED, asked) as url, stage.with_settings("generate", MODEL_URL=url):
        failed = _failed(stage, "version", "query", "reply")
    assert set(failed) == {"reply"}
    assert "a reply ends as failed" in failed["reply"]
    assert asked


def test_a_closed_path_of_sockets_is_found(stage: Stage) -> None:
    """The edge sends their paths to the HTTP API."""
    behaviours = stage.behaviours()
    kept, behaviours[:] = list(behaviours), [each for each in behaviours if each[1]["TargetOriginId"] != "sockets"]
    try:
        failed = _failed(stage, "version", "query", "socket")
    finally:
        behaviours[:] = kept
    assert set(failed) == {"socket"}
    assert "does not open" in failed["socket"]


def test_a_missing_permission_is_found(stage: Stage) -> None:
    began = time.time()
    with stage.without(lambda statement: statement["Sid"].startswith("Tables"), "run_job"):
        assert _failed(stage, "version", "query") == {}
        assert set(_failed(stage, "jobs", seconds=NEVER_S)) == {"jobs"}
        until(lambda: any("AccessDenied" in json.dumps(line) for line in stage.logged("run_job", began)), "it was refused")
    assert _failed(stage, "jobs") == {}


def test_a_post_over_the_wall_is_found(stage: Stage) -> None:
    """An address of @connections that takes nothing: what smoke is told of it is what the functions are."""
    asked: list[str] = []
    with (
        _answering(413, b'{"message":"Request Entity Too Large"}', asked) as url,
        stage.with_settings("ws_message", WS_ENDPOINT=url),
    ):
        assert _failed(stage, "version", "query") == {}
        assert set(_failed(stage, "posts", seconds=NEVER_S)) == {"posts"}
    assert any("/@connections/" in path for path in asked), asked
    assert _failed(stage, "posts") == {}


@contextmanager
def _answering(status: int, body: bytes, asked: list[str]) -> Iterator[str]:
    """A server that has one answer to everything, and keeps the paths that it was asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
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
