"""One packaging for all tests of a run, for it takes seconds and several workers want it; and an account of moto's."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from infra.account import Account, account

STAGE = "dev"
APPS = ("chalicelib.functions", "examples.counter", "tests.apps.permitted")


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a packaged stage: template and both bundles."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    out = base / "packaged" / STAGE
    out.mkdir(parents=True, exist_ok=True)
    with (base / "packaged.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (out / "template.json").exists():
            # In a process of its own: this one may have loaded other tests' tables.
            asked = f"package({STAGE!r}, {APPS!r}, Path({str(out)!r}), cache=BUILD / 'layers')"
            code = f"from pathlib import Path; from infra.package import BUILD, package; {asked}"
            subprocess.run([sys.executable, "-c", code], check=True, stdin=subprocess.DEVNULL, timeout=600)
    return out


@pytest.fixture(scope="session")
def template(packaged: Path) -> dict[str, Any]:
    """The packaged template."""
    read: dict[str, Any] = json.loads((packaged / "template.json").read_text())
    return read


@pytest.fixture
def where(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account of moto's."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield account()
