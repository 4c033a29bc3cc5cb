"""A real server process on a free port, that can be killed and started again on its data."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPS = "chalicelib.functions,examples.counter"


class Served:
    """`python -m infra.local` (or another `program`) in its own process.

    Args:
        folder: its data.
        env: further settings.
    """

    program = "infra.local"

    def __init__(self, folder: Path, **env: str) -> None:
        self.folder, self.env = folder, env
        self.port = "0"
        self.lines: list[str] = []
        self._heard = threading.Condition()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start (again, on the same port and data); returns when it answers."""
        keep = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
        # Scenarios that share a server make its model fail as they like, and must not open the circuit for each other.
        settings = {"DATA_DIR": str(self.folder), "PORT": self.port, "CONCAVE_APPS": APPS, "PYTHONUNBUFFERED": "1"}
        settings |= {"MODEL_FAILURES": "0", "WORKERS_SHARED": "*"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.program],
            cwd=ROOT,
            env={**keep, **settings, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",  # a process that is killed may have written half a character
        )
        ready = threading.Event()
        threading.Thread(target=self._read, args=(self.process, ready), daemon=True).start()
        if not ready.wait(30) or self.process.poll() is not None:
            self.kill()
            raise RuntimeError("the server did not start:\n" + "".join(self.lines))

    def _read(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            with self._heard:
                self.lines.append(line)
                self._heard.notify_all()
            found = re.search(r"(?:running|serving) at http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = found[1]
                ready.set()
        process.stdout.close()
        process.wait()
        ready.set()  # it has ended: nobody waits for it any longer

    def hear(self, words: str, seconds: float = 30) -> None:
        """Wait until its log has said this."""
        with self._heard:
            assert self._heard.wait_for(lambda: any(words in line for line in self.lines), seconds), "".join(self.lines)

    def kill(self) -> None:
        """`kill -9`."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """Ask it to end."""
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()


class Serving(Served):
    """`make serve`, for others than this machine: it can compress, and writes no line for each call."""

    program = "infra.local.serve"

    def __init__(self, folder: Path, **env: str) -> None:
        super().__init__(folder, **{"DEV_TOKENS": "on", "SCRIPTED_MODEL": "on", **env})
