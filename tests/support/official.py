"""Runs the official clients, npm and PyPI, in processes of their own, against a served backend."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest

CLIENTS = Path(__file__).parents[1] / "clients"


class Client:
    """A scenario that runs; it ends with its findings, and may say steps before.

    Args:
        command: what to run, in tests/clients.
    """

    folder = CLIENTS

    def __init__(self, *command: str) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `stop`
        self.process = subprocess.Popen(
            command, cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, bufsize=1
        )

    def hear(self) -> Any:
        """The next thing that it says; its errors when it has ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self._errors()
        return json.loads(line)

    def say(self, line: str) -> None:
        """Tell it to go on."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def found(self, seconds: float = 60) -> Any:
        """What it found, when it has ended well."""
        assert self.process.stdout is not None
        late = threading.Timer(seconds, self.process.kill)
        late.start()
        out = self.process.stdout.read()  # not `communicate`: it passes over what `hear` has buffered
        self.process.wait()
        late.cancel()
        errors = self._errors()
        self.stop()
        assert self.process.returncode == 0, f"{out}\n{errors}"
        last = out.strip().splitlines()[-1]
        return last if last == "fine" else json.loads(last)

    def _errors(self) -> str:
        self.process.wait(20)
        self.errors.seek(0)
        return self.errors.read()

    def stop(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.errors):
            assert pipe is not None
            pipe.close()


def npm(url: str, scenario: str, **options: Any) -> Client:
    """A scenario of the npm clients (tests/clients/run.mjs)."""
    if not (CLIENTS / "node_modules" / "convex").exists():
        pytest.skip("the npm client comes with `npm ci` in tests/clients, which needs Node")
    return Client("node", "run.mjs", url, scenario, json.dumps(options))


def pypi(url: str, scenario: str, *argument: str) -> Client:
    """A scenario of the PyPI client (tests/clients/scenarios.py)."""
    return Client(sys.executable, "scenarios.py", url, scenario, *argument)


def post(url: str, path: str, body: dict[str, Any]) -> Any:
    """POST JSON, get JSON."""
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def add(url: str, name: str, amount: int = 1) -> int:
    """Count over HTTP, as somebody else would."""
    told = post(url, "/api/mutation", {"path": "scenarios:add", "args": {"name": name, "amount": amount}})
    assert told["status"] == "success", told
    return int(told["value"])
