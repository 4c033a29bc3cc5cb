"""An AWS account on this machine: MiniStack in an environment and a process of its own (`account_process.py`).

Functions run in its Python, so that environment is made with the Python that packages. `AUTH=true` makes it verify signatures and
evaluate the deployed policies for every call.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ROOT = Path(__file__).parents[2]
PINNED = ROOT / "requirements-cloud.txt"
PROCESS = Path(__file__).with_name("account_process.py")
PLACE = ROOT / "build" / f"ministack-{sys.version_info[0]}.{sys.version_info[1]}"
REGION, ACCOUNT = "us-east-1", "123456789012"
PATIENT = Config(connect_timeout=240, read_timeout=240)
"""The emulator hears nobody while it ends the environments of a function that was changed."""
ROOT_USER = {"AWS_ACCESS_KEY_ID": "root-of-the-account", "AWS_SECRET_ACCESS_KEY": "its-secret"}


def install() -> Path:
    """The emulator's interpreter; its environment is made once, and again when its pin changes."""
    python, stamp = PLACE / "bin" / "python", PLACE / "installed.txt"
    if not stamp.exists() or stamp.read_text() != PINNED.read_text():
        base = getattr(sys, "_base_executable", sys.executable)
        subprocess.run([base, "-m", "venv", "--clear", str(PLACE)], check=True, timeout=120)
        command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-r", str(PINNED)]
        subprocess.run(command, check=True, timeout=600)
        stamp.write_text(PINNED.read_text())
    return python


def free_port() -> int:
    """A port of the loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Emulator:
    """The account, running.

    Args:
        folder: its files and its log.
        env: more of its settings.
    """

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "ministack.log"
        # Each environment of a function unpacks code and layer; where files are memory, that takes no time.
        memory = Path("/dev/shm")
        self._files = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else folder, prefix="concave-account-")
        settings = {
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            "S3_DATA_DIR": str(folder / "s3"),
            "TMPDIR": self._files.name,
            # Servers that nothing here asks for.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            # What is invoked and fails is tried again soon.
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.2",
            "LOG_LEVEL": "WARNING",
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            **ROOT_USER,
        }
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [str(install()), "-P", str(PROCESS)],
                cwd=folder,
                env={**settings, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._wait()

    def _wait(self, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=5):
                    return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"the emulator does not answer:\n{self.log.read_text()[-4000:]}") from None
                time.sleep(0.1)

    def env(self, **more: str) -> dict[str, str]:
        """What a command needs to take it for AWS."""
        where = {"AWS_ENDPOINT_URL": self.url, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        return {**where, **ROOT_USER, "AWS_EC2_METADATA_DISABLED": "true", "API_ENDPOINT": self.apis, **more}

    @property
    def apis(self) -> str:
        """Where the emulator has its APIs, by id: names below execute-api are no names of this machine."""
        return f"{self.url}/_aws/execute-api"

    def client(self, service: Any, **who: str) -> Any:
        """A client of a service; the account's root user without other credentials."""
        keys = {"aws_access_key_id": ROOT_USER["AWS_ACCESS_KEY_ID"], "aws_secret_access_key": ROOT_USER["AWS_SECRET_ACCESS_KEY"]}
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, config=PATIENT, **{**keys, **who})

    def stop(self) -> None:
        """End it, with its functions' processes."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._files.cleanup()
