"""A real DynamoDB engine for tests: Dynoxide (npm `@dynoxide/linux-x64`) on a free port of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from pathlib import Path
from typing import IO

import pytest

BINARY = Path(__file__).parents[1] / "clients" / "node_modules" / "@dynoxide" / "linux-x64" / "dynoxide"


MISSING = "the DynamoDB engine comes with `npm ci` in tests/clients, which needs Node"


def available() -> bool:
    """Whether the engine is installed."""
    return BINARY.exists()


def require_engine() -> None:
    """Skip the test that asks where the engine is not installed."""
    if not available():
        pytest.skip(MISSING)


needs_engine = pytest.mark.skipif(not available(), reason=MISSING)
"""Of a test, or of a whole file, that is nothing without it."""


class Engine:
    """A running engine; `url` is its endpoint. With a file its data outlives `kill` and `start`."""

    def __init__(self, file: Path | None = None) -> None:
        self.file = file
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start on a free port and return when it listens; raises `RuntimeError` with its words when it does not."""
        if not os.access(BINARY, os.X_OK):
            BINARY.chmod(0o755)  # npm keeps the mode bits of a package's declared commands only, and this one declares none
        port = _free_port()
        command = [str(BINARY), "serve", "--port", str(port)]
        if self.file is not None:
            command += ["--db-path", str(self.file)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = self._process.stderr
        assert said is not None
        line = said.readline().decode()
        if "listening" not in line:
            self.kill()
            raise RuntimeError(f"the DynamoDB engine did not start: {line}")
        threading.Thread(target=_drain, args=(said,), daemon=True).start()
        self.url = f"http://127.0.0.1:{port}"

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def stop(self) -> None:
        """Ask it to end, and wait."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


def _drain(stream: IO[bytes]) -> None:
    """Read what the engine says, so that a full pipe never stops it."""
    with stream:
        for _ in stream:
            pass


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
