"""What a worker keeps on this machine: who it is, its secret, and how its process is doing."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from concave_worker.agents.process import runs
from concave_worker.errors import WorkerError

SETTING = "CONCAVE_WORKER_HOME"


def default(environment: Mapping[str, str]) -> Path:
    """Where it is kept: `CONCAVE_WORKER_HOME`, else `~/.concave-worker`."""
    return Path(environment.get(SETTING) or Path.home() / ".concave-worker")


@dataclass(frozen=True)
class Identity:
    """Who this worker is. `token` is its secret, which whoever has it may use until it is revoked."""

    url: str
    machine_id: str
    worker_id: str
    name: str
    token: str


class Home:
    """A folder that only its owner reads.

    Args:
        folder: made with the first thing that is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def logs(self) -> Path:
        """Where the error output of agents goes."""
        return self.folder / "agents.log"

    def machine_id(self) -> str:
        """This machine's id, made once."""
        path = self.folder / "machine"
        if not path.exists():
            self._write("machine", f"m{secrets.token_hex(12)}")
        return path.read_text().strip()

    def identity(self) -> Identity:
        """Who this worker is. Raises `WorkerError`: it is not enrolled, or its file was opened to others."""
        path = self.folder / "worker.json"
        try:
            mode = path.stat().st_mode & 0o077
            kept = json.loads(path.read_text())
        except FileNotFoundError:
            raise WorkerError("This machine is not enrolled: concave-worker enrol URL --name NAME") from None
        if mode:
            raise WorkerError(f"{path} can be read by others, and holds a secret: chmod 600 it, and rotate the secret.")
        return Identity(**kept)

    def keep(self, identity: Identity) -> None:
        """Keep who this worker is."""
        self._write("worker.json", json.dumps(asdict(identity), indent=2))

    def forget(self) -> None:
        """Remove who this worker is."""
        (self.folder / "worker.json").unlink(missing_ok=True)

    def tell(self, status: dict[str, Any]) -> None:
        """Keep how this process is doing."""
        me = psutil.Process()
        self._write("status.json", json.dumps({"pid": me.pid, "started": me.create_time(), **status}))

    def status(self) -> dict[str, Any] | None:
        """How the last process is doing; None where it never ran. `alive` says whether it still runs."""
        try:
            status: dict[str, Any] = json.loads((self.folder / "status.json").read_text())
        except FileNotFoundError:
            return None
        return {**status, "alive": self.process(status) is not None}

    @staticmethod
    def process(status: Mapping[str, Any]) -> psutil.Process | None:
        """The process of a status, if it is still the same one."""
        try:
            process = psutil.Process(int(status["pid"]))
            same = abs(process.create_time() - float(status["started"])) < 1
            return process if same and runs(process) else None
        except psutil.Error:
            return None

    def _write(self, name: str, text: str) -> None:
        """Replace a file at once, readable by its owner only from its first byte on."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        number, path = tempfile.mkstemp(dir=self.folder)  # made with mode 0600
        with os.fdopen(number, "w") as file:
            file.write(text)
        os.replace(path, self.folder / name)
